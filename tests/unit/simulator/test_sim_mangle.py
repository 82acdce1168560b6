"""What faults do to bytes."""

from __future__ import annotations

import pytest

from scrimp.simulator.faults import parse
from scrimp.simulator.mangle import body, mangled, portions

CHAT = b'data: {"id":"c","choices":[{"delta":{"content":"hello there"}}]}\n\n'
CLAUDE = (
    b'event: content_block_start\ndata: {"index":0}\n\n'
    b'event: content_block_delta\ndata: {"delta":{"text":"hello there"}}\n\n'
)


@pytest.mark.parametrize("kind", ["bad-json", "bad-event", "bad-utf8", "no-blank-line"])
def test_only_the_kth_piece_is_hurt(kind: str) -> None:
    """And every other one is as it was."""
    fault = parse(f"{kind}=2")
    for events in (CHAT, CLAUDE):
        assert mangled(fault, events, 1) == events
        assert mangled(fault, events, 2) != events


def test_cut_json_keeps_the_frame() -> None:
    """The event ends as events do; its JSON does not."""
    assert mangled(parse("bad-json=1"), CLAUDE, 1).endswith(b'data: {"delta":{"text":\n\n')


def test_a_wrong_name_replaces_or_adds_one() -> None:
    """Events of Anthropic have names, chunks of OpenAI have none."""
    assert mangled(parse("bad-event=1"), CHAT, 1) == b"event: nonsense\n" + CHAT
    renamed = CLAUDE.replace(b"event: content_block_delta", b"event: nonsense")
    assert mangled(parse("bad-event=1"), CLAUDE, 1) == renamed


@pytest.mark.parametrize("events", [CHAT, CLAUDE])
def test_half_a_character_is_in_the_text(events: bytes) -> None:
    """So the frame and the JSON around it are good, and decoding is what fails."""
    hurt = mangled(parse("bad-utf8=1"), events, 1)
    with pytest.raises(UnicodeDecodeError):
        hurt.decode()
    assert hurt.replace(b"\xe2\x82", b"") == events


def test_framing_variants_are_good_streams() -> None:
    """Comments, pings and CRLF are allowed; a reader must take them."""
    assert mangled(parse("crlf"), CHAT, 1) == CHAT.replace(b"\n", b"\r\n")
    alive = mangled(parse("keep-alive=2"), CHAT, 1)
    assert alive == b": keep-alive\n\n" * 2 + CHAT
    assert b"event: ping\n" in mangled(parse("keep-alive"), CLAUDE, 1)


def test_portions_are_events_or_bytes() -> None:
    """Joined they are the data again."""
    assert portions(parse("drip=5"), CLAUDE) == [
        part + b"\n\n" for part in CLAUDE[:-2].split(b"\n\n")
    ]
    assert [len(part) for part in portions(parse("drip=5:bytes=1"), CHAT)] == [1] * len(CHAT)
    assert b"".join(portions(parse("drip=5"), b"{" + b"x" * 200)) == b"{" + b"x" * 200


def test_a_json_body_can_be_hurt_too() -> None:
    """Cut to half, or with half a character."""
    data = b'{"a":"b","content":"c"}'
    assert data.startswith(body(parse("bad-json"), data))
    assert body(parse("bad-utf8"), data) == b'{"a":"b","content":"\xe2\x82c"}'
    assert body(None, data) == data
