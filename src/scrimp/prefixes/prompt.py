"""A prompt as a prefix cache sees it: parts in their order, and the places that may end a prefix.

Parts are JSON values as they are sent. Nothing of them outlives the call but digests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from scrimp.dialects.json_body import encode
from scrimp.prefixes.seen import Piece

Place = tuple[str, int]
"""The field that holds a part (`tools`, `system`, `messages`, `input`), and which one of them."""

Ends = Literal["no", "marked", "latest"]
"""Whether a prefix may end here: not at all, by a mark, only as the latest part of a prompt."""

BYTES_PER_TOKEN = 4
LISTED = frozenset({"messages", "input"})
"""Fields whose items are parts of their own, where they are lists."""
_MARKS = (b'"cache_control"', b'"prompt_cache_breakpoint"')
_MARK = re.compile(rb',?"(?:cache_control|prompt_cache_breakpoint)":\{[^{}]*\}')
_KEY_BYTES = 1024
"""About what OpenAI's page says that it chooses a machine by, where no key is given."""


class Part(NamedTuple):
    """`data` is JSON. A part at number -1 stands for settings, which nobody sends as a list."""

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
        if name is not section:  # values of JSON need no more between them
            update(b"\0" + name.encode())
            section = name
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


def encoded(fields: Mapping[str, Any], prompt: Prompt, new: Collection[Place]) -> bytes:
    """The body of `fields`. Parts that are not at a `new` place are not encoded again."""
    made = dict(fields)
    items: list[bytes] = []
    listed = ""
    for (name, number), data, _ in prompt.parts:
        if number < 0:
            continue
        if name in LISTED and type(fields[name]) is list:
            listed = name
            items.append(encode(fields[name][number]) if (name, number) in new else data)
        elif (name, number) not in new:
            made[name] = msgspec.Raw(data)
    if listed:
        made[listed] = msgspec.Raw(b"[" + b",".join(items) + b"]")
    return encode(made)
