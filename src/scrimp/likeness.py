"""Prompts that differ only by a time, an id, white space or case: one form for all of them. Pure.

What is ignored gives way to a mark that no text can hold: a NUL of a text's own is doubled, so a
single one stands nowhere else. Two texts come out equal only where all that is not ignored is
equal in both. Only what systems and users say is read: settings, tools, images, and what the model
said stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from scrimp.shrinking.blocks import prompts_changed
from scrimp.shrinking.spaces import single_spaced, tidied

Ignored = Literal["timestamps", "uuids", "nonces", "whitespace", "case"]
IGNORABLE: Final[tuple[Ignored, ...]] = ("timestamps", "uuids", "nonces", "whitespace", "case")
STAMPS: Final[frozenset[Ignored]] = frozenset({"timestamps", "uuids", "nonces"})
"""What stands in a prompt as a stretch of its own; the rest is about how all of it is written."""

_CLOCK = rb"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-6]\d(?:[.,]\d{1,9})?)?"
_ZONE = rb"(?: ?(?:[Zz]|UTC|GMT|[+-]\d\d:?\d\d))?"
_TIME = re.compile(
    rb"(?<![\w.:/-])\d{4}([-/])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?:[Tt]|,? )"
    + _CLOCK
    + _ZONE
    + rb"(?!\w|[.,:/-]\d)"
)
"""ISO 8601 with a time of day, as programs and logs write it. A date alone is no timestamp: people
ask about dates."""
_UNIX = re.compile(rb"(?<![\w.,:/-])1[5-9]\d{8}(?:\d{3}|\d{6}|\.\d{1,9})?(?!\w|[.,:/-]\d)")
"""Seconds, milliseconds or microseconds since 1970, of 2017 to 2033."""
_UUID = re.compile(
    rb"(?<![0-9A-Za-z-])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9A-Za-z-])"
)
_HEX = re.compile(
    rb"(?<![0-9A-Za-z])(?=[a-fA-F]*[0-9])(?=[0-9]*[a-fA-F])[0-9a-fA-F]{16,128}(?![0-9A-Za-z])"
)

_DIGITS: Final = bytes(0x30 if 0x30 <= code <= 0x39 else code for code in range(256))
_HEXES: Final = bytes(
    0x30 if chr(code) in "0123456789abcdefABCDEF" else code for code in range(256)
)
_RUN = re.compile(rb"0+")
_Sign = tuple[bytes, bytes, re.Pattern[bytes], bytes]
_SIGNS: Final[Mapping[Ignored, tuple[_Sign, ...]]] = {
    "timestamps": (
        (_DIGITS, b"0000-00-00", _TIME, b"\0t"),
        (_DIGITS, b"0000/00/00", _TIME, b"\0t"),
        (_DIGITS, b"0000000000", _UNIX, b"\0t"),
    ),
    "uuids": ((_HEXES, b"00000000-0000-0000-0000-000000000000", _UUID, b"\0u"),),
    "nonces": ((_HEXES, b"0000000000000000", _HEX, b"\0n"),),
}
"""By what is ignored: how a text is blurred, what then stands where one may be, what it is exactly,
and its mark. The blur makes the search for them one of plain bytes, which costs next to nothing."""

Span = tuple[int, int, bytes]


def alike(text: str, ignored: frozenset[Ignored]) -> str:
    """The one form of a text: equal for two texts only where they differ by what is ignored."""
    if not ignored.isdisjoint(STAMPS) or "\0" in text:
        text = _stamped(text, ignored)
    if "whitespace" in ignored:
        text = single_spaced(tidied(text)).strip("\n")
    return text.lower() if "case" in ignored else text


def alike_fields(
    fields: Mapping[str, Any], dialect: str, ignored: frozenset[Ignored]
) -> Mapping[str, Any] | None:
    """A request with the texts of systems and users in their one form; None where nothing is."""
    return prompts_changed(fields, dialect, lambda text: alike(text, ignored))


def spans(data: bytes, ignored: frozenset[Ignored]) -> list[Span]:
    """Where in a text (UTF-8) ignored stretches stand, in order, with the mark of each."""
    found: list[Span] = []
    blurred: dict[bytes, bytes] = {}
    for one in IGNORABLE:
        if one not in ignored:
            continue
        for table, shape, pattern, mark in _SIGNS.get(one, ()):
            if (blur := blurred.get(table)) is None:
                blur = blurred[table] = data.translate(table)
            found += [(begin, end, mark) for begin, end in _places(data, blur, shape, pattern)]
    return _apart(found)


def _places(
    data: bytes, blur: bytes, shape: bytes, pattern: re.Pattern[bytes]
) -> Iterator[tuple[int, int]]:
    at = blur.find(shape)
    while at >= 0:
        if (hit := pattern.match(data, at)) is not None:
            yield at, (past := hit.end())
        else:  # past all of the run: what begins in its middle is no more one
            run = _RUN.match(blur, at)
            past = run.end() if run is not None else at + 1
        at = blur.find(shape, past)


def _apart(found: list[Span]) -> list[Span]:
    """Without those that begin inside another."""
    found.sort()
    kept: list[Span] = []
    for span in found:
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def _stamped(text: str, ignored: frozenset[Ignored]) -> str:
    data = text.encode("utf-8", "surrogatepass")
    found = spans(data, ignored)
    if not found and b"\0" not in data:
        return text
    pieces: list[bytes] = []
    at = 0
    for begin, end, mark in found:
        pieces += (data[at:begin].replace(b"\0", b"\0\0"), mark)
        at = end
    pieces.append(data[at:].replace(b"\0", b"\0\0"))
    return b"".join(pieces).decode("utf-8", "surrogatepass")
