"""Whole replies and errors from one dialect to the other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.dialects.json_body import encode
from scrimp.translation import errors, replies

CLAUDE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 4,
        "cache_read_input_tokens": 6,
        "output_tokens": 8,
        "output_tokens_details": {"thinking_tokens": 3},
        "service_tier": "standard",
    },
}
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}}
GPT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 5,
    "model": "gpt-x",
    "service_tier": "default",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    ],
    "usage": {
        "prompt_tokens": 20,
        "completion_tokens": 8,
        "total_tokens": 28,
        "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    },
}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
}


def chat(**changes: Any) -> dict[str, Any]:
    """A message of Anthropic's, as a completion."""
    found: dict[str, Any] = json.loads(replies.to_chat(encode(CLAUDE | changes), created_s=7))
    return found


def message(choice: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A completion, as a message of Anthropic's."""
    fields = GPT | changes
    if choice is not None:
        fields = fields | {"choices": [GPT["choices"][0] | choice]}
    found: dict[str, Any] = json.loads(replies.to_messages(encode(fields)))
    return found


def test_a_message_as_a_completion() -> None:
    """Cached tokens are parts of the prompt there, thinking is a part of the completion."""
    assert chat() == {
        "id": "msg_1",
        "object": "chat.completion",
        "created": 7,
        "model": "claude-x",
        "service_tier": "default",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 8,
            "total_tokens": 28,
            "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    }


def test_a_completion_as_a_message() -> None:
    """Cached tokens stand beside the rest there."""
    assert message() == {
        "id": "chatcmpl-1",
        "type": "message",
        "role": "assistant",
        "model": "gpt-x",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 4,
            "cache_read_input_tokens": 6,
            "output_tokens": 8,
            "output_tokens_details": {"thinking_tokens": 3},
            "service_tier": "standard",
        },
    }


def test_calls_of_tools_both_ways() -> None:
    """Parallel ones too; a completion that only calls has no content."""
    called = chat(content=[USE, USE | {"id": "toolu_2", "input": {}}], stop_reason="tool_use")
    said = called["choices"][0]
    assert said["finish_reason"] == "tool_calls"
    assert said["message"]["content"] is None
    assert said["message"]["tool_calls"][0] == CALL | {"id": "toolu_1"}
    assert said["message"]["tool_calls"][1]["function"]["arguments"] == "{}"
    given = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    back = message({"message": given, "finish_reason": "tool_calls"})
    assert back["content"] == [USE | {"id": "call_1"}]
    assert back["stop_reason"] == "tool_use"


def test_a_forced_call_ends_a_message_as_every_call_does() -> None:
    """OpenAI ends it with `stop`; programs of Anthropic's would take that for the last word."""
    given = {"role": "assistant", "content": "", "tool_calls": [CALL | {"id": ""}]}
    back = message({"message": given, "finish_reason": "stop"})
    assert back["stop_reason"] == "tool_use"
    assert back["content"][0]["id"] == "toolu_chatcmpl-1_0"


@pytest.mark.parametrize(
    ("stop_reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "length"),
        ("made_up", "stop"),
    ],
)
def test_ends_of_messages(stop_reason: str, finish: str) -> None:
    """Each has one of OpenAI's."""
    assert chat(stop_reason=stop_reason)["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize(
    ("finish", "stop_reason"),
    [
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("insufficient_system_resource", "max_tokens"),
        (None, "end_turn"),
    ],
)
def test_ends_of_completions(finish: str | None, stop_reason: str) -> None:
    """Each has one of Anthropic's."""
    assert message({"finish_reason": finish})["stop_reason"] == stop_reason


def test_refusals() -> None:
    """Anthropic's has a reason for people, OpenAI's is said in a field of its own."""
    details = {"type": "refusal", "explanation": "No.", "category": "bio"}
    said = chat(stop_reason="refusal", stop_details=details)["choices"][0]
    assert said["message"]["refusal"] == "No."
    back = message({"message": {"role": "assistant", "content": None, "refusal": "I cannot."}})
    assert back["content"] == [{"type": "text", "text": "I cannot."}]
    assert back["stop_reason"] == "refusal"


def test_thoughts() -> None:
    """Others read them in `reasoning_content`; the other way nobody could sign them."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    said = chat(content=[thought, *CLAUDE["content"]])["choices"][0]["message"]
    assert (said["reasoning_content"], said["content"]) == ("hm", "Hello")
    given = {"role": "assistant", "content": "Hello", "reasoning_content": "hm"}
    assert message({"message": given})["content"] == [{"type": "text", "text": "Hello"}]


def test_a_stop_sequence_is_told_where_the_server_tells_it() -> None:
    """Servers of vLLM do; OpenAI has no field for it."""
    back = message({"stop_reason": "END"})
    assert (back["stop_reason"], back["stop_sequence"]) == ("stop_sequence", "END")


def test_without_usage() -> None:
    """Anthropic's always have one, and clients read it: 0 where nobody told."""
    assert "usage" not in chat(usage=None)
    assert message(usage=None)["usage"]["input_tokens"] == 0


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"{}", b'{"choices":[]}'])
def test_what_is_no_reply_stays_what_it_is(body: bytes) -> None:
    """A page in place of an answer fails in the SDK as it would without us."""
    assert replies.to_chat(body, created_s=1) == replies.to_messages(body) == body


def test_an_error_in_place_of_a_reply() -> None:
    """In the words of the other vendor."""
    theirs = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}
    found = json.loads(replies.to_chat(encode(theirs), created_s=1))
    assert found["error"]["message"] == "Busy"
    back = json.loads(replies.to_messages(encode({"error": {"message": "Busy"}})))
    assert back == {"type": "error", "error": {"type": "api_error", "message": "Busy"}}


def chat_error(kind: str, status: int, text: str = "No") -> dict[str, Any]:
    """An error of Anthropic's, as OpenAI words it."""
    body = encode({"type": "error", "error": {"type": kind, "message": text}})
    found: dict[str, Any] = json.loads(errors.error_body(body, status, (), said="openai.chat"))
    inner: dict[str, Any] = found["error"]
    return inner


@pytest.mark.parametrize(
    ("kind", "status", "error_type", "code"),
    [
        ("invalid_request_error", 400, "invalid_request_error", None),
        ("authentication_error", 401, "invalid_request_error", "invalid_api_key"),
        ("billing_error", 402, "insufficient_quota", "insufficient_quota"),
        ("not_found_error", 404, "invalid_request_error", "model_not_found"),
        ("rate_limit_error", 429, "requests", "rate_limit_exceeded"),
        ("api_error", 500, "server_error", None),
        ("overloaded_error", 529, "server_error", "overloaded"),
        ("made_up", 429, "requests", "rate_limit_exceeded"),
        ("made_up", 418, "server_error", None),
    ],
)
def test_errors_of_anthropics(kind: str, status: int, error_type: str, code: str | None) -> None:
    """Type and code as OpenAI gives them, so that programs branch as they are used to."""
    found = chat_error(kind, status)
    assert (found["type"], found["code"], found["message"]) == (error_type, code, "No")


def test_a_prompt_that_is_too_long_has_openais_code() -> None:
    """Programs cut their prompts by it."""
    found = chat_error("invalid_request_error", 400, "prompt is too long: 300000 tokens > 200000")
    assert found["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (418, "invalid_request_error"),
    ],
)
def test_errors_of_openais(status: int, kind: str) -> None:
    """Typed by the status, with the id of the request inside, as Anthropic has it."""
    body = encode({"error": {"message": "No", "type": "x", "code": None}})
    headers = (("x-request-id", "req_1"),)
    found = json.loads(errors.error_body(body, status, headers, said="anthropic.messages"))
    assert found == {
        "type": "error",
        "error": {"type": kind, "message": "No"},
        "request_id": "req_1",
    }


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"detail":"x"}'])
def test_an_error_that_cannot_be_read_is_worded_by_us(body: bytes) -> None:
    """Nothing is made up of it here."""
    assert errors.error_body(body, 500, (), said="openai.chat") == b""


def test_headers() -> None:
    """Those of the other vendor stay behind; ids have the name that the SDK reads."""
    client = (
        ("content-type", "application/json"),
        ("openai-organization", "o"),
        ("x-stainless-lang", "python"),
        ("traceparent", "00"),
    )
    sent = errors.sent_headers(client, "anthropic.messages")
    assert [name for name, _ in sent] == ["content-type", "traceparent", "anthropic-version"]
    own = (("anthropic-version", "2026-10-21"), ("anthropic-beta", "x"))
    assert errors.sent_headers(own, "anthropic.messages") == own
    back = errors.sent_headers((("anthropic-version", "x"), ("accept", "*")), "openai.chat")
    assert back == (("accept", "*"),)
    told = (("request-id", "r"), ("retry-after", "3"))
    assert errors.told_headers(told, "openai.chat") == (("x-request-id", "r"), told[1])
    assert errors.told_headers(told, "anthropic.messages") == told


def test_a_key_that_is_passed_on_stands_where_the_provider_looks() -> None:
    """A client knows its own SDK's header only."""
    bearer, key = ("authorization", "Bearer sk-1"), ("x-api-key", "sk-1")
    assert errors.credential_for(bearer, "anthropic.messages") == key
    assert errors.credential_for(key, "openai.chat") == bearer
    assert errors.credential_for(bearer, "openai.chat") == bearer
    basic = ("authorization", "Basic x")
    assert errors.credential_for(basic, "anthropic.messages") == basic
    assert errors.credential_for(None, "openai.chat") is None
