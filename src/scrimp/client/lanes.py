"""Many calls at once, each kind as fast as its provider takes them.

A lane is what shares the limits of a provider: a model. Items are read as there is room for them,
so that a list may be as long as it likes. What is pushed back is asked again by itself; a lane
whose provider only fails is closed, and the rest of its items is left unasked.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

from scrimp.many.pace import MOST_WAIT_S, News, Pace, after, begin, crowded
from scrimp.many.rates import Room, Size
from scrimp.ports import Clock

MOST_AT_ONCE = 64
GIVE_UP_AFTER = 20
"""So many failures of a provider in a row, and no answer between: the lane is closed."""
PATIENCE_S = 120.0
"""So long a provider may push everything back, and no answer between, beside what it asks for."""
_MOST_LANES = 1000
_WINDOW = 4
"""So many times what may be in the air is read ahead."""

Came = Literal["answered", "failed", "broken", "later", "no_room"]
"""answered · failed: the call itself is at fault · broken: its provider is · later: pushed back,
ask again · no_room: a budget has none beside what is in the air."""


class Lined(Protocol):
    """What the lanes need of an item."""

    @property
    def lane(self) -> str:
        """With whom it shares limits."""
        ...

    @property
    def size(self) -> Size:
        """What it takes of them."""
        ...


T = TypeVar("T", bound=Lined)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Turn(Generic[R]):
    """How asking once went. `result` is None where it has to be asked again; `why` says why.

    `refused`: the provider pushed back at least once. `wait_s` is how long it asks to wait.
    """

    came: Came
    result: R | None = None
    refused: bool = False
    wait_s: float | None = None
    room: Room = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Means(Generic[T, R]):
    """What the lanes work with.

    `ask` asks once, `keep` takes each result. `settled` waits until what has ended is booked.
    """

    ask: Callable[[T], Awaitable[Turn[R]]]
    keep: Callable[[T, R], None]
    clock: Clock
    settled: Callable[[], Awaitable[None]]
    most: int = MOST_AT_ONCE


@dataclass(slots=True)
class Unasked:
    """Why items were left out, and how many."""

    why: dict[str, int] = field(default_factory=dict)
    no_room: str = ""

    @property
    def count(self) -> int:
        """Of all lanes; after a budget has run out nobody counts the rest."""
        return sum(self.why.values())


class _Lane(Generic[T]):
    """One kind of call."""

    __slots__ = ("begun", "broken", "closed", "going", "pace", "since", "waiting")

    def __init__(self, most: int) -> None:
        self.pace: Pace = begin(most)
        self.waiting: deque[T] = deque()
        self.begun = 0
        self.going: set[int] = set()
        self.broken = 0
        self.since: float | None = None  # when it began to be refused, without an answer since
        self.closed = ""

    @property
    def in_air(self) -> int:
        return len(self.going)

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.going or self.closed)

    def size(self, otherwise: Size) -> Size:
        return self.waiting[0].size if self.waiting else otherwise


class Lanes(Generic[T, R]):
    """Runs a list of items once."""

    def __init__(self, means: Means[T, R]) -> None:
        self._means = means
        self._lanes: dict[str, _Lane[T]] = {}
        self._all = Pace(means.most, float(means.most))
        self._in_air = 0
        self._waiting = 0
        self._wake = asyncio.Event()
        self._stopped = False
        self._last_try = False
        self.unasked = Unasked()
        self.pushed_back = 0

    @property
    def in_air(self) -> int:
        """How many calls are going on."""
        return self._in_air

    @property
    def at_once(self) -> int:
        """How many may."""
        lanes = sum(int(lane.pace.at_once) for lane in self._lanes.values() if not lane.closed)
        return min(int(self._all.at_once), lanes) if self._lanes else 0

    def stop(self) -> None:
        """Begin nothing more; what is in the air is waited for."""
        self._stopped = True
        self._wake.set()

    async def run(self, items: Iterable[T]) -> Unasked:
        """All of them; returns when nothing is in the air any more. What `keep` raises ends it."""
        source = iter(items)
        async with asyncio.TaskGroup() as group:
            while not self._stopped:
                self._wake.clear()
                self._fill(source)
                resumes_at = self._begin(group)
                if not self._waiting and not self._in_air:
                    break
                await self._sleep(resumes_at)
        return self.unasked

    def _fill(self, source: Iterator[T]) -> None:
        """Read ahead as far as there is room."""
        while self._waiting < _WINDOW * self._means.most:
            try:
                item = next(source)
            except StopIteration:
                return
            lane = self._lane(item.lane)
            if lane.closed:
                self._leave_out(lane.closed, 1)
                continue
            lane.waiting.append(item)
            self._waiting += 1

    def _lane(self, name: str) -> _Lane[T]:
        """The lane of this name; of too many those are forgotten in which nothing goes on."""
        lane = self._lanes.get(name)
        if lane is None:
            if len(self._lanes) >= _MOST_LANES:
                going = {n: one for n, one in self._lanes.items() if one.busy}
                self._lanes = going
            lane = self._lanes[name] = _Lane(self._means.most)
        return lane

    def _begin(self, group: asyncio.TaskGroup) -> float | None:
        """Begin all that may; when the next one may, if only time stands in its way."""
        now = self._means.clock.monotonic()
        soonest: float | None = None
        for lane in self._lanes.values():
            while lane.waiting and self._all.may_begin(self._in_air, now):
                if not lane.pace.may_begin(lane.in_air, now):
                    break
                item = lane.waiting.popleft()
                self._waiting -= 1
                lane.begun += 1
                lane.going.add(lane.begun)
                self._in_air += 1
                group.create_task(self._one(lane, item, lane.begun))
            if lane.waiting and lane.pace.not_before > now:
                soonest = min(lane.pace.not_before, soonest or lane.pace.not_before)
        return soonest

    async def _sleep(self, until: float | None) -> None:
        if until is None:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(max(0.0, until - self._means.clock.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _one(self, lane: _Lane[T], item: T, number: int) -> None:
        begun_at = self._means.clock.monotonic()
        try:
            turn = await self._means.ask(item)
        finally:
            lane.going.discard(number)
            self._in_air -= 1
        news = News(
            begun_at=begun_at,
            ended_at=self._means.clock.monotonic(),
            in_air=lane.in_air,
            begun=sum(other > number for other in lane.going),
            answered=turn.came == "answered",
            refused=turn.refused,
            waiting=bool(lane.waiting),
            wait_s=turn.wait_s,
            room=turn.room,
        )
        lane.pace = after(lane.pace, news, lane.size(item.size))
        self.pushed_back += turn.refused
        if turn.result is not None:
            self._means.keep(item, turn.result)
        if turn.came == "no_room":
            await self._without_room(lane, item, turn.why)
        else:
            self._judge(lane, item, turn, news.ended_at)
        self._wake.set()

    def _judge(self, lane: _Lane[T], item: T, turn: Turn[R], now: float) -> None:
        match turn.came:
            case "answered":
                lane.broken, lane.since, self._last_try = 0, None, False
                if not self._all.quick:
                    grown = self._all.at_once + 1.0 / self._all.at_once
                    self._all = Pace(self._all.most, min(float(self._all.most), grown), quick=False)
            case "broken":
                lane.broken += 1
                if lane.broken >= GIVE_UP_AFTER:
                    self._close(lane, f"{turn.why} ({lane.broken} times in a row)")
            case "later":
                lane.since = now if lane.since is None else lane.since
                self._put_back(lane, item)
                if (turn.wait_s or 0.0) > MOST_WAIT_S:
                    self._close(lane, f"{turn.why}, and asks to wait {turn.wait_s:,.0f} s")
                elif now - lane.since > PATIENCE_S + (turn.wait_s or 0.0):
                    self._close(
                        lane, f"{turn.why}, for {now - lane.since:,.0f} s without an answer"
                    )
            case _:
                return

    async def _without_room(self, lane: _Lane[T], item: T, why: str) -> None:
        """A budget has no room for it: others must end first. Alone it never fits."""
        self._put_back(lane, item)
        if self._in_air:
            self._all = crowded(self._all, self._in_air)
        elif self._last_try:
            self.unasked.no_room = why
            self._stopped = True
        else:
            self._last_try = True
            self._all = crowded(self._all, 1)
            await self._means.settled()

    def _put_back(self, lane: _Lane[T], item: T) -> None:
        if lane.closed:
            self._leave_out(lane.closed, 1)
            return
        lane.waiting.appendleft(item)
        self._waiting += 1

    def _close(self, lane: _Lane[T], why: str) -> None:
        if lane.closed:
            return
        lane.closed = why
        left = len(lane.waiting)
        lane.waiting.clear()
        self._waiting -= left
        self._leave_out(why, left)

    def _leave_out(self, why: str, count: int) -> None:
        if count:
            self.unasked.why[why] = self.unasked.why.get(why, 0) + count


def reasons(unasked: Unasked) -> list[str]:
    """Why items were left out, the most frequent reason first."""
    return [f"{why}: {count:,} not asked" for why, count in Counter(unasked.why).most_common()]
