"""Going elsewhere after an error: when, where to, what the client and the ledger learn of it."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.choosing import Wish
from scrimp.errors import Breach, BudgetExceeded, InvalidRequest, UpstreamError
from scrimp.ledger.booking import booked
from scrimp.levers.fallback import FELL_BACK, FallbackSettings
from tests.support.core import HereSink, call_of, chat_fields, numbers, reply_of, verdicts
from tests.support.upstreams import down, stage

ASKED, AZURE = "openai/gpt-4o-mini", "azure/gpt-4o-mini"
CLAUDE = "anthropic/claude-haiku-4-5"


def lines(call: Call) -> list[str]:
    """What the lever said."""
    return verdicts(call, "fallback")


async def test_a_good_answer_is_left_alone() -> None:
    """No line, no header, it may be remembered, and nobody else was asked."""
    one, call = stage(), call_of()
    reply = await one.answer(call)
    assert reply.cacheable
    assert (one.below.tried, call.trace.lines, call.trace.headers) == ([ASKED], [], {})


async def test_without_a_chain_an_error_is_the_answer() -> None:
    """As if there were no such lever."""
    one = stage()
    one.below.says["openai"] = error = down()
    call = call_of(chat_fields(model="gpt-4o"), target=replace(call_of().target, model="gpt-4o"))
    with pytest.raises(UpstreamError) as caught:
        await one.answer(call)
    assert caught.value is error
    assert call.trace.lines == []


async def test_another_target_answers_and_everybody_is_told() -> None:
    """The header names it, the line has the numbers, nothing of it is remembered."""
    one, call = stage(), call_of()
    one.below.says["openai"] = down()
    reply = await one.answer(call)
    assert (reply.status, reply.cacheable) == (200, False)
    assert one.below.tried == [ASKED, AZURE]
    assert call.trace.headers == {FELL_BACK: AZURE}
    assert lines(call) == ["failed", "instead"]
    assert dict(call.trace.lines[0].numbers) == {
        "unserved_from": 0,
        "unserved_to": 1,
        "provider": "openai",
        "model": "gpt-4o-mini",
        "status": 503,
    }
    assert numbers(call, "fallback") == {"to_provider": "azure", "to_model": "gpt-4o-mini"}


async def test_the_chain_is_walked_in_order() -> None:
    """The second one is down, too: the third answers, and its name stands in the header."""
    one, call = stage(), call_of()
    one.below.says |= {"openai": down(), "azure": down(500)}
    await one.answer(call)
    assert one.below.tried == [ASKED, AZURE, CLAUDE]
    assert call.trace.headers == {FELL_BACK: CLAUDE}
    assert lines(call) == ["failed", "instead", "failed", "instead"]


async def test_when_all_are_down_the_last_error_is_the_answer() -> None:
    """Status, body and headers as they came; no header says that anybody answered."""
    one, call = stage(), call_of()
    last = down(529, body=b'{"error":{"message":"overloaded"}}')
    one.below.says |= {"openai": down(), "azure": down(500), "anthropic": last}
    with pytest.raises(UpstreamError) as caught:
        await one.answer(call)
    assert caught.value is last
    assert caught.value.headers == last.headers
    assert call.trace.headers == {}
    assert lines(call) == ["failed", "instead", "failed", "instead", "gave_up"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_an_error_that_the_call_causes_stays_its_answer(status: int) -> None:
    """Anybody else would refuse it, too, or the operator must know."""
    one = stage()
    one.below.says["openai"] = down(status, body=b'{"error":{"message":"your fault"}}')
    with pytest.raises(UpstreamError) as caught:
        await one.answer(call_of())
    assert caught.value.status == status
    assert one.below.tried == [ASKED]


async def test_settings_may_name_further_statuses() -> None:
    """A key that ran out is no reason to answer nothing."""
    one = stage(settings=FallbackSettings(also_on=frozenset({401})))
    one.below.says["openai"] = down(401)
    assert (await one.answer(call_of())).status == 200


async def test_a_prompt_that_is_too_long_goes_to_a_larger_window_only() -> None:
    """gpt-4o-mini at another provider has the same window; claude-haiku-4-5 has a larger one."""
    one, call = stage(), call_of()
    one.below.says["openai"] = down(400, body=b'{"error":{"code":"context_length_exceeded"}}')
    await one.answer(call)
    assert one.below.tried == [ASKED, CLAUDE]
    assert dict(call.trace.lines[0].numbers) == {"model": AZURE, "why": "window"}


async def test_a_prompt_that_is_too_long_may_stay_refused() -> None:
    """`larger_window = false`."""
    one = stage(settings=FallbackSettings(larger_window=False))
    one.below.says["openai"] = down(400, body=b'{"error":{"code":"context_length_exceeded"}}')
    with pytest.raises(UpstreamError):
        await one.answer(call_of())
    assert one.below.tried == [ASKED]


async def test_nobody_is_asked_once_a_byte_has_left() -> None:
    """The client has the beginning of an answer: the error goes into its stream."""
    one, sink = stage(), HereSink()

    def breaks(_: Call) -> UpstreamError:
        sink.begun = True
        return down(502)

    one.below.says["openai"] = breaks
    with pytest.raises(UpstreamError):
        await one.answer(call_of(sink=sink))
    assert one.below.tried == [ASKED]


async def test_a_fallback_that_breaks_after_its_first_byte_is_the_end() -> None:
    """Nobody calls `next` again, and the header stays true: it was that one."""
    one, sink = stage(), HereSink()

    def breaks(_: Call) -> UpstreamError:
        sink.begun = True
        return down(502)

    one.below.says |= {"openai": down(), "azure": breaks}
    call = call_of(sink=sink)
    with pytest.raises(UpstreamError) as caught:
        await one.answer(call)
    assert caught.value.status == 502
    assert one.below.tried == [ASKED, AZURE]
    assert call.trace.headers == {FELL_BACK: AZURE}


async def test_a_budget_that_does_not_bear_the_fallback_leaves_the_first_error() -> None:
    """The client learns what went wrong, not what the way out would have cost; the trace has it."""
    one, call, error = stage(), call_of(), down()
    breach = Breach("ci", "usd", 100, used=90, needed=30)
    denied = BudgetExceeded("over", soft=True, breach=breach)
    one.below.says |= {"openai": error, "azure": denied, "anthropic": denied}
    with pytest.raises(UpstreamError) as caught:
        await one.answer(call)
    assert caught.value is error
    assert lines(call) == [
        "failed",
        "instead",
        "over_budget",
        "instead",
        "over_budget",
        "gave_up",
    ]
    over = next(line for line in call.trace.lines if line.verdict == "over_budget")
    assert dict(over.numbers) == {"budget": "ci", "needed": 30, "left": 10}
    assert call.trace.headers == {}


async def test_the_budget_of_the_asked_model_refuses_as_ever() -> None:
    """That is no upstream's error: nobody else is asked."""
    one = stage()
    one.below.says["openai"] = BudgetExceeded("over")
    with pytest.raises(BudgetExceeded):
        await one.answer(call_of())
    assert one.below.tried == [ASKED]


async def test_a_fallback_that_cannot_take_the_call_is_passed_over() -> None:
    """Neither a translation that does not exist nor a 400 of its own reaches the client."""
    one, call = stage(), call_of()
    one.below.says |= {"openai": down(), "azure": down(400), "anthropic": InvalidRequest("no")}
    with pytest.raises(UpstreamError) as caught:
        await one.answer(call)
    assert caught.value.status == 503
    assert lines(call) == [
        *("failed", "instead", "refused"),
        *("failed", "instead", "refused"),
        "gave_up",
    ]


async def test_a_call_may_name_its_own_chain_or_none() -> None:
    """`instead` comes before what settings say; `fallback: off` is off."""
    one = stage()
    one.below.says["openai"] = down()
    await one.answer(call_of(wish=Wish(instead=(CLAUDE,))))
    assert one.below.tried == [ASKED, CLAUDE]
    with pytest.raises(UpstreamError):
        await one.answer(call_of(wish=Wish(fallback=False)))
    assert one.below.tried[2:] == [ASKED]


async def test_what_comes_after_a_target_is_told_to_those_below() -> None:
    """So retries know whether somebody stands ready: not behind the last one."""
    one = stage()
    one.below.says |= {"openai": down(), "azure": down()}
    await one.answer(call_of())
    wishes = [call.wish for call in one.below.calls]
    assert [(wish.fallback, wish.instead) for wish in wishes] == [
        (None, ()),
        (True, (CLAUDE,)),
        (False, ()),
    ]


async def test_too_late_for_another_is_said() -> None:
    """A second is left of ten, and another try needs two."""
    one, call = stage(), call_of(wish=Wish(deadline_ms=10_000))

    def slowly(_: Call) -> UpstreamError:
        one.clock.pass_by(9)
        return down()

    one.below.says["openai"] = slowly
    with pytest.raises(UpstreamError):
        await one.answer(call)
    assert one.below.tried == [ASKED]
    assert lines(call) == ["too_late", "gave_up"]
    late = next(line for line in call.trace.lines if line.verdict == "too_late")
    assert dict(late.numbers) == {"left_ms": 1000, "least_ms": 2000}


async def test_who_does_not_begin_in_time_is_cut_off_for_another() -> None:
    """20 ms of all, 5 of them for another: the first one never answers."""
    one = stage(settings=FallbackSettings(deadline_ms=20, least_ms=5))

    async def never(call: Call) -> Reply:
        if call.target.provider == "openai":
            await asyncio.Event().wait()
        return await one.below(call)

    call = call_of()
    reply = await one.lever(call, never)
    assert reply.status == 200
    assert lines(call) == ["instead"]
    assert one.lever.open_circuits == ()


async def test_who_has_begun_is_never_cut_off() -> None:
    """The client is reading: its time to the first byte was kept."""
    one = stage(settings=FallbackSettings(deadline_ms=20, least_ms=15))
    sink = HereSink()

    async def streams(call: Call) -> Reply:
        sink.begun = True
        await asyncio.sleep(0.03)
        return await one.below(call)

    await one.lever(call_of(sink=sink), streams)
    assert one.below.tried == [ASKED]


async def test_cost_baseline_and_saving_add_up() -> None:
    """What was spent in vain is the fallback's, and what was paid is the cost."""
    one, call = stage(), call_of()
    one.below.says["openai"] = down(500)
    await one.answer(call)
    trace = call.trace
    result = booked(reply_of(), trace.attempts, trace.attempts[0].cost, trace.lines)
    assert result.baseline_nanousd is not None
    assert result.cost.nanousd is not None
    assert result.baseline_nanousd - result.cost.nanousd == sum(n for _, n in result.saved)
    assert dict(result.saved)["fallback"] == -13


@pytest.mark.parametrize("ill", [(), ("openai",), ("openai", "azure", "anthropic")])
@pytest.mark.parametrize("status", [503, 400])
@pytest.mark.parametrize("before", [0, 9])
async def test_no_call_leaves_garbage(ill: tuple[str, ...], status: int, before: int) -> None:
    """Good, answered by another, failed by all, with circuits closed or open: no error's ring."""
    one = stage()
    for name in ill:
        one.below.says[name] = lambda call: UpstreamError(call.id, status=status)

    async def go() -> None:
        with suppress(UpstreamError):
            await one.answer(call_of())

    for _ in range(before + 1):
        await go()
    gc.collect()
    gc.disable()
    try:
        await go()
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("purpose", ["audit", "shadow", "warm"])
async def test_background_calls_go_to_their_own_model_only(purpose: Any) -> None:
    """A judge or a shadow that is another model than it says would teach what is not so."""
    one = stage()
    one.below.says |= {"openai": down(), "azure": down()}
    with pytest.raises(UpstreamError):
        await one.answer(call_of(purpose=purpose))
    assert one.below.tried == [ASKED, AZURE]
