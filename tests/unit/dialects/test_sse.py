"""The splitter of event streams: every way to end a line, every way to be cut."""

from __future__ import annotations

import pytest

from scrimp.dialects import sse
from scrimp.dialects.sse import EventSplitter, event, event_fields, split


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n"])
def test_every_ending_ends_an_event(end: bytes) -> None:
    """Events come out whole, with their own terminators."""
    events = [b"data: one" + end, b": ping" + end, b"event: x\ndata: two" + end]
    assert EventSplitter().feed(b"".join(events)) == events


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\r\n\n", b"\n\r\n"])
def test_byte_by_byte_gives_the_same_events(end: bytes) -> None:
    """Also when a piece ends between carriage return and line feed."""
    stream = b"data: a" + end + b"data: b" + end
    splitter = EventSplitter()
    events = [found for i in range(len(stream)) for found in splitter.feed(stream[i : i + 1])]
    assert [*events, splitter.close()] == [*split(stream), b""]
    assert len(events) == 2


def test_an_unfinished_event_waits_and_is_handed_over_at_the_end() -> None:
    """Nothing is lost, nothing comes early, and closing twice gives nothing."""
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n\ndata: b") == [b"data: a\n\n"]
    assert splitter.feed(b"") == []
    assert splitter.close() == b"data: b"
    assert splitter.close() == b""


def test_an_endless_event_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit it is passed on in pieces; the stream goes on after it."""
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 10)
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1234") == []
    assert splitter.feed(b"5") == [b"data: 12345"]
    assert splitter.feed(b"\n\ndata: b\n\n") == [b"\n\n", b"data: b\n\n"]


def test_search_begins_where_it_stopped() -> None:
    """A long event in small pieces is searched once, not once for every piece."""
    splitter = EventSplitter()
    for _ in range(1000):
        splitter.feed(b"x" * 100)
    assert splitter._searched == 100_000 - 3
    assert splitter.feed(b"\n\n") == [b"x" * 100_000 + b"\n\n"]


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b'data: {"a":1}\n\n', (b"", b'{"a":1}')),
        (b'data:{"a":1}\n\n', (b"", b'{"a":1}')),
        (b"data:  two spaces\n\n", (b"", b" two spaces")),
        (b"event: error\ndata: x\n\n", (b"error", b"x")),
        (b"data: x\r\nevent:error\r\n\r\n", (b"error", b"x")),
        (b"data: a\ndata: b\n\n", (b"", b"a\nb")),
        (b"data\n\n", (b"", b"")),
        (b": keep-alive\n\n", (b"", b"")),
        (b"\n\n", (b"", b"")),
        (b"id: 7\nretry: 10\ndata: x\n\n", (b"", b"x")),
        (b"\xef\xbb\xbfdata: x\n\n", (b"", b"x")),
        (b"data: x", (b"", b"x")),
    ],
)
def test_fields_of_an_event(raw: bytes, fields: tuple[bytes, bytes]) -> None:
    """Name and data, as the HTML standard reads them."""
    assert event_fields(raw) == fields


def test_writing_and_reading_an_event() -> None:
    """What is written is read back."""
    assert event_fields(event(b"{}", "ping")) == (b"ping", b"{}")
    assert event(b"[DONE]") == b"data: [DONE]\n\n"
