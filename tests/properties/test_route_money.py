"""Whatever is chosen, drafted, retried, translated, degraded or broken off: the books add up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.app import App, Parts
from scrimp.calls import Call, HeldSink, Sink
from scrimp.choosing import Wish
from scrimp.dialects.json_body import encode
from scrimp.errors import Rejected, UpstreamError
from scrimp.ports import Entry, Exchange, UpstreamRequest
from scrimp.prices import load_book
from scrimp.settings import parse
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.stores.opened_budgets import program_budgets
from scrimp.stores.settings_keys import SettingsKeys
from tests.support.core import (
    FakeClock,
    HereSink,
    LetterEncoder,
    ListLedger,
    ScriptedExchange,
    answer_fields,
    call_of,
    chat_fields,
    json_exchange,
    stream_events,
)

_SSE = (("content-type", "text/event-stream"),)
_SETTINGS = """
[exact_cache]
enabled = false
[retry]
attempts = 2
base_s = 0.001
max_wait_s = 0.002
[providers.openai]
base_url = "https://o.example/v1"
dialects = ["openai.chat"]
[providers.anthropic]
base_url = "https://a.example/v1"
dialects = ["anthropic.messages"]
[route]
enabled = true
depth = "rules"
models = ["gpt-4o-mini", "claude-haiku-4-5", "gpt-4o"]
reference = "gpt-4o"
calls = "all"
[cascade]
models = ["gpt-4.1-nano"]
checks = ["min_length=20", "arithmetic"]
[fallback]
default = ["claude-haiku-4-5", "gpt-4.1"]
dearer = "within_budget"
[budgets.soft]
usd = "{usd}"
per = "day"
hard = false
[degrade]
cheaper_until_percent = 1000
shorter_until_percent = 2000
models = ["gpt-4.1-nano"]
"""
Outcome = Callable[[UpstreamRequest], Exchange]


def answers(text: str) -> Outcome:
    """In the form that was asked for, in the provider's own words."""

    def exchange(request: UpstreamRequest) -> Exchange:
        if request.provider == "anthropic":
            usage = {"input_tokens": 12, "output_tokens": 7}
            content = [{"type": "text", "text": text}]
            fields = {
                "id": "m",
                "type": "message",
                "role": "assistant",
                "model": "claude-haiku-4-5",
            }
            end = {"stop_reason": "end_turn", "stop_sequence": None}
            return json_exchange(encode({**fields, "content": content, **end, "usage": usage}))
        if b'"stream":true' in request.body:
            return ScriptedExchange(200, _SSE, stream_events(text))
        return json_exchange(answer_fields(text))

    return exchange


def fails(status: int) -> Outcome:
    """With an error of the provider's."""
    return lambda _: json_exchange(b'{"error": {"message": "no"}}', status=status)


def breaks(request: UpstreamRequest) -> Exchange:
    """Half an answer."""
    del request
    events = stream_events("Half of", " it")[:1]
    return ScriptedExchange(200, _SSE, [*events, UpstreamError("gone", status=0)])


OUTCOMES = st.sampled_from(
    [
        answers("The answer is 4, since 2 + 2 = 4."),
        answers("The answer is 5, since 2 + 2 = 5."),
        answers("4"),
        fails(500),
        fails(429),
        fails(400),
        breaks,
    ]
)
WISHES = st.sampled_from(
    [
        Wish("auto"),
        Wish("cheap"),
        Wish("auto", rung="expert"),
        Wish("auto", rung="expert", cascade=True),
        Wish("auto", models=("claude-haiku-4-5", "gpt-4o")),
        Wish("auto", low_latency=True),
        Wish("off"),
        Wish(),
    ]
)


class Script:
    """Implements `Upstream`: one outcome after the other, from the beginning again."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes
        self.asked = 0

    async def open(
        self,
        request: UpstreamRequest,
        *,
        credential: tuple[str, str] | None,
        sending: Callable[[], None],
    ) -> Exchange:
        """The next one."""
        del credential
        sending()
        self.asked += 1
        return self.outcomes[(self.asked - 1) % len(self.outcomes)](request)

    async def close(self) -> None:
        """Nothing is open."""


def app_of(script: Script, usd: str) -> tuple[App, ListLedger]:
    """Every lever that changes a target, over a script."""
    clock, ledger = FakeClock(), ListLedger()
    parts = Parts(
        clock=clock,
        upstream=script,
        ledger=ledger,
        replies=MemoryReplies(clock, max_bytes=1000),
        keys=SettingsKeys(()),
        encoder=LetterEncoder(),
        budgets=program_budgets(None, clock),
    )
    return App(
        parse(_SETTINGS.replace("{usd}", usd).encode(), source="the test"), parts, load_book()
    ), ledger


async def booked(script: Script, calls: list[Call], usd: str) -> list[Entry]:
    """One call after the other, as the ledger has them."""
    app, ledger = app_of(script, usd)
    async with asyncio.TaskGroup() as group:
        group.create_task(app.outbox.run())
        app.background.open(group)
        for call in calls:
            with suppress(Rejected, UpstreamError):
                await app.handle(call)
            await app.outbox.drained()
        app.again.stop()
        app.outbox.stop()
    return ledger.entries


def one_call(number: int, wish: Wish, *, stream: bool) -> Call:
    """Of a client that leaves the choice open, or names the dear model."""
    model = "scrimp/auto" if wish.mode in ("auto", "cheap") else "gpt-4o"
    sink: Sink = HereSink() if stream else HeldSink()
    call = call_of(chat_fields("What is 2 + 2?", model=model, stream=stream), wish=wish, sink=sink)
    headed = replace(call.target, provider="openai", model="gpt-4o")
    return replace(call, id=f"call-{number}", target=headed)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(OUTCOMES, min_size=1, max_size=6),
    st.lists(st.tuples(WISHES, st.booleans()), min_size=1, max_size=4),
    st.sampled_from(["0.0002", "0.002", "1"]),
)
def test_costs_and_savings_make_the_baseline_to_the_nano_dollar(
    outcomes: list[Outcome], asked: list[tuple[Wish, bool]], usd: str
) -> None:
    """Each attempt counts once, what was paid in vain too; every call has one entry."""
    calls = [one_call(at, wish, stream=stream) for at, (wish, stream) in enumerate(asked)]
    script = Script(outcomes)
    entries = asyncio.run(booked(script, calls, usd))
    assert [one.id for one in entries] == [one.id for one in calls]
    assert sum(len(one.attempts) for one in entries) == script.asked
    for one in entries:
        paid = sum(attempt.cost.nanousd or 0 for attempt in one.attempts)
        if one.cost_nanousd is not None:
            assert one.cost_nanousd == paid
        if one.cost_nanousd is not None and one.baseline_nanousd is not None:
            saved = sum(part for _, part in one.saved)
            assert one.baseline_nanousd - one.cost_nanousd == saved, (one.saved, one.trace)
