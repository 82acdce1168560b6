"""What can be counted in a question in some ten microseconds: words, signs, and its options.

No list here knows a test's subjects; they name kinds of work that models differ in.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from zlib import crc32

_TOKEN: Final = re.compile(r"[a-z']+|[0-9]+")
_OPTION: Final = re.compile(r"\n[ \t]*\(?[A-Ja-j][.)][ \t]")
_DIGIT: Final = re.compile(r"[0-9]")
_NUMERIC: Final = re.compile(r"[-+$\d.,%/ ]+")
_WHOLE: Final = re.compile(r"all of|none of|both")
_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SIGNS: Final = "$\\^=+*/()_\"%|<>,;:?!.{}`#[]'\n-"

_LISTS: Final = {
    "what": "what",
    "which": "which",
    "why": "why because reason reasons",
    "how": "how",
    "who": "who whom whose",
    "when": "when where",
    "denial": "not no never none except neither nor least cannot false incorrect isn't "
    "doesn't don't",
    "quantity": "all every each any some most always only must both exactly",
    "mathematics": "equation function value number sum integer prime matrix vector angle triangle "
    "probability area square root graph polynomial derivative integral group ring field solve "
    "calculate compute find evaluate determine equal equals ratio percent average mean proof prove "
    "theorem set subset product factor multiple mod degree",
    "science": "energy mass force velocity acid reaction molecule atom electron temperature "
    "pressure cell cells gene dna protein species current voltage field ion solution organism "
    "charge wave light heat oxygen carbon",
    "code": "code algorithm array string loop program compiler memory cpu cache class def return "
    "int import python java sql function data network server bit byte bits bytes",
    "law": "court defendant plaintiff law contract sued statute liable crime murder jury trial "
    "negligence property deed constitutional convention treaty evidence action seller buyer",
    "medicine": "patient woman man year old blood disease symptoms treatment hospital physician "
    "history pain physical examination diagnosis virus infection drug therapy",
    "money": "cost price tax income company sales bank market interest rate accounting auditor "
    "assets stock inflation demand supply budget dollars profit loss",
    "people": "people social society children child behavior psychologist theory psychology "
    "personality learning emotional group person student students research study",
    "past": "century war empire king government political president revolution passage excerpt "
    "british american europe european state states nation policy",
    "thought": "according argues moral ethics ethical philosophy god religion truth argument claim "
    "premise conclusion logic virtue",
    "persons": "he she his her him they their",
    "speaker": "you your i my me we our us",
    "condition": "if then suppose assume given let unless would should",
    "order": "write summarize summarise translate explain describe list create generate rewrite "
    "draft compose essay story poem email",
    "statement": "statement statements true correct following",
}
_COMMON: Final = (
    "the of and to a in is that for it as was with be by on not he his but at are this have "
    "from or had an they which one you were all her she there would their we him been has "
    "when who will no more if out so up said what its about than into them can only other "
    "time new some could these two may first then do any like my now over such our man me "
    "even most made after also did many off before must well back through years where much "
    "your way"
)


def _kinds() -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for place, words in enumerate([*_LISTS.values(), _COMMON]):
        for word in words.split():
            found.setdefault(word, []).append(place)
    return {word: tuple(places) for word, places in found.items()}


_KINDS: Final = _kinds()
_COUNT: Final = len(_LISTS)

_SIZES: Final = ("chars", "tokens", "stem_chars", "stem_tokens", "stops")
_MADE: Final = (
    "digits",
    "numbers",
    "stem_numbers",
    "capitals",
    "word_length",
    "long",
    "distinct",
    "common",
)
_FORM: Final = ("gap", "ends_asking", "ends_colon", "ends_stop", "shouted", "foreign")
OPTION_NAMES: Final = (
    "options",
    "option_mean",
    "option_most",
    "option_least",
    "option_spread",
    "option_numbers",
    "option_numeric",
    "option_all",
    "option_truth",
    "option_alike",
    "option_shared",
    "option_stem",
    "option_capital",
    "option_stop",
)
NAMES: Final[tuple[str, ...]] = (
    *_SIZES,
    *_LISTS,
    *(f"stem_{name}" for name in _LISTS),
    *_MADE,
    *(f"sign_{ord(sign)}" for sign in _SIGNS),
    *_FORM,
    *OPTION_NAMES,
)
"""What the numbers are, in their order."""


@dataclass(frozen=True, slots=True)
class Counted:
    """`numbers` as NAMES says; `distinct` are the lower-case words and numbers."""

    numbers: list[float]
    distinct: Collection[str]


def counted(text: str) -> Counted:
    """Read one question."""
    marks = [found.start() for found in _OPTION.finditer(text)]
    asked = text[: marks[0]] if len(marks) > 1 else text
    options = _options(text, marks) if len(marks) > 1 else []
    stem_tokens = _TOKEN.findall(asked.lower())
    tokens = stem_tokens
    if options:
        tokens = stem_tokens + _TOKEN.findall(text[marks[0] :].lower())
    counts = Counter(tokens)
    kinds, stem = _tally(counts), frozenset(stem_tokens)
    in_stem = _tally(dict.fromkeys(stem, 1)) if options else kinds
    numbers = [
        math.log1p(len(text)),
        math.log1p(len(tokens)),
        math.log1p(len(asked)),
        math.log1p(len(stem_tokens)),
        math.log1p(asked.count(".")),
    ]
    numbers += [_LOG[min(count, 63)] for count in kinds[:_COUNT]]
    numbers += [1.0 if count else 0.0 for count in in_stem[:_COUNT]]
    numbers += _words(text, tokens, stem_tokens, len(counts), kinds[_COUNT])
    numbers += [_LOG[min(text.count(sign), 63)] for sign in _SIGNS]
    numbers += _form(text, asked)
    numbers += _about_options(options, stem)
    return Counted(numbers, counts)


@lru_cache(maxsize=8192)
def bucket(token: str) -> bytes:
    """A word's place (20 bits) and sign (the bit above), four bytes: for ever the same."""
    return (crc32(token.encode()) & 0x1FFFFF).to_bytes(4, sys.byteorder)


_LOG: Final = [math.log1p(count) for count in range(64)]


def _tally(counts: Mapping[str, int]) -> list[int]:
    found = [0] * (_COUNT + 1)
    for token in _KINDS.keys() & counts.keys():
        for place in _KINDS[token]:
            found[place] += counts[token]
    return found


def _words(
    text: str, tokens: list[str], stem_tokens: list[str], distinct: int, common: int
) -> list[float]:
    lengths = list(map(len, tokens))
    figures = list(filter(str.isdigit, tokens))
    count, chars = max(1, len(tokens)), max(1, len(text))
    capitals = text.encode("utf-8", "replace")
    return [
        sum(map(len, figures)) / chars,
        math.log1p(len(figures)),
        math.log1p(len(list(filter(str.isdigit, stem_tokens)))),
        (len(capitals) - len(capitals.translate(None, _UPPER))) / chars,
        sum(lengths) / count,
        len([length for length in lengths if length > 8]) / count,
        distinct / count,
        common / count,
    ]


def _form(text: str, stem: str) -> list[float]:
    asked = stem.rstrip()
    shouted = any(word in text for word in ("EXCEPT", "NOT ", "LEAST"))
    foreign = 0 if text.isascii() else len(text.encode("utf-8", "replace")) - len(text)
    return [
        float("__" in text),
        float(asked.endswith("?")),
        float(asked.endswith(":")),
        float(asked.endswith(".")),
        float(shouted),
        foreign / max(1, len(text)),
    ]


def _options(text: str, marks: list[int]) -> list[str]:
    ends = [*marks[1:], len(text)]
    found = [text[begin:end].strip() for begin, end in zip(marks, ends, strict=True)]
    found[-1] = found[-1].split("\n", 1)[0]  # what follows the last option is not of it
    return [one.lstrip("(")[2:].strip() for one in found]


def _about_options(options: list[str], stem: AbstractSet[str]) -> list[float]:
    count = len(options)
    if count < 2:
        return [0.0] * len(OPTION_NAMES)
    lengths = [len(one) for one in options]
    mean = sum(lengths) / count
    spread = math.sqrt(sum((length - mean) ** 2 for length in lengths) / count)
    low = [one.lower() for one in options]
    joined = "\n".join(low)
    sets = [set(one.split()) for one in low]
    union, shared = set().union(*sets), sets[0].intersection(*sets[1:])
    return [
        float(count),
        math.log1p(mean),
        math.log1p(max(lengths)),
        math.log1p(min(lengths)),
        spread / (1 + mean),
        len([one for one in options if _DIGIT.search(one)]) / count,
        float(all(_NUMERIC.fullmatch(one) for one in options)),
        float(_WHOLE.search(joined) is not None),
        float("true" in joined or "false" in joined),
        float(len({one.split(",", 1)[0].split(" ", 1)[0] for one in low}) < count),
        len(shared) / max(1, len(union)),
        len(union & stem) / max(1, len(union)),
        sum(one[:1].isupper() for one in options) / count,
        sum(one.endswith(".") for one in options) / count,
    ]
