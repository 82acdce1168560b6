"""The simulator's responses API seen through OpenAI's own SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from scrimp.simulator import Simulator
from scrimp.simulator.bill import MODELS, Usage, billed_nanousd

ASK = "How do I reset my password?"
ORDER = {
    "type": "function",
    "name": "order_status",
    "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
    "strict": False,
}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
EVENT: TypeAdapter[Any] = TypeAdapter(get_args(ResponseStreamEvent)[0])


@pytest.fixture
def client(sim: Simulator) -> Iterator[openai.OpenAI]:
    """A client that does not retry by itself."""
    with openai.OpenAI(base_url=sim.openai_url, api_key="sk-x", max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, **body: Any) -> Response:
    """One whole response, checked against the SDK's own type."""
    given = {"model": "gpt-4.1-mini", "input": ASK} | body
    raw = client.responses.with_raw_response.create(**given)
    Response.model_validate_json(raw.content, strict=True)
    reply = raw.parse()
    assert isinstance(reply, Response)
    return reply


def stream(client: openai.OpenAI, **body: Any) -> list[Any]:
    """All events of one streamed response, each checked against the SDK's own type."""
    given = {"model": "gpt-4.1-mini", "input": ASK} | body
    events = list(client.responses.create(**given, stream=True))
    for event in events:
        EVENT.validate_python(event.to_dict())
    return events


def squeezed(events: list[Any]) -> list[str]:
    """Types in order, runs of the same delta as one."""
    kinds = [event.type.removeprefix("response.") for event in events]
    return [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]


def test_a_response_has_text_usage_and_a_price(sim: Simulator, client: openai.OpenAI) -> None:
    """The bill is its usage times the table."""
    reply = ask(client, instructions="Be brief.", metadata={"a": "b"})
    assert reply.output_text
    assert (reply.status, reply.model) == ("completed", "gpt-4.1-mini-2025-04-14")
    assert (reply.instructions, reply.metadata) == ("Be brief.", {"a": "b"})
    assert reply.usage is not None
    row = sim.bill.rows[0]
    usage = Usage(input_tokens=reply.usage.input_tokens, output_tokens=reply.usage.output_tokens)
    assert row.usage == usage
    assert row.billed_nanousd == billed_nanousd(usage, MODELS["gpt-4.1-mini"].price)
    assert row.path == "/v1/responses"


def test_a_stream_has_the_whole_sequence_of_events(client: openai.OpenAI) -> None:
    """In the order of the real API, numbered from 0, ending in what the whole reply is."""
    events = stream(client)
    assert squeezed(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = "".join(event.delta for event in events if event.type.endswith("text.delta"))
    whole = ask(client)
    last = events[-1].response
    assert deltas == last.output_text == whole.output_text
    assert last.usage == whole.usage
    assert last.output[0].content == whole.output[0].content  # type: ignore[union-attr]  # a message


def test_the_sdks_stream_helper_puts_it_together(client: openai.OpenAI) -> None:
    """`responses.stream` accumulates the events to the same response."""
    with client.responses.stream(model="gpt-5-mini", input=ASK) as streamed:
        streamed.until_done()
        final = streamed.get_final_response()
    assert final.output_text == ask(client, model="gpt-5-mini").output_text


def test_a_model_that_reasons_shows_an_item_of_it(sim: Simulator, client: openai.OpenAI) -> None:
    """Hidden tokens in the details; a summary where asked; encrypted content where asked."""
    reply = ask(
        client,
        model="gpt-5",
        reasoning={"effort": "high", "summary": "auto"},
        include=["reasoning.encrypted_content"],
    )
    thought = reply.output[0]
    assert thought.type == "reasoning"
    assert thought.summary[0].text
    assert thought.encrypted_content
    assert reply.usage is not None
    hidden = reply.usage.output_tokens_details.reasoning_tokens
    assert hidden > 0
    assert sim.bill.rows[0].usage.reasoning_tokens == hidden
    assert sim.bill.rows[0].usage.total_output_tokens == reply.usage.output_tokens
    events = stream(client, model="gpt-5", reasoning={"effort": "high", "summary": "auto"})
    assert squeezed(events)[2:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert events[-1].response.output[0].summary == thought.summary
    plain = ask(client, model="gpt-5").output[0]
    assert plain.type == "reasoning"
    assert (plain.summary, plain.encrypted_content) == ([], None)


def test_tool_calls_arrive_by_both_ways(client: openai.OpenAI) -> None:
    """The joined deltas of the arguments are the arguments of the whole reply."""
    body = {"input": "What is the status of order A-1042?", "tools": [ORDER]}
    call = ask(client, **body).output[0]
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"order_id": "A-1042"}
    events = stream(client, **body)
    assert squeezed(events)[2:6] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    deltas = "".join(event.delta for event in events if event.type.endswith("arguments.delta"))
    assert deltas == call.arguments
    answered = ask(
        client,
        tools=[ORDER],
        input=[
            {"role": "user", "content": body["input"]},
            call.to_dict(),
            {"type": "function_call_output", "call_id": call.call_id, "output": "shipped"},
        ],
    )
    assert "shipped" in answered.output_text


def test_a_custom_tool_takes_free_text(client: openai.OpenAI) -> None:
    """Its input is no JSON, whole and in deltas."""
    tool = {"type": "custom", "name": "run_shell", "description": "Runs a shell command."}
    body = {"input": "Run the shell command ls", "tools": [tool]}
    call = ask(client, **body).output[0]
    assert call.type == "custom_tool_call"
    events = stream(client, **body)
    assert events[-1].response.output[0].input == call.input == "Run the shell command ls"


def test_structured_output_parses(client: openai.OpenAI) -> None:
    """The SDK's own parsing into a model of the caller's."""

    class Verdict(BaseModel):
        category: str
        confidence: float

    parsed = client.responses.parse(model="gpt-4.1", input=ASK, text_format=Verdict)
    assert isinstance(parsed.output_parsed, Verdict)
    assert isinstance(
        json.loads(ask(client, text={"format": {"type": "json_object"}}).output_text), dict
    )


def test_images_cost_tokens(client: openai.OpenAI) -> None:
    """255 for one tile, as in chat completions."""
    sizes = []
    for more in ([], [{"type": "input_image", "image_url": PIXEL, "detail": "auto"}]):
        content = [{"type": "input_text", "text": "What is this?"}, *more]
        usage = ask(client, input=[{"role": "user", "content": content}]).usage
        assert usage is not None
        sizes.append(usage.input_tokens)
    assert sizes[1] - sizes[0] == 255


def test_a_limit_makes_it_incomplete(sim: Simulator, client: openai.OpenAI) -> None:
    """Status, reason and last event say so, and no more than the limit is billed."""
    reply = ask(client, max_output_tokens=16)
    assert reply.status == "incomplete"
    assert reply.incomplete_details is not None
    assert reply.incomplete_details.reason == "max_output_tokens"
    assert sim.bill.rows[0].usage.output_tokens == 16
    assert stream(client, max_output_tokens=16)[-1].type == "response.incomplete"


def test_a_talk_goes_on_by_id(sim: Simulator, client: openai.OpenAI) -> None:
    """The turns before are billed again; instructions are not carried over."""
    first = ask(client, instructions="Answer in many words, please, and with care.")
    second = ask(client, input="And then?", previous_response_id=first.id)
    whole = ask(
        client,
        input=[
            {"role": "user", "content": ASK},
            {"role": "assistant", "content": first.output_text},
            {"role": "user", "content": "And then?"},
        ],
    )
    assert second.usage is not None
    assert whole.usage is not None
    assert second.usage.input_tokens == whole.usage.input_tokens
    assert second.output_text == whole.output_text
    with pytest.raises(openai.BadRequestError) as missing:
        ask(client, previous_response_id="resp_none")
    assert missing.value.code == "previous_response_not_found"
    assert len(sim.bill.rows) == 3


def test_what_is_stored_can_be_read_and_deleted(sim: Simulator, client: openai.OpenAI) -> None:
    """By its own key only, and not with `store: false`."""
    reply = ask(client)
    assert client.responses.retrieve(reply.id) == reply
    items = list(client.responses.input_items.list(reply.id))
    assert items[0].to_dict()["content"] == [{"type": "input_text", "text": ASK}]
    with (
        openai.OpenAI(base_url=sim.openai_url, api_key="sk-y", max_retries=0) as other,
        pytest.raises(openai.NotFoundError),
    ):
        other.responses.retrieve(reply.id)
    client.responses.delete(reply.id)
    for gone in (reply.id, ask(client, store=False).id):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(gone)
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(ask(client).id)


def test_a_conversation_keeps_what_was_said(client: openai.OpenAI) -> None:
    """Question and answer are in it, and the next turn is billed for them."""
    talk = client.conversations.create(metadata={"topic": "x"})
    first = ask(client, conversation=talk.id)
    assert first.conversation is not None
    assert first.conversation.id == talk.id
    second = ask(client, input="And then?", conversation={"id": talk.id})
    by_id = ask(client, input="And then?", previous_response_id=first.id)
    assert second.usage == by_id.usage
    assert len(list(client.conversations.items.list(talk.id))) == 4
    client.conversations.delete(talk.id)
    with pytest.raises(openai.NotFoundError):
        ask(client, conversation=talk.id)


def test_background_work_is_polled(sim: Simulator, client: openai.OpenAI) -> None:
    """Queued at first, completed when asked again, billed once, whoever asks."""
    begun = ask(client, background=True)
    assert begun.status == "queued"
    sim.quiet()
    assert client.responses.retrieve(begun.id).output_text == ask(client).output_text
    assert [row.delivered for row in sim.bill.rows] == ["complete", "complete"]
    with pytest.raises(openai.BadRequestError):
        ask(client, background=True, store=False)


def test_background_work_can_be_cancelled(client: openai.OpenAI, sim: Simulator) -> None:
    """Only what was produced until then is billed."""
    sim.fault("stall=2", count=1)
    begun = ask(client, background=True)
    assert client.responses.retrieve(begun.id).status == "in_progress"
    assert client.responses.cancel(begun.id).status == "cancelled"
    row = sim.bill.rows[0]
    assert row.delivered == "left"
    assert 0 < row.usage.output_tokens <= 8


def test_a_background_stream_can_be_taken_up_again(sim: Simulator, client: openai.OpenAI) -> None:
    """From the event after the last one that was seen; nothing is billed twice."""
    events = stream(client, background=True)
    assert squeezed(events)[:3] == ["created", "queued", "in_progress"]
    sim.quiet()
    reply_id = events[0].response.id
    again = list(client.responses.retrieve(reply_id, stream=True, starting_after=4))
    assert [event.to_dict() for event in again] == [event.to_dict() for event in events[5:]]
    assert len(sim.bill.rows) == 1


def test_background_work_can_fail(sim: Simulator, client: openai.OpenAI) -> None:
    """A fault in the middle is seen when it is asked for."""
    begun = ask(client, background=True, extra_headers={"x-sim-fault": "error-event=2"})
    sim.quiet()
    failed = client.responses.retrieve(begun.id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "server_error"
    assert sim.bill.rows[0].delivered == "broken"


def test_a_stream_can_fail(sim: Simulator, client: openai.OpenAI) -> None:
    """`error`, then `response.failed`; what was produced is billed."""
    events = stream(client, extra_headers={"x-sim-fault": "error-event=2"})
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert events[-1].response.error.code == "server_error"
    assert sim.quiet().rows[0].delivered == "broken"


def test_tokens_can_be_counted_beforehand(sim: Simulator, client: openai.OpenAI) -> None:
    """The same number that is billed afterwards."""
    counted = client.responses.input_tokens.count(model="gpt-4.1-mini", input=ASK).input_tokens
    reply = ask(client)
    assert reply.usage is not None
    assert reply.usage.input_tokens == counted
    assert len(sim.bill.rows) == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": 7}, "input"),
        ({"input": [{"role": "nobody", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "no"}]}]}, "input[0].content[0]"),
        ({"max_output_tokens": 3}, "max_output_tokens"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
    ],
)
def test_bad_requests_are_refused(
    sim: Simulator, client: openai.OpenAI, body: dict[str, Any], param: str
) -> None:
    """With the name of what was wrong; nothing is billed."""
    with pytest.raises(openai.BadRequestError) as bad:
        ask(client, **body)
    assert bad.value.param == param
    assert sim.bill.rows == ()
