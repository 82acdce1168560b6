"""The prefix cache lever: what it marks, what it leaves alone, what a refusal teaches it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Reply, ReplyFacts, Usage
from scrimp.errors import UpstreamError
from scrimp.levers.prefix_cache import PrefixCache
from scrimp.prefixes.planning import Prices
from scrimp.prefixes.rules import ANTHROPIC
from scrimp.prefixes.seen import Seen
from scrimp.prefixes.telling import Terms
from tests.support.core import FakeClock, call_of, reply_of, verdicts

SYSTEM = "You answer for a shop. " * 400
READ = Usage(input_tokens=5, cache_read_tokens=2000, output_tokens=1)


class Below:
    """What the lever passes on; with `refuses`, a provider that does not know marks."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.calls: list[Call] = []
        self._refuses = refuses

    async def __call__(self, call: Call) -> Reply:
        """Remember and answer."""
        self.calls.append(call)
        if self._refuses and b"cache_control" in call.request.body:
            raise UpstreamError(
                "refused", status=400, body=b'{"error": "cache_control: unknown field"}'
            )
        return replace(reply_of(), facts=ReplyFacts(usage=READ, complete=True))


def terms(_: Call) -> Terms:
    """Those of a Claude model."""
    return Terms(ANTHROPIC, Prices(2_000_000, 200_000, (2_500_000, 4_000_000)), "claude")


def asked(question: str, **more: Any) -> Call:
    """A call with a long system prompt."""
    fields = {
        "model": "claude-sonnet-5",
        "max_tokens": 10,
        "system": SYSTEM,
        "messages": [{"role": "user", "content": question}],
        **more,
    }
    return call_of(fields, dialect="anthropic.messages")


def lever() -> PrefixCache:
    """One with an empty memory."""
    return PrefixCache(terms, FakeClock(), Seen())


async def test_the_first_goes_on_as_it_came_the_second_is_marked() -> None:
    """Nothing is changed before something has come back; then its end carries the mark."""
    below, marking = Below(), lever()
    calls = [asked("one"), asked("two")]
    for call in calls:
        await marking(call, below)
    assert below.calls[0] is calls[0]
    sent = json.loads(below.calls[1].request.body)
    assert sent["system"] == [
        {"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}
    ]
    assert sent["messages"] == [{"role": "user", "content": "two"}]
    assert calls[1].request.fields["system"] == SYSTEM, "the client's own is untouched"
    assert verdicts(calls[1], "prefix_cache") == ["marked"]


@pytest.mark.parametrize(
    "more",
    [
        {"cache_control": {"type": "ephemeral"}},
        {"system": [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]},
        {"container": "c"},
        {
            "tools": [
                {"name": "a", "input_schema": {}},
                {"name": "b", "defer_loading": True, "cache_control": {"type": "ephemeral"}},
            ]
        },
        {
            "system": [
                {
                    "type": "text",
                    "text": "x-anthropic-billing-header: cch=1;",
                    "cache_control": {"type": "ephemeral"},
                },
                {"type": "text", "text": SYSTEM},
            ]
        },
    ],
)
async def test_calls_with_marks_or_state_of_their_own_are_never_touched(
    more: dict[str, Any],
) -> None:
    """However often they come back."""
    below, marking = Below(), lever()
    calls = [asked(f"q{n}", **more) for n in range(5)]
    for call in calls:
        await marking(call, below)
    assert all(sent is call for sent, call in zip(below.calls, calls, strict=True))
    assert all(not call.trace.lines for call in calls)


async def test_a_refused_mark_is_withdrawn_and_the_call_sent_once_without() -> None:
    """The client gets its answer, and that model is never marked again."""
    below, marking = Below(refuses=True), lever()
    calls = [asked(f"q{n}") for n in range(4)]
    for call in calls:
        await marking(call, below)
    marked = [b"cache_control" in one.request.body for one in below.calls]
    assert marked == [False, True, False, False, False]
    assert verdicts(calls[1], "prefix_cache") == ["marked", "withdrawn"]


async def test_a_call_that_fails_without_marks_too_teaches_nothing() -> None:
    """Its error may quote the field by chance: others of that model are marked as before."""
    below, marking = Below(), lever()

    async def failing(call: Call) -> Reply:
        below.calls.append(call)
        said = b'{"error": "tools.0.name: \'cache_control!\' is no name"}'
        raise UpstreamError("no", status=400, body=said)

    await marking(asked("one"), below)
    bad = asked("two")
    with pytest.raises(UpstreamError):
        await marking(bad, failing)
    assert verdicts(bad, "prefix_cache") == ["marked", "withdrawn"]
    await marking(asked("three"), below)
    marked = [b"cache_control" in one.request.body for one in below.calls]
    assert marked == [False, True, False, True]


async def test_other_errors_are_passed_on_and_asked_once() -> None:
    """What has nothing to do with marks is not the lever's to repair."""
    marking, asked_for = lever(), 0

    async def failing(_: Call) -> Reply:
        nonlocal asked_for
        asked_for += 1
        raise UpstreamError("no", status=400, body=b'{"error": "max_tokens"}')

    await marking(asked("one"), Below())
    with pytest.raises(UpstreamError):
        await marking(asked("two"), failing)
    assert asked_for == 1


@pytest.mark.parametrize(
    ("model", "left"),
    [
        ("deepseek-v4", {"system": "Be kind."}),
        ("claude-sonnet-5", None),
        ("anthropic/Claude-X", None),
    ],
)
async def test_claude_codes_line_stays_off_endpoints_of_others(
    model: str, left: dict[str, str] | None
) -> None:
    """They take it for instructions, and keep no prefix; a Claude gets every call as it came."""
    below, marking = Below(), PrefixCache(lambda _: None, FakeClock(), Seen())
    line = "x-anthropic-billing-header: cc_version=2; cch=36ee5;"
    call = asked("one", model=model, system=f"{line}\nBe kind.")
    call = replace(call, target=replace(call.target, model=model))
    await marking(call, below)
    sent = below.calls[0]
    if left is None:
        assert sent is call
        return
    assert json.loads(sent.request.body)["system"] == left["system"]
    assert verdicts(call, "prefix_cache") == ["left_out"]
    only = replace(
        call, request=replace(call.request, fields={**call.request.fields, "system": line})
    )
    await marking(only, below)
    assert "system" not in json.loads(below.calls[1].request.body)


async def test_tenants_share_no_memory() -> None:
    """What one sends is new when another sends it."""
    below, marking = Below(), lever()
    for tenant in ("a", "b", "c"):
        call = asked("same")
        await marking(replace(call, caller=replace(call.caller, tenant=tenant)), below)
    assert not any(b"cache_control" in one.request.body for one in below.calls)


async def test_it_says_what_the_provider_keeps() -> None:
    """For whoever reckons what a change of the prompt would cost: only what it had written."""
    clock = FakeClock()
    marking = PrefixCache(terms, clock, Seen())
    assert marking.keeps(asked("one")) is False
    for question in ("one", "two"):
        await marking(asked(question), Below())
    assert marking.keeps(asked("three")) is True
    assert marking.keeps(asked("three", system=f"Another. {SYSTEM}")) is False
    assert marking.keeps(asked("three", cache_control={"type": "ephemeral"})) is None
    clock.pass_by(301)
    assert marking.keeps(asked("three")) is False
