"""The simulator seen through OpenAI's own SDK."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from scrimp.simulator import Simulator
from scrimp.simulator.bill import MODELS, Usage, billed_nanousd

ASK: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You are a support assistant."},
    {"role": "user", "content": "How do I reset my password?"},
]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def client(sim: Simulator) -> Iterator[openai.OpenAI]:
    """A client that does not retry by itself."""
    with openai.OpenAI(base_url=sim.openai_url, api_key="sk-x", max_retries=0) as made:
        yield made


@pytest.fixture
async def aclient(sim: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same, asynchronous."""
    async with openai.AsyncOpenAI(base_url=sim.openai_url, api_key="sk-x", max_retries=0) as made:
        yield made


def test_a_reply_has_everything_that_the_sdk_reads(sim: Simulator, client: openai.OpenAI) -> None:
    """Text, snapshot id of the model, usage that adds up, request id and rate limit headers."""
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=ASK)
    reply = raw.parse()
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == "gpt-4o-mini-2024-07-18"
    usage = reply.usage
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert raw.headers["x-request-id"] == sim.bill.rows[0].request_id
    assert raw.headers["openai-processing-ms"]
    assert int(raw.headers["x-ratelimit-remaining-requests"]) > 0


def test_a_stream_says_word_for_word_what_the_reply_says(client: openai.OpenAI) -> None:
    """Joined deltas equal the JSON reply's text, in more than a few chunks."""
    whole = client.chat.completions.create(model="gpt-4o-mini", messages=ASK)
    chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=True))
    assert _text(chunks) == whole.choices[0].message.content
    assert len(chunks) > 8
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_usage_comes_in_a_stream_only_when_it_was_asked_for(client: openai.OpenAI) -> None:
    """Unasked: no usage field at all. Asked: null on each chunk, then one without choices."""
    unasked = list(client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True))
    assert all("usage" not in chunk.to_dict() and chunk.choices for chunk in unasked)
    asked = list(
        client.chat.completions.create(
            model="gpt-4o", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
    )
    assert all(chunk.to_dict()["usage"] is None for chunk in asked[:-1])
    assert asked[-1].choices == []
    whole = client.chat.completions.create(model="gpt-4o", messages=ASK)
    assert asked[-1].usage == whole.usage


def test_tool_calls_arrive_whole_by_both_ways(client: openai.OpenAI) -> None:
    """The streamed fragments of the arguments are the JSON of the reply."""
    body = {
        "model": "gpt-4.1",
        "messages": [{"role": "user", "content": "What is the status of order A-1042?"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "order_status",
                    "parameters": {
                        "type": "object",
                        "properties": {"order_id": {"type": "string"}},
                    },
                },
            }
        ],
    }
    reply = client.chat.completions.create(**body)  # type: ignore[call-overload]  # plain JSON
    call = reply.choices[0].message.tool_calls[0]
    assert reply.choices[0].finish_reason == "tool_calls"
    assert json.loads(call.function.arguments) == {"order_id": "A-1042"}
    chunks = list(client.chat.completions.create(**body, stream=True))  # type: ignore[call-overload]  # plain JSON
    parts = [part for chunk in chunks for part in chunk.choices[0].delta.tool_calls or []]
    assert parts[0].function.name == "order_status"
    assert "".join(part.function.arguments for part in parts) == call.function.arguments


def test_a_custom_tool_takes_free_text(client: openai.OpenAI) -> None:
    """Its input is no JSON, and both ways say the same."""
    body: dict[str, Any] = {
        "model": "gpt-4.1",
        "messages": [{"role": "user", "content": "Run the shell command ls"}],
        "tools": [{"type": "custom", "custom": {"name": "run_shell"}}],
    }
    reply = client.chat.completions.create(**body)
    (call,) = reply.choices[0].message.tool_calls
    assert (call.type, call.custom.name) == ("custom", "run_shell")
    chunks = list(client.chat.completions.create(**body, stream=True))
    parts = [part.to_dict() for chunk in chunks for part in chunk.choices[0].delta.tool_calls or []]
    assert "".join(part["custom"]["input"] for part in parts) == call.custom.input


async def test_the_async_client_streams_too(aclient: openai.AsyncOpenAI) -> None:
    """The same text as without a stream."""
    whole = await aclient.chat.completions.create(model="gpt-4o-mini", messages=ASK)
    stream = await aclient.chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=True)
    assert _text([chunk async for chunk in stream]) == whole.choices[0].message.content


def test_images_choices_and_json_are_understood(client: openai.OpenAI) -> None:
    """An image costs tokens, `n` brings as many choices, JSON mode brings an object."""
    plain = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "What is this?"}]
    )
    seen = client.chat.completions.create(
        model="gpt-4o",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": PIXEL}},
                ],
            }
        ],
    )
    assert plain.usage is not None
    assert seen.usage is not None
    assert seen.usage.prompt_tokens == plain.usage.prompt_tokens + 255
    three = client.chat.completions.create(model="gpt-4o", messages=ASK, n=3, max_tokens=7)
    assert [choice.index for choice in three.choices] == [0, 1, 2]
    assert {choice.finish_reason for choice in three.choices} == {"length"}
    wanted = client.chat.completions.create(
        model="gpt-4o", messages=ASK, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(wanted.choices[0].message.content or ""), dict)


def test_errors_raise_the_sdks_own_classes(sim: Simulator, client: openai.OpenAI) -> None:
    """404 for a model, 400 for a bad field, 404 for a path; nothing is billed."""
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-9", messages=ASK)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model="gpt-4o", messages=[])
    assert bad.value.param == "messages"
    with pytest.raises(openai.NotFoundError):
        client.post("/no/such/path", cast_to=object)
    assert sim.bill.rows == ()


def test_models_embeddings_and_moderations_answer(sim: Simulator, client: openai.OpenAI) -> None:
    """What a gateway only passes on is there to be passed on."""
    names = [model.id for model in client.models.list()]
    assert "gpt-4o" in names
    assert "claude-haiku-4-5" not in names
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"
    vectors = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert [len(item.embedding) for item in vectors.data] == [1536, 1536]
    assert sim.bill.rows[0].usage.input_tokens == vectors.usage.prompt_tokens
    assert not client.moderations.create(input="a kind word").results[0].flagged


def test_the_bill_is_the_usage_of_the_replies_times_the_table(
    sim: Simulator, client: openai.OpenAI
) -> None:
    """Summed over models and both ways of delivery, to the nano-dollar."""
    owed = 0
    for name in ("gpt-4o", "gpt-4o-mini", "gpt-4.1-nano", "gpt-5", "o4-mini"):
        for text in ("Hello", "Where is my parcel?", "Write a python function"):
            reply = client.chat.completions.create(
                model=name, messages=[{"role": "user", "content": text}]
            )
            chunks = list(
                client.chat.completions.create(
                    model=name,
                    messages=[{"role": "user", "content": text}],
                    stream=True,
                    stream_options={"include_usage": True},
                )
            )
            for usage in (reply.usage, chunks[-1].usage):
                assert usage is not None
                bought = Usage(usage.prompt_tokens, output_tokens=usage.completion_tokens)
                owed += billed_nanousd(bought, MODELS[name].price)
    assert sim.quiet().total_nanousd == owed > 0
    assert {row.delivered for row in sim.bill.rows} == {"complete"}


def _text(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
