"""Reading requests of both vendors: which fields are checked, what they mean, what goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.dialects import DIALECTS
from scrimp.errors import InvalidRequest

OPENAI = DIALECTS["openai.chat"]
ANTHROPIC = DIALECTS["anthropic.messages"]
COUNT = DIALECTS["anthropic.count_tokens"]
HELLO = [{"role": "user", "content": "hello"}]


def body(**fields: Any) -> bytes:
    """A body with a model and a message, and these fields besides or instead."""
    return json.dumps({"model": "m", "messages": HELLO, "max_tokens": 9, **fields}).encode()


@pytest.mark.parametrize("name", ["openai.chat", "anthropic.messages", "anthropic.count_tokens"])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": None}, "missing 'model'"),
        ({"model": ""}, "missing 'model'"),
        ({"model": 5}, "'model' must be a string"),
        ({"messages": None}, "missing 'messages'"),
        ({"messages": []}, "'messages' must be a list with at least one message"),
        ({"messages": "hi"}, "'messages' must be a list"),
        ({"messages": [HELLO[0], "hi"]}, "'messages[1]' must be an object"),
        ({"stream": "yes"}, "'stream' must be true or false"),
        ({"max_tokens": -1}, "'max_tokens' must be at least"),
        ({"max_tokens": True}, "'max_tokens' must be an integer"),
        ({"max_tokens": 1.5}, "'max_tokens' must be an integer"),
        ({"metadata": "x"}, "'metadata' must be an object"),
    ],
)
def test_wrong_types_of_fields_that_are_read(name: str, fields: dict[str, Any], said: str) -> None:
    """The message names the field at fault."""
    with pytest.raises(InvalidRequest) as caught:
        DIALECTS[name].read_request(body(**fields))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"n": 0}, "'n' must be at least 1"),
        ({"n": "2"}, "'n' must be an integer"),
        ({"max_tokens": 0}, "'max_tokens' must be at least 1"),
        ({"max_completion_tokens": 0}, "'max_completion_tokens' must be at least 1"),
        ({"stream_options": True}, "'stream_options' must be an object"),
        ({"stream_options": {"include_usage": 1}}, "'include_usage' must be true or false"),
        ({"user": 7}, "'user' must be a string"),
    ],
)
def test_wrong_types_that_only_openai_knows(fields: dict[str, Any], said: str) -> None:
    """The same for OpenAI's own fields."""
    with pytest.raises(InvalidRequest) as caught:
        OPENAI.read_request(body(**fields))
    assert said in str(caught.value)


def test_openai_fields_are_read() -> None:
    """Everything that levers ask about a call."""
    request = OPENAI.read_request(
        body(
            stream=True,
            stream_options={"include_usage": True},
            max_completion_tokens=50,
            n=3,
            user="ann",
            metadata={"task": "x"},
            whatever=[1],
        )
    )
    assert (request.model, request.stream, request.include_usage) == ("m", True, True)
    assert (request.max_output_tokens, request.n, request.user) == (50, 3, "ann")
    assert request.metadata == {"task": "x"}
    assert request.fields["whatever"] == [1]
    assert not request.stateful
    assert not request.side_effects


def test_nulls_count_as_absent() -> None:
    """As they do at the providers."""
    request = OPENAI.read_request(
        body(stream=None, n=None, max_tokens=None, user=None, metadata=None, stream_options=None)
    )
    assert (request.stream, request.n, request.max_output_tokens) == (False, 1, None)
    assert OPENAI.upstream_body(request, model="m", want_usage=True) is request.body


def test_anthropic_fields_are_read() -> None:
    """A user comes from the metadata; a limit of 0 is a cache warm-up and allowed."""
    request = ANTHROPIC.read_request(body(metadata={"user_id": "ann"}, max_tokens=0, stream=True))
    assert (request.user, request.max_output_tokens, request.stream) == ("ann", 0, True)


def test_only_messages_need_a_limit() -> None:
    """Counting tokens needs none."""
    with pytest.raises(InvalidRequest, match="missing 'max_tokens'"):
        ANTHROPIC.read_request(body(max_tokens=None))
    assert COUNT.read_request(body(max_tokens=None)).max_output_tokens is None


@pytest.mark.parametrize(
    ("name", "fields", "stateful", "side_effects"),
    [
        ("openai.chat", {"store": True}, True, False),
        ("openai.chat", {"store": False}, False, False),
        ("openai.chat", {"previous_response_id": "r"}, True, False),
        ("openai.chat", {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, True, False),
        ("openai.chat", {"modalities": ["text", "audio"]}, True, False),
        ("openai.chat", {"modalities": ["text"]}, False, False),
        ("openai.chat", {"modalities": "audio"}, False, False),
        ("openai.chat", {"web_search_options": {}}, False, True),
        ("openai.chat", {"tools": [{"type": "function", "function": {}}]}, False, False),
        ("openai.chat", {"tools": [{"type": "custom", "custom": {}}]}, False, False),
        ("openai.chat", {"tools": [{"type": "web_search"}]}, False, True),
        ("openai.chat", {"tools": [{}]}, False, True),
        ("openai.chat", {"messages": [*HELLO, {"role": "tool", "content": "1"}]}, False, True),
        ("openai.chat", {"messages": [{"role": "tool", "content": "1"}, *HELLO]}, False, False),
        ("anthropic.messages", {"container": "c"}, True, False),
        ("anthropic.messages", {"mcp_servers": [{"url": "u"}]}, True, False),
        ("anthropic.messages", {"mcp_servers": []}, False, False),
        ("anthropic.messages", {"context_management": {"edits": [{}]}}, True, False),
        ("anthropic.messages", {"tools": [{"name": "f", "input_schema": {}}]}, False, False),
        ("anthropic.messages", {"tools": [{"type": "custom", "name": "f"}]}, False, False),
        ("anthropic.messages", {"tools": [{"type": "web_search_20250305"}]}, False, True),
        ("anthropic.messages", {"tools": [{"type": "computer_20250124"}]}, False, True),
        (
            "anthropic.messages",
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "1"}]}]},
            False,
            True,
        ),
    ],
)
def test_state_and_side_effects(
    name: str, fields: dict[str, Any], *, stateful: bool, side_effects: bool
) -> None:
    """Calls that must never be answered from a cache are known by these marks."""
    request = DIALECTS[name].read_request(body(**fields))
    assert (request.stateful, request.side_effects) == (stateful, side_effects)


def test_usage_is_asked_for_only_where_it_is_needed() -> None:
    """Streams without include_usage get it, other options stay, nothing else changes."""
    plain = OPENAI.read_request(body())
    assert OPENAI.upstream_body(plain, model="m", want_usage=True) is plain.body
    asked = OPENAI.read_request(body(stream=True, stream_options={"include_usage": True}))
    assert OPENAI.upstream_body(asked, model="m", want_usage=True) is asked.body
    silent = OPENAI.read_request(body(stream=True, stream_options={"include_obfuscation": False}))
    assert OPENAI.upstream_body(silent, model="m", want_usage=False) is silent.body
    sent = json.loads(OPENAI.upstream_body(silent, model="m", want_usage=True))
    assert sent.pop("stream_options") == {"include_obfuscation": False, "include_usage": True}
    assert sent == {k: v for k, v in silent.fields.items() if k != "stream_options"}
    assert silent.fields["stream_options"] == {"include_obfuscation": False}


@pytest.mark.parametrize("name", ["openai.chat", "anthropic.messages"])
def test_another_model_changes_nothing_else(name: str) -> None:
    """Order of keys and unknown fields are kept."""
    request = DIALECTS[name].read_request(body(zeta={"b": 1, "a": [None]}, alpha=1.5))
    sent = DIALECTS[name].upstream_body(request, model="other", want_usage=False)
    assert list(json.loads(sent).items()) == list({**request.fields, "model": "other"}.items())


def test_cache_fields_leave_out_only_the_form_of_delivery() -> None:
    """A stream and a plain call for the same words are the same question."""
    plain = OPENAI.read_request(body(x=1))
    stream = OPENAI.read_request(body(x=1, stream=True, stream_options={"include_usage": True}))
    assert OPENAI.cache_fields(plain) == OPENAI.cache_fields(stream) == plain.fields
    assert stream.fields["stream_options"] == {"include_usage": True}
    other = OPENAI.read_request(body(stream=True, stream_options={"include_obfuscation": False}))
    assert OPENAI.cache_fields(other)["stream_options"] == {"include_obfuscation": False}
    message = ANTHROPIC.read_request(body(stream=True, y=2))
    assert ANTHROPIC.cache_fields(message) == ANTHROPIC.read_request(body(y=2)).fields


def test_headers_that_change_an_answer() -> None:
    """Only the vendor's own versioning and tenancy headers."""
    headers = (
        ("anthropic-beta", "a"),
        ("user-agent", "u"),
        ("openai-project", "p"),
        ("anthropic-version", "v"),
        ("openai-organization", "o"),
        ("openai-beta", "b"),
    )
    assert ANTHROPIC.answer_headers(headers) == (headers[0], headers[3])
    assert OPENAI.answer_headers(headers) == (headers[2], headers[4], headers[5])


def test_a_request_does_not_show_its_words() -> None:
    """A prompt in a log line would be a leak."""
    assert "hello" not in repr(OPENAI.read_request(body()))
