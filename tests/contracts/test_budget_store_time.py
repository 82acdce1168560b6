"""What every engine of budgets promises about time: leases, windows, clocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scrimp.limits import BudgetStore, WindowKind
from tests.support.budget_stores import (
    ENGINES,
    LEASE_S,
    held,
    limit,
    open_store,
    rolling,
    stand,
    usd,
)
from tests.support.core import FakeClock


@pytest.fixture(params=ENGINES)
async def store(
    request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[BudgetStore]:
    """One store per engine; others join by a name in tests/support."""
    async with AsyncExitStack() as stack:
        yield await open_store(stack, request.param, clock, tmp_path)


async def test_a_lease_that_ends_charges_the_worst_case(
    store: BudgetStore, clock: FakeClock
) -> None:
    """Not a moment before; parallel calls are let go instead."""
    day, air = limit(100), limit(1, "open", unit="calls")
    assert await held(store, "a", (day, air), usd(60))
    clock.pass_by(LEASE_S - 0.001)
    assert await stand(store, day) == (0, 60)
    clock.pass_by(0.001)
    assert await stand(store, day) == (60, 0)
    assert await stand(store, air) == (0, 0)
    assert await held(store, "b", (air,), usd(1))


@pytest.mark.parametrize("actual", [0, 25, 60, 90])
async def test_a_late_settlement_corrects_the_charge(
    store: BudgetStore, clock: FakeClock, actual: int
) -> None:
    """Once; a second one is as unheard as ever."""
    day, air = limit(100), limit(1, "open", unit="calls")
    assert await held(store, "a", (day, air), usd(60))
    clock.pass_by(LEASE_S)
    assert await stand(store, day) == (60, 0)
    store.settle("a", usd(actual))
    store.settle("a", usd(1))
    assert await stand(store, day) == (actual, 0)
    assert await stand(store, air) == (0, 0)


async def test_leases_of_many_lengths_end_in_their_own_time(
    store: BudgetStore, clock: FakeClock
) -> None:
    """Whatever the order in which they began."""
    day = limit(1000)
    for number, lease_s in enumerate((30.0, 10.0, 20.0, 10.0, 0.5)):
        await store.hold(str(number), (day,), usd(10**number % 100), lease_s=lease_s)
    seen = []
    for _ in range(4):
        seen.append(await stand(store, day))
        clock.pass_by(10)
    sizes = [10**number % 100 for number in range(5)]
    total = sum(sizes)
    assert seen[0] == (0, total)
    assert seen[1] == (sizes[1] + sizes[3] + sizes[4], sizes[0] + sizes[2])
    assert seen[3] == (total, 0)


async def test_ten_thousand_abandoned_holds_hold_nothing_once_leases_end(
    store: BudgetStore, clock: FakeClock
) -> None:
    """Callers that vanish leave charges behind, but never a hold."""
    day = limit(20_000)
    for first in range(0, 10_000, 500):
        async with asyncio.TaskGroup() as group:
            for number in range(first, first + 500):
                group.create_task(store.hold(f"h{number}", (day,), usd(1), lease_s=LEASE_S))
    assert await stand(store, day) == (0, 10_000)
    clock.pass_by(LEASE_S)
    assert await stand(store, day) == (10_000, 0)
    for number in range(10_000):
        store.settle(f"h{number}", usd(0))
    assert await stand(store, day) == (0, 0)


async def test_a_call_counts_in_the_window_in_which_it_was_held(
    store: BudgetStore, clock: FakeClock
) -> None:
    """A settlement after midnight touches yesterday, of which nobody asks, and not today."""
    day = limit(100)
    clock.pass_by(11 * 3600 + 59 * 60 + 59.9)
    assert await held(store, "a", (day,), usd(60))
    assert await held(store, "b", (day,), usd(40))
    clock.pass_by(0.1)
    assert await stand(store, day) == (0, 0)
    assert await held(store, "c", (day,), usd(100))
    store.settle("a", usd(60))
    assert await stand(store, day) == (0, 100)
    clock.pass_by(LEASE_S)
    assert await stand(store, day) == (100, 0)


async def test_every_window_begins_again_at_its_end(store: BudgetStore, clock: FakeClock) -> None:
    """At noon of Wednesday, the sixth of May 2026; a lifetime never does."""
    kinds: tuple[WindowKind, ...] = ("minute", "hour", "day", "week", "month", "lifetime")
    limits = tuple(limit(1, kind) for kind in kinds)
    for one in limits:
        assert await held(store, str(one.window.kind), (one,), usd(1))
        store.settle(str(one.window.kind), usd(1))
    ends = [standing.resets_at for standing in await store.standing(limits)]
    assert ends == [
        datetime(2026, 5, 6, 12, 1, tzinfo=UTC),
        datetime(2026, 5, 6, 13, 0, tzinfo=UTC),
        datetime(2026, 5, 7, tzinfo=UTC),
        datetime(2026, 5, 11, tzinfo=UTC),
        datetime(2026, 6, 1, tzinfo=UTC),
        None,
    ]
    for one, end in zip(limits[:-1], ends[:-1], strict=True):
        assert end is not None
        clock.at = end - timedelta(microseconds=1)
        assert await stand(store, one) == (1, 0)
        clock.at = end
        assert await stand(store, one) == (0, 0)
    assert await stand(store, limits[-1]) == (1, 0)


async def test_a_rolling_window_lets_go_of_what_is_old_enough(
    store: BudgetStore, clock: FakeClock
) -> None:
    """Never before its time, and at most a twelfth later; the answer says when."""
    two_minutes = limit(10, rolling(120))
    assert await held(store, "a", (two_minutes,), usd(10))
    store.settle("a", usd(10))
    (standing,) = await store.standing((two_minutes,))
    assert standing.resets_at is not None
    wait_s = (standing.resets_at - clock.at).total_seconds()
    assert 120 <= wait_s <= 130
    clock.pass_by(wait_s - 0.001)
    assert not await held(store, "b", (two_minutes,), usd(1))
    clock.pass_by(0.001)
    assert await held(store, "b", (two_minutes,), usd(10))


async def test_a_clock_that_steps_back_opens_no_window_again(
    store: BudgetStore, clock: FakeClock
) -> None:
    """What was used of today stays used, though the clock says that it is yesterday again."""
    day = limit(100)
    clock.pass_by(12 * 3600)
    assert await held(store, "a", (day,), usd(100))
    store.settle("a", usd(100))
    clock.pass_by(-3600)
    assert not await held(store, "b", (day,), usd(1))
    assert await stand(store, day) == (100, 0)
    clock.pass_by(3600 + 24 * 3600)
    assert await held(store, "b", (day,), usd(1))


async def test_a_reset_counts_from_zero_and_leaves_holds_alone(
    store: BudgetStore, clock: FakeClock
) -> None:
    """Also holds that were charged before it: correcting them must not make room twice."""
    both = (limit(100), limit(100, rolling(3600)))
    assert await held(store, "late", both, usd(30))
    clock.pass_by(LEASE_S)
    assert await held(store, "a", both, usd(20))
    store.settle("a", usd(20))
    assert await held(store, "b", both, usd(40))
    assert [(one.used, one.held) for one in await store.standing(both)] == [(50, 40)] * 2
    await store.reset(both)
    assert [(one.used, one.held) for one in await store.standing(both)] == [(0, 40)] * 2
    store.settle("late", usd(10))
    store.settle("b", usd(35))
    assert [(one.used, one.held) for one in await store.standing(both)] == [(35, 0)] * 2
