"""Prompts become one only where they differ by what is ignored, whatever else stands in them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.likeness import IGNORABLE, STAMPS, Ignored, alike, alike_fields, spans

LETTERS = "abf 019:-/.,\n\t\0Zé_`|"
LITERAL = st.text(LETTERS, max_size=12) | st.text(max_size=6)
TIMES = st.datetimes(datetime(2018, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (the library wants bounds without a zone)
STAMP = st.one_of(
    TIMES.map(lambda at: at.isoformat()),
    TIMES.map(lambda at: f"{at:%Y-%m-%d %H:%M:%S}"),
    TIMES.map(lambda at: f"{at:%Y/%m/%d %H:%M}"),
    TIMES.map(lambda at: str(int(at.timestamp()))),
    st.uuids().map(str),
    st.binary(min_size=8, max_size=16).map(lambda data: "a1" + data.hex()),
)
PIECES = st.lists(LITERAL | STAMP, min_size=1, max_size=6)
WHAT = st.sets(st.sampled_from(IGNORABLE)).map(frozenset)


def literal(text: str, ignored: frozenset[Ignored]) -> list[bytes]:
    """What stands around ignored stretches, piece by piece, with the kind of each stretch."""
    data = text.encode("utf-8", "surrogatepass")
    found, at = [], 0
    for begin, end, mark in spans(data, ignored):
        found += [data[at:begin], mark]
        at = end
    return [*found, data[at:]]


def bare(pieces: list[bytes], ignored: frozenset[Ignored]) -> list[str]:
    """The same without what may differ by white space and case."""
    texts = [piece.decode("utf-8", "surrogatepass") for piece in pieces]
    if "whitespace" in ignored:
        texts = ["".join(text.split()) for text in texts]
    return [text.lower() for text in texts] if "case" in ignored else texts


@settings(max_examples=400)
@given(PIECES, PIECES, WHAT, st.data())
def test_nothing_else_is_joined(
    one: list[str], other: list[str], ignored: frozenset[Ignored], data: st.DataObject
) -> None:
    """One form for two texts: then all that stands around stamps is the same in both."""
    if data.draw(st.booleans()):  # a text and one that is nearly the same
        other = list(one)
        at = data.draw(st.integers(0, len(one) - 1))
        other[at] = data.draw(LITERAL | STAMP)
    first, second = "".join(one), "".join(other)
    if alike(first, ignored) == alike(second, ignored):
        assert bare(literal(first, ignored), ignored) == bare(literal(second, ignored), ignored)


@given(PIECES, PIECES)
def test_without_whitespace_and_case_it_is_exactly_that(one: list[str], other: list[str]) -> None:
    """Joined if and only if the same stands around stamps of the same kinds."""
    first, second = "".join(one), "".join(other)
    joined = alike(first, STAMPS) == alike(second, STAMPS)
    assert joined == (literal(first, STAMPS) == literal(second, STAMPS))


@given(PIECES)
def test_nothing_ignored_is_nothing_changed(pieces: list[str]) -> None:
    """But for NULs, which are doubled where anything is asked for at all."""
    text = "".join(pieces).replace("\0", "")
    assert alike(text, frozenset()) == text


@given(TIMES, TIMES, st.uuids(), st.uuids())
def test_stamps_of_all_kinds_are_ignored(
    at: datetime, then: datetime, one: uuid.UUID, other: uuid.UUID
) -> None:
    """The same words at another time, for another request, are the same prompt."""

    def said(moment: datetime, name: uuid.UUID) -> str:
        return (
            f"Now: {moment.isoformat()} ({int(moment.timestamp())})\nid {name}, "
            f"nonce={name.hex}f0, log [{moment:%Y-%m-%d %H:%M:%S}] started."
        )

    assert alike(said(at, one), STAMPS) == alike(said(then, other), STAMPS)


@given(st.text(LETTERS, max_size=20), st.text(LETTERS, max_size=20))
def test_only_what_people_and_systems_say_is_read(text: str, other: str) -> None:
    """Answers of the model, tools, settings and pictures count as they are."""
    stamp = "at 2026-11-23T03:11:18Z"
    fields: dict[str, Any] = {
        "model": "m",
        "seed": 1795403478,
        "tools": [{"type": "function", "function": {"name": stamp}}],
        "messages": [
            {"role": "assistant", "content": stamp + text},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": stamp}}]},
            {"role": "user", "content": other},
        ],
    }
    found = alike_fields(fields, "openai.chat", STAMPS)
    if found is not None:
        assert {**found, "messages": 0} == {**fields, "messages": 0}
        assert found["messages"][:2] == fields["messages"][:2]
    else:
        assert alike(other, STAMPS) == other
