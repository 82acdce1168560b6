"""A program's budgets under any order of runs and calls: never over, never counted twice."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

import scrimp
from scrimp.client.budget import Budget
from scrimp.errors import BudgetExceeded
from scrimp.money import NANO_PER_USD, decimal_usd
from tests.support.program_budgets import SentCall

LIMIT = 1_000

Step = tuple[int, int, bool]
"""The worst case of a call, the part of it in percent that it costs, whether it ends in its run."""

steps = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 100), st.booleans()), max_size=6)
runs = st.lists(st.tuples(st.integers(0, 600), steps, st.booleans(), st.booleans()), max_size=6)


def nanousd(amount: Decimal) -> int:
    """Whole nano-dollars."""
    return int(amount * NANO_PER_USD)


class Model:
    """What was really spent, and what is certain of what a budget says."""

    def __init__(self) -> None:
        self.budget = scrimp.budget(usd=decimal_usd(LIMIT))
        self.spent = 0
        self.late: list[tuple[SentCall, int]] = []

    def check(self) -> None:
        """At no moment is more than the limit used and held."""
        (one,) = self.budget.remaining()
        assert nanousd(one.used + one.held) <= LIMIT
        assert nanousd(one.used) >= 0 <= nanousd(one.held)

    def calls(self, some: list[Step]) -> int:
        """Make them; how many were sent."""
        sent = 0
        for worst, percent, ends in some:
            call = SentCall(worst)
            self.check()
            if call.denied is None:
                sent += 1
                cost = worst * percent // 100
                self.spent += cost
                if ends:
                    call.ends(cost)
                else:
                    self.late.append((call, cost))
            self.check()
        return sent


@given(runs)
def test_a_budget_holds_whatever_functions_and_calls_do(
    some: list[tuple[int, list[Step], bool, bool]],
) -> None:
    """Estimates, calls that fit in them or not, failures, calls that end late."""
    model = Model()
    for estimate, calls, fails, inside in some:
        cost = decimal_usd(estimate)

        @scrimp.budget(usd=1, cost=cost)
        def work(calls: list[Step] = calls, *, fails: bool = fails) -> None:
            model.calls(calls)
            if fails:
                raise KeyError

        run = model.budget(work) if inside else work
        with model.budget:
            try:
                run()
            except BudgetExceeded:
                continue
            except KeyError:
                pass
        if not calls:
            model.spent += estimate
        model.check()
    for call, cost_nanousd in model.late:
        call.ends(cost_nanousd)
    (one,) = model.budget.remaining()
    assert (nanousd(one.used), nanousd(one.held)) == (model.spent, 0)


@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 5))
def test_threads_and_tasks_together_never_pass_the_limit(
    each: int, threads: int, tasks: int
) -> None:
    """All that fits is admitted and nothing more, whoever is first."""
    budget = scrimp.budget(usd=decimal_usd(LIMIT), cost=decimal_usd(each))
    admitted: list[int] = []
    parties = [
        threading.Thread(target=asyncio.run, args=(crowd(budget, tasks, admitted),))
        for _ in range(threads)
    ]
    for party in parties:
        party.start()
    for party in parties:
        party.join()
    (one,) = budget.remaining()
    assert len(admitted) == LIMIT // each
    assert (nanousd(one.used), one.held) == (LIMIT // each * each, Decimal(0))


async def crowd(budget: Budget, tasks: int, admitted: list[int]) -> None:
    """So many tasks that go on until they are refused."""

    @budget
    async def work() -> None:
        admitted.append(1)
        await asyncio.sleep(0)

    async def until_refused() -> None:
        try:
            while True:
                await work()
        except BudgetExceeded:
            pass

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(until_refused())
