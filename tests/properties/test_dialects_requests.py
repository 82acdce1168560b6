"""Requests of any content: untouched byte for byte, or changed in one place only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import read_object
from scrimp.errors import InvalidRequest

NAMES = st.sampled_from(sorted(DIALECTS))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
READ = {
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n",
    "metadata", "user", "safety_identifier", "input", "max_output_tokens",
}  # fmt: skip
UNKNOWN = st.dictionaries(TEXT.filter(lambda name: name not in READ), JSON, max_size=5)
STYLE = st.sampled_from(
    [
        {"separators": (",", ":"), "ensure_ascii": False},
        {"ensure_ascii": False},
        {"indent": 2},
        {},
    ]
)


def fields_of(unknown: dict[str, Any], *, stream: bool) -> dict[str, Any]:
    """A request with these unknown fields around the known ones."""
    message = {"role": "user", "content": "hello"}
    return {
        "max_tokens": 5,
        **unknown,
        "model": "m",
        "messages": [message],
        "input": "hello",
        "stream": stream,
    }


@given(NAMES, UNKNOWN, STYLE, st.booleans())
def test_an_unchanged_request_is_the_same_bytes(
    name: str,
    unknown: dict[str, Any],
    style: dict[str, Any],
    stream: bool,  # noqa: FBT001 - drawn
) -> None:
    """However the client wrote its JSON."""
    body = json.dumps(fields_of(unknown, stream=stream), **style).encode()
    request = DIALECTS[name].read_request(body)
    assert DIALECTS[name].upstream_body(request, model="m", want_usage=False) is body
    assert request.fields == json.loads(body)


@given(NAMES, UNKNOWN, st.booleans(), st.booleans())
def test_a_changed_request_keeps_everything_else(
    name: str,
    unknown: dict[str, Any],
    stream: bool,  # noqa: FBT001 - drawn
    want_usage: bool,  # noqa: FBT001 - drawn
) -> None:
    """Unknown fields and the order of keys; and the request that was read is not touched."""
    fields = fields_of(unknown, stream=stream)
    body = json.dumps(fields).encode()
    request = DIALECTS[name].read_request(body)
    sent = json.loads(DIALECTS[name].upstream_body(request, model="n", want_usage=want_usage))
    options = sent.pop("stream_options", None)
    assert options == (
        {"include_usage": True} if stream and want_usage and name == "openai.chat" else None
    )
    assert list(sent.items()) == list({**fields, "model": "n"}.items())
    DIALECTS[name].cache_fields(request)
    assert request.fields == json.loads(body)


@given(st.binary(max_size=60) | TEXT.map(str.encode))
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    """Nothing but InvalidRequest ever comes out, and a read object is what JSON says it is."""
    try:
        fields = read_object(body)
    except InvalidRequest:
        return
    assert fields == json.loads(body)


@given(UNKNOWN.filter(bool), JSON, STYLE, st.data())
def test_a_key_that_stands_twice_is_always_found(
    fields: dict[str, Any], value: Any, style: dict[str, Any], data: st.DataObject
) -> None:
    """At the top or deeper, with the same value or another."""
    name = data.draw(st.sampled_from(sorted(fields)))
    body = json.dumps(fields, **style).encode()
    again = json.dumps({name: value}, **style).encode()
    twice = body.rstrip()[:-1] + b"," + again.lstrip()[1:]
    for nested in (twice, b'{"a":[1,' + twice + b"]}"):
        with pytest.raises(InvalidRequest, match="stands twice"):
            read_object(nested)
