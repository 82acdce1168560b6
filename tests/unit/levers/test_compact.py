"""The compact lever: results of tools in fewer characters, told in trace and header."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.calls import Call, Reply
from scrimp.levers.compact import COMPACTED, Compact, CompactSettings
from scrimp.shrinking.columns import expanded
from scrimp.shrinking.compacting import Steps, Wording
from tests.support.core import call_of, numbers, reply_of, verdicts

ROWS = [
    {"flight": f"HAT{n}", "origin": "JFK", "seats": {"economy": n, "first": 2}} for n in range(9)
]
RESULT = json.dumps(ROWS)


class Below:
    """What the lever passes on."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> Reply:
        """Remember and answer."""
        self.calls.append(call)
        return reply_of()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Those of the last call, as they are sent."""
        found: list[dict[str, Any]] = json.loads(self.calls[-1].request.body)["messages"]
        return found


def asked(result: str = RESULT, tool: str = "search_flights", **more: Any) -> Call:
    """A call that answers for a tool."""
    called = {"id": "c", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "In order to help,   be kind.  "},
        {"role": "user", "content": "fly"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": result},
    ]
    return call_of({"model": "gpt-4o-mini", "messages": messages, "seed": 7, **more})


async def test_results_become_shorter_and_nothing_else_changes() -> None:
    """The trace and a header say by how much; what was sent reads back equal."""
    below, call = Below(), asked()
    await Compact(CompactSettings())(call, below)
    new = below.messages[3]["content"]
    assert expanded(json.loads(new)) == ROWS
    assert below.messages[:3] == json.loads(call.request.body)["messages"][:3]
    assert json.loads(below.calls[0].request.body)["seed"] == 7
    assert below.calls[0].request.fields == json.loads(below.calls[0].request.body)
    assert verdicts(call, "compact") == ["compacted"]
    told = numbers(call, "compact")
    assert told["less_characters"] == len(RESULT) - len(new)
    assert told["of_bytes"] == len(below.calls[0].request.body)
    assert (told["texts"], told["lossy"]) == (1, "no")
    assert call.trace.headers[COMPACTED] == f"{len(RESULT) - len(new)} characters of 1 texts"
    assert call.request.fields["messages"][3]["content"] == RESULT, "the client's own is untouched"


@pytest.mark.parametrize(
    "call",
    [
        asked(tool="read_file"),
        asked(tool="kept"),
        asked("short"),
        asked('{"signature": "abc", "rows": [1, 2, 3, 4, 5, 6, 7, 8, 9]}'),
        call_of(),
        call_of(operation="passthrough"),
        call_of({"model": "text-embedding-3-small", "input": "x"}, dialect="openai.embeddings"),
    ],
)
async def test_what_gains_nothing_goes_on_byte_for_byte(call: Call) -> None:
    """The very same call, and no line in the trace."""
    below = Below()
    await Compact(CompactSettings(exact=frozenset({"kept"})))(call, below)
    assert below.calls == [call]
    assert below.calls[0] is call
    assert call.trace.lines == []


async def test_a_text_is_the_same_in_every_call() -> None:
    """With what was made before remembered or not."""
    lever, below = Compact(CompactSettings()), Below()
    await lever(asked(), below)
    first = below.messages
    await lever(asked(), below)
    assert below.messages == first
    await Compact(CompactSettings())(asked(), below)
    assert below.messages == first


async def test_prompts_are_reworded_only_when_asked() -> None:
    """And the trace says that something may be lost."""
    below, call = Below(), asked("short")
    await Compact(CompactSettings(wording=Wording(phrases=True)))(call, below)
    assert below.messages[0]["content"] == "To help, be kind."
    assert below.messages[3]["content"] == "short"
    assert numbers(call, "compact")["lossy"] == "yes"


async def test_anthropics_results_are_compacted_beside_their_thoughts() -> None:
    """What is signed stays as it is; blocks after it are compacted like any other."""
    thought = {"type": "thinking", "thinking": "In order to", "signature": "sig"}
    used = {"type": "tool_use", "id": "t", "name": "search_flights", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": RESULT}
    messages = [
        {"role": "user", "content": "fly"},
        {"role": "assistant", "content": [thought, used]},
        {"role": "user", "content": [result]},
    ]
    fields = {"model": "claude-sonnet-5", "max_tokens": 9, "messages": messages}
    below, call = Below(), call_of(fields, dialect="anthropic.messages")
    await Compact(CompactSettings())(call, below)
    assert below.messages[:2] == messages[:2]
    sent = below.messages[2]["content"][0]
    assert expanded(json.loads(sent["content"])) == ROWS
    assert len(sent["content"]) < len(RESULT)


async def test_what_a_shell_said_is_kept_apart_from_other_results() -> None:
    """Spaces of a shell's output stay, even where another tool said the very same before."""
    below, text = Below(), "\n".join(f"line {n}:    {'x' * n}   " for n in range(40))
    compact = Compact(CompactSettings(Steps(json="off")))
    await compact(asked(text), below)
    assert below.messages[3]["content"] != text
    await compact(asked(text, "bash"), below)
    assert below.messages[3]["content"] == text
