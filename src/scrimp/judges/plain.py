"""Judges that only compare: words, JSON, numbers, code. Free, instant, and silent when in doubt.

`ERRORS` says how often each is wrong where it says anything: this project's own estimate, not a
measurement of your answers.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from scrimp.calls import FREE_COST, Call, Reply
from scrimp.dialects.base import Dialect
from scrimp.meanings import Opinion, VerdictSource
from scrimp.semantics.answers import text_of

ERRORS: Final[Mapping[VerdictSource, float]] = {
    "equal": 0.0,  # the same words
    "json": 0.005,  # fields that say one thing in two ways
    "numbers": 0.02,  # examples and asides have numbers, too
    "code": 0.0,
    "embedding": 0.10,  # near is not equal
    "model": 0.05,  # until its two orders have told
    "function": 0.0,  # its owner's word holds
    "user": 0.05,  # slips, and opinions of style
}

Compare = Callable[[str, str], bool | None]

_WORDS = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_LISTED = re.compile(r"^\s*(?:\d+[.)]|[-*\u2022])\s+", re.MULTILINE)
_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_SHORT_WORDS = 3
_FREE_TEXT_WORDS = 4


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
    if mine == theirs:
        return True
    short = max(len(mine), len(theirs)) <= _SHORT_WORDS
    return False if short and not set(mine) & set(theirs) else None


def same_json(one: str, two: str) -> bool | None:
    """Equal as data. Free texts in it cannot be told from here."""
    mine, theirs = _data(one), _data(two)
    if mine is None or theirs is None:
        return None
    return _same(mine, theirs)


def same_numbers(one: str, two: str) -> bool | None:
    """False where both have numbers and share none; anything else is no sign."""
    mine, theirs = _numbers(one), _numbers(two)
    return False if mine and theirs and not mine & theirs else None


def same_code(one: str, two: str) -> bool | None:
    """True for the same blocks of code but for spaces at line ends and empty lines."""
    mine, theirs = _code(one), _code(two)
    return True if mine and mine == theirs else None


def _words(text: str) -> list[str]:
    return _WORDS.findall(unicodedata.normalize("NFKC", text).casefold())


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
    return frozenset(
        number.replace(",", "").rstrip(".") for number in _NUMBER.findall(_LISTED.sub("", text))
    )


def _code(text: str) -> Counter[str]:
    blocks = _FENCE.findall(text)
    return Counter(
        "\n".join(line.rstrip() for line in block.splitlines() if line.strip()) for block in blocks
    )


COMPARED: Final[Mapping[str, Compare]] = {
    "equal": same_words,
    "json": same_json,
    "numbers": same_numbers,
    "code": same_code,
}
