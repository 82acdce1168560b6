"""The cascade and time: streams that are held back, clients that leave."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from scrimp.calls import UNKNOWN_COST, Attempt, Call, HeldSink
from scrimp.dialects import DIALECTS
from scrimp.errors import Breach, BudgetExceeded, UpstreamError
from scrimp.pipeline.cascade_plan import Steps
from scrimp.pipeline.held_stream import COMMENT
from tests.support.cascading import BAD, GOOD, Answers, Kitchen, answering, asking
from tests.support.core import HereSink, attempt_of, streaming


async def test_a_live_stream_is_not_cascaded() -> None:
    """By default: its first chunks would have to wait."""
    kitchen = Kitchen({"dear": answering(GOOD)})
    call = streaming()
    call = replace(call, target=replace(call.target, model="dear"))
    await kitchen.ask(call)
    assert kitchen.provider.asked == ["dear"]
    assert isinstance(call.sink, HereSink)
    assert call.sink.body == b"live"


async def test_a_stream_that_nobody_watches_is_cascaded() -> None:
    """It is returned whole."""
    kitchen = Kitchen({"cheap": answering(GOOD)})
    await kitchen.ask(replace(streaming(), sink=HeldSink()))
    assert kitchen.provider.asked == ["cheap"]


def _slow(kitchen: Kitchen, *models: str) -> None:
    """These models take until two comments have gone out."""

    async def wait(call: Call) -> None:
        if call.target.model in models:
            begun = len(kitchen.clock.slept)
            while len(kitchen.clock.slept) < begun + 2:  # noqa: ASYNC110 (a clock by script)
                await asyncio.sleep(0)

    kitchen.provider.meanwhile = wait


def _held(answers: Answers) -> tuple[Kitchen, Call, HereSink]:
    kitchen, call = Kitchen(answers, hold_streams=True), streaming()
    call = replace(call, target=replace(call.target, model="dear"))
    assert isinstance(call.sink, HereSink)
    return kitchen, call, call.sink


async def test_a_held_stream_is_kept_open_and_then_delivered_whole() -> None:
    """Comments, then the events of the accepted draft: nothing of a draft leaves before."""
    kitchen, call, sink = _held({"cheap": answering(GOOD)})
    _slow(kitchen, "cheap")
    await kitchen.ask(call)
    assert (sink.status, sink.chunks[0]) == (200, COMMENT)
    assert dict(sink.headers)["content-type"].startswith("text/event-stream")
    events = sink.body.replace(COMMENT, b"")
    assert "".join(DIALECTS["openai.chat"].reply_texts(events)) == GOOD
    assert events.rstrip().endswith(b"data: [DONE]")


async def test_a_held_stream_that_escalates_after_comments_is_whole_too() -> None:
    """The dear model's answer is held as well: the stream has begun, but nothing of an answer."""
    kitchen, call, sink = _held({"cheap": answering(BAD), "dear": answering(GOOD)})
    _slow(kitchen, "cheap", "dear")
    await kitchen.ask(call)
    assert kitchen.provider.asked == ["cheap", "dear"]
    events = sink.body.replace(COMMENT, b"")
    assert "".join(DIALECTS["openai.chat"].reply_texts(events)) == GOOD


async def test_a_held_stream_that_escalates_at_once_is_live() -> None:
    """Where no comment had to be sent the dear model's chunks go straight to the client."""
    kitchen, call, sink = _held({"cheap": answering(BAD), "dear": answering(GOOD)})
    await kitchen.ask(call)
    assert sink.body == b"live"


async def test_an_answer_that_breaks_off_is_not_replaced_by_a_draft() -> None:
    """Its first words have left: the error is told in the stream, whatever drafts there are."""
    error = UpstreamError("broke off", status=502)
    kitchen, call, sink = _held({"cheap": answering("Four."), "dear": error})

    async def begin(call: Call) -> None:
        if call.target.model == "dear":
            await call.sink.start(200, ())
            await call.sink.write(b"half")

    kitchen.provider.meanwhile = begin
    with pytest.raises(UpstreamError) as caught:
        await kitchen.ask(call)
    assert caught.value is error
    assert sink.body == b"half"


async def test_after_comments_a_refusal_is_told_in_the_stream() -> None:
    """Status 200 has left: no other can follow, so it becomes an error of the stream."""
    refusal = BudgetExceeded("over", breach=Breach())
    kitchen, call, _ = _held({"cheap": answering(BAD), "dear": refusal})
    _slow(kitchen, "cheap")
    with pytest.raises(UpstreamError) as caught:
        await kitchen.ask(call)
    assert (caught.value.status, str(caught.value), caught.value.sent) == (429, "over", False)


async def test_a_client_that_does_not_read_ends_the_drafts() -> None:
    """A comment that cannot be written is a client that has gone."""
    kitchen, call, _ = _held({"cheap": answering(GOOD)})
    call = replace(call, sink=HereSink(fails=asyncio.CancelledError()))

    async def wait(call: Call) -> None:
        del call
        await asyncio.Event().wait()

    kitchen.provider.meanwhile = wait
    with pytest.raises(asyncio.CancelledError):
        await kitchen.ask(call)


async def test_a_client_that_leaves_is_charged_for_what_was_asked() -> None:
    """Both models in the air leave their attempts in the call's own trace."""
    steps = Steps(("cheap",), (("agreement", "other"),))
    kitchen = Kitchen({}, steps=steps, parallel=True)

    async def leave(call: Call) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left: Attempt = attempt_of(
                target=call.target, outcome="cancelled", usage=None, cost=UNKNOWN_COST
            )
            call.trace.attempts.append(left)

    kitchen.provider.meanwhile = leave
    call = asking()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(kitchen.ask(call))
        while len(kitchen.provider.asked) < 2:  # noqa: ASYNC110 (a provider by script)
            await asyncio.sleep(0)
        task.cancel()
    assert sorted(one.target.model for one in call.trace.attempts) == ["cheap", "other"]
