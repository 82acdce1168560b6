"""Replies to responses and embeddings requests: usage that does not add up, odd shapes, errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.calls import ReplyFacts, Usage
from scrimp.dialects import DIALECTS
from scrimp.dialects.openai_responses_usage import read_usage
from scrimp.dialects.sse import event_fields, split

RESPONSES = DIALECTS["openai.responses"]
EMBEDDINGS = DIALECTS["openai.embeddings"]
CALL = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}"}


def usage(**more: Any) -> dict[str, Any]:
    """A usage of 10 tokens in and 4 out, and these fields besides or instead."""
    return {"input_tokens": 10, "output_tokens": 4, **more}


def reply(**more: Any) -> bytes:
    """A response of one message, and these fields besides or instead."""
    content = [{"type": "output_text", "text": "hi", "annotations": []}]
    message = {"type": "message", "id": "m", "role": "assistant", "content": content}
    return json.dumps(
        {"id": "r", "object": "response", "status": "completed", "output": [message], **more}
    ).encode()


def stream_of(*events: dict[str, Any]) -> bytes:
    """An event stream of these events."""
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (event["type"].encode(), json.dumps(event).encode())
        for event in events
    )


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (usage(), Usage(input_tokens=10, output_tokens=4)),
        (
            usage(
                input_tokens_details={"cached_tokens": 3, "cache_write_tokens": 2},
                output_tokens_details={"reasoning_tokens": 1},
                total_tokens=14,
            ),
            Usage(
                input_tokens=5,
                cache_read_tokens=3,
                cache_write_5m_tokens=2,
                output_tokens=3,
                reasoning_tokens=1,
            ),
        ),
        (  # reasoning beside the output, as the total says
            usage(output_tokens_details={"reasoning_tokens": 5}, total_tokens=19),
            Usage(input_tokens=10, output_tokens=4, reasoning_tokens=5),
        ),
    ],
)
def test_usage_in_disjoint_buckets(reported: dict[str, Any], expected: Usage) -> None:
    """No token stands in two of them."""
    assert read_usage(reported) == expected


@pytest.mark.parametrize(
    ("reported", "said", "total_in"),
    [
        (usage(total_tokens=20), "20", 10),
        (usage(input_tokens_details={"cached_tokens": 30}), "30", 40),
        (usage(output_tokens_details={"reasoning_tokens": 9}), "9", 10),
        (
            usage(
                input_tokens_details={
                    "cache_write_tokens": 5,
                    "cache_write_tokens_details": {"ttl_12h_tokens": 1, "ttl_30m_tokens": 1},
                }
            ),
            "5 tokens reported, 1 + 1",
            10,
        ),
    ],
)
def test_usage_that_does_not_add_up_is_suspect(
    reported: dict[str, Any], said: str, total_in: int
) -> None:
    """Both numbers are kept, nothing is clamped."""
    found = read_usage(reported)
    assert found is not None
    assert said in found.suspect
    assert found.total_input_tokens == total_in


def test_other_models_images_make_usage_suspect() -> None:
    """What they cost is not in the counts of the reply; searches are."""
    tools = {"image_gen": {"total_tokens": 900}, "web_search": {"num_requests": 2}}
    found = read_usage(usage(), tools)
    assert found is not None
    assert found.web_search_requests == 2
    assert "900" in found.suspect


@pytest.mark.parametrize(
    "reported",
    [None, 5, {}, {"input_tokens": 1}, usage(input_tokens=-1), usage(output_tokens=1.5)],
)
def test_usage_that_cannot_be_read_is_unknown(reported: object) -> None:
    """Never a guess."""
    assert read_usage(reported) is None


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled", None])
def test_a_response_that_has_not_ended_is_not_complete(status: str | None) -> None:
    """Work in the background is answered at once, without an answer."""
    facts = RESPONSES.read_reply(reply(status=status, output=[]))
    assert facts == ReplyFacts()


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("max_output_tokens", "truncated"), ("content_filter", "refused"), ("steered", "unknown")],
)
def test_why_a_response_is_incomplete(reason: str, finish: str) -> None:
    """It is a whole answer all the same, though none to remember."""
    facts = RESPONSES.read_reply(reply(status="incomplete", incomplete_details={"reason": reason}))
    assert (facts.finish, facts.complete) == (finish, True)


def test_a_failed_response_has_its_error() -> None:
    """Even when it gives no reason."""
    told = RESPONSES.read_reply(reply(status="failed", error={"message": "no"}))
    untold = RESPONSES.read_reply(reply(status="failed"))
    assert (told.error, told.complete) == ("no", False)
    assert (untold.error, untold.complete) == ("the provider gave no message", False)


@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call", "mcp_approval_request"])
def test_what_the_client_must_answer_ends_with_tool_calls(kind: str) -> None:
    """Whatever kind of tool it is."""
    facts = RESPONSES.read_reply(reply(output=[{**CALL, "type": kind}]))
    assert facts.finish == "tool_calls"


@pytest.mark.parametrize(
    "body",
    [
        b'{"status":"completed"}',
        b'{"status":"completed","output":{}}',
        b'{"error":{"message":"no"}}',
        b"[]",
        b"nonsense",
    ],
)
def test_what_is_no_response_is_not_complete(body: bytes) -> None:
    """Nor is it an exception."""
    assert not RESPONSES.read_reply(body).complete


def test_odd_types_lose_no_usage() -> None:
    """A field that is not what it should be takes nothing else with it."""
    facts = RESPONSES.read_reply(
        reply(usage=usage(), output=[{"type": "x", "content": "text"}, 5, CALL])
    )
    assert facts.usage == Usage(input_tokens=10, output_tokens=4)
    assert (facts.finish, facts.complete) == ("tool_calls", True)
    stream = stream_of(
        {
            "type": "response.completed",
            "response": {"output": [5], "usage": usage(), "model": "m"},
        }
    )
    reader = RESPONSES.stream_reader(hide_usage=False)
    reader.feed(stream)
    assert reader.facts.usage == Usage(input_tokens=10, output_tokens=4)
    assert reader.complete


def test_an_error_that_was_told_stays_told() -> None:
    """What comes after it makes no answer of it."""
    stream = stream_of(
        {"type": "error", "message": "first"},
        {"type": "response.completed", "response": {"status": "completed", "usage": usage()}},
    )
    reader = RESPONSES.stream_reader(hide_usage=False)
    reader.feed(stream)
    assert (reader.facts.error, reader.complete) == ("first", False)
    assert reader.facts.usage == Usage(input_tokens=10, output_tokens=4)


def test_a_stream_numbers_its_events() -> None:
    """From 0, without a gap, each named as its type."""
    stream = RESPONSES.to_stream(reply(usage=usage()), include_usage=False)
    events = [event_fields(raw) for raw in split(stream)]
    numbers = [json.loads(data)["sequence_number"] for _, data in events]
    assert numbers == list(range(len(events)))
    assert [json.loads(data)["type"].encode() for _, data in events] == [name for name, _ in events]
    assert events[0][0] == b"response.created"
    assert events[-1][0] == b"response.completed"
    opening = json.loads(events[0][1])["response"]
    assert (opening["status"], opening["output"], opening["usage"]) == ("in_progress", [], None)


@pytest.mark.parametrize(("status", "last"), [("incomplete", "incomplete"), ("failed", "failed")])
def test_a_stream_ends_as_its_response_did(status: str, last: str) -> None:
    """The name of the last event says how."""
    stream = RESPONSES.to_stream(reply(status=status), include_usage=True)
    assert event_fields(split(stream)[-1])[0] == f"response.{last}".encode()


@pytest.mark.parametrize("body", [b"no json", b'{"error":{"message":"no","code":"c"}}', b"{}"])
def test_what_cannot_be_streamed_is_an_error_event(body: bytes) -> None:
    """With its fields where OpenAI sends them and where it documents them."""
    (raw,) = split(RESPONSES.to_stream(body, include_usage=True))
    name, data = event_fields(raw)
    fields = json.loads(data)
    assert name == b"error"
    assert fields["message"] == fields["error"]["message"]
    assert {"type", "sequence_number", "code", "param"} <= fields.keys()


def test_a_call_without_an_id_is_known_by_its_call() -> None:
    """Events about a call need something to name it by."""
    call = {name: value for name, value in CALL.items() if name != "id"}
    stream = RESPONSES.to_stream(reply(output=[call]), include_usage=True)
    deltas = [raw for raw in split(stream) if b"arguments.delta" in raw]
    assert json.loads(event_fields(deltas[0])[1])["item_id"] == "c"


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(input_tokens=8)),
        ({"total_tokens": 8}, Usage(input_tokens=8)),
        ({"prompt_tokens": 8, "completion_tokens": 0}, Usage(input_tokens=8)),
        ({"prompt_tokens": -1}, None),
        ({}, None),
    ],
)
def test_usage_of_embeddings(reported: dict[str, Any], expected: Usage | None) -> None:
    """Only what went in; some providers report one total of two."""
    body = json.dumps({"data": [{"embedding": [0.5]}], "usage": reported}).encode()
    assert EMBEDDINGS.read_reply(body).usage == expected


def test_totals_of_embeddings_that_differ_are_suspect() -> None:
    """Both numbers are in the note."""
    body = b'{"data":[{}],"usage":{"prompt_tokens":8,"total_tokens":9}}'
    found = EMBEDDINGS.read_reply(body).usage
    assert found is not None
    assert found.input_tokens == 8
    assert "9" in found.suspect


@pytest.mark.parametrize(
    "body", [b'{"data":[]}', b'{"data":"x"}', b'{"error":{"message":"no"}}', b"", b"[1]"]
)
def test_what_has_no_vectors_is_not_complete(body: bytes) -> None:
    """An error has its message."""
    facts = EMBEDDINGS.read_reply(body)
    assert not facts.complete
    assert facts.error == ("no" if b"error" in body else "")


def test_embeddings_have_no_stream() -> None:
    """What a provider streams all the same goes through, and is never an answer."""
    events = b'data: {"data":[{"index":0}]}\n\n'
    reader = EMBEDDINGS.stream_reader(hide_usage=True)
    assert reader.feed(events[:9]) + reader.feed(events[9:]) + reader.close() == events
    assert not reader.complete
    assert json.loads(EMBEDDINGS.from_stream(events)) == {"data": [{"index": 0}]}
    assert EMBEDDINGS.to_stream(b'{"a":1}', include_usage=True) == b'data: {"a":1}\n\n'


@pytest.mark.parametrize("dialect", [RESPONSES, EMBEDDINGS], ids=lambda one: one.name)
def test_errors_are_openais(dialect: Any) -> None:
    """The same words as in its chat dialect."""
    for kind in ("invalid_request", "budget_exceeded", "upstream"):
        assert dialect.error_body(kind, "m") == DIALECTS["openai.chat"].error_body(kind, "m")
