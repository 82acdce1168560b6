"""Strict reading of client bodies: what is refused, how it is said, and what is never echoed."""

from __future__ import annotations

import json

import pytest

from scrimp.dialects import json_body
from scrimp.dialects.json_body import MAX_DEPTH, parse, parse_object, read_object
from scrimp.errors import InvalidRequest


def nested(levels: int) -> bytes:
    """An object in which lists are nested so that there are this many levels."""
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b'{"model":"secret-thing",', "not JSON"),
        (
            b'{"model":"secret-thing"} x',
            "not JSON: JSON is malformed: trailing characters (byte 26",
        ),
        (b'{"secret-thing":NaN}', "not JSON"),
        (b'{"secret-thing":-Infinity}', "not JSON"),
        (b'{"secret-thing":1e999}', "out of range"),
        (b'{"secret-thing":' + b"9" * 5000 + b"}", "out of range"),
        (b'{"secret-thing":"\\ud800 and more text"}', "not JSON"),
        (b'{"secret-thing":"\\uD83D"}', "a text may hold a lone surrogate"),
        (b'{"secret-thing":"\xff"}', "not UTF-8 (byte 17)"),
        (b'{"secret-thing":"\xed\xa0\x80"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"secret-thing":1}', "not JSON"),
        ('{"secret-thing":1}'.encode("utf-16"), "not JSON"),
        (b'["secret-thing"]', "is a JSON array"),
        (b'"secret-thing"', "is a JSON string"),
        (b"12", "is a JSON number"),
        (b"true", "is a JSON boolean"),
        (b"null", "is a JSON null"),
    ],
)
def test_what_cannot_be_read_is_named_and_not_echoed(body: bytes, said: str) -> None:
    """The message says what is wrong, and nothing of the content stands in it."""
    with pytest.raises(InvalidRequest) as caught:
        read_object(body)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "9999" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"cheap","model":"dear"}',
        b'{"model":"cheap","\\u006dodel":"dear"}',
        b'{ "model": "cheap", "model": "cheap" }',
        b'{"a":{"b":[1,{"c":1,"d":2,"c":3}]}}',
        b'{"a":[{"":1,"":1}],"b":1.50}',
        '{"a":"\\u00e9","é":1,"\\u00e9":2}'.encode(),
    ],
)
def test_a_key_that_stands_twice_is_refused(body: bytes) -> None:
    """At any depth and however it is spelled: two parsers may keep different ones."""
    with pytest.raises(InvalidRequest, match="the same key stands twice"):
        read_object(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"b":[{"a":2},{"a":3}],"c":"{\\"a\\":1,\\"a\\":2}"}',
        b'{ "a" : 1,\n\t"b" : [ { "a" : 2 } ] }',
        b'{"a":1.50,"b":1E5,"c":"\\u00e9","d":"\\/","e":-0,"f":1e-7}',
        b' {"a":18446744073709551616} ',
        b"{}",
    ],
)
def test_other_ways_to_write_the_same_json_are_read(body: bytes) -> None:
    """White space, escapes and number formats are the client's own affair."""
    assert read_object(body) == json.loads(body)


def test_the_deepest_body_allowed_is_read_and_the_next_refused() -> None:
    """The limit is exact, and the message holds both numbers."""
    assert read_object(nested(MAX_DEPTH))
    with pytest.raises(InvalidRequest, match=f"{MAX_DEPTH + 1} levels.*at most {MAX_DEPTH}"):
        read_object(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("levels", [900, 5_000, 80_000])
def test_depth_cannot_crash_the_reader(levels: int) -> None:
    """Not the parser, not the search for duplicate keys, whatever the recursion limit is."""
    with pytest.raises(InvalidRequest, match="levels deep"):
        read_object(nested(levels))
    with pytest.raises(InvalidRequest):
        read_object(b'{"a":' * levels)


def test_many_brackets_are_not_depth() -> None:
    """A wide body, or brackets in a text, are fine."""
    body = json.dumps({"a": [{} for _ in range(1000)], "b": "[" * 1000}).encode()
    assert len(read_object(body)["a"]) == 1000


@pytest.mark.parametrize("piece", [b"{},", b"0,", b'"",', b'"a":0,', b"[],", b'"\\"",'])
def test_a_body_of_very_many_values_is_refused_before_it_is_built(
    piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Megabytes of next to nothing would cost seconds and a gigabyte; the message says how many."""
    monkeypatch.setattr(json_body, "_decode", pytest.fail)
    body = b'{"a":[' + piece * 300_000 + b"0]}"
    with pytest.raises(InvalidRequest, match=f"at most {json_body.MAX_VALUES:,} values"):
        read_object(body)


def test_text_is_one_value_however_long_it_is() -> None:
    """Commas, brackets and escaped quotes of a prompt are not counted."""
    text = '{},[],"\\' * json_body.MAX_VALUES
    for body in (json.dumps({"a": text}), json.dumps({"a": text}, separators=(",", ":"))):
        assert read_object(body.encode()) == {"a": text}


def test_quotes_without_end_are_counted_once() -> None:
    """A body of quotes that never close is read through once, not once for each of them."""
    with pytest.raises(InvalidRequest, match="not JSON"):
        read_object(b'{"a":"' + b'\\",' * 1_000_000)


def test_a_providers_bad_json_never_raises() -> None:
    """Replies are not refused: what cannot be read is None."""
    for data in (b"", b"\xff", b"{", b"[" * 100_000, b"1e999", b'{"a":"\\ud800zzzzzzzz"}'):
        assert parse(data) is None
    assert parse_object(b"[1]") is None
    assert parse_object(b'{"a":1,"a":2}') == {"a": 2}


def test_encoding_is_compact_and_keeps_order() -> None:
    """A changed body looks like one that an SDK sends."""
    assert (
        json_body.encode({"z": 1.5, "a": "é", "n": 10**30})
        == ('{"z":1.5,"a":"é","n":' + str(10**30) + "}").encode()
    )
