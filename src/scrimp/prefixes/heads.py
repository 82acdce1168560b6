"""Beginnings of prompts by hashes of their lines or tools, and where two of them part. Pure.

A beginning that changes with every call is nearly that of the call before: of blocks of lines that
stand where they stood, from either end on, one hash each is made, and of the lines between each.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from scrimp.prefixes.prompt import Part

_MOST_LINES = 512
_FEW_LINES = 8
_BLOCK_LINES = 24
_LEAST_LINES = 2 * _BLOCK_LINES  # fewer are as soon hashed as compared
_NEWLINE, _ESCAPED = b"\n", b"\\n"  # in a text, and as JSON writes it
_SENTENCE = b". "

_NO_HASHES = array("q")

Ends = tuple[int, int]
"""How many lines are equal from the beginning on, and how many from the end."""


class Block(NamedTuple):
    """Neighbouring lines: how many, how many bytes with what ends them, and a hash of these."""

    lines: int
    size: int
    digest: int


class Head(NamedTuple):
    """A beginning: hashes of its lines, or of its tools as they were and with sorted keys.

    `end` ends its lines; there are `blocks` of one that another may be compared with by them.
    """

    lines: array[int]
    sorted_keys: array[int]
    at_s: float
    end: bytes
    blocks: tuple[Block, ...] = ()


class Opened(NamedTuple):
    """A beginning while its call is here.

    `between` are the lines that are not in blocks of another, `before` so many that are stand in
    front of them, in `skipped` bytes.
    """

    head: Head
    data: bytes
    between: list[bytes]
    before: int = 0
    skipped: int = 0

    def starts(self, line: int) -> int:
        """Where a line begins, in bytes."""
        if 0 <= line - self.before <= len(self.between):
            ahead, skipped = self.between[: line - self.before], self.skipped
        else:
            ahead, skipped = self._lines()[:line], 0
        return skipped + sum(map(len, ahead)) + len(self.head.end) * len(ahead)

    def line(self, number: int) -> bytes:
        """One of its lines; nothing behind the last."""
        if 0 <= number - self.before < len(self.between):
            return self.between[number - self.before]
        lines = self._lines()
        return lines[number] if number < len(lines) else b""

    def _lines(self) -> list[bytes]:
        return self.data.split(self.head.end, _MOST_LINES)


def opened(part: Part, at_s: float, others: Sequence[Head] = ()) -> Opened:
    """A part of a prompt; it is perhaps nearly the same as one of the others, the last at best."""
    data = part.data
    if part.place[0] == "tools":
        hashes = [array("q", map(hash, one)) for one in zip(*tools_of(data), strict=True)]
        return Opened(Head(hashes[0], hashes[1], at_s, b""), data, [])
    for like in reversed(others):
        if like.blocks and (found := _beside(data, like, at_s)) is not None:
            return found
    end = _end_of(data)
    lines = data.split(end, _MOST_LINES)
    return Opened(Head(_hashes(lines), _NO_HASHES, at_s, end), data, lines)


def in_blocks(beginning: Opened) -> Head:
    """The same so that another can be compared with it by its blocks, where that pays."""
    head = beginning.head
    if head.blocks or not _LEAST_LINES <= len(head.lines) <= _MOST_LINES:
        return head
    return head._replace(blocks=tuple(_blocks(beginning.between, head.end, last=True)))


def same_ends(one: array[int], other: array[int]) -> Ends:
    """How many are equal from the beginning on, and of those behind the first other one at the end.

    Most differ in one line of hundreds, often the first or the last, so all that is left is
    compared at once, and then halves of it.
    """
    at = common(one, other)
    return at, common(one[:at:-1], other[:at:-1])


def common(one: array[int], other: array[int]) -> int:
    """How many are equal from the beginning on."""
    same, most = 0, min(len(one), len(other))
    if not most or one[0] != other[0]:
        return 0
    if one[:most] == other[:most]:
        return most
    while same < most:
        middle = (same + most + 1) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            most = middle - 1
    return same


def newline_of(data: bytes) -> bytes:
    """JSON holds no newline of its own."""
    return _NEWLINE if _NEWLINE in data else _ESCAPED


def _end_of(data: bytes) -> bytes:
    """What ends its lines: sentences are lines where there are hardly any."""
    newline = newline_of(data)
    return newline if data.count(newline) >= _FEW_LINES else _SENTENCE


def tools_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """Each tool as it was sent, and with its keys sorted."""
    tools: list[Any] = msgspec.json.decode(data)
    return [
        (msgspec.json.encode(tool), msgspec.json.encode(tool, order="sorted")) for tool in tools
    ]


def _hashes(lines: Sequence[bytes]) -> array[int]:
    return array("q", list(map(hash, lines)))


def _beside(data: bytes, like: Head, at_s: float) -> Opened | None:
    """By the blocks of another; None where too little of it is the same to tell its lines by it."""
    end, blocks = like.end, like.blocks
    if end != _NEWLINE and _end_of(data) != end:
        return None
    first, begin, before = _front(data, blocks)
    past, stop, behind = _back(data, blocks[first:], begin, end)
    past += first
    if before + behind <= _FEW_LINES:  # so many end in what ends those of the other
        return None
    middle = data[begin : stop - len(end)] if behind else data[begin:]
    between = middle.split(end) if begin < stop or not behind else []
    if before + len(between) + behind > _MOST_LINES:
        return None
    tail = len(like.lines) - behind
    lines = like.lines[:before] + _hashes(between) + like.lines[tail:]
    if len(between) <= _BLOCK_LINES:
        new = [Block(len(between), stop - begin, hash(data[begin:stop]))] if between else []
    else:
        new = _blocks(between, end, last=not behind)
    made = (*blocks[:first], *new, *blocks[past:])
    return Opened(Head(lines, _NO_HASHES, at_s, end, made), data, between, before, begin)


def _front(data: bytes, blocks: Sequence[Block]) -> tuple[int, int, int]:
    """How many blocks it begins with, of how many bytes and lines; the last one ends no line."""
    begin = before = 0
    for number, (lines, size, digest) in enumerate(blocks[:-1]):
        if hash(data[begin : begin + size]) != digest:
            return number, begin, before
        begin += size
        before += lines
    return len(blocks) - 1, begin, before


def _back(data: bytes, blocks: Sequence[Block], begin: int, end: bytes) -> tuple[int, int, int]:
    """The first of the blocks that it ends with; where they begin, and how many lines they are."""
    stop, behind = len(data), 0
    for number in range(len(blocks) - 1, -1, -1):
        lines, size, digest = blocks[number]
        start = stop - size
        if start < begin or hash(data[start:stop]) != digest:
            return number + 1, stop, behind
        if start > begin and not data.startswith(end, start - len(end)):
            return number + 1, stop, behind
        stop, behind = start, behind + lines
    return 0, stop, behind


def _blocks(lines: Sequence[bytes], end: bytes, *, last: bool) -> list[Block]:
    """Of lines that follow each other; only the last of a text has no end."""
    found = []
    for at in range(0, len(lines), _BLOCK_LINES):
        some = lines[at : at + _BLOCK_LINES]
        data = end.join(some)
        if not last or at + _BLOCK_LINES < len(lines):
            data += end
        found.append(Block(len(some), len(data), hash(data)))
    return found
