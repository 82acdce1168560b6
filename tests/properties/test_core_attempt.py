"""However an attempt ends: one line in the trace, one end of the connection, whole events only."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from scrimp.calls import Attempt, Call, Reply
from scrimp.errors import UpstreamError
from tests.support.core import (
    SSE_HEADERS,
    ScriptedExchange,
    ScriptedUpstream,
    Step,
    attempt_on,
    call_of,
    chat_fields,
    forever,
    sink_of,
    stream_events,
)

EVENTS = stream_events("Hi", "", "Ünïcode 🙂", "x" * 300)
WHOLE = b"".join(EVENTS)
SHOWN = [event for event in EVENTS if b'"choices":[]' not in event]
End = Literal["whole", "closed", "broken", "left", "stuck"]
OUTCOMES = {"whole": "ok", "broken": "cut", "closed": "cut", "left": "cancelled"}


async def attempted(call: Call, exchange: ScriptedExchange, *, leave: bool) -> Reply | None:
    """One attempt; the client leaves when nothing moves any more. None when it failed."""
    run = attempt_on(ScriptedUpstream(exchange), max_kept_bytes=1 << 20)

    async def carried_out() -> Reply | None:
        try:
            return await run(call)
        except UpstreamError:
            return None

    task = asyncio.get_running_loop().create_task(carried_out())
    if leave:
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return None


@given(
    st.lists(st.integers(1, len(WHOLE) - 1), max_size=8, unique=True),
    st.integers(0, len(WHOLE)),
    st.sampled_from(["whole", "closed", "broken", "left"]),
)
def test_any_end_at_any_byte(cuts: list[int], stop: int, end: End) -> None:
    """Pieces of any size, then an end of any kind at any byte."""
    upto = len(WHOLE) if end == "whole" else stop
    edges = [0, *sorted(cut for cut in cuts if cut < upto), upto]
    steps: list[Step] = [WHOLE[a:b] for a, b in pairwise(edges) if a < b]
    if end == "broken":
        steps.append(UpstreamError("broke off", status=502))
    if end == "left":
        steps.append(forever)
    exchange = ScriptedExchange(200, SSE_HEADERS, steps)
    call = call_of(chat_fields(stream=True))
    reply = asyncio.run(attempted(call, exchange, leave=end == "left"))
    check(call, exchange, reply, upto, end)


def check(call: Call, exchange: ScriptedExchange, reply: Reply | None, upto: int, end: End) -> None:
    """What holds for every end."""
    assert sum(exchange.closed) == 1
    assert exchange.closed == ((1, 0) if end in {"whole", "closed"} else (0, 1))
    (attempt,) = call.trace.attempts
    body = sink_of(call).body
    shown = [b"".join(SHOWN[:count]) for count in range(len(SHOWN) + 1)]
    assert body in shown, "a piece of an event has left"
    assert sink_of(call).begun is bool(body)
    complete = upto == len(WHOLE)
    assert (reply is not None) is (complete and end != "left")
    if reply is not None:
        assert (reply.body, reply.cacheable, body) == (WHOLE, True, shown[-1])
        assert attempt.outcome == "ok"
    else:
        check_broken(attempt, upto, end)


def check_broken(attempt: Attempt, upto: int, end: End) -> None:
    """A broken one says how, and keeps what the estimate needs."""
    expected = OUTCOMES[end]
    if upto == 0 and expected == "cut":
        expected = "failed"
    if upto == len(WHOLE):
        expected = "ok"  # only the client has left, with all that there was
    assert attempt.outcome == expected
    assert (attempt.usage is None) == (attempt.cost.basis == "unknown")
    assert attempt.partial == (b"" if attempt.usage is not None else WHOLE[:upto])
