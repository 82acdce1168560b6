"""What a decision needs of a text, without the text: hashes of its words, and what they are.

A sketch is bytes: it is stored beside the vector. Hashes are keyed by a salt of the scope, so that
equal words of two scopes do not look equal; who holds the salt can still guess short words.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from struct import Struct, unpack

from scrimp.quality.measures import amounts
from scrimp.quality.wordlists import (
    EXCLUSIVE,
    FILLERS,
    LANGUAGES,
    NEGATIONS,
    NUMBER_WORDS,
    PLACES,
    SAME,
    UNITS,
)

VERSION = 3
MAX_CHARS = 20_000
"""Beyond, only a digest is compared: a question is shorter, and a scan must stay short."""
MAX_WORDS = 120

NUMBER, NEGATION, UNIT, NAME, FILLER = 1, 2, 4, 8, 16
_SET = 32
_WORDS = re.compile(
    r"(?<!\w)\.\d+|\d+(?:[.,:/-]\d+)*"  # numbers, dates, times, versions
    r"|[$\u20ac\u00a3\u00a5%]|\b[ap]\.m\b"  # signs of units, halves of the day
    r"|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # written without spaces: each sign is a word
    r"|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+(?:['\u2019][^\W\d_]+)*"
)
_HALVES = {"am": "a.m", "pm": "p.m"}
_HEAD = Struct("<BBHH8s8s")
_WORD = Struct("<IH")
WORD_BYTES = _WORD.size
"""A word in `word_rows`: its hash (4 bytes, little-endian) and what it is (2)."""


@dataclass(frozen=True)
class Sketch:
    """A sketch, read: hashes of words in order, what each is, and digests of the whole."""

    language: int
    length: int
    words: tuple[int, ...]
    kinds: tuple[int, ...]
    numbers: bytes
    whole: bytes
    amounts: frozenset[int]

    @cached_property
    def bag(self) -> Counter[int]:
        """Words and how often."""
        return Counter(self.words)

    @cached_property
    def distinct(self) -> frozenset[int]:
        """Words."""
        return frozenset(self.words)

    @cached_property
    def once(self) -> dict[int, int]:
        """Words that stand once, in order, and where."""
        places = dict(zip(self.words, range(len(self.words)), strict=True))
        if len(places) < len(self.words):
            return {word: at for word, at in places.items() if self.bag[word] == 1}
        return places

    @cached_property
    def pairs(self) -> frozenset[tuple[int, int]]:
        """Words that stand side by side."""
        return frozenset(zip(self.words, self.words[1:], strict=False))

    @cached_property
    def negations(self) -> int:
        """How many words deny."""
        return sum(1 for kind in self.kinds if kind & NEGATION)

    @cached_property
    def names(self) -> frozenset[int]:
        """Words with a capital that do not open the text."""
        return self._of(NAME)

    @cached_property
    def units(self) -> frozenset[int]:
        """Units and currencies."""
        return self._of(UNIT)

    @cached_property
    def telling(self) -> frozenset[int]:
        """Words that are not there for the sentence alone."""
        both = zip(self.words, self.kinds, strict=True)
        return frozenset(word for word, has in both if not has & FILLER)

    @cached_property
    def exclusive(self) -> dict[int, set[int]]:
        """Of each set of words that exclude each other, those that stand here."""
        found: dict[int, set[int]] = {}
        for kind in self.kinds:
            if kind >= _SET:
                number, place = divmod(kind // _SET - 1, PLACES)
                found.setdefault(number, set()).add(place)
        return found

    def _of(self, kind: int) -> frozenset[int]:
        both = zip(self.words, self.kinds, strict=True)
        return frozenset(word for word, has in both if has & kind)


def sketch(text: str, salt: bytes = b"") -> bytes:
    """The sketch of a text, at most 800 bytes. `salt` has up to 64 bytes."""
    whole = blake2b(text.encode("utf-8", "replace"), digest_size=8, key=salt).digest()
    found = _WORDS.findall(text[:MAX_CHARS])
    lowered = _one_way(found)
    names = _named(found)
    numbers = sorted(number for word in lowered if (number := _number(word)))
    digest = blake2b("|".join(numbers).encode(), digest_size=8, key=salt).digest()
    measured = sorted({_hash(amount, salt) for amount in amounts(lowered, _number)})
    head = _HEAD.pack(
        VERSION,
        _language(lowered),
        min(len(found), 0xFFFF),
        len(measured),
        digest if numbers else bytes(8),
        whole,
    )
    # Of a long text both ends are kept: what is asked stands at one of them.
    kept = list(zip(lowered, names, strict=True))
    if len(kept) > MAX_WORDS:
        kept = [*kept[: MAX_WORDS // 2], *kept[-MAX_WORDS // 2 :]]
    rows = [(_hash(word, salt), _kind(word, name)) for word, name in kept]
    rows += [(amount, 0) for amount in measured]  # at the end; the head says how many
    return head + b"".join(_WORD.pack(*row) for row in rows)


def word_rows(kept: bytes) -> bytes | None:
    """The words of a sketch, as they are kept; None for one of another version, or damaged."""
    if len(kept) < _HEAD.size or (len(kept) - _HEAD.size) % WORD_BYTES or kept[0] != VERSION:
        return None
    return kept[_HEAD.size :]


def read(kept: bytes) -> Sketch | None:
    """A sketch from its bytes; None for one of another version, or damaged."""
    if (rows := word_rows(kept)) is None:
        return None
    _, language, length, measured, numbers, whole = _HEAD.unpack_from(kept)
    size = len(rows) // WORD_BYTES
    count = size - measured
    if count < 0:
        return None
    row = unpack("<" + "IH" * size, rows)
    words, kinds, found = row[: 2 * count : 2], row[1 : 2 * count : 2], row[2 * count :: 2]
    return Sketch(language, length, words, kinds, numbers, whole, frozenset(found))


def _one_way(found: list[str]) -> list[str]:
    """Words in small letters, spellings of one and names of one unit as one."""
    words = [word.lower().replace("\u2019", "'") for word in found]
    for at, word in enumerate(words):
        if word in _HALVES and at and words[at - 1][0].isdigit():
            words[at] = _HALVES[word]
        elif word in SAME:
            words[at] = SAME[word]
    return words


def _hash(word: str, salt: bytes) -> int:
    named = (_number(word) or word).encode("utf-8", "replace")
    return int.from_bytes(blake2b(named, digest_size=4, key=salt).digest(), "little")


def _number(word: str) -> str:
    """The number that a word is, written one way; empty when it is none."""
    if word[0] == ".":
        return f"0{word}"
    if not word[0].isdigit():
        return NUMBER_WORDS.get(word, "")
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+", word):
        return word.replace(",", "")
    return word


def _kind(word: str, is_name: bool) -> int:  # noqa: FBT001  # one of two facts about a word
    kind = EXCLUSIVE.get(word, 0) * _SET
    if _number(word):
        kind |= NUMBER
    if word in NEGATIONS or word.endswith("n't"):
        kind |= NEGATION
    if word in UNITS:
        kind |= UNIT
    if is_name:
        return kind | NAME
    return kind | (FILLER if word in FILLERS else 0)


def _named(found: list[str]) -> list[bool]:
    """Which words are names by their capital; none where everything is in capitals."""
    upper = sum(1 for word in found if word[:1].isupper())
    if upper * 2 > len(found) + 1:
        return [False] * len(found)
    return [place > 0 and word[:1].isupper() and word != "I" for place, word in enumerate(found)]


def _language(words: list[str]) -> int:
    """A guess: number of the language with most telling words, by script where that tells; 0: none.

    Made for one question only: would the same answer be in the wrong language?
    """
    if any("\u0400" <= word[0] <= "\u04ff" for word in words):
        return 101
    if any(word[0] >= "\u3040" for word in words):
        return 102
    if any("\u0590" <= word[0] <= "\u06ff" for word in words):
        return 103
    counts = [sum(1 for word in words if word in telling) for telling in LANGUAGES]
    best = max(counts)
    if best < 2 or counts.count(best) > 1:
        return 0
    return counts.index(best) + 1
