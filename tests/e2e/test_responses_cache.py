"""What is remembered of responses, and what never is: state at the provider stays there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from scrimp.ports import Entry
from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway

MODEL = "gpt-5-mini"
ASK = "How long do I have to return the lamp?"
ORDER: Any = {
    "type": "function",
    "name": "order_status",
    "parameters": {
        "type": "object",
        "properties": {"order_id": {"type": "string"}},
        "required": ["order_id"],
        "additionalProperties": False,
    },
    "strict": True,
}


AGENT: dict[str, Any] = {
    "instructions": "You are a coding agent. " * 50,
    "input": [
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Why does the build fail?"}],
        }
    ],
    "tools": [
        {**ORDER, "name": "shell"},
        {
            "type": "custom",
            "name": "apply_patch",
            "description": "Edits files.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
        },
        {"type": "local_shell"},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "session-1",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A fresh simulator and gateway, and a client between them."""

    sim: Simulator
    scrimp: RunningGateway
    client: openai.OpenAI

    def ask(self, *, stream: bool = False, **body: Any) -> Response:
        """A response; of a stream, the one of its last event."""
        given = {"model": MODEL, "input": ASK, **body, "stream": stream}
        made: Any = self.client.responses.create(**given)
        if stream:
            made = list(made)[-1].response
        assert isinstance(made, Response)
        return made

    def served(self) -> list[str]:
        """Who answered each call."""
        return [entry.served_by for entry in self.scrimp.entries()]

    def reasons(self) -> list[object]:
        """Why the exact cache passed each call on."""
        return [_reason(entry) for entry in self.scrimp.entries()]


def _reason(entry: Entry) -> object:
    lines = [line for line in entry.trace if line.lever == "exact_cache"]
    return dict(lines[0].numbers).get("reason") if lines else None


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Nothing is remembered yet."""
    with (
        Simulator() as sim,
        gateway(sim.url) as scrimp,
        openai.OpenAI(base_url=scrimp.openai_url, api_key="k", max_retries=0) as client,
    ):
        yield Stage(sim, scrimp, client)


@pytest.mark.parametrize("first", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("second", [False, True], ids=["then whole", "then streamed"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": "What is the status of order A-1042?", "tools": [ORDER]},
        {"reasoning": {"effort": "high", "summary": "auto"}, "store": False},
        {"text": {"format": {"type": "json_object"}}},
        AGENT,
    ],
    ids=["text", "tool", "reasoning", "json", "agent"],
)
def test_the_second_response_is_free_and_the_same_object(
    stage: Stage, body: dict[str, Any], *, first: bool, second: bool
) -> None:
    """Whichever way either came: every item and field, the id too; the saving is its price."""
    fresh = stage.ask(stream=first, **body)
    again = stage.ask(stream=second, **body)
    assert again.to_dict() == fresh.to_dict()
    assert len(stage.sim.requests) == 1
    paid, free = stage.scrimp.entries()
    assert (free.served_by, free.outcome, free.stream) == ("exact_cache", "ok", second)
    assert (free.cost_nanousd, free.attempts) == (0, ())
    assert free.saved == (("exact_cache", stage.sim.bill.total_nanousd),)
    assert free.baseline_nanousd == paid.cost_nanousd == stage.sim.bill.total_nanousd


def test_a_streamed_hit_is_a_valid_stream(stage: Stage) -> None:
    """Numbered from 0; the deltas make the text that the last event has."""
    stage.ask()
    events = list(stage.client.responses.create(model=MODEL, input=ASK, stream=True))
    assert stage.served() == ["upstream", "exact_cache"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == events[-1].response.output_text != ""


def test_a_conversation_by_the_last_response_works_and_is_never_remembered(stage: Stage) -> None:
    """The provider knows what was said; even the same turn again is a new one."""
    first = stage.ask(input="My name is Ada.")
    for stream in (False, True, True):
        reply = stage.ask(input="And now?", previous_response_id=first.id, stream=stream)
        assert reply.previous_response_id == first.id
    assert stage.served() == ["upstream"] * 4
    assert stage.reasons() == [None, "stateful", "stateful", "stateful"]
    assert len({entry.id for entry in stage.scrimp.entries()}) == len(stage.sim.requests) == 4


def test_a_remembered_response_can_be_continued(stage: Stage) -> None:
    """Its id is that of the first answer, which the provider still has."""
    stage.ask()
    hit = stage.ask()
    assert stage.served()[-1] == "exact_cache"
    assert stage.ask(input="And then?", previous_response_id=hit.id).output_text


def test_conversations_work_and_are_never_remembered(stage: Stage) -> None:
    """Each turn is added at the provider, so none may be left out."""
    conversation = stage.client.conversations.create()
    for _ in range(2):
        stage.ask(conversation=conversation.id)
    items = stage.client.conversations.items.list(conversation.id)
    assert len(list(items)) >= 4
    turns = [entry for entry in stage.scrimp.entries() if entry.operation == "chat"]
    assert [(turn.served_by, _reason(turn)) for turn in turns] == [("upstream", "stateful")] * 2
    passed = [entry for entry in stage.scrimp.entries() if entry.operation == "passthrough"]
    assert {(one.dialect, one.cost_basis) for one in passed} == {("openai.responses", "unknown")}


def test_work_in_the_background_goes_on_and_is_booked_with_bounds(stage: Stage) -> None:
    """Its answer is fetched later, unread; so its cost is known by bounds only."""
    begun = stage.ask(background=True)
    assert begun.status in ("queued", "in_progress")
    done = begun
    while done.status in ("queued", "in_progress"):
        done = stage.client.responses.retrieve(begun.id)
    assert done.output_text
    entries = stage.scrimp.entries()
    assert (entries[0].cost_basis, _reason(entries[0])) == ("estimate", "stateful")
    assert entries[0].cost_low_nanousd is not None
    assert entries[0].cost_high_nanousd is not None
    billed = stage.sim.quiet().total_nanousd
    assert entries[0].cost_low_nanousd <= billed <= entries[0].cost_high_nanousd
    for read in entries[1:]:
        assert (read.operation, read.cost_basis, read.cost_nanousd) == (
            "passthrough",
            "unknown",
            None,
        )


def test_what_is_stored_is_read_from_the_provider_each_time(stage: Stage) -> None:
    """Reading, listing, counting and deleting pass through, and are never answered from memory."""
    reply = stage.ask()
    for _ in range(2):
        assert stage.client.responses.retrieve(reply.id).output_text == reply.output_text
    assert list(stage.client.responses.input_items.list(reply.id))
    counted = stage.client.responses.input_tokens.count(model=MODEL, input=ASK)
    assert reply.usage is not None
    assert counted.input_tokens == reply.usage.input_tokens
    stage.client.responses.delete(reply.id)
    with pytest.raises(openai.NotFoundError):
        stage.client.responses.retrieve(reply.id)
    assert stage.served()[1:5] == ["upstream"] * 4
    assert len(stage.sim.requests) == 7


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"store": True}, "stateful"),
        ({"tools": [{"type": "web_search"}]}, "side_effects"),
        ({"temperature": 1.5}, "temperature"),
    ],
)
def test_what_is_not_remembered_says_why(stage: Stage, body: dict[str, Any], reason: str) -> None:
    """The same words twice, two answers of the provider."""
    for _ in range(2):
        stage.ask(model="gpt-4.1-mini", **body)
    assert stage.served() == ["upstream"] * 2
    assert stage.reasons() == [reason] * 2


def test_a_turn_that_answers_a_tool_and_a_cut_answer_are_not_remembered(stage: Stage) -> None:
    """Neither is the last word."""
    items: list[Any] = [
        {"role": "user", "content": "What is the status of order A-1042?"},
        {"type": "function_call", "call_id": "c1", "name": "order_status", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "shipped"},
    ]
    for _ in range(2):
        stage.ask(input=items, tools=[ORDER])
        stage.client.responses.create(model="gpt-4.1-mini", input=ASK, max_output_tokens=16)
    assert stage.served() == ["upstream"] * 4
    assert stage.reasons() == ["side_effects", None] * 2


def test_responses_and_chats_never_share(stage: Stage) -> None:
    """The same question in another dialect is another call."""
    stage.ask()
    stage.client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": ASK}])
    assert stage.served() == ["upstream"] * 2
