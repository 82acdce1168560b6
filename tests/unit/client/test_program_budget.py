"""`scrimp.budget` around blocks and functions, without any engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

import scrimp
from scrimp.client.budget import Budget
from scrimp.errors import BudgetExceeded, ConfigError
from tests.support.program_budgets import SentCall, stand


@pytest.mark.parametrize(
    ("usd", "said"),
    [
        (0, "out of range"),
        (-1, "out of range"),
        ("-0.5", "out of range"),
        (float("nan"), "not an amount"),
        (float("inf"), "not an amount"),
        (Decimal("NaN"), "not an amount"),
        (Decimal("1E+999999"), "not an amount"),
        (10**30, "out of range"),
        (9_000_001, "9,000,000"),
        (0.1 + 0.2, "not an amount"),
        ("0.0000000001", "not an amount"),
        ("1,5", "not an amount"),
        (True, "a bool is not"),
        ([], "a list is not"),
        ({"day": 0}, "out of range"),
        ({"fortnight": 1}, "fortnight"),
        ({}, "allows everything"),
    ],
)
def test_what_is_no_amount_is_refused_with_what_is(usd: Any, said: str) -> None:
    """When the budget is made, not with the first call."""
    with pytest.raises(ConfigError, match=said):
        scrimp.budget(usd=usd)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "allows everything"),
        ({"tokens": 0}, "1 to"),
        ({"tokens": 1.5}, "whole number"),
        ({"usd": 1, "per": "fortnight"}, "fortnight"),
        ({"usd": {"day": 1}, "per": "day"}, "leave per"),
        ({"usd": 1, "per": "day", "zone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"usd": 1, "name": "a\nb"}, "no name"),
        ({"usd": 1, "store": "budgets.sqlite"}, "store without a name"),
        ({"usd": 1, "cost": -1}, "out of range"),
        ({"usd": 1, "cost": float("nan")}, "not an amount"),
    ],
)
def test_what_makes_no_budget_is_refused_in_words(given: dict[str, Any], said: str) -> None:
    """No limit, odd windows, odd names."""
    with pytest.raises(ConfigError, match=said):
        scrimp.budget(**given)


def test_an_option_that_there_is_not_is_refused_by_its_name() -> None:
    """As Python words it."""
    more: dict[str, Any] = {"limit": 3}
    with pytest.raises(TypeError, match=r"budget\(\) got .* 'limit'"):
        scrimp.budget(usd=1, **more)


@pytest.mark.parametrize("usd", [0.4, "0.40", "$0.4", Decimal("0.40")])
def test_dollars_are_exact_however_they_are_written(usd: Any) -> None:
    """A float is the number that was written."""
    (one,) = scrimp.budget(usd=usd).remaining()
    limit, none = Decimal("0.4"), Decimal(0)
    assert (one.limit, one.rest, one.used, one.held) == (limit, limit, none, none)
    assert (one.unit, one.window, one.resets_at) == ("usd", "lifetime", None)


def test_several_windows_and_units_all_stand_in_what_remains() -> None:
    """Each with its own limit, rest and reset; as a sentence too."""
    budget = scrimp.budget(usd={"day": 5, "lifetime": "100"}, tokens={"24h": 1000}, name="windows")
    budget.spend(usd="0.10", tokens=100)
    day, life, rolling = budget.remaining()
    assert (day.window, day.rest, life.rest) == ("day", Decimal("4.9"), Decimal("99.9"))
    assert day.resets_at is not None
    assert day.resets_at.hour == 0
    assert (rolling.unit, rolling.window, rolling.rest) == ("tokens", "any 1 d", Decimal(900))
    assert str(life) == "budget 'windows' (lifetime): $99.90 left of $100.00"


def test_a_budget_without_a_name_is_called_by_its_place() -> None:
    """So that a message says which one it was."""
    assert repr(scrimp.budget(usd=1)).startswith("<scrimp.budget 'test_program_budget.py:")


def test_a_function_is_admitted_while_its_estimate_fits() -> None:
    """And never beyond; the refusal has both numbers, scope, window."""
    budget = scrimp.budget(usd="0.05", name="admitted", cost=0.02)
    ran: list[int] = []
    work = budget(ran.append)
    work(1)
    work(2)
    with pytest.raises(BudgetExceeded, match=r"\$0\.01 left of \$0\.05.* up to \$0\.02") as error:
        work(3)
    breach = error.value.breach
    assert ran == [1, 2]
    assert (breach.limit, breach.used, breach.needed) == (50_000_000, 40_000_000, 20_000_000)
    assert (breach.remaining, breach.budget) == (10_000_000, "admitted")
    assert (breach.scope, breach.window, breach.resets_at) == ("program", "lifetime", None)


def test_a_run_is_held_while_it_lasts() -> None:
    """An estimate by its arguments: held before, spent after."""
    seen = []

    @scrimp.budget(usd=1, name="held", cost=lambda n, *, each: n * each)
    def work(n: int, *, each: float) -> str:
        seen.append(stand(scrimp.budget(usd=1, name="held")))
        return f"done {n} times {each}"

    assert work(3, each=0.1) == "done 3 times 0.1"
    assert work.__name__ == "work"
    assert seen == [("0", "0.3")]
    assert stand(scrimp.budget(usd=1, name="held")) == ("0.3", "0")


async def test_an_awaited_function_is_too() -> None:
    """With what its result says that it has spent."""
    budget = scrimp.budget(usd=1, cost="0.5", spent=float)

    @budget
    async def work(spent: str) -> str:
        await asyncio.sleep(0)
        assert stand(budget) == ("0", "0.5")
        return spent

    assert await work("0.125") == "0.125"
    assert stand(budget) == ("0.125", "0")


def test_what_was_spent_may_pass_the_estimate() -> None:
    """It is gone, so it counts; nothing is admitted afterwards."""
    budget = scrimp.budget(usd=1, cost=0.1, spent=lambda result: result)
    work = budget(gives(3))
    assert work() == 3
    assert stand(budget) == ("3", "0")
    with pytest.raises(BudgetExceeded):
        work()


def test_without_an_estimate_a_function_runs_while_anything_is_left() -> None:
    """Only its result tells what it spends."""
    budget = scrimp.budget(usd=1, spent=lambda result: result)
    work = budget(gives(0.75))
    assert (work(), work()) == (0.75, 0.75)
    with pytest.raises(BudgetExceeded):
        work()
    assert stand(budget) == ("1.5", "0")


def gives(result: Any) -> Callable[[], Any]:
    """A function with this result."""

    def work() -> Any:
        return result

    return work


def fails() -> None:
    """A function that fails."""
    raise KeyError


def breaks(*tells: float) -> Callable[[Budget], None]:
    """A function that tells what it spends, and then fails."""

    def work(budget: Budget) -> None:
        for usd in tells:
            budget.spend(usd=usd)
        raise KeyError

    return work


@pytest.mark.parametrize(
    ("work", "used"),
    [(breaks(), "0.1"), (breaks(0), "0"), (breaks(0.03, 0.04), "0.07"), (breaks(0.5), "0.5")],
    ids=["says_nothing", "says_nothing_was_spent", "says_some", "says_more"],
)
def test_a_function_that_fails_settles_what_it_told(
    work: Callable[[Budget], None], used: str
) -> None:
    """Who says nothing is charged the estimate: nobody knows what it had done by then."""
    budget = scrimp.budget(usd=1, cost=0.1)
    with pytest.raises(KeyError):
        budget(work)(budget)
    assert stand(budget) == (used, "0")


def test_a_failure_where_only_the_result_would_tell_costs_the_estimate() -> None:
    """And so does a result that tells nothing that can be read."""
    for function in (gives("much"), gives([]), fails):
        budget = scrimp.budget(usd=1, cost=0.1, spent=lambda result: result)
        with pytest.raises((ConfigError, KeyError)):
            budget(function)()
        assert stand(budget) == ("0.1", "0")


def test_calls_inside_a_function_are_not_counted_twice() -> None:
    """They draw on its estimate first; when it ends, what they cost is all that it cost."""
    budget = scrimp.budget(usd="0.10", cost="0.06")

    @budget
    def work() -> None:
        first, second = SentCall(50_000_000), SentCall(40_000_000)
        assert (first.denied, second.denied) == (None, None)
        assert stand(budget) == ("0", "0.09")
        third = SentCall(20_000_000)
        assert third.denied is not None
        assert third.needed == 20_000_000
        first.ends(10_000_000)
        second.ends(1_000_000)

    work()
    assert stand(budget) == ("0.011", "0")


@pytest.mark.parametrize(("result", "used"), [("0.05", "0.05"), ("0.001", "0.011")])
def test_what_the_result_tells_has_the_calls_in_it(result: str, used: str) -> None:
    """Of what a run spent in all, what its calls cost is counted already; never less than those."""
    budget = scrimp.budget(usd="0.10", cost="0.06", spent=lambda spent: spent)

    @budget
    def work() -> str:
        SentCall(50_000_000).ends(11_000_000)
        return result

    work()
    assert stand(budget) == (used, "0")


def test_a_function_whose_calls_are_all_refused_has_spent_nothing() -> None:
    """It spends by calls, and none was sent."""
    budget = scrimp.budget(usd="0.10", cost="0.06")

    @budget
    def work() -> None:
        assert SentCall(200_000_000).denied is not None
        raise KeyError

    with pytest.raises(KeyError):
        work()
    assert stand(budget) == ("0", "0")


def test_a_call_that_ends_after_its_function_still_counts() -> None:
    """A stream that is read elsewhere: the estimate stays held until it has ended."""
    budget = scrimp.budget(usd="0.10", cost="0.06")
    left: list[SentCall] = []
    budget(lambda: left.append(SentCall(80_000_000)))()
    assert stand(budget) == ("0", "0.08")
    left[0].ends(70_000_000)
    assert stand(budget) == ("0.07", "0")


def test_functions_in_functions_count_once_in_each_budget() -> None:
    """The inner run draws on the outer one's estimate; the inner budget has its own."""
    outer = scrimp.budget(usd="0.10", cost="0.06")
    inner = scrimp.budget(usd=1, cost="0.02")
    work = inner(gives(None))

    @outer
    def run() -> tuple[str, str]:
        work()
        work()
        return stand(outer)

    assert run() == ("0", "0.06")
    assert stand(inner) == ("0.04", "0")
    assert stand(outer) == ("0.04", "0")


def test_a_function_that_calls_itself_is_admitted_once_by_its_estimate() -> None:
    """What it reserved is enough for what it does inside."""
    budget = scrimp.budget(usd="0.01", cost="0.01")

    @budget
    def depth(n: int) -> int:
        return n and 1 + depth(n - 1)

    assert depth(5) == 5
    assert stand(budget) == ("0.01", "0")


@pytest.mark.parametrize(
    "given", [{"usd": -1}, {"usd": "x"}, {"tokens": -1}, {"tokens": 1.5}, {"usd": float("inf")}]
)
def test_what_cannot_have_been_spent_is_refused(given: dict[str, Any]) -> None:
    """And nothing is counted."""
    budget = scrimp.budget(usd=1)
    with pytest.raises(ConfigError):
        budget.spend(**given)
    assert stand(budget) == ("0", "0")


def test_a_generator_function_is_refused_with_the_way_out() -> None:
    """Its body runs in the caller's context, piece by piece: a block inside it is what holds."""

    def pieces() -> Iterator[int]:
        yield 1

    async def awaited() -> AsyncIterator[int]:
        yield 1

    for function in (pieces, awaited):
        with pytest.raises(ConfigError, match="with budget"):
            scrimp.budget(usd=1)(function)


def test_a_soft_budget_says_so() -> None:
    """Of its limits, and in a refusal."""
    budget = scrimp.budget(usd="0.01", soft=True, cost=1)
    assert not budget.remaining()[0].hard
    with pytest.raises(BudgetExceeded) as error:
        budget(gives(None))()
    assert error.value.soft
