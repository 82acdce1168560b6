"""A provider that edits contexts itself: what it says it cleared; one that does not know how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.calls import Call, Reply
from scrimp.errors import UpstreamError
from scrimp.levers.trim import Trim, TrimSettings
from scrimp.shrinking.native import cleared_tokens
from tests.support.core import call_of, numbers, reply_of, verdicts
from tests.support.vocabularies import shared_encoder

EDITS = [
    {"type": "clear_tool_uses_20250919", "cleared_tool_uses": 3, "cleared_input_tokens": 700},
    {"type": "clear_thinking_20251015", "cleared_input_tokens": 50},
]
REPLY = {"type": "message", "context_management": {"applied_edits": EDITS}}
DELTA = {"type": "message_delta", "delta": {}, "context_management": {"applied_edits": EDITS}}
REFUSED = b'{"type":"error","error":{"message":"context_management: not supported"}}'


def agent(rounds: int) -> list[dict[str, Any]]:
    """An agent's conversation with Claude."""
    items: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for number in range(rounds):
        used = {"type": "tool_use", "id": f"t{number}", "name": "find", "input": {}}
        found = {"type": "tool_result", "tool_use_id": f"t{number}", "content": "row " * 300}
        items += [{"role": "assistant", "content": [used]}, {"role": "user", "content": [found]}]
    return items


def asked() -> Call:
    """A call that is too long."""
    fields = {
        "model": "claude-sonnet-5",
        "max_tokens": 100,
        "tools": [{"name": "find", "input_schema": {"type": "object"}}],
        "messages": agent(20),
    }
    call = call_of(fields, dialect="anthropic.messages")
    return call_of(fields, dialect="anthropic.messages", target=_claude(call))


def _claude(call: Call) -> Any:
    return type(call.target)("anthropic", "claude-sonnet-5", "anthropic.messages")


class Provider:
    """Answers, or refuses what it does not know."""

    def __init__(self, error: UpstreamError | None = None) -> None:
        self.calls: list[Call] = []
        self.error = error

    async def __call__(self, call: Call) -> Reply:
        """Remember."""
        self.calls.append(call)
        if self.error is not None and "context_management" in call.request.fields:
            raise self.error
        return reply_of(body=json.dumps(REPLY).encode())


def lever() -> Trim:
    """With the provider's own way switched on."""
    settings = TrimSettings(native=True, reserve_output=100)
    return Trim(shared_encoder(), lambda _: 6000, lambda *_: None, settings)


async def test_what_was_cleared_is_booked_as_less() -> None:
    """Where the reply says so, in a document or in a stream."""
    call, provider = asked(), Provider()
    await lever()(call, provider)
    assert verdicts(call, "trim") == ["native", "native_cleared"]
    assert numbers(call, "trim")["less_tokens"] == 750
    assert provider.calls[0].request.fields["messages"] == call.request.fields["messages"]


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (json.dumps(REPLY).encode(), 750),
        (b"event: message_delta\ndata: " + json.dumps(DELTA).encode() + b"\n\n", 750),
        (b'data: {broken "applied_edits"\n\n', 0),
        (b'{"context_management": {"applied_edits": 7}}', 0),
        (b'{"context_management": {"applied_edits": [{"cleared_input_tokens": -9}, 1]}}', 0),
        (b'{"content": "says \\"applied_edits\\""}', 0),
        (b"", 0),
        (None, 0),
    ],
)
def test_cleared_tokens_are_read(body: bytes | None, tokens: int) -> None:
    """And nothing else is taken for them."""
    assert cleared_tokens(body) == tokens


async def test_a_refusal_is_learned_and_the_call_sent_again() -> None:
    """Trimmed here, once without the fields; later calls are not tried with them."""
    trim, provider = lever(), Provider(UpstreamError("no", status=400, body=REFUSED))
    first, second = asked(), asked()
    await trim(first, provider)
    await trim(second, provider)
    assert ["context_management" in one.request.fields for one in provider.calls] == [
        *(True, False, False)
    ]
    assert verdicts(first, "trim") == ["native", "native_refused", "trimmed"]
    assert verdicts(second, "trim") == ["trimmed"]
    assert len(provider.calls[1].request.fields["messages"]) < 41


@pytest.mark.parametrize(
    "error",
    [
        UpstreamError("other", status=400, body=b'{"error": "tools: wrong"}'),
        UpstreamError("down", status=503, body=REFUSED),
    ],
)
async def test_other_errors_are_the_clients(error: UpstreamError) -> None:
    """Nothing is sent twice for them."""
    provider = Provider(error)
    with pytest.raises(UpstreamError):
        await lever()(asked(), provider)
    assert len(provider.calls) == 1


async def test_a_call_that_fails_without_it_too_teaches_nothing() -> None:
    """The next one is tried with the fields again."""
    trim, sent = lever(), list[bool]()

    async def failing(call: Call) -> Reply:
        sent.append("context_management" in call.request.fields)
        raise UpstreamError("no", status=400, body=b'{"error": "a file is beyond truncation"}')

    for _ in range(2):
        with pytest.raises(UpstreamError):
            await trim(asked(), failing)
    assert sent == [True, False, True, False]
