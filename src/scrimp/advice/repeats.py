"""Which paid calls a memory of answers would have answered: the same rules, played again. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

from scrimp.advice.words import Repeat

LADDER_S: Final = (3_600, 6 * 3_600, 86_400, 7 * 86_400, 30 * 86_400)
"""Times to live that are tried."""
_SECOND_US: Final = 1_000_000
_MOST: Final = 65_536
Key = TypeVar("Key")
Kept = TypeVar("Kept")


class Row(NamedTuple):
    """A paid call that memory might have answered, by its digests; `task` is a number of a name."""

    seq: int
    at_us: int
    took_us: int
    cost: int
    task: int
    prompt: int
    stamped: int
    loose: int


class Player:
    """Remembers what was asked. `longer` adds up what other times to live would have answered.

    Rows come by `loose`, each group in order of time: no two groups have anything in common, so
    one of them is held at a time.
    """

    def __init__(self, ttl_s: Mapping[int, int]) -> None:
        self._ttl_s = ttl_s
        self.longer: dict[tuple[int, int], tuple[int, int]] = {}
        self._group: int | None = None
        self._exact: OrderedDict[int, Row] = OrderedDict()
        self._ladder: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._stamped: OrderedDict[int, int] = OrderedDict()
        self._loose: OrderedDict[int, int] = OrderedDict()

    def play(self, rows: Iterable[Row]) -> Iterator[tuple[int, Repeat]]:
        """Of each call that came again its number, and how it came."""
        for row in rows:
            if row.loose != self._group:
                self._group = row.loose
                for known in (self._exact, self._ladder, self._stamped, self._loose):
                    known.clear()
            if found := self._seen(row):
                yield row.seq, found

    def _seen(self, row: Row) -> Repeat:
        ttl_us = self._ttl_s.get(row.task, 0) * _SECOND_US
        if not ttl_us:
            return ""  # such a task wants a new answer each time
        longer = self._climb(row, ttl_us)
        before = self._exact.get(row.prompt)
        if before is not None:
            if row.at_us < before.at_us + before.took_us:
                return "in_air"
            if row.at_us - before.at_us < ttl_us:
                return "exact"
        stamped, loose = self._stamped.get(row.stamped), self._loose.get(row.loose)
        _keep(self._exact, row.prompt, row)
        _keep(self._stamped, row.stamped, row.at_us)
        _keep(self._loose, row.loose, row.at_us)
        if longer or before is not None:
            return "later" if longer else ""
        since_us = row.at_us - ttl_us
        seen: tuple[tuple[Repeat, int | None], ...] = (("stamped", stamped), ("loose", loose))
        return next((how for how, at_us in seen if at_us is not None and at_us > since_us), "")

    def _climb(self, row: Row, ttl_us: int) -> bool:
        """Whether it would have been answered if answers lived longer; which, is added up."""
        found = False
        for step_s in LADDER_S:
            if step_s * _SECOND_US <= ttl_us:
                continue
            since_us = self._ladder.get((row.prompt, step_s))
            if since_us is None or row.at_us - since_us >= step_s * _SECOND_US:
                _keep(self._ladder, (row.prompt, step_s), row.at_us)
                continue
            before = self._exact.get(row.prompt)
            if before is not None and row.at_us - before.at_us < ttl_us:
                continue  # answered as it is
            calls, cost = self.longer.get((row.task, step_s), (0, 0))
            self.longer[row.task, step_s] = calls + 1, cost + row.cost
            found = True
        return found


def _keep(known: OrderedDict[Key, Kept], key: Key, value: Kept) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > _MOST:
        known.popitem(last=False)
