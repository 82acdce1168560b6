"""Holding the worst case of every attempt: when it is denied, what is settled, what stays open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import FREE_COST, UNKNOWN_COST, Attempt, Call, Cost, Reply, Usage
from scrimp.errors import BudgetExceeded, InvalidRequest, Unavailable, UpstreamError
from scrimp.levers.retry import Retry, RetrySettings
from scrimp.pipeline.chain import chain
from scrimp.pipeline.open_holds import settle_open_holds
from tests.support.budgets import DownStore, Purse
from tests.support.core import (
    FakeClock,
    attempt_of,
    call_of,
    chat_fields,
    numbers,
    reply_of,
    verdicts,
)
from tests.support.ledger_entries import entry

DAY = '[budgets.ci]\nusd = "0.01"\nper = "day"\n'
COST = Cost.exact(1_000, price_version="t", lines=())


def small(**changes: Any) -> Call:
    """A call of at most 100 tokens of output."""
    return call_of(chat_fields(max_tokens=100), **changes)


def leaving(
    *attempts: Attempt, reply: Reply | None = None, error: BaseException | None = None
) -> Callable[[Call], Awaitable[Reply]]:
    """The way below: leaves one more attempt in the trace, then replies or raises."""
    left = list(attempts)

    async def below(call: Call) -> Reply:
        if left:
            call.trace.attempts.append(left.pop(0) if len(left) > 1 else left[0])
        if error is not None:
            raise error
        return reply or reply_of()

    return below


async def test_without_rules_nothing_is_held() -> None:
    """The call goes on untouched; no line, no header."""
    purse, call = Purse(""), small()
    await purse.lever(call, leaving())
    assert purse.lever.counts.holds == 0
    assert not call.trace.lines
    assert not call.trace.headers


async def test_an_attempt_is_held_at_its_worst_and_settled_at_its_cost() -> None:
    """While it is in the air the worst case is held; afterwards its true cost is used."""
    purse, call = Purse(DAY), small()
    seen: list[tuple[int, int]] = []

    async def below(call: Call) -> Reply:
        seen.extend(await purse.standings())
        call.trace.attempts.append(attempt_of(cost=COST))
        return reply_of()

    await purse.lever(call, below)
    assert seen[0][0] == 0
    assert seen[0][1] > 1_000
    assert await purse.standings() == [(1_000, 0)]
    assert verdicts(call, "budget") == ["settled"]
    assert numbers(call, "budget") == {"held_nanousd": seen[0][1], "nanousd": 1_000}
    assert call.trace.headers == {"x-scrimp-budget-remaining-usd": "0.009999"}


async def test_what_does_not_fit_is_refused_with_both_numbers() -> None:
    """Nothing is asked of the provider, and nothing stays held."""
    purse, call = Purse('[budgets.ci]\nusd = "0.000001"\nper = "day"\n'), small()
    with pytest.raises(BudgetExceeded) as caught:
        await purse.lever(call, leaving(attempt_of()))
    breach = caught.value.breach
    assert (breach.budget, breach.unit, breach.limit, breach.used) == ("ci", "usd", 1_000, 0)
    assert breach.needed > 1_000
    assert breach.resets_at is not None
    assert not caught.value.soft
    assert "has $0.000001 left of $0.000001; this call may cost up to $0.0000" in str(caught.value)
    assert "it resets at 2026-05-07T00:00Z (raise it: [budgets.ci] in" in str(caught.value)
    assert not call.trace.attempts
    assert await purse.standings() == [(0, 0)]


async def test_the_exact_count_is_asked_before_anybody_is_refused() -> None:
    """The size of a body holds more than its tokens: near the limit they are counted."""
    # 100 output tokens cost 60,000 nano-dollars; the rest is the prompt, 150 for each token of it
    fits = '[budgets.ci]\nusd = "0.000115"\nper = "day"\n'
    purse, call = Purse(fits), small()
    await purse.lever(call, leaving(attempt_of(cost=COST)))
    assert verdicts(call, "budget") == ["settled"]


async def test_a_call_without_a_limit_of_output_is_told_so() -> None:
    """Its worst case is what the model can write: a lower limit would hold less."""
    purse = Purse('[budgets.ci]\nusd = "0.001"\nper = "day"\n')
    with pytest.raises(BudgetExceeded, match="sets no limit of output"):
        await purse.lever(call_of(), leaving(attempt_of()))


@pytest.mark.parametrize(
    ("outcome", "used"), [("rejected", 0), ("unsent", 0), ("ok", 1_000), ("cut", 1_000)]
)
async def test_what_a_provider_does_not_bill_is_given_back(outcome: str, used: int) -> None:
    """Refused or never sent: nothing is used. Everything else is charged what it cost."""
    purse, call = Purse(DAY), small()
    cost = COST if used else FREE_COST
    attempt = replace(attempt_of(), outcome=outcome, cost=cost)
    with pytest.raises(UpstreamError):
        await purse.lever(call, leaving(attempt, error=UpstreamError("no", status=500)))
    assert await purse.standings() == [(used, 0)]
    assert verdicts(call, "budget") == ["released" if outcome == "unsent" else "settled"]


async def test_a_lever_that_never_tried_gives_back_what_was_held() -> None:
    """No attempt stands in the trace: nothing can have left."""
    purse, call = Purse(DAY), small()
    with pytest.raises(InvalidRequest):
        await purse.lever(call, leaving(error=InvalidRequest("only")))
    assert await purse.standings() == [(0, 0)]


async def test_what_nobody_knows_stays_held_until_there_is_an_estimate() -> None:
    """A cancelled call: its hold stays, then the high end of its estimate is charged."""
    purse, call = Purse(DAY), small()
    lost = attempt_of(outcome="cancelled", usage=None, cost=UNKNOWN_COST)
    with pytest.raises(asyncio.CancelledError):
        await purse.lever(call, leaving(lost, error=asyncio.CancelledError()))
    (used, held), *_ = await purse.standings()
    assert used == 0
    assert held > 0
    assert verdicts(call, "budget") == ["open"]
    estimate = Cost(50, 10, 700, "estimate")
    kept = replace(entry(), trace=tuple(call.trace.lines), attempts=(replace(lost, cost=estimate),))
    settle_open_holds(purse.store, kept)
    settle_open_holds(purse.store, kept)
    assert await purse.standings() == [(700, 0)]


async def test_without_even_an_estimate_all_that_was_held_is_charged() -> None:
    """No price when it comes to settling: the worst case it is."""
    purse, call = Purse(DAY), small()
    lost = attempt_of(outcome="failed", usage=None, cost=UNKNOWN_COST)
    with pytest.raises(UpstreamError):
        await purse.lever(call, leaving(lost, error=UpstreamError("", status=502)))
    (_, held), *_ = await purse.standings()
    settle_open_holds(
        purse.store, replace(entry(), trace=tuple(call.trace.lines), attempts=(lost,))
    )
    assert await purse.standings() == [(held, 0)]


async def test_usage_without_a_price_is_charged_in_full() -> None:
    """A reply in a tier that nobody knows: the worst case is used, the tokens are true."""
    purse, call = Purse(DAY), small()
    await purse.lever(call, leaving(attempt_of(cost=UNKNOWN_COST)))
    (used, held), *_ = await purse.standings()
    assert used == numbers(call, "budget")["held_nanousd"]
    assert held == 0


async def test_every_retry_holds_again() -> None:
    """Three attempts, three holds, each settled by itself."""
    purse, call = Purse(DAY), small()
    retry = Retry(FakeClock(), lambda: 0.0, RetrySettings(attempts=3))
    failed = attempt_of(outcome="failed", status=500, cost=COST)
    way = chain([retry, purse.lever], leaving(failed, error=UpstreamError("", status=500)))
    with pytest.raises(UpstreamError):
        await way(call)
    assert purse.lever.counts.holds == 3
    assert await purse.standings() == [(3_000, 0)]


async def test_a_retry_that_the_budget_cannot_bear_is_not_sent() -> None:
    """What the first attempt has used is missing for the second."""
    purse, call = Purse('[budgets.ci]\nusd = "0.0003"\nper = "day"\n'), small()
    dear = attempt_of(
        outcome="failed", status=500, cost=Cost.exact(290_000, price_version="t", lines=())
    )
    retry = Retry(FakeClock(), lambda: 0.0, RetrySettings(attempts=3))
    way = chain([retry, purse.lever], leaving(dear, error=UpstreamError("", status=500)))
    with pytest.raises(BudgetExceeded):
        await way(call)
    assert len(call.trace.attempts) == 1


async def test_a_store_that_is_down_refuses_under_a_hard_limit() -> None:
    """Nobody can tell what is left: 503, and nothing is sent."""
    purse, call = Purse(DAY, store=DownStore()), small()
    with pytest.raises(Unavailable, match="what budgets have used cannot be read"):
        await purse.lever(call, leaving(attempt_of()))
    assert not call.trace.attempts


@pytest.mark.parametrize("allowed", [True, False])
async def test_under_soft_limits_the_settings_say_what_a_store_that_is_down_means(
    allowed: bool,  # noqa: FBT001
) -> None:
    """Let pass unheld, with a line in the trace; or refused."""
    soft = f"{DAY}hard = false\n"
    purse, call = Purse(soft, store=DownStore(), soft_store_down=allowed), small()
    if allowed:
        await purse.lever(call, leaving(attempt_of()))
        assert verdicts(call, "budget") == ["unheld"]
        assert purse.lever.counts.unheld == 1
    else:
        with pytest.raises(Unavailable):
            await purse.lever(call, leaving(attempt_of()))


async def test_no_price_under_a_hard_budget_is_refused_and_under_a_soft_one_by_setting() -> None:
    """Never held as $0."""
    unpriced = call_of({**chat_fields(max_tokens=9), "model": "nobody-knows-1"})
    with pytest.raises(InvalidRequest, match="budget 'ci' cannot hold what has no price"):
        await Purse(DAY).lever(unpriced, leaving(attempt_of()))
    soft = f"{DAY}hard = false\n"
    await Purse(soft).lever(unpriced, leaving(attempt_of()))
    with pytest.raises(InvalidRequest):
        await Purse(soft, soft_unpriced=False).lever(unpriced, leaving(attempt_of()))


async def test_counting_tokens_is_free() -> None:
    """It is held as a call, not as money."""
    purse = Purse(f"{DAY}calls = 5\n")
    call = small(operation="count_tokens")
    await purse.lever(call, leaving(attempt_of(usage=None, cost=FREE_COST)))
    assert await purse.standings() == [(0, 0), (1, 0)]


@pytest.mark.parametrize(
    ("method", "path", "used"),
    [("GET", "/v1/models/x", 0), ("POST", "/v1/files?a=b", 0), ("POST", "/v1/images/edits", 7)],
)
async def test_unread_calls_are_free_by_their_path_or_have_a_stated_most(
    method: str, path: str, used: int
) -> None:
    """What the settings state for a path is charged for each call of it."""
    purse = Purse(DAY)
    call = small(operation="passthrough", method=method, path=path)
    await purse.lever(call, leaving(attempt_of(usage=None, cost=UNKNOWN_COST)))
    assert await purse.standings() == [(used, 0)]


@pytest.mark.parametrize(
    "path", ["/v1/batches", "/v1/audio/speech", "/v1/%66iles", "/v1//files", "/v1/files/x/content"]
)
async def test_other_unread_calls_are_refused_under_hard_budgets(path: str) -> None:
    """However the path is spelled: only what is known to be free is free."""
    call = small(operation="passthrough", path=path)
    with pytest.raises(InvalidRequest, match="budget 'ci' is hard"):
        await Purse(DAY).lever(call, leaving(attempt_of()))


async def test_batches_pass_uncounted_where_the_settings_allow_them() -> None:
    """They are billed later, by what stands in a file."""
    purse = Purse(DAY, batches=True)
    await purse.lever(
        small(operation="passthrough", path="/v1/batches"),
        leaving(attempt_of(usage=None, cost=UNKNOWN_COST)),
    )
    assert await purse.standings() == [(0, 0)]


async def test_a_soft_limit_of_tokens_is_held_at_what_a_call_is_expected_to_use() -> None:
    """A model could write 16,384 tokens; a person's 5,000 a day are not blocked by that."""
    purse = Purse('[budgets.p]\ntokens = 5000\nper = "day"\n')
    call = call_of()
    await purse.lever(call, leaving(attempt_of()))
    assert await purse.standings() == [(11, 0)]
    hard = Purse('[budgets.p]\ntokens = 5000\nper = "day"\nhard = true\n')
    with pytest.raises(BudgetExceeded, match="this call may need up to 1"):
        await hard.lever(call_of(), leaving(attempt_of()))


async def test_a_soft_breach_says_so_and_may_be_passed_with_leave() -> None:
    """What the ladder is for."""
    soft = '[budgets.p]\nusd = "0.000001"\nper = "day"\nhard = false\n'
    purse = Purse(soft)
    with pytest.raises(BudgetExceeded) as caught:
        await purse.lever(small(), leaving(attempt_of()))
    assert caught.value.soft
    await purse.lever(small(over_soft=True), leaving(attempt_of(cost=COST)))
    assert await purse.standings() == [(1_000, 0)]
    assert (purse.lever.counts.denied_soft, purse.lever.counts.denied_hard) == (1, 0)


async def test_a_cost_over_its_hold_is_counted_as_a_breach(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It should never be; if it is, a metric and the log say so, and the truth is charged."""
    purse, call = Purse(DAY), small()
    dear = Cost.exact(5_000_000, price_version="t", lines=())
    await purse.lever(call, leaving(attempt_of(cost=dear)))
    assert purse.lever.counts.breaches == 1
    assert "more than the most that was held" in caplog.text
    assert await purse.standings() == [(5_000_000, 0)]


async def test_caps_refuse_by_the_exact_count() -> None:
    """The size of the body alone refuses nobody."""
    purse = Purse("[budgets.ci]\ncall_input_tokens = 100\n")
    await purse.lever(small(), leaving(attempt_of()))
    with pytest.raises(BudgetExceeded, match="allows 100 tokens for each call"):
        await purse.lever(call_of(chat_fields("x" * 300, max_tokens=9)), leaving(attempt_of()))


async def test_an_attempt_that_broke_without_a_trace_is_charged_in_full() -> None:
    """Only what provably never left is given back: here nobody knows."""
    purse, call = Purse(DAY), small()
    with pytest.raises(OverflowError):
        await purse.lever(call, leaving(error=OverflowError("a price beyond all numbers")))
    (used, held), *_ = await purse.standings()
    assert used > 1_000
    assert held == 0


async def test_usage_that_contradicts_itself_is_charged_in_full() -> None:
    """The provider worked more than its counts of the reply say: the hold is the high end."""
    purse, call = Purse(DAY), small()
    usage = Usage(input_tokens=5, output_tokens=5, suspect="10 tokens beside the reply's 10")
    await purse.lever(call, leaving(attempt_of(usage=usage, cost=COST)))
    (used, held), *_ = await purse.standings()
    assert used == numbers(call, "budget")["held_nanousd"]
    assert held == 0
