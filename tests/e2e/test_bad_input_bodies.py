"""Bodies that no client should send: refused as the vendor would, and nothing of them leaks.

After each of them a good call is answered: the process is unharmed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import raw_http
from tests.support.spoken import ALL, ANTHROPIC, OPENAI, RESPONSES, SPOKEN, Spoken
from tests.support.stage import Stage, logged, staged

SECRET = "SECRET-mango-4711"
_LIMIT = 256 * 1024


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One pair for all tests here: what one of them sends must not hurt the next."""
    with staged(more=f"[server]\nmax_body_bytes = {_LIMIT}") as both:
        yield both


def _nested(spoken: Spoken, levels: int) -> bytes:
    start = spoken.body(note=SECRET)[:-1]
    return start + b', "deep": ' + b"[" * levels + b"]" * levels + b"}"


def _twice(spoken: Spoken) -> bytes:
    return spoken.body()[:-1] + b', "note": "%s", "model": "o3"}' % SECRET.encode()


BODIES: dict[str, Any] = {
    "empty": lambda _: b"",
    "no json": lambda _: f"{SECRET}".encode(),
    "torn": lambda s: s.body(note=SECRET)[:-1],
    "two documents": lambda s: s.body(note=SECRET) + s.body(),
    "array": lambda _: json.dumps([SECRET]).encode(),
    "string": lambda _: json.dumps(SECRET).encode(),
    "null": lambda _: b"null",
    "not UTF-8": lambda s: s.body(note=SECRET).replace(b"SECRET", b"SECRET\xff\xfe"),
    "UTF-16": lambda s: s.body(note=SECRET).decode().encode("utf-16"),
    "byte order mark": lambda s: b"\xef\xbb\xbf" + s.body(note=SECRET),
    "deep": lambda s: _nested(s, 100_000),
    "deep enough": lambda s: _nested(s, 300),
    "deep objects": lambda s: s.body()[:-1] + b', "a":' + b'{"a":' * 40_000,
    "same key twice": _twice,
    "same key twice, below": lambda s: (
        s.body()[:-1] + b', "a": [{"b": "%s", "b": 1}]}' % SECRET.encode()
    ),
    "same key twice, escaped": lambda s: s.body(note=SECRET)[:-1] + b', "mode\\u006c": "o3"}',
    "NaN": lambda s: s.body(note=SECRET)[:-1] + b', "temperature": NaN}',
    "number out of range": lambda s: s.body(note=SECRET)[:-1] + b', "temperature": 1e999}',
    "raw control character": lambda s: s.body(note=SECRET).replace(b"mango", b"man\x00go"),
    "lone surrogate": lambda s: s.body(note=SECRET)[:-1] + b', "a": "\\ud800"}',
    "missing model": lambda s: s.body(model=None, note=SECRET),
    "empty model": lambda s: s.body(model="", note=SECRET),
    "endless model": lambda s: s.body(model="m" * 10_000, note=SECRET),
    "model of control characters": lambda s: s.body(model="gpt-4o\r\nx-evil: 1", note=SECRET),
}
CHAT_BODIES: dict[str, Any] = {
    "missing messages": lambda s: s.body(messages=None, note=SECRET),
    "no messages": lambda s: s.body(messages=[], note=SECRET),
}
BAD = [
    *((one, kind, make) for one in SPOKEN for kind, make in BODIES.items()),
    *((one, kind, make) for one in (OPENAI, ANTHROPIC) for kind, make in CHAT_BODIES.items()),
    (RESPONSES, "input is no list", lambda s: s.body(input={"text": SECRET})),
    (RESPONSES, "an item is no object", lambda s: s.body(input=[SECRET])),
]


@pytest.mark.parametrize(
    ("spoken", "make"), [pytest.param(s, make, id=f"{kind}-{s.name}") for s, kind, make in BAD]
)
def test_a_bad_body_is_the_sdks_own_bad_request(
    stage: Stage, spoken: Spoken, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """400 in the vendor's shape; nothing is sent on; nothing of it is in an error or a log."""
    caplog.set_level(logging.DEBUG)
    before = len(stage.sim.requests)
    error = spoken.refused(stage.url, make(spoken))
    assert (type(error).__name__, error.status_code) == ("BadRequestError", 400)
    assert error.response.headers["x-scrimp-id"]
    assert error.response.headers["x-should-retry"] == "false"
    assert SECRET[:6] not in error.response.text + logged(caplog.records)
    assert len(stage.sim.requests) == before
    spoken.answered(stage.url)


@ALL
def test_an_unknown_model_is_not_found(stage: Stage, spoken: Spoken) -> None:
    """404, which SDKs raise as NotFoundError; the provider is not asked."""
    before = len(stage.sim.requests)
    error = spoken.refused(stage.url, spoken.body(model="mango-9000"))
    assert (type(error).__name__, error.status_code) == ("NotFoundError", 404)
    assert "mango-9000" in error.message
    assert len(stage.sim.requests) == before
    spoken.answered(stage.url)


READ: dict[str, dict[str, tuple[type, ...]]] = {
    "openai": {
        "model": (str,),
        "messages": (list,),
        "max_tokens": (int,),
        "max_completion_tokens": (int,),
        "n": (int,),
        "stream": (bool,),
        "stream_options": (dict,),
        "user": (str,),
        "safety_identifier": (str,),
        "metadata": (dict,),
    },
    "responses": {
        "model": (str,),
        "input": (str, list),
        "max_output_tokens": (int,),
        "stream": (bool,),
        "user": (str,),
        "safety_identifier": (str,),
        "metadata": (dict,),
    },
    "anthropic": {
        "model": (str,),
        "messages": (list,),
        "max_tokens": (int,),
        "stream": (bool,),
        "metadata": (dict,),
    },
}
VALUES: tuple[Any, ...] = (5, -1, 2**70, 1.5, "x", True, [], [1], ["x"], {}, {"type": []})


@pytest.mark.parametrize(
    ("spoken", "name"),
    [(one, name) for one in SPOKEN for name in READ[one.name]],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_wrong_type_of_a_field_that_is_read_is_refused_by_its_name(
    stage: Stage, spoken: Spoken, name: str
) -> None:
    """Every value of another type: 400 from the gateway itself, which names the field."""
    before = len(stage.sim.requests)
    for value in VALUES:
        if type(value) in READ[spoken.name][name]:
            continue
        error = spoken.refused(stage.url, spoken.body(**{name: value}))
        assert error.status_code == 400
        assert f"'{name}" in error.message
    assert len(stage.sim.requests) == before
    spoken.answered(stage.url)


def _odd(value: Any) -> list[dict[str, Any]]:
    """Fields that Scrimp looks into or passes on, each with a value that makes no sense there."""
    user = {"role": "user", "content": "hi"}
    return [
        {"messages": [user, value]},
        {"messages": [{"role": value, "content": "hi"}]},
        {"messages": [{"role": "user", "content": value}]},
        {"messages": [{"role": "user", "content": [value]}]},
        {"messages": [{"role": "user", "content": [{"type": value, "text": value}]}]},
        {"messages": [{**user, "tool_calls": value, "audio": value, "name": value}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": value}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": value}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": value}]}]},
        {"tools": value},
        {"tools": [value]},
        {"tools": [{"type": value, "function": value, "name": value, "input_schema": value}]},
        {"system": value},
        {"system": [{"type": "text", "text": value}]},
        {"response_format": value},
        {"response_format": {"type": "json_schema", "json_schema": value}},
        {"stream_options": {"include_usage": value}},
        {"metadata": {"task": value, "scrimp_task": value, "user_id": value}},
        {"temperature": value, "store": value, "container": value, "previous_response_id": value},
        {"thinking": value, "tool_choice": value, "stop": value, "service_tier": value},
    ]


def _odd_items(value: Any) -> list[dict[str, Any]]:
    """The same for responses."""
    user = {"role": "user", "content": "hi"}
    return [
        {"input": [user, value]},
        {"input": [{"role": value, "content": "hi"}]},
        {"input": [{"role": "user", "content": value}]},
        {"input": [{"role": "user", "content": [value]}]},
        {"input": [{"role": "user", "content": [{"type": value, "text": value}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": value}]}]},
        {"input": [{"type": value, "id": value, "call_id": value, "output": value}]},
        {"input": [user, {"type": "function_call_output", "call_id": value, "output": value}]},
        {"input": [user, {"type": "additional_tools", "tools": value}]},
        {"tools": value},
        {"tools": [value]},
        {"tools": [{"type": value, "name": value, "parameters": value}]},
        {"tools": [{"type": "namespace", "tools": [value]}]},
        {"instructions": value},
        {"text": value},
        {"text": {"format": {"type": "json_schema", "schema": value}}},
        {"stream_options": {"include_obfuscation": value}, "prompt_cache_options": value},
        {"metadata": {"task": value, "scrimp_task": value}},
        {"temperature": value, "store": value, "conversation": value},
        {"previous_response_id": value, "background": value, "prompt": value},
        {"reasoning": value, "tool_choice": value, "include": value, "service_tier": value},
    ]


@ALL
@pytest.mark.parametrize("value", [*VALUES, None], ids=repr)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_odd_values_anywhere_are_never_our_own_failure(
    stage: Stage, spoken: Spoken, value: Any, *, stream: bool
) -> None:
    """They are answered or refused by whoever reads them: never a 500 of the gateway."""
    for changes in _odd_items(value) if spoken is RESPONSES else _odd(value):
        body = spoken.body(**{"stream": stream, **changes})
        data = raw_http.request(spoken.path, body, spoken.headers)
        answer = raw_http.ask(stage.url, data)
        assert answer.status in (200, 400, 404), (changes, answer.body[:300])
        if answer.status != 200:
            spoken.check_shape(json.loads(answer.body))
    spoken.answered(stage.url)
    assert all(entry.cost_basis != "unknown" for entry in stage.gateway.entries())


HOSTILE = {
    "control characters": "".join(map(chr, range(32))) + "\x7f\x9f",
    "right to left": "\u202e\u2067 txet desrever \u200f\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "joined emoji": "👩‍👩‍👧‍👦🏳️‍🌈" * 50,
    "combining marks": "Z" + "\u0351\u036b\u0343" * 500,
    "beyond the first plane": "\U0010ffff\U0001f9ff\ufffe\uffff",
    "other line ends": "a\u2028b\u2029c\x85d",
    "looks like a stream": "data: [DONE]\n\nevent: message_stop\ndata: {}\n\n",
}


@ALL
@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("escaped", [True, False], ids=["escaped", "raw"])
def test_hostile_text_passes_byte_for_byte(
    stage: Stage, spoken: Spoken, kind: str, *, escaped: bool
) -> None:
    """What is valid JSON is the provider's to judge; it gets the very bytes."""
    fields = {**spoken.fields, **spoken.talk(HOSTILE[kind])}
    body = json.dumps(fields, ensure_ascii=escaped).encode()
    answer = spoken.ask(stage.url, body, headers={"x-scrimp-cache": "no-store"})
    assert answer.get("id")
    assert stage.sim.requests[-1].body == body


@ALL
def test_a_hit_for_hostile_text_is_a_valid_stream(stage: Stage, spoken: Spoken) -> None:
    """Line ends and stream markers in a question do not break the events of a remembered answer."""
    text = "\n\n".join(HOSTILE.values())
    headers = {**spoken.headers, "x-scrimp-task": "factual_qa"}
    for stream in (False, True):
        body = spoken.body(stream=stream, **spoken.talk(text))
        answer = raw_http.ask(stage.url, raw_http.request(spoken.path, body, headers))
    assert answer.headers["x-scrimp-served-by"] == "exact_cache"
    payloads = [
        line.removeprefix(b"data: ")
        for line in answer.body.split(b"\n")
        if line.startswith(b"data: ")
    ]
    assert all(json.loads(one) for one in payloads if one != b"[DONE]")
