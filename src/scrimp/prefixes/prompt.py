"""A prompt as a prefix cache sees it: parts in their order, and the places that may end a prefix.

Nothing of its parts outlives the call but digests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from scrimp.dialects.json_body import encode
from scrimp.prefixes.seen import Piece

Place = tuple[str, int]
"""The field that holds a part (`tools`, `system`, `messages`, `input`), and which one of them."""

Ends = Literal["no", "marked", "latest"]
"""Whether a prefix may end here: not at all, by a mark, only as the latest part of a prompt."""

BYTES_PER_TOKEN = 4
LISTED = frozenset({"messages", "input"})
"""Fields whose items are parts of their own, where they are lists."""
_ITEMS = LISTED | {"tools"}
_MARKS = (b'"cache_control"', b'"prompt_cache_breakpoint"')
_MARK = re.compile(rb',?"(?:cache_control|prompt_cache_breakpoint)":\{[^{}]*\}')
_MOST_EDITS = 8
"""More of them are dearer to look for than a body is to write."""
_KEY_BYTES = 1024
"""About what OpenAI's page says that it chooses a machine by, where no key is given."""


class Part(NamedTuple):
    """`data` are its bytes, as `plain` has them. A part at number -1 stands for settings."""

    place: Place
    data: bytes
    ends: Ends


class Prompt(NamedTuple):
    """The parts of a prompt; of each that may end a prefix its piece and its number in `parts`."""

    parts: list[Part]
    pieces: list[Piece]
    ends: list[int]
    tokens: int

    def key(self) -> str:
        """The same for all prompts that begin alike, however they go on: a digest."""
        begin = b""
        for part in self.parts:
            begin += part.data[: _KEY_BYTES - len(begin)]
            if len(begin) >= _KEY_BYTES:
                break
        return f"scrimp-{hashlib.sha256(begin).hexdigest()[:24]}"


def prompt_of(parts: Iterable[Part], model: str) -> Prompt:
    """Digests of all beginnings. Tokens are by bytes."""
    digest = hashlib.sha256(model.encode())  # in hardware twice as fast as BLAKE2
    update = digest.update
    size = 0
    found = list(parts)
    pieces: list[Piece] = []
    ends: list[int] = []
    section = ""
    for number, ((name, _), data, may_end) in enumerate(found):
        if name is not section:
            update(b"\0" + name.encode())
            section = name
        update(b"\2")  # which stands in no JSON, and in no text that anybody writes
        update(data)
        size += len(data)
        if may_end != "no":
            pieces.append(Piece(digest.digest(), size // BYTES_PER_TOKEN))
            ends.append(number)
    return Prompt(found, pieces, ends, size // BYTES_PER_TOKEN)


def without_marks(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts of a prompt that its client marks: marks wander from call to call."""
    for part in parts:
        marked = any(mark in part.data for mark in _MARKS)
        yield part._replace(data=_MARK.sub(b"", part.data)) if marked else part


def plain(value: object) -> bytes:
    """A value as it is digested: of texts, and of messages of texts, their bytes; else its JSON.

    Most messages are of texts, and long: to escape them as JSON took half of all the time.
    """
    if type(value) is str:
        return value.encode("utf-8", "surrogatepass")
    if type(value) is not dict:
        return encode(value)
    for one in value.values():
        if type(one) is not str:
            return encode(value)
    pairs = "\0".join([f"{name}\1{one}" for name, one in value.items()])
    return pairs.encode("utf-8", "surrogatepass")


def encoded(
    body: bytes, before: Mapping[str, Any], after: Mapping[str, Any], new: Collection[Place]
) -> bytes:
    """`before` is what stands in `body`, `after` what is to be sent: other values at `new` places.

    Where they are found as they would be written, the rest of the body stays as it came.
    """
    if len(new) > _MOST_EDITS:
        return encode(after)
    edits: list[tuple[int, int, bytes]] = []
    for name, number in new:
        one, other = before[name], after[name]
        if name in _ITEMS and type(one) is type(other) is list:
            if one.count(one[number]) > 1:
                return encode(after)
            old, changed = encode(one[number]), encode(other[number])
        else:
            field = encode(name) + b":"
            old, changed = field + encode(one), field + encode(other)
        at = body.rfind(old)  # backwards nothing is prepared for a needle that is long
        if at < 0:
            return encode(after)
        edits.append((at, at + len(old), changed))
    added = {name: value for name, value in after.items() if name not in before}
    if added:
        end = len(body.rstrip()) - 1
        edits.append((end, end, b"," + encode(added)[1:-1]))
    return _edited(body, edits)


def _edited(body: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """In one pass: a copy of what is long is dear."""
    view = memoryview(body)
    pieces: list[bytes | memoryview] = []
    past = 0
    for begin, end, text in sorted(edits):
        pieces += (view[past:begin], text)
        past = end
    return b"".join((*pieces, view[past:]))
