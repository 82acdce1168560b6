"""Requests for responses and embeddings: what is checked, what is state, what goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.dialects import DIALECTS
from scrimp.errors import InvalidRequest

RESPONSES = DIALECTS["openai.responses"]
EMBEDDINGS = DIALECTS["openai.embeddings"]
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "4"}
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}


def body(**fields: Any) -> bytes:
    """A body with a model and an input, and these fields besides or instead."""
    return json.dumps({"model": "m", "input": "hello", **fields}).encode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": None}, "missing 'model'"),
        ({"input": 5}, "'input' must be a string or a list of items"),
        ({"input": [{"role": "user", "content": "x"}, "y"]}, "'input[1]' must be an object"),
        ({"stream": 1}, "'stream' must be true or false"),
        ({"max_output_tokens": 0}, "'max_output_tokens' must be at least 1"),
        ({"metadata": []}, "'metadata' must be an object"),
        ({"user": 1}, "'user' must be a string"),
    ],
)
def test_wrong_types_of_a_response_request(fields: dict[str, Any], said: str) -> None:
    """The message names the field at fault."""
    with pytest.raises(InvalidRequest) as caught:
        RESPONSES.read_request(body(**fields))
    assert said in str(caught.value)


def test_what_is_read_of_a_response_request() -> None:
    """Limit, stream, user and metadata; usage always ends the stream."""
    one = RESPONSES.read_request(
        body(stream=True, max_output_tokens=7, safety_identifier="u", metadata={"task": "analysis"})
    )
    assert (one.stream, one.include_usage, one.max_output_tokens, one.n) == (True, True, 7, 1)
    assert (one.user, one.metadata) == ("u", {"task": "analysis"})
    assert not one.stateful
    assert not one.side_effects


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"background": True},
        {"store": True},
        {"prompt": {"id": "pmpt_1"}},
        {"context_management": [{"type": "compaction"}]},
        {"prompt_cache_options": {"prewarm": True}},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"id": "msg_1"}]},
        {"input": [{"type": "compaction_trigger"}]},
    ],
    ids=lambda fields: json.dumps(fields)[:40],
)
def test_state_at_the_provider_is_seen(fields: dict[str, Any]) -> None:
    """Such an answer depends on more than the request, or the request does more than answer."""
    assert RESPONSES.read_request(body(**fields)).stateful


@pytest.mark.parametrize(
    "fields",
    [
        {"store": False},
        {"store": None},
        {"previous_response_id": None},
        {"background": False},
        {"prompt_cache_key": "k", "prompt_cache_options": {"ttl": "30m"}},
        {"include": ["reasoning.encrypted_content"]},
        {"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}]},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]},
    ],
    ids=lambda fields: json.dumps(fields)[:40],
)
def test_what_stands_in_the_request_is_no_state(fields: dict[str, Any]) -> None:
    """Nothing is looked up elsewhere for it; null and false say nothing."""
    assert not RESPONSES.read_request(body(**fields)).stateful


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tools": [FUNCTION, {"type": "custom", "name": "c"}]}, False),
        ({"tools": [{"type": "local_shell"}, {"type": "apply_patch"}]}, False),
        ({"tools": [{"type": "shell", "environment": {"type": "local"}}]}, False),
        ({"tools": [{"type": "shell"}]}, True),
        ({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, True),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [FUNCTION]}]}, False),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]}, True),
        ({"tools": [{"type": "tool_search", "execution": "client"}]}, False),
        ({"tools": [{"type": "tool_search"}]}, True),
        ({"tools": [{"type": "web_search"}]}, True),
        ({"tools": [{"type": "mcp", "server_label": "s"}]}, True),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, True),
        ({"tools": [{"type": "image_generation"}]}, True),
        ({"tools": [{"type": ["odd"]}]}, True),
        ({"input": [CALL, OUTPUT]}, True),
        ({"input": [CALL, OUTPUT, {"role": "user", "content": "go on"}]}, False),
        ({"input": [{"type": "mcp_approval_response", "approve": True}]}, True),
        ({"input": [{"type": "additional_tools", "tools": [{"type": "web_search"}]}]}, True),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_side_effects_of_responses(fields: dict[str, Any], *, expected: bool) -> None:
    """Tools that the provider runs, and turns that answer a tool call."""
    assert RESPONSES.read_request(body(**fields)).side_effects is expected


def test_the_key_of_a_response_leaves_out_the_form_of_delivery_only() -> None:
    """`stream` and its padding; everything else can change the answer."""
    plain = RESPONSES.read_request(body())
    streamed = RESPONSES.read_request(
        body(stream=True, stream_options={"include_obfuscation": False})
    )
    assert RESPONSES.cache_fields(plain) == RESPONSES.cache_fields(streamed)
    for more in ({"include": ["x"]}, {"text": {"verbosity": "low"}}, {"stream_options": {"y": 1}}):
        other = RESPONSES.read_request(body(**more))
        assert RESPONSES.cache_fields(plain) != RESPONSES.cache_fields(other)


@pytest.mark.parametrize("dialect", [RESPONSES, EMBEDDINGS], ids=lambda one: one.name)
def test_bytes_go_on_unless_another_model_is_asked(dialect: Any) -> None:
    """Byte for byte, unknown fields and white space too."""
    raw = b'{ "model":"m",  "input":"hello", "stream":true, "x_new": 1e3 }'
    one = dialect.read_request(raw)
    assert dialect.upstream_body(one, model="m", want_usage=True) is raw
    other = json.loads(dialect.upstream_body(one, model="n", want_usage=True))
    assert other == {**json.loads(raw), "model": "n"}


def test_texts_of_a_response_request() -> None:
    """Instructions, input of every kind, tools and the schema; no image is a text."""
    one = RESPONSES.read_request(
        body(
            instructions="be kind",
            input=[
                {"role": "user", "content": [{"type": "input_text", "text": "what is it?"}]},
                {"role": "user", "content": [{"type": "input_image", "image_url": "data:x"}]},
                CALL,
                OUTPUT,
            ],
            tools=[FUNCTION],
            text={"format": {"type": "json_schema", "name": "a", "schema": {}}},
        )
    )
    texts = RESPONSES.prompt_texts(one)
    assert texts[:5] == ("be kind", "what is it?", "f", "{}", "4")
    assert json.loads(texts[5]) == FUNCTION
    assert json.loads(texts[6])["name"] == "a"
    assert RESPONSES.last_user_text(one) == "what is it?"
    assert RESPONSES.last_user_text(RESPONSES.read_request(body())) == "hello"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": None}, "missing 'model'"),
        ({"input": None}, "missing 'input'"),
        ({"input": {"text": "x"}}, "'input' must be a string or a list"),
    ],
)
def test_wrong_types_of_an_embeddings_request(fields: dict[str, Any], said: str) -> None:
    """The message names the field at fault."""
    with pytest.raises(InvalidRequest) as caught:
        EMBEDDINGS.read_request(body(**fields))
    assert said in str(caught.value)


def test_an_embeddings_request_may_hold_many_inputs() -> None:
    """Texts, or token ids; there is no stream and no output."""
    one = EMBEDDINGS.read_request(body(input=["a", "b"], stream=True, encoding_format="base64"))
    assert (one.stream, one.max_output_tokens, one.stateful, one.side_effects) == (
        False,
        0,
        False,
        False,
    )
    assert EMBEDDINGS.prompt_texts(one) == ("a", "b")
    assert EMBEDDINGS.last_user_text(one) == ""
    assert EMBEDDINGS.cache_fields(one)["encoding_format"] == "base64"
    ids = EMBEDDINGS.read_request(body(input=[[1, 2], [3]]))
    assert EMBEDDINGS.prompt_texts(ids) == ()
