"""Packing that costs more than asking singly stops, per kind of call, and is tried later. Pure.

What each item of a shared prompt has brought is added up: what it would have cost by itself, less
its part; the whole part where it was asked again. Times are a clock's seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

import msgspec

_MOST_KINDS: Final = 1024


@dataclass(frozen=True, slots=True)
class PackStopLossRules:
    """A kind that saved nothing over so many `items` rests for `rest_s`."""

    items: int = 30
    rest_s: float = 600.0


class Window(msgspec.Struct, gc=False):
    """The items of a kind since the last window ended; it rests until `off_until_s`.

    Where no price is known `saved_nanousd` counts items instead: answers, less those without one.
    """

    items: int = 0
    unanswered: int = 0
    saved_nanousd: int = 0
    off_until_s: float = 0.0


class PackStopLoss:
    """The window of every kind that was packed lately; None as rules never stops anything."""

    def __init__(self, rules: PackStopLossRules | None) -> None:
        self._rules = rules
        self._kinds: OrderedDict[Hashable, Window] = OrderedDict()

    def rests_s(self, kind: Hashable, now_s: float) -> int:
        """For how many more seconds a kind is not packed; 0 where it is."""
        found = self._kinds.get(kind)
        return 0 if found is None else max(0, -int(-(found.off_until_s - now_s) // 1))

    def add(
        self, kind: Hashable, saved_nanousd: int, now_s: float, *, answered: bool
    ) -> Window | None:
        """Count one item in. The window, where that switches packing off for its kind."""
        rules = self._rules
        if rules is None or self.rests_s(kind, now_s):
            return None
        found = self._kinds.setdefault(kind, Window())
        self._kinds.move_to_end(kind)
        while len(self._kinds) > _MOST_KINDS:
            self._kinds.popitem(last=False)
        found.items += 1
        found.unanswered += not answered
        found.saved_nanousd += saved_nanousd
        if found.items < rules.items:
            return None
        if found.saved_nanousd > 0:
            del self._kinds[kind]
            return None
        self._kinds[kind] = Window(off_until_s=now_s + rules.rest_s)
        return found
