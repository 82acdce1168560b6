"""Judges that only compare: words, JSON, numbers, code. Free, instant, and silent when in doubt.

`ERRORS` says how often each is wrong where it says anything: this project's own estimate, not a
measurement of your answers.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from scrimp.calls import FREE_COST, Call, Reply
from scrimp.dialects.base import Dialect
from scrimp.meanings import Opinion, VerdictSource
from scrimp.quality.lexical import opposites
from scrimp.quality.sketch import read, sketch
from scrimp.quality.wordlists import NUMBER_WORDS
from scrimp.semantics.answers import text_of

ERRORS: Final[Mapping[VerdictSource, float]] = {
    "equal": 0.0,  # the same words
    "json": 0.005,  # fields that say one thing in two ways
    "numbers": 0.02,  # examples and asides have numbers, too
    "code": 0.01,  # what is said around it may differ in more than is looked for
    "embedding": 0.10,  # near is not equal
    "model": 0.05,  # until its two orders have told
    "function": 0.0,  # its owner's word holds
    "user": 0.05,  # slips, and opinions of style
}

Compare = Callable[[str, str], bool | None]

_WORDS = re.compile(
    r"\d+(?:[.,:/-]\d+)*"  # numbers, dates, times, ranges
    r"|\w+"
    r"|(?<![\w)])[-\u2212](?=[\d.$\u20ac\u00a3\u00a5])"  # below zero
    r"|(?<=[\d)])\s*[-\u2212*]\s*(?=[\d(])"  # sums
    r"|(?<=\w)\#"  # C#
    r"|[^\w\s.,;:!?'\"()\[\]{}*_`\#|\u2010-\u201f\u2022\u2026\u2212\u00ab\u00bb\u00b7\u00a1\u00bf-]"
)
"""Words, numbers, and signs that may carry a meaning: of currencies, of sums, a check mark.

What punctuates a text, or marks it up, carries none."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_LISTED = re.compile(r"^\s*(?:\d+[.)]|[-*\u2022])\s+", re.MULTILINE)
_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_SHORT_WORDS = 3
_FREE_TEXT_WORDS = 4
_ALIKE = ("yes yeah yep true correct right sure", "no nope false incorrect wrong")


class Plain:
    """A judge over two texts."""

    def __init__(
        self, source: VerdictSource, compare: Compare, dialects: Mapping[str, Dialect]
    ) -> None:
        self._source = source
        self._compare = compare
        self._dialects = dialects

    async def __call__(self, call: Call, kept: Reply, fresh: Reply) -> Opinion:
        """Without asking anybody."""
        dialect = self._dialects[call.target.dialect]
        one, two = text_of(kept, dialect), text_of(fresh, dialect)
        equal = self._compare(one, two) if one and two else None
        return Opinion(equal, self._source, FREE_COST)


def same_words(one: str, two: str) -> bool | None:
    """Equal but for case, marks and spaces. Short ones with no word in common differ, too."""
    mine, theirs = _words(one), _words(two)
    if not mine or not theirs:
        return None
    if mine == theirs:
        return True
    short = max(len(mine), len(theirs)) <= _SHORT_WORDS
    return False if short and not _meant(mine) & _meant(theirs) else None


def same_json(one: str, two: str) -> bool | None:
    """Equal as data. Free texts in it cannot be told from here."""
    mine, theirs = _data(one), _data(two)
    if mine is None or theirs is None:
        return None
    try:
        return _same(mine, theirs)
    except RecursionError:  # deeper than anybody means
        return None


def same_numbers(one: str, two: str) -> bool | None:
    """False where both have numbers and share none; anything else is no sign."""
    mine, theirs = _numbers(one), _numbers(two)
    return False if mine and theirs and not mine & theirs else None


def same_code(one: str, two: str) -> bool | None:
    """True for the same blocks in the same order, but for spaces at line ends and empty lines.

    What is said around them may differ, but not deny, or turn round, what the other says.
    """
    mine, theirs = _code(one), _code(two)
    if not mine or mine != theirs:
        return None
    said, heard = (read(sketch(_FENCE.sub(" ", text))) for text in (one, two))
    if said is None or heard is None or opposites(said, heard):
        return None
    return True if (said.negations > 0) == (heard.negations > 0) else None


def _words(text: str) -> list[str]:
    found = _WORDS.findall(unicodedata.normalize("NFC", text).casefold())
    return [word.strip() for word in found]


def _meant(words: list[str]) -> set[str]:
    """Words, and those that say the same where an answer is one word: yes and true, 4 and four."""
    alike = {same[: same.index(" ")] for same in _ALIKE if not set(same.split()).isdisjoint(words)}
    return {*words, *alike, *(NUMBER_WORDS.get(word, word) for word in words)}


def _data(text: str) -> dict[str, Any] | list[Any] | None:
    found = _FENCE.fullmatch(text.strip())
    try:
        value = json.loads(found[1] if found else text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _same(one: Any, two: Any) -> bool | None:
    """None where only free texts differ."""
    if isinstance(one, dict) and isinstance(two, dict):
        if one.keys() != two.keys():
            return False
        return _all([_same(one[key], two[key]) for key in one])
    if isinstance(one, list) and isinstance(two, list):
        if len(one) != len(two):
            return False
        return _all([_same(mine, theirs) for mine, theirs in zip(one, two, strict=True)])
    if isinstance(one, str) and isinstance(two, str):
        return _same_text(_words(one), _words(two))
    return isinstance(one, bool) == isinstance(two, bool) and bool(one == two)


def _same_text(mine: list[str], theirs: list[str]) -> bool | None:
    if mine == theirs:
        return True
    return None if max(len(mine), len(theirs)) >= _FREE_TEXT_WORDS else False


def _all(verdicts: list[bool | None]) -> bool | None:
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _numbers(text: str) -> frozenset[str]:
    found = (number.replace(",", "") for number in _NUMBER.findall(_LISTED.sub("", text)))
    # 5, 5.0 and 5.00 are one number
    return frozenset(one.rstrip("0").rstrip(".") if "." in one else one for one in found)


def _code(text: str) -> list[str]:
    return [
        "\n".join(line.rstrip() for line in block.splitlines() if line.strip())
        for block in _FENCE.findall(text)
    ]


COMPARED: Final[Mapping[str, Compare]] = {
    "equal": same_words,
    "json": same_json,
    "numbers": same_numbers,
    "code": same_code,
}
