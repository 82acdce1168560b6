"""A prompt as a prefix cache sees it: parts in their order, and the places that may end a prefix.

Nothing of its parts outlives the call but hashes, under a key that Python draws for each process.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from scrimp.dialects.json_body import encode
from scrimp.prefixes.seen import Piece
from scrimp.values import Value

Place = tuple[str, int]
"""The field that holds a part (`tools`, `system`, `messages`, `input`), and which one of them."""

Ends = Literal["no", "marked", "latest"]
"""Whether a prefix may end here: not at all, by a mark, only as the latest part of a prompt."""

BYTES_PER_TOKEN = 4
LISTED = frozenset({"messages", "input"})
"""Fields whose items are parts of their own, where they are lists."""
_ITEMS = LISTED | {"tools"}
OWN_FIELDS = (b'"cache_control"', b'"prompt_cache_')
"""Stand in the body of a call whose client says itself how it is cached."""
_OWN = b"cache_"  # stands in both, and is sooner looked for than both
_MARKS = (b'"cache_control"', b'"prompt_cache_breakpoint"')
_MARK = re.compile(rb',?"(?:cache_control|prompt_cache_breakpoint)":\{[^{}]*\}')
_MOST_EDITS = 8
"""More of them are dearer to look for than a body is to write."""
_HEAD_BYTES = 64
_MOST_KEYS = 1024
_MOST_LENGTHS = 16_384
_KEY_BYTES = 1024
"""About what OpenAI's page says that it chooses a machine by, where no key is given."""


class Part(Value, frozen=True, gc=False):
    """`value` is what stands there. A part at number -1 stands for settings."""

    HIDDEN = frozenset({"value"})

    place: Place
    value: object
    ends: Ends

    @property
    def data(self) -> bytes:
        """Its bytes, made anew."""
        return plain(self.value)


class Prompt(Value, frozen=True, gc=False):
    """The parts of a prompt; of each that may end a prefix its piece and its number in `parts`.

    `hashes` and `sizes` (in bytes) are those of the parts. `marked`: its client marks it somewhere.
    """

    parts: list[Part]
    pieces: list[Piece]
    ends: list[int]
    tokens: int
    hashes: list[int]
    sizes: list[int]
    marked: bool


class Keys:
    """The keys of prompts: the same for all that begin alike, however they go on. Digests.

    Most prompts begin like one before: each beginning is digested once, by the hashes of its parts.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], str] = {}

    def of(self, prompt: Prompt) -> str:
        """The key of a prompt."""
        size = count = 0
        while size < _KEY_BYTES and count < len(prompt.sizes):
            size += prompt.sizes[count]
            count += 1
        hashes = tuple(prompt.hashes[:count])
        if (found := self._known.get(hashes)) is None:
            if len(self._known) >= _MOST_KEYS:
                self._known.clear()
            begin = b"".join([part.data for part in prompt.parts[:count]])[:_KEY_BYTES]
            found = self._known[hashes] = f"scrimp-{hashlib.sha256(begin).hexdigest()[:24]}"
        return found


class Lengths:
    """How long parts are, by their hashes: a conversation brings the same ones with every call."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[int, _Length] = {}

    def keep(self, own: int, length: _Length) -> _Length:
        """Remember it."""
        if len(self.known) >= _MOST_LENGTHS:
            self.known.clear()
        self.known[own] = length
        return length


class _Length(NamedTuple):
    """Bytes of a part, and whether its client says in it how it is cached."""

    size: int
    told: bool


def prompt_of(parts: Iterable[Part], model: str, lengths: Lengths | None = None) -> Prompt:
    """All beginnings, each by a hash of all of it. Tokens are by bytes."""
    lengths = lengths or Lengths()
    known, found = lengths.known.get, list(parts)
    pieces: list[Piece] = []
    ends: list[int] = []
    hashes: list[int] = []
    sizes: list[int] = []
    whole, total, marked = hash(model), 0, False
    for number, part in enumerate(found):
        value, length = part.value, None
        own = hash_of(value)
        if own is None or (length := known(own)) is None:
            own, length = _measured(value, own, lengths)
        size, told = length
        marked = marked or told
        hashes.append(own)
        sizes.append(size)
        total += size
        whole = hash((whole, part.place[0], own, total))
        if part.ends != "no":
            pieces.append(Piece(whole, total // BYTES_PER_TOKEN))
            ends.append(number)
    return Prompt(found, pieces, ends, total // BYTES_PER_TOKEN, hashes, sizes, marked)


def hash_of(value: object) -> int | None:
    """A hash of what stands in a part; None for what cannot be told apart by one so soon.

    Most messages are texts, and long: these are hashed without a copy, and Python keeps the hashes
    with them, for whoever looks these up next. What holds lists or objects is known by its JSON,
    and so is what holds other plain values, which is looked up by another hash before.
    """
    if type(value) is dict:
        if "tool_calls" not in value and type(value.get("content")) is not list:
            try:
                return hash(tuple(value.items()))
            except TypeError:
                return None
        return hash(encode(value))
    return hash(value) if type(value) is str or type(value) is bytes else None


def _measured(value: object, own: int | None, lengths: Lengths) -> tuple[int, _Length]:
    """What is not known by its own hash: a new text, or what only its JSON tells apart."""
    if own is not None and (size := _size(value)) is not None:
        return own, lengths.keep(own, _Length(size, told=False))
    data = plain(value)
    own = hash(data)
    length = lengths.known.get(own)
    return own, length or lengths.keep(own, _Length(len(data), is_told(data)))


def without_marks(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts of a prompt that its client marks: marks wander from call to call."""
    for part in parts:
        data = part.data
        if any(mark in data for mark in _MARKS) and (bare := _MARK.sub(b"", data)) != data:
            yield replace(part, value=bare)
        else:
            yield part


def is_told(data: bytes) -> bool:
    """True where a client's JSON says itself how its prompt is cached."""
    return _OWN in data and (OWN_FIELDS[0] in data or OWN_FIELDS[1] in data)


def plain(value: object) -> bytes:
    """A value's bytes: of texts, and of messages of texts, these; else its JSON."""
    if type(value) is bytes:
        return value
    if type(value) is str:
        return value.encode("utf-8", "surrogatepass")
    if type(value) is not dict:
        return encode(value)
    for one in value.values():
        if type(one) is not str:
            return encode(value)
    pairs = "\0".join([f"{name}\1{one}" for name, one in value.items()])
    return pairs.encode("utf-8", "surrogatepass")


def _size(value: object) -> int | None:
    """Bytes of a text or of a message of texts as `plain` has them; None for others."""
    if type(value) is str:
        return _bytes_of(value)
    if type(value) is not dict or not value:
        return None
    size = -1
    for name, one in value.items():
        if type(one) is not str:
            return None
        size += 2 + len(name) + _bytes_of(one)
    return size


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


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
            old, changed = _both(one[number], other[number])
        else:
            field = encode(name) + b":"
            old, changed = field + encode(one), field + encode(other)
        at = _last(body, old)
        if at < 0:
            return encode(after)
        edits.append((at, at + len(old), changed))
    if len(after) > len(before):
        added = {name: value for name, value in after.items() if name not in before}
        end = len(body.rstrip()) - 1
        edits.append((end, end, b"," + encode(added)[1:-1]))
    return _edited(body, edits)


def _both(one: Any, other: Any) -> tuple[bytes, bytes]:
    """A part as it was and as it is to be, in JSON; a text that became a block is encoded once."""
    name = "output" if "output" in one else "content"
    text, blocks = one.get(name), other.get(name)
    if type(text) is not str or type(blocks) is not list or blocks[0].get("text") is not text:
        return encode(one), encode(other)
    raw = msgspec.Raw(encode(text))
    new = {**other, name: [{**blocks[0], "text": raw}, *blocks[1:]]}
    return encode({**one, name: raw}), encode(new)


def _last(body: bytes, text: bytes) -> int:
    """Where it stands last, -1: nowhere. By its head, as for a long needle much is prepared."""
    head = text[:_HEAD_BYTES]
    at = body.rfind(head)
    while at >= 0 and not body.startswith(text, at):
        at = body.rfind(head, 0, at + len(head) - 1)
    return at


def _edited(body: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """In one pass: a copy of what is long is dear."""
    view = memoryview(body)
    pieces: list[bytes | memoryview] = []
    past = 0
    for begin, end, text in sorted(edits):
        pieces += (view[past:begin], text)
        past = end
    return b"".join((*pieces, view[past:]))
