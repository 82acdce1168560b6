"""Beginnings that calls have in common, and what a prefix cache would have read of them. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from scrimp.advice.words import System

LIFE_US: Final = 300_000_000
"""Five minutes: what Anthropic keeps by default, and OpenAI at least. A read keeps it as long."""
_MOST_GROUPS: Final = 8_192
_MOST_FORMS: Final = 1_024


class Start(NamedTuple):
    """How one call begins. `tokens` are those of its beginning, `read` what its provider read.

    `provider` and `model` are numbers of names, `seq` is that of the call.
    """

    provider: int
    model: int
    digest: int
    form: int
    at_us: int
    cost: int
    tokens: int
    read: int
    own_marks: int
    seq: int


class _Group:
    """One beginning with one model."""

    __slots__ = ("_first", "_forms", "_last_us", "_sums")

    def __init__(self, start: Start) -> None:
        self._first = start
        self._last_us = 0
        self._forms: dict[int, int] = {}
        self._sums = [0] * 8

    def add(self, start: Start) -> None:
        _, _, _, form, at_us, cost, tokens, read, own_marks, _ = start
        sums, forms = self._sums, self._forms
        since_us = at_us - LIFE_US
        sums[0] += 1
        sums[1] += cost
        sums[2] += tokens
        sums[3] += min(read, tokens)
        last_us = forms.get(form)
        if last_us is None:
            sums[6] += 1
            if len(forms) >= _MOST_FORMS:
                forms.clear()
        elif last_us >= since_us:
            sums[4] += tokens
        if self._last_us >= since_us and sums[0] > 1:
            sums[5] += tokens
        sums[7] |= own_marks
        forms[form] = self._last_us = at_us

    def told(self, number: int) -> System:
        first = self._first
        calls, cost, tokens, read, same, alike, forms, own_marks = self._sums
        return System(
            number=number,
            provider=str(first.provider),
            model=str(first.model),
            forms=forms,
            calls=calls,
            cost=cost,
            tokens=tokens,
            was_read=read,
            same=same,
            alike=alike,
            own_marks=bool(own_marks),
            example=str(first.seq),
            digest=first.digest,
        )


def systems(starts: Iterable[Start]) -> Iterator[System]:
    """One for each beginning and model, of calls in the order in which they were made.

    A program that sends another beginning every time pushes out those that were not seen for long.
    """
    groups: OrderedDict[tuple[int, int, int], _Group] = OrderedDict()
    number = 0
    for start in starts:
        key = start[:3]
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(start)
            if len(groups) > _MOST_GROUPS:
                number += 1
                yield groups.popitem(last=False)[1].told(number)
        else:
            groups.move_to_end(key)
        group.add(start)
    for group in groups.values():
        number += 1
        yield group.told(number)
