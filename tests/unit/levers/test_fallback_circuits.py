"""Circuits as calls meet them: who is left out, who probes, and what opens nothing."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.choosing import Wish
from scrimp.errors import UpstreamError
from tests.support.core import call_of, verdicts
from tests.support.upstreams import Stage, asking, down, stage

ASKED, AZURE = "openai/gpt-4o-mini", "azure/gpt-4o-mini"
CLAUDE = "anthropic/claude-haiku-4-5"


def lines(call: Call) -> list[str]:
    """What the lever said."""
    return verdicts(call, "fallback")


async def fail_until_open(one: Stage) -> None:
    """As many failing calls as it takes."""
    for number in range(4):
        await one.answer(asking(call_of(), number))


async def test_an_open_circuit_is_left_out_without_an_attempt() -> None:
    """The fifth call goes straight to the next target, and the trace says why."""
    one, call = stage(), call_of()
    one.below.says["openai"] = down()
    await fail_until_open(one)
    one.below.calls.clear()
    assert (await one.answer(call)).status == 200
    assert one.below.tried == [AZURE]
    assert lines(call) == ["left_out", "instead"]
    assert dict(call.trace.lines[0].numbers)["why"] == "circuit_open"


async def test_when_all_are_open_the_asked_one_is_tried() -> None:
    """And its error, as it was, is the answer."""
    one, call = stage(), call_of()
    for name in ("openai", "azure", "anthropic"):
        one.below.says[name] = down()
    for number in range(4):
        with pytest.raises(UpstreamError):
            await one.answer(asking(call_of(), number))
    one.below.calls.clear()
    one.below.says["openai"] = last = down(body=b'{"error":{"message":"still down"}}')
    with pytest.raises(UpstreamError) as caught:
        await one.answer(call)
    assert caught.value is last
    assert one.below.tried == [ASKED]
    assert lines(call) == ["left_out", "left_out", "left_out", "after_all"]


async def test_an_open_circuit_never_fails_a_call_by_itself() -> None:
    """Nobody else may take it: it is tried all the same, and answers."""
    one = stage()
    one.below.says["openai"] = down()
    await fail_until_open(one)
    del one.below.says["openai"]
    call = call_of(caller=replace(call_of().caller, models=("gpt-4o-mini",)))
    call = replace(call, wish=Wish(instead=(CLAUDE,)))
    reply = await one.answer(call)
    assert reply.status == 200
    assert reply.cacheable
    assert lines(call) == ["left_out", "left_out", "after_all"]


async def test_probes_close_it_again() -> None:
    """After its time one call at a time; two good ones in a row, and all come back."""
    one = stage()
    one.below.says["openai"] = down()
    await fail_until_open(one)
    del one.below.says["openai"]
    one.clock.pass_by(8)
    one.below.calls.clear()
    for number in range(3):
        await one.answer(asking(call_of(), number))
    assert one.below.tried == [ASKED, ASKED, ASKED]
    assert one.lever.open_circuits == ()


async def test_one_call_probes_and_the_others_go_elsewhere() -> None:
    """However many come at once."""
    one, gate, others = stage(), asyncio.Event(), asyncio.Event()
    one.below.says["openai"] = down()
    await fail_until_open(one)
    one.clock.pass_by(8)
    one.below.calls.clear()
    del one.below.says["openai"]

    async def slow(call: Call) -> Reply:
        if call.target.provider == "openai":
            await gate.wait()
        reply = await one.below(call)
        if len(one.below.calls) == 8:
            others.set()
        return reply

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(one.lever(asking(call_of(), number), slow)) for number in range(9)
        ]
        await others.wait()
        assert set(one.below.tried) == {AZURE}
        gate.set()
    assert all(task.result().status == 200 for task in tasks)
    assert sorted(one.below.tried) == [AZURE] * 8 + [ASKED]


async def test_a_probe_whose_client_left_lets_the_next_one_try() -> None:
    """Cancelled is neither good nor bad."""
    one = stage()
    one.below.says["openai"] = down()
    await fail_until_open(one)
    one.clock.pass_by(8)

    def leaves(call: Call) -> BaseException:
        return asyncio.CancelledError(call.id)

    one.below.says["openai"] = leaves
    with pytest.raises(asyncio.CancelledError):
        await one.answer(call_of())
    del one.below.says["openai"]
    one.below.calls.clear()
    await one.answer(call_of())
    assert one.below.tried == [ASKED]


async def test_a_refusal_of_the_call_opens_nothing() -> None:
    """A hundred bad requests say nothing of the upstream."""
    one = stage()
    one.below.says["openai"] = down(400)
    for number in range(100):
        with pytest.raises(UpstreamError):
            await one.answer(asking(call_of(), number))
    assert one.lever.open_circuits == ()


async def test_a_limit_of_the_clients_own_key_opens_nothing() -> None:
    """Others have keys of their own; and this one's goes to no other provider."""
    one = stage()
    one.below.says["openai"] = down(429)
    caller = replace(call_of().caller, credential=("authorization", "Bearer mine"))
    for number in range(20):
        with pytest.raises(UpstreamError):
            await one.answer(asking(call_of(caller=caller), number))
    assert one.lever.open_circuits == ()
    assert set(one.below.tried) == {ASKED}


async def test_trouble_of_one_model_does_not_close_the_provider() -> None:
    """Overload comes by model: another model of the same provider is still asked."""
    one = stage()
    one.below.says[ASKED] = down(529)
    await fail_until_open(one)
    assert one.lever.open_circuits == (ASKED,)
    one.below.calls.clear()
    await one.answer(call_of(wish=Wish(instead=("openai/gpt-4o",))))
    assert one.below.tried == ["openai/gpt-4o"]


async def test_silence_of_a_provider_concerns_all_its_models() -> None:
    """It cannot be reached: no model of it is asked while the circuit is open."""
    one = stage()
    one.below.says["openai"] = down(502)
    await fail_until_open(one)
    assert one.lever.open_circuits == ("openai",)
    one.below.calls.clear()
    await one.answer(call_of(wish=Wish(instead=("openai/gpt-4o", CLAUDE))))
    assert one.below.tried == [CLAUDE]
