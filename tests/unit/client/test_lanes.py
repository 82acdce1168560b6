"""Many calls at once: each is asked until it has a result, or its lane is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from scrimp.client.lanes import GIVE_UP_AFTER, Lanes, Means, Turn, Unasked, reasons
from scrimp.many.pace import MOST_WAIT_S
from scrimp.many.rates import Size
from tests.support.core import FakeClock


@dataclass(frozen=True, slots=True)
class Item:
    """A number in a lane."""

    number: int
    lane: str = "a"
    size: Size = field(default_factory=Size)


def items(count: int, lane: str = "a") -> Iterator[Item]:
    """So many."""
    return (Item(number, lane) for number in range(count))


class Bench:
    """Lanes over a provider that a test scripts."""

    def __init__(self, ask: Callable[[Item], Awaitable[Turn[str]]], most: int = 4) -> None:
        self.kept: dict[tuple[str, int], str] = {}
        self.asked = 0
        self.most_in_air = 0
        self.settled = 0
        self._ask = ask
        self.lanes = Lanes(Means(self.ask, self._keep, FakeClock(), self._settled, most))

    async def ask(self, item: Item) -> Turn[str]:
        """As the script says."""
        self.asked += 1
        self.most_in_air = max(self.most_in_air, self.lanes.in_air)
        await asyncio.sleep(0)
        return await self._ask(item)

    def _keep(self, item: Item, result: str) -> None:
        assert (item.lane, item.number) not in self.kept
        self.kept[item.lane, item.number] = result

    async def _settled(self) -> None:
        self.settled += 1


async def fine(item: Item) -> Turn[str]:
    """Every call is answered."""
    return Turn("answered", f"{item.number}")


async def test_every_item_has_its_result_once() -> None:
    """However many there are, no more than allowed are in the air, nor read far ahead."""
    bench = Bench(fine)
    read = 0

    def source() -> Iterator[Item]:
        nonlocal read
        for item in items(500):
            read += 1
            assert read - len(bench.kept) <= 4 * 4 + 4
            yield item

    assert await bench.lanes.run(source()) == Unasked()
    assert bench.kept == {("a", number): f"{number}" for number in range(500)}
    assert (bench.most_in_air, bench.asked) == (4, 500)


async def test_what_is_pushed_back_is_asked_again() -> None:
    """It is no failure, and others go on."""
    tries: dict[int, int] = {}

    async def ask(item: Item) -> Turn[str]:
        tries[item.number] = tries.get(item.number, 0) + 1
        if item.number % 3 == 0 and tries[item.number] < 3:
            return Turn("later", refused=True, wait_s=0.0, why="slow down")
        return Turn("answered", "yes")

    bench = Bench(ask)
    assert (await bench.lanes.run(items(30))).count == 0
    assert (len(bench.kept), bench.lanes.pushed_back) == (30, 20)


async def test_a_lane_whose_provider_only_fails_is_closed() -> None:
    """What was tried has its failure, the rest is left unasked; other lanes go on."""

    async def ask(item: Item) -> Turn[str]:
        if item.lane == "dead":
            return Turn("broken", "no", why="it cannot be reached")
        return Turn("answered", "yes")

    bench = Bench(ask, most=2)
    mixed = (Item(number, "dead" if number % 2 else "a") for number in range(200))
    unasked = await bench.lanes.run(mixed)
    dead = [result for (lane, _), result in bench.kept.items() if lane == "dead"]
    assert len(dead) + unasked.count == 100
    assert GIVE_UP_AFTER <= len(dead) <= GIVE_UP_AFTER + 2
    assert sum(lane == "a" for lane, _ in bench.kept) == 100
    assert reasons(unasked) == [
        f"it cannot be reached ({GIVE_UP_AFTER} times in a row): {unasked.count} not asked"
    ]


async def test_calls_that_are_at_fault_close_nothing() -> None:
    """A file of bad calls is asked to its end."""

    async def ask(item: Item) -> Turn[str]:
        return Turn("failed", f"bad {item.number}")

    bench = Bench(ask)
    assert (await bench.lanes.run(items(100))).count == 0
    assert len(bench.kept) == 100


@pytest.mark.parametrize("wait_s", [MOST_WAIT_S + 1, 86_400.0])
async def test_who_asks_to_wait_too_long_is_left_alone(wait_s: float) -> None:
    """Nobody sits before a file for a day."""

    async def ask(_: Item) -> Turn[str]:
        return Turn("later", refused=True, wait_s=wait_s, why="tomorrow")

    bench = Bench(ask)
    unasked = await bench.lanes.run(items(50))
    assert (unasked.count, bench.kept) == (50, {})
    assert reasons(unasked)[0].startswith(f"tomorrow, and asks to wait {wait_s:,.0f} s")


async def test_a_budget_that_is_crowded_is_waited_for_and_one_that_is_used_up_is_not() -> None:
    """While others hold it there may be room later; alone there never is."""
    left = 10

    async def ask(_: Item) -> Turn[str]:
        nonlocal left
        if bench.lanes.in_air > 2 or not left:  # each holds much more than it costs
            return Turn("no_room", why="nothing left")
        left -= 1
        return Turn("answered", "yes")

    bench = Bench(ask, most=8)
    unasked = await bench.lanes.run(items(40))
    assert (len(bench.kept), unasked.no_room, bench.settled) == (10, "nothing left", 1)


async def test_stopping_waits_for_what_is_in_the_air() -> None:
    """Nothing more is begun, nothing is lost."""

    async def ask(item: Item) -> Turn[str]:
        if item.number == 20:
            bench.lanes.stop()
        return Turn("answered", "yes")

    bench = Bench(ask)
    await bench.lanes.run(items(1000))
    assert bench.asked == len(bench.kept) <= 24


async def test_who_cannot_keep_a_result_hears_of_it() -> None:
    """A full disk ends the run: nothing more is paid for."""

    def keep(_: Item, __: str) -> None:
        raise OSError("no space left")

    lanes = Lanes(Means(fine, keep, FakeClock(), asyncio.Event().wait, 4))  # type: ignore[arg-type] # never asked
    with pytest.raises(ExceptionGroup) as caught:
        await lanes.run(items(100))
    assert {str(one) for one in caught.value.exceptions} == {"no space left"}
