"""What faults do to the bytes of a reply: broken events, odd framing, small portions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from scrimp.simulator.faults import Fault

_HALF_EURO: Final = b"\xe2\x82"  # the first two of the three bytes of a euro sign
_TEXTS: Final = (
    b'"content":"',
    b'"delta":"',
    b'"partial_json":"',
    b'"arguments":"',
    b'"thinking":"',
    b'"text":"',
)
_JSON_PORTION_BYTES: Final = 64


def mangled(fault: Fault | None, events: bytes, nth: int) -> bytes:
    """The events of the `nth` piece that shows anything (from 1), as the fault lets them out."""
    match fault:
        case Fault(kind="keep-alive", number=number):
            return _keep_alive(events) * max(1, number) + events
        case Fault(kind="crlf"):
            return events.replace(b"\n", b"\r\n")
        case Fault(kind=kind, number=number) if number == nth and kind in _BREAKS:
            return _BREAKS[kind](events)
        case _:
            return events


def _keep_alive(events: bytes) -> bytes:
    """A comment; Anthropic's own streams have ping events too."""
    comment = b": keep-alive\n\n"
    if events.startswith(b"event: content_block"):
        return comment + b'event: ping\ndata: {"type":"ping"}\n\n'
    return comment


def _cut_json(events: bytes) -> bytes:
    """The last event with half of its JSON."""
    start = events.rindex(b"data: ") + len(b"data: ")
    return events[: start + (len(events) - start) // 2] + b"\n\n"


def _renamed(events: bytes) -> bytes:
    """The last event under a name that nobody knows."""
    head, _, last = events[:-2].rpartition(b"\n\n")
    if last.startswith(b"event: "):
        last = last.partition(b"\n")[2]
    return (head + b"\n\n" if head else b"") + b"event: nonsense\n" + last + b"\n\n"


def bad_utf8(data: bytes) -> bytes:
    """Half a character in the middle of a text."""
    for mark in _TEXTS:
        at = data.rfind(mark)
        if at >= 0:
            at += len(mark)
            return data[:at] + _HALF_EURO + data[at:]
    at = data.find(b'":"') + 3
    return data[:at] + _HALF_EURO + data[at:]


def _unended(events: bytes) -> bytes:
    """Without the blank line, so that the next event becomes a part of this one."""
    return events[:-1]


_BREAKS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "bad-json": _cut_json,
    "bad-event": _renamed,
    "bad-utf8": bad_utf8,
    "no-blank-line": _unended,
}


def body(fault: Fault | None, data: bytes) -> bytes:
    """A JSON reply as the fault lets it out: whole by its length, but not what it should be."""
    match fault.kind if fault is not None else "":
        case "bad-json" | "early-end":
            return data[: len(data) // 2]
        case "bad-utf8":
            return bad_utf8(data)
        case _:
            return data


def portions(fault: Fault, data: bytes) -> list[bytes]:
    """What `drip` sends at once: so many bytes, or one event, or 64 bytes of JSON."""
    if size := int(fault.options.get("bytes", "0")):
        return [data[at : at + size] for at in range(0, len(data), size)]
    if data.endswith(b"\n\n"):
        return [event + b"\n\n" for event in data[:-2].split(b"\n\n")]
    step = _JSON_PORTION_BYTES
    return [data[at : at + step] for at in range(0, len(data), step)]
