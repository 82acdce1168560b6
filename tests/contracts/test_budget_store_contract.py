"""What every engine of budgets promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scrimp.budgets.counters import MAX
from scrimp.errors import ScrimpError, StoreError
from scrimp.limits import Amounts, BudgetStore, Standing, Window
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
from tests.support.core import NOON, FakeClock


@pytest.fixture(params=ENGINES)
async def store(
    request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[BudgetStore]:
    """One store per engine; others join by a name in tests/support."""
    async with AsyncExitStack() as stack:
        yield await open_store(stack, request.param, clock, tmp_path)


async def test_a_hold_reserves_and_a_settlement_books_what_it_was(store: BudgetStore) -> None:
    """The worst case is held until the truth is known; the rest is free again."""
    day = limit(100)
    verdict = await store.hold("a", (day,), usd(60), lease_s=LEASE_S)
    assert verdict.denied_by is None
    ends = datetime(2026, 5, 7, tzinfo=UTC)
    assert verdict.standings == (Standing(day, used=0, held=60, resets_at=ends),)
    assert verdict.standings[0].remaining == 40
    store.settle("a", usd(25))
    assert await stand(store, day) == (25, 0)


async def test_a_hold_that_does_not_fit_holds_nothing_anywhere(store: BudgetStore) -> None:
    """All limits or none; the answer names the one in the way and what was asked."""
    roomy, tight = limit(1000, whom="org:all"), limit(50)
    verdict = await store.hold("a", (roomy, tight), usd(51), lease_s=LEASE_S)
    assert verdict.denied_by is not None
    assert (verdict.denied_by.limit, verdict.needed) == (tight, 51)
    assert [one.held for one in verdict.standings] == [0, 0]
    assert await held(store, "a", (roomy, tight), usd(50))


async def test_what_is_exactly_left_may_be_held(store: BudgetStore) -> None:
    """A limit is the most that may be used, not the first amount that may not."""
    day = limit(100)
    assert await held(store, "a", (day,), usd(60))
    assert not await held(store, "b", (day,), usd(41))
    assert await held(store, "b", (day,), usd(40))
    assert await stand(store, day) == (0, 100)


async def test_a_call_that_costs_nothing_is_never_refused(store: BudgetStore) -> None:
    """Not under a limit of zero, not when all is spent, not under a negative one."""
    for amount in (0, -5):
        assert await held(store, f"a{amount}", (limit(amount),), usd(0))
        assert not await held(store, f"b{amount}", (limit(amount),), usd(1))


async def test_units_are_counted_each_for_itself(store: BudgetStore) -> None:
    """Money, tokens and calls of one attempt go to the limits of their unit."""
    money, tokens, calls = limit(100), limit(9, unit="tokens"), limit(2, unit="calls")
    all_of = (money, tokens, calls)
    assert await held(store, "a", all_of, Amounts(10, 5))
    assert not await held(store, "b", all_of, Amounts(10, 5))
    store.settle("a", Amounts(7, 3))
    assert [(one.used, one.held) for one in await store.standing(all_of)] == [
        (7, 0),
        (3, 0),
        (1, 0),
    ]


async def test_soft_limits_deny_unless_told_otherwise(store: BudgetStore) -> None:
    """Over a soft limit one may go on knowingly; it counts all the same. A hard one stays."""
    soft, hard = limit(10, hard=False), limit(30, whom="team:blue")
    both = (soft, hard)
    refused = await store.hold("a", both, usd(20), lease_s=LEASE_S)
    assert refused.denied_by is not None
    assert refused.denied_by.limit == soft
    gone_on = await store.hold("a", both, usd(20), lease_s=LEASE_S, over_soft=True)
    assert gone_on.denied_by is None
    assert gone_on.standings[0].remaining == 0
    assert await stand(store, soft) == (0, 20)
    still = await store.hold("b", both, usd(20), lease_s=LEASE_S, over_soft=True)
    assert still.denied_by is not None
    assert still.denied_by.limit == hard


async def test_the_limit_in_the_way_is_the_hardest_and_the_longest(store: BudgetStore) -> None:
    """A hard one before a soft one, then the one that lasts longest: what to wait for, or raise."""
    soft, day = limit(1, "lifetime", hard=False), limit(2)
    month, minute = limit(3, "month"), limit(4, "minute")
    denied = await store.hold("a", (soft, minute, day, month), usd(9), lease_s=LEASE_S)
    assert denied.denied_by is not None
    assert denied.denied_by.limit == month
    only_soft = await store.hold("a", (soft, limit(99)), usd(9), lease_s=LEASE_S)
    assert only_soft.denied_by is not None
    assert only_soft.denied_by.limit == soft


async def test_limits_of_the_same_counter_share_it(store: BudgetStore) -> None:
    """Whatever their names and amounts: an attempt counts once, the smallest amount decides."""
    wide, narrow = limit(100), limit(40)
    assert await held(store, "a", (wide, narrow), usd(30))
    assert await stand(store, wide) == await stand(store, narrow) == (0, 30)
    assert not await held(store, "b", (wide, narrow), usd(30))
    store.settle("a", usd(30))
    raised = limit(60)
    assert await held(store, "b", (raised,), usd(30))
    assert not await held(store, "c", (raised,), usd(1))


async def test_other_scopes_units_and_windows_have_counters_of_their_own(
    store: BudgetStore,
) -> None:
    """Nothing that differs is mixed up, whatever its name looks like."""
    names = ('red","x', "red", "réd", "", "*", "red' OR 1=1 --", "red\n")
    limits = tuple(limit(5, whom=f"team:{name}") for name in names)
    for number, one in enumerate(limits):
        assert await held(store, f"h{number}", (one,), usd(5))
        assert not await held(store, f"x{number}", (one,), usd(1))
    assert await held(store, "org", (limit(5, whom="org:red"),), usd(5))
    assert await held(store, "hour", (limit(5, "hour"),), usd(5))
    assert await held(store, "zone", (limit(5, Window("day", zone="Asia/Tokyo")),), usd(5))


async def test_a_known_hold_reserves_nothing_again(store: BudgetStore) -> None:
    """While it is open and after it was settled: asked twice is held once."""
    day = limit(100)
    for _ in range(3):
        assert await held(store, "a", (day,), usd(60))
    assert await stand(store, day) == (0, 60)
    store.settle("a", usd(50))
    assert await held(store, "a", (day,), usd(60))
    assert await stand(store, day) == (50, 0)


async def test_a_settlement_counts_once(store: BudgetStore) -> None:
    """Repeated, after a release, or of a hold that nobody knows: nothing changes."""
    day = limit(100)
    assert await held(store, "a", (day,), usd(60))
    store.settle("a", usd(25))
    store.settle("a", usd(25))
    store.release("a")
    store.settle("unknown", usd(99))
    store.release("unknown")
    assert await stand(store, day) == (25, 0)
    await store.flush()
    store.settle("a", usd(30))
    assert await stand(store, day) == (25, 0)


async def test_a_release_uses_nothing(store: BudgetStore) -> None:
    """An attempt that never left costs neither money nor a call."""
    both = (limit(100), limit(1, unit="calls"))
    assert await held(store, "a", both, usd(60))
    store.release("a")
    assert [(one.used, one.held) for one in await store.standing(both)] == [(0, 0), (0, 0)]
    assert await held(store, "b", both, usd(100))


async def test_a_settlement_may_pass_the_hold(store: BudgetStore) -> None:
    """What was really spent is booked, though it was held too low; then nothing more is held."""
    day = limit(100)
    assert await held(store, "a", (day,), usd(60))
    store.settle("a", usd(150))
    assert await stand(store, day) == (150, 0)
    assert not await held(store, "b", (day,), usd(1))


async def test_what_was_not_held_for_is_booked_all_the_same(store: BudgetStore) -> None:
    """A unit of which nothing was asked counts when it was used."""
    day = limit(100)
    assert await held(store, "a", (day,), usd(0))
    store.settle("a", usd(7))
    assert await stand(store, day) == (7, 0)


async def test_an_open_window_counts_what_is_in_the_air(store: BudgetStore) -> None:
    """A limit of calls there is a limit of parallel calls."""
    air = limit(2, "open", unit="calls")
    assert await held(store, "a", (air,), usd(1))
    assert await held(store, "b", (air,), usd(1))
    assert not await held(store, "c", (air,), usd(1))
    store.settle("a", usd(1))
    assert await held(store, "c", (air,), usd(1))
    (standing,) = await store.standing((air,))
    assert (standing.used, standing.held, standing.resets_at) == (0, 2, None)


async def test_amounts_and_leases_that_make_no_sense_are_refused(store: BudgetStore) -> None:
    """Nothing is held; a negative hold would have made room."""
    day = limit(100)
    for worst in (usd(-1), usd(MAX + 1), usd(0, -7)):
        with pytest.raises(StoreError, match="cannot be held"):
            await store.hold("a", (day,), worst, lease_s=LEASE_S)
    for lease_s in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(StoreError, match="lease"):
            await store.hold("a", (day,), usd(1), lease_s=lease_s)
    assert await stand(store, day) == (0, 0)


async def test_a_settlement_that_makes_no_sense_books_the_worst_case(store: BudgetStore) -> None:
    """It never fails, and never makes room."""
    day = limit(100)
    assert await held(store, "a", (day,), usd(60))
    store.settle("a", usd(-5))
    assert await stand(store, day) == (60, 0)
    assert await held(store, "b", (day,), usd(10))
    store.settle("b", usd(MAX + 1))
    assert await stand(store, day) == (70, 0)


async def test_sums_that_no_store_can_hold_are_refused_and_never_wrap(store: BudgetStore) -> None:
    """At the largest amount there is, also past a soft limit."""
    hard, soft = limit(MAX), limit(1, whom="team:soft", hard=False)
    assert await held(store, "a", (hard,), usd(MAX))
    assert not await held(store, "b", (hard,), usd(1))
    store.settle("a", usd(MAX))
    assert await stand(store, hard) == (MAX, 0)
    first = await store.hold("c", (soft,), usd(MAX), lease_s=LEASE_S, over_soft=True)
    second = await store.hold("d", (soft,), usd(1), lease_s=LEASE_S, over_soft=True)
    assert first.denied_by is None
    assert second.denied_by is not None
    store.settle("c", usd(MAX))
    assert await stand(store, soft) == (MAX, 0)


async def test_hundreds_at_once_never_pass_a_limit(store: BudgetStore) -> None:
    """Five hundred callers want three each of a thousand: 333 get it, in every limit alike."""
    limits = (limit(1000), limit(2000, "month"), limit(1000, rolling(60)))
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(held(store, f"h{number}", limits, usd(3))) for number in range(500)
        ]
    assert sum(one.result() for one in asked) == 333
    assert {one.held for one in await store.standing(limits)} == {999}


async def test_threads_with_loops_of_their_own_never_pass_a_limit(store: BudgetStore) -> None:
    """A store may be asked on any event loop of its process."""
    day = limit(1000)

    def caller(number: int) -> int:
        async def ask() -> int:
            asked = [await held(store, f"{number}-{one}", (day,), usd(3)) for one in range(100)]
            return sum(asked)

        return asyncio.run(ask())

    async with asyncio.TaskGroup() as group:
        threads = [group.create_task(asyncio.to_thread(caller, one)) for one in range(6)]
    assert sum(thread.result() for thread in threads) == 333
    assert await stand(store, day) == (0, 999)


async def test_what_cannot_be_kept_harms_nobody_else(store: BudgetStore) -> None:
    """Half a character in a name or an id, a zone that is none: all others go on."""
    day, nowhere = limit(100), limit(100, Window("day", zone="Mars/Olympus"))
    half = limit(100, whom="team:\ud800")
    for number, limits in enumerate(((day, half), (day, nowhere), (half,))):
        with suppress(ScrimpError):
            await held(store, f"h{number}", limits, usd(100))
            store.release(f"h{number}")
    with suppress(ScrimpError):
        await held(store, "\udfff", (day,), usd(100))
    store.release("\udfff")
    assert await stand(store, day) == (0, 0)
    assert await held(store, "a", (day,), usd(100))


async def test_without_limits_all_is_allowed(store: BudgetStore) -> None:
    """And nothing is remembered that a settlement could trip over."""
    verdict = await store.hold("a", (), usd(5), lease_s=LEASE_S)
    assert (verdict.standings, verdict.denied_by) == ((), None)
    store.settle("a", usd(5))
    assert await store.standing(()) == ()


async def test_closing_twice_does_no_harm(store: BudgetStore, clock: FakeClock) -> None:
    """Shells may close what they hold without asking who was first."""
    assert clock.at == NOON
    await store.close()
    await store.close()
