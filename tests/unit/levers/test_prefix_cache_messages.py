"""The prefix cache lever for prompts of Anthropic's that are translated for another provider."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.calls import Call, Reply, ReplyFacts, Usage
from scrimp.errors import UpstreamError
from scrimp.levers.prefix_cache import PrefixCache
from scrimp.prefixes.placing_messages import marks_passed_on, messages_parts
from scrimp.prefixes.planning import Prices
from scrimp.prefixes.prompt import prompt_of
from scrimp.prefixes.rules import MISTRAL, OPENAI, OPENAI_FREE, Rules
from scrimp.prefixes.seen import Seen
from scrimp.prefixes.telling import Terms
from tests.support.core import FakeClock, call_of, reply_of, verdicts

SYSTEM = "You answer for a shop. " * 400
READ = Usage(input_tokens=5, cache_read_tokens=2000, output_tokens=1)
MARK = {"cache_control": {"type": "ephemeral"}}
PRICES = Prices(4_000_000, 400_000, (5_000_000,))


class Below:
    """What the lever passes on; it refuses bodies that hold `refuses`."""

    def __init__(self, refuses: str = "") -> None:
        self.calls: list[Call] = []
        self._refuses = refuses

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was sent."""
        return [json.loads(one.request.body) for one in self.calls]

    async def __call__(self, call: Call) -> Reply:
        """Remember, and answer or refuse."""
        self.calls.append(call)
        assert self.bodies[-1] == call.request.fields
        if self._refuses and self._refuses.encode() in call.request.body:
            said = json.dumps({"error": {"message": f"Unknown parameter: '{self._refuses}'."}})
            raise UpstreamError("refused", status=400, body=said.encode())
        reply = reply_of()
        return Reply(
            reply.status,
            reply.headers,
            reply.body,
            reply.framing,
            ReplyFacts(usage=READ, complete=True),
            cacheable=reply.cacheable,
        )


def lever(rules: Rules = OPENAI) -> PrefixCache:
    """One with an empty memory."""
    prices = PRICES if rules.lives else Prices(4_000_000, 400_000, ())
    terms = Terms(rules, prices, "messages")
    return PrefixCache(lambda _: terms, FakeClock(), Seen())


def message(question: str, system: Any = SYSTEM, **more: Any) -> Call:
    """A call of Anthropic's with a long system prompt."""
    fields = {
        "model": "gpt-5.6-sol",
        "max_tokens": 9,
        "system": system,
        "messages": [{"role": "user", "content": question}],
        **more,
    }
    return call_of(fields, dialect="anthropic.messages")


async def test_what_comes_back_is_marked_and_the_mode_is_explicit() -> None:
    """The translation makes a breakpoint of the mark; the question behind it has none."""
    below, tells = Below(), lever()
    for number in range(3):
        await tells(message(f"q{number}"), below)
    first, last = below.bodies[0], below.bodies[-1]
    assert first["prompt_cache_options"] == {"mode": "explicit"}
    assert first["system"] == SYSTEM
    assert last["system"] == [{"type": "text", "text": SYSTEM, **MARK}]
    assert last["messages"] == [{"role": "user", "content": "q2"}]
    assert last["prompt_cache_options"] == {"mode": "explicit"}
    assert last["prompt_cache_key"].startswith("scrimp-")


@pytest.mark.parametrize("rules", [OPENAI_FREE, MISTRAL])
async def test_who_keeps_by_itself_gets_a_key_and_no_mark(rules: Rules) -> None:
    """Whether the client has marks of its own or not."""
    below, tells = Below(), lever(rules)
    await tells(message("q"), below)
    await tells(message("q", [{"type": "text", "text": SYSTEM, **MARK}]), below)
    for body in below.bodies:
        assert "prompt_cache_key" in body
        assert "prompt_cache_options" not in body
    assert below.bodies[0]["system"] == SYSTEM


async def test_a_clients_own_marks_are_passed_on_beside_the_providers_own_mode() -> None:
    """They stay where they are; the provider keeps the end of the prompt as it would anyway."""
    below, tells = Below(), lever()
    call = message("q", [{"type": "text", "text": SYSTEM, **MARK}], tools=[{"name": "f", **MARK}])
    await tells(call, below)
    sent = below.bodies[0]
    added = {name: sent.pop(name) for name in ("prompt_cache_options", "prompt_cache_key")}
    assert added["prompt_cache_options"] == {"mode": "implicit"}
    assert sent == call.request.fields
    assert verdicts(call, "prefix_cache") == ["passed_on"]
    line = next(one for one in call.trace.lines if one.lever == "prefix_cache")
    assert dict(line.numbers)["marks"] == 1  # a tool carries none there


async def test_marks_that_have_no_counterpart_leave_the_mode_alone() -> None:
    """Else nothing would be kept of what is kept now."""
    below, tells = Below(), lever()
    said = [{"type": "text", "text": "Hi", **MARK}]
    turns = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": said},
        {"role": "user", "content": "more"},
    ]
    call = message("", messages=turns)
    await tells(call, below)
    assert "prompt_cache_options" not in below.bodies[0]
    assert verdicts(call, "prefix_cache") == ["keyed"]


async def test_a_client_that_speaks_of_openais_cache_is_never_touched() -> None:
    """Whoever says it knows who answers."""
    below, tells = Below(), lever()
    for own in ({"prompt_cache_key": "mine"}, {"prompt_cache_options": {"mode": "explicit"}}):
        call = message("q", **own)
        await tells(call, below)
        assert below.calls[-1] is call


@pytest.mark.parametrize("refused", ["prompt_cache_options", "prompt_cache_key"])
async def test_where_it_is_refused_the_call_goes_as_it_came(refused: str) -> None:
    """And nobody of that model gets the field again, marks of a client's own included."""
    below, tells = Below(refused), lever()
    for system in (SYSTEM, [{"type": "text", "text": SYSTEM, **MARK}]):
        for number in range(3):
            await tells(message(f"q{number}", system), below)
    assert sum(refused in json.dumps(body) for body in below.bodies) == 1
    assert len(below.calls) == 7


def test_places_are_those_that_openai_takes_and_thoughts_do_not_count() -> None:
    """Old thoughts are not sent: with them or without, it is the same prompt."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    said = {"type": "text", "text": "Yes"}
    result = {"type": "tool_result", "tool_use_id": "i", "content": "r"}
    turns: list[Any] = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [thought, said]},
        {"role": "user", "content": [result]},
        {"role": "user", "content": [{"type": "text", "text": "see"}, result]},
        {"role": "user", "content": [{**result, "content": []}]},
        {"role": "user", "content": [result, {"type": "text", "text": ""}]},
        {"role": "user", "content": "bye"},
    ]
    tools = [{"name": "f", "input_schema": {}}]
    prompt = prompt_of(messages_parts({"tools": tools, "system": "s", "messages": turns}), "m")
    places = [prompt.parts[at].place for at in prompt.ends]
    assert places == [("system", 0), ("messages", 0), ("messages", 2), ("messages", 6)]
    turns[1] = {"role": "assistant", "content": [said]}
    less = prompt_of(messages_parts({"tools": tools, "system": "s", "messages": turns}), "m")
    assert [one.digest for one in less.pieces] == [one.digest for one in prompt.pieces]


@pytest.mark.parametrize(
    ("content", "marks"),
    [
        ([{"type": "text", "text": "a", **MARK}], 1),
        ([{"type": "text", "text": "", **MARK}], 0),
        ([{"type": "tool_result", "content": "r", **MARK}], 1),
        ([{"type": "tool_result", "content": [], **MARK}], 0),
        ([{"type": "tool_result", "content": [{"type": "text", "text": "r", **MARK}]}], 1),
        ([{"type": "document", "source": {}, **MARK}, "odd", None], 1),
        ("text", 0),
        (None, 0),
    ],
)
def test_own_marks_are_counted_where_they_have_a_counterpart(content: Any, marks: int) -> None:
    """Whatever else stands there."""
    fields = {"messages": [{"role": "user", "content": content}, "odd"], "system": 7}
    assert marks_passed_on(fields) == marks
