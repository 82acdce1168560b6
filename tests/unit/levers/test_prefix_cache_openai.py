"""The prefix cache lever in OpenAI's dialects: modes, breakpoints, keys, and what is refused."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Reply, ReplyFacts, Usage
from scrimp.errors import UpstreamError
from scrimp.levers.prefix_cache import PrefixCache
from scrimp.prefixes.planning import Prices
from scrimp.prefixes.rules import MISTRAL, OPENAI, OPENAI_FREE, Rules, rules_of
from scrimp.prefixes.seen import Seen
from scrimp.prefixes.telling import Terms, Way
from tests.support.core import FakeClock, call_of, reply_of, verdicts

SYSTEM = "You answer for a shop. " * 400
READ = Usage(input_tokens=5, cache_read_tokens=2000, output_tokens=1)
FREE = Prices(4_000_000, 400_000, ())
DEAR = Prices(4_000_000, 400_000, (5_000_000,))


class Below:
    """What the lever passes on; `refuses` is what a provider says of fields that it names."""

    def __init__(self, *refuses: str) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.calls: list[Call] = []
        self._refuses = refuses

    async def __call__(self, call: Call) -> Reply:
        """Remember, and answer or refuse."""
        self.calls.append(call)
        self.bodies.append(json.loads(call.request.body))
        assert self.bodies[-1] == call.request.fields
        for name in self._refuses:
            if name.encode() in call.request.body:
                body = json.dumps({"error": {"message": f"Unknown parameter: '{name}'."}}).encode()
                raise UpstreamError("refused", status=400, body=body)
        return replace(reply_of(), facts=ReplyFacts(usage=READ, complete=True))


def lever(rules: Rules, way: Way = "chat", *, sort_tools: bool = False) -> PrefixCache:
    """One with an empty memory."""
    terms = Terms(rules, DEAR if rules.lives else FREE, way)
    return PrefixCache(lambda _: terms, FakeClock(), Seen(), sort_tools=sort_tools)


def chat(question: str, **more: Any) -> Call:
    """A call with a long system prompt."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    return call_of({"model": "gpt-5.6-sol", "messages": messages, **more})


def response(items: Any, **more: Any) -> Call:
    """The same in the other dialect."""
    fields = {"model": "gpt-5.6-sol", "input": items, **more}
    return call_of(fields, dialect="openai.responses")


def told(body: dict[str, Any]) -> set[str]:
    """Which fields a body has about caching."""
    return {name for name in body if name.startswith("prompt_cache")}


async def test_a_one_shot_prompt_is_explicit_without_a_breakpoint() -> None:
    """Its write would cost a quarter more, and nobody reads it."""
    below, tells = Below(), lever(OPENAI)
    call = chat("one")
    await tells(call, below)
    assert below.bodies[0]["prompt_cache_options"] == {"mode": "explicit"}
    assert told(below.bodies[0]) == {"prompt_cache_options"}
    assert b"prompt_cache_breakpoint" not in below.calls[0].request.body
    assert verdicts(call, "prefix_cache") == ["one_shot"]
    assert below.bodies[0]["messages"] == call.request.fields["messages"]


async def test_what_comes_back_carries_a_breakpoint_and_a_key() -> None:
    """The shared system prompt, and not the question behind it."""
    below, tells = Below(), lever(OPENAI)
    for number in range(3):
        await tells(chat(f"q{number}"), below)
    sent = below.bodies[2]
    assert sent["messages"][0]["content"] == [
        {"type": "text", "text": SYSTEM, "prompt_cache_breakpoint": {"mode": "explicit"}}
    ]
    assert sent["messages"][1] == {"role": "user", "content": "q2"}
    assert sent["prompt_cache_options"] == {"mode": "explicit"}
    assert sent["prompt_cache_key"] == below.bodies[1]["prompt_cache_key"]
    assert SYSTEM[:20] not in sent["prompt_cache_key"]


async def test_short_prompts_are_left_alone() -> None:
    """Nobody keeps them, so there is nothing to tell."""
    below, tells = Below(), lever(OPENAI)
    call = call_of({"model": "gpt-5.6-sol", "messages": [{"role": "user", "content": "hello"}]})
    await tells(call, below)
    assert below.calls[0] is call


@pytest.mark.parametrize("rules", [OPENAI_FREE, MISTRAL])
async def test_where_writes_are_free_there_is_a_key_and_nothing_else(rules: Rules) -> None:
    """The same for all that begins alike, however it goes on."""
    below, tells = Below(), lever(rules)
    for number in range(3):
        await tells(chat(f"q{number}"), below)
    await tells(chat("x", tools=[{"type": "function", "function": {"name": "f"}}]), below)
    assert all(told(body) == {"prompt_cache_key"} for body in below.bodies)
    keys = [body["prompt_cache_key"] for body in below.bodies]
    assert keys[0] == keys[1] == keys[2] != keys[3]


async def test_a_day_is_asked_for_where_the_model_takes_it() -> None:
    """Only by those rules that say so."""
    rules = rules_of("openai", "gpt-5.4")
    assert rules is not None
    assert rules.retention
    below = Below()
    await lever(rules)(chat("q"), below)
    assert below.bodies[0]["prompt_cache_retention"] == "24h"


@pytest.mark.parametrize(
    ("rules", "refused", "left"),
    [
        (OPENAI, "prompt_cache_breakpoint", {"prompt_cache_key"}),
        (OPENAI, "prompt_cache_options", {"prompt_cache_key"}),
        (OPENAI, "prompt_cache_key", {"prompt_cache_options"}),
        (OPENAI_FREE, "prompt_cache_key", set()),
    ],
)
async def test_a_refused_field_is_withdrawn_and_the_call_sent_once_without(
    rules: Rules, refused: str, left: set[str]
) -> None:
    """The client gets its answer; the others of the fields are still told."""
    below, tells = Below(refused), lever(rules)
    calls = [chat(f"q{n}") for n in range(6)]
    for call in calls:
        await tells(call, below)
    assert len(below.bodies) == len(calls) + 1
    withdrawn = [n for n, call in enumerate(calls) if "withdrawn" in verdicts(call, "prefix_cache")]
    assert len(withdrawn) == 1
    assert below.calls[withdrawn[0] + 1].request is calls[withdrawn[0]].request
    assert told(below.bodies[-1]) == left
    assert refused.encode() not in below.calls[-1].request.body


@pytest.mark.parametrize(
    "own",
    [
        {"prompt_cache_key": "mine"},
        {"prompt_cache_options": {"mode": "implicit"}},
        {"prompt_cache_retention": "24h"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": SYSTEM * 2,
         "prompt_cache_breakpoint": {"mode": "explicit"}}]}]},
        {"store": True},
    ],
)  # fmt: skip
async def test_calls_with_fields_or_state_of_their_own_are_never_touched(
    own: dict[str, Any],
) -> None:
    """However often they come back."""
    below, tells = Below(), lever(OPENAI)
    calls = [chat(f"q{n}", **own) for n in range(4)]
    for call in calls:
        await tells(call, below)
    assert all(sent is call for sent, call in zip(below.calls, calls, strict=True))


async def test_a_string_of_input_becomes_a_message_where_it_is_marked() -> None:
    """The only form that carries a breakpoint; the text is the same."""
    below, tells = Below(), lever(OPENAI, "responses")
    for _ in range(3):
        await tells(response(SYSTEM), below)
    assert below.bodies[0]["input"] == SYSTEM
    marked = {"type": "input_text", "text": SYSTEM, "prompt_cache_breakpoint": {"mode": "explicit"}}
    assert below.bodies[2]["input"] == [{"role": "user", "content": [marked]}]


def loop(turns: int, **result: Any) -> list[Any]:
    """A user's wish, and so many calls of a tool with their results."""
    items: list[Any] = [{"role": "user", "content": "go " + SYSTEM}]
    for number in range(turns):
        call_id = f"c{number}"
        output = {"call_id": call_id, "output": f"{number} found it " * 300, **result}
        items += [
            {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}"},
            {"type": "function_call_output", **output},
        ]
    return items


def unmarked(value: Any) -> Any:
    """The same without breakpoints."""
    if isinstance(value, dict):
        return {k: unmarked(v) for k, v in value.items() if k != "prompt_cache_breakpoint"}
    return [unmarked(one) for one in value] if isinstance(value, list) else value


def prefix(body: dict[str, Any]) -> list[Any]:
    """What a request has up to its deepest breakpoint, marks apart."""
    marked = [at for at, one in enumerate(body["input"]) if "breakpoint" in json.dumps(one)]
    found: list[Any] = unmarked(body["input"][: max(marked, default=-1) + 1])
    return found


@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
async def test_a_loop_of_tools_that_answer_in_strings_carries_breakpoints(kind: str) -> None:
    """A string becomes a list of that one text, and what was kept once comes again as it was."""
    below, tells = Below(), lever(OPENAI, "responses")
    for talk in range(3):
        for turns in range(12):
            await tells(response(loop(turns, type=kind, status=f"{talk}")), below)
    results = [[one for one in prefix(body) if "output" in one] for body in below.bodies]
    for before, after in pairwise(one for one in results if one):
        if before[0]["status"] == after[0]["status"]:  # the same talk goes on
            assert after[: len(before)] == before
    kept = [one["output"] for found in results for one in found]
    assert len(kept) > 20
    assert all(len(one) == 1 and one[0]["type"] == "input_text" for one in kept)
    modes = [one["prompt_cache_options"] for one in below.bodies]
    assert modes == [{"mode": "explicit"}] * 36


async def test_a_result_that_can_be_nothing_but_a_string_is_left_to_the_provider() -> None:
    """Its end can carry no breakpoint, so the mode stays implicit, and there is a key."""
    below, tells = Below(), lever(OPENAI, "responses")
    for turns in range(4):
        await tells(response(loop(turns, type="local_shell_call_output")), below)
    sent = below.bodies[-1]
    assert "prompt_cache_options" not in sent
    assert "prompt_cache_key" in sent
    assert all(isinstance(one["output"], str) for one in sent["input"] if "output" in one)


async def test_instructions_stay_a_string() -> None:
    """The API takes nothing else there; what stands first in the input is marked instead."""
    below, tells = Below(), lever(OPENAI, "responses")
    for number in range(3):
        first = {"role": "developer", "content": "Be kind. " * 20}
        items = [first, {"role": "user", "content": f"q{number}"}]
        await tells(response(items, instructions=SYSTEM), below)
    sent = below.bodies[-1]
    assert sent["instructions"] == SYSTEM
    assert "prompt_cache_breakpoint" in sent["input"][0]["content"][0]
    assert sent["input"][1] == {"role": "user", "content": "q2"}


async def test_tools_are_sent_by_name_only_when_that_is_asked_for() -> None:
    """The same set in another order is then the same prompt."""
    tools = [
        {"type": "function", "function": {"name": name, "description": "d " * 2000}}
        for name in ("b", "a")
    ]
    for sort_tools, names in ((True, ["a", "b"]), (False, ["b", "a"])):
        below = Below()
        await lever(OPENAI, sort_tools=sort_tools)(chat("q", tools=tools), below)
        assert [one["function"]["name"] for one in below.bodies[0]["tools"]] == names
