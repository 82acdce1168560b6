"""Where `scrimp.budget` holds: nested, in tasks and threads, by name."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextvars import copy_context

import scrimp
from scrimp.client.purses import Pocket, pockets_here
from tests.support.program_budgets import SentCall, stand


def test_nested_budgets_all_hold() -> None:
    """The tighter one refuses; what passes counts in both. A budget inside itself counts once."""
    wide, tight = scrimp.budget(usd=1, name="wide"), scrimp.budget(usd="0.1", name="tight")
    with wide, tight, wide:
        assert [pocket.limits[0].name for pocket in pockets_here()] == ["wide", "tight"]
        denied = SentCall(200_000_000).denied
        assert denied is not None
        assert denied.limit.name == "tight"
        assert stand(wide) == ("0", "0")
        SentCall(100_000_000).ends(30_000_000)
    assert (stand(wide), stand(tight)) == (("0.03", "0"), ("0.03", "0"))
    assert pockets_here() == ()


def test_blocks_may_be_left_in_any_order() -> None:
    """A budget that was left holds no more; the others still do."""
    first, second = scrimp.budget(usd=1), scrimp.budget(usd=2)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert pockets_here() == (second.pocket,)
    second.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert pockets_here() == ()


async def test_tasks_inherit_and_threads_do_not() -> None:
    """Unless they are given the context."""
    found: list[tuple[Pocket, ...]] = []

    async def look() -> None:
        found.append(pockets_here())

    async with scrimp.budget(usd=1) as budget:
        async with asyncio.TaskGroup() as group:
            group.create_task(look())
        await asyncio.to_thread(lambda: found.append(pockets_here()))
        inside = threading.Thread(
            target=copy_context().run, args=(lambda: found.append(pockets_here()),)
        )
        outside = threading.Thread(target=lambda: found.append(pockets_here()))
        for thread in (inside, outside):
            thread.start()
            thread.join()
    assert [len(one) for one in found] == [1, 1, 1, 0]
    assert found[0] == (budget.pocket,)


def test_a_budget_leaves_nothing_for_the_collector() -> None:
    """One per request is let go of when its block has ended, and so is each run of a function."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            with scrimp.budget(usd=1, cost="0.1") as budget:
                SentCall(5).ends(3)
                budget(SentCall(5).ends)(4)
        del budget
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_budgets_of_one_name_are_one() -> None:
    """In this process; those without a name are each their own."""
    first, second = scrimp.budget(usd=1, name="one"), scrimp.budget(usd=2, name="one")
    first.spend(usd="0.25")
    assert stand(second) == ("0.25", "0")
    assert stand(scrimp.budget(usd=1)) == ("0", "0")


def test_what_is_spent_otherwise_counts_in_all_budgets_around() -> None:
    """Exactly once in each; fractions of a nano-dollar are rounded up; it is never refused."""
    outer, inner = scrimp.budget(usd=1), scrimp.budget(usd="0.000000001")
    with outer, inner:
        inner.spend(usd=0.1 / 3)
    assert stand(outer) == stand(inner) == ("0.033333334", "0")
