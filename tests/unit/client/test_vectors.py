"""Vectors: which texts share a request, and what of a reply is read or refused."""

from __future__ import annotations

import base64
import json
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.client.vectors import BATCH_BYTES, Kind, batches, body_of, checked, vectors_of
from scrimp.errors import InvalidRequest, UpstreamError

KIND = Kind("text-embedding-3-small", 0, (), ())


@given(st.lists(st.integers(1, BATCH_BYTES * 2), max_size=40), st.integers(1, 10))
def test_every_text_is_in_one_request(sizes: list[int], size: int) -> None:
    """In order, none lost or doubled; no request is larger than it may be, but for one text."""
    texts = ["x" * (length // 100 + 1) for length in sizes]
    parts = list(batches(texts, size))
    assert [at for part in parts for at in part] == list(range(len(texts)))
    assert all(1 <= len(part) <= size for part in parts)


def test_much_text_is_more_requests() -> None:
    """Three long texts do not fit into one request, though a hundred may."""
    long = "x" * (BATCH_BYTES // 2)
    assert [len(part) for part in batches([long, long, long], 100)] == [2, 1]
    assert [len(part) for part in batches([long * 3, "x"], 100)] == [1, 1]


@pytest.mark.parametrize(("texts", "said"), [(["a", ""], "text 1 is empty"), ([3], "text 0 is a")])
def test_what_no_endpoint_takes_is_refused_first(texts: list[Any], said: str) -> None:
    """Before anything is sent, with the number of the text at fault."""
    with pytest.raises(InvalidRequest, match=said):
        checked(texts)


def test_the_request_asks_for_bytes() -> None:
    """Dimensions are there only where they are asked for."""
    assert json.loads(body_of(["a"], KIND)) == {
        "model": "text-embedding-3-small",
        "input": ["a"],
        "encoding_format": "base64",
    }
    assert json.loads(body_of(["a"], Kind("m", 256, (), ())))["dimensions"] == 256


def reply(*rows: tuple[int, Any]) -> bytes:
    """A reply with these vectors."""
    return json.dumps({"data": [{"index": i, "embedding": one} for i, one in rows]}).encode()


def test_vectors_come_as_bytes_or_numbers_in_any_order() -> None:
    """Both forms are read; the index decides which text a vector is of."""
    packed = base64.b64encode(array("f", [0.5, -2.0]).tobytes()).decode()
    assert vectors_of(reply((1, [0.25, 1]), (0, packed)), 2) == ((0.5, -2.0), (0.25, 1.0))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"data": null}',
        reply((0, [1.0])),
        reply((0, [1.0]), (0, [2.0])),
        reply((0, [1.0]), (2, [2.0])),
        reply((0, [1.0]), (1, [2.0]), (2, [3.0])),
        reply((0, [1.0]), (1, "not base64!")),
        reply((0, [1.0]), (1, "AAA=")),
        reply((0, [1.0]), (1, "AAAA")),
    ],
)
def test_a_reply_without_one_vector_each_is_an_error(body: bytes) -> None:
    """Missing, doubled, foreign or unreadable: nobody gets a vector that may be another's."""
    with pytest.raises(UpstreamError, match="vectors"):
        vectors_of(body, 2)
