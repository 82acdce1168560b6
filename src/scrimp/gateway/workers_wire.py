"""What a parent and its workers tell each other: messages in frames over a socket pair.

Both ends are processes of one program, and nobody else has the socket.
"""

from __future__ import annotations

import asyncio

import msgspec

from scrimp.gateway.metrics_text import Counts
from scrimp.settings import Loaded

_SIZE_BYTES = 4


class Begin(msgspec.Struct, tag=True, frozen=True):
    """To a worker: what to serve. Settings never stand in a command line, where others read."""

    loaded: Loaded


class Stop(msgspec.Struct, tag=True, frozen=True):
    """To a worker: take nothing new, finish what is in the air, end.

    `linger_s` is how long a silent connection is kept for what may be on its way.
    """

    linger_s: float


class Now(msgspec.Struct, tag=True, frozen=True):
    """To a worker: end, and cut off what is in the air."""


class Adopt(msgspec.Struct, tag=True, frozen=True):
    """To a worker: serve the socket of another, which is dead, too."""

    slot: int


class Release(msgspec.Struct, tag=True, frozen=True):
    """To a worker: leave that socket to the one that now serves it again."""

    slot: int


class Ask(msgspec.Struct, tag=True, frozen=True):
    """To a worker: say what you have counted."""


class Total(msgspec.Struct, tag=True, frozen=True):
    """To a worker: what all have counted."""

    counts: Counts


class Ready(msgspec.Struct, tag=True, frozen=True):
    """From a worker: calls are answered from now on."""


class Failed(msgspec.Struct, tag=True, frozen=True):
    """From a worker: it cannot serve, and why, in one line."""

    why: str


class Counted(msgspec.Struct, tag=True, frozen=True):
    """From a worker: what it has counted; comes every second, so that a killed one leaves it."""

    counts: Counts


class Collect(msgspec.Struct, tag=True, frozen=True):
    """From a worker: somebody asks what all have counted."""


ToWorker = Begin | Stop | Now | Adopt | Release | Ask | Total
FromWorker = Ready | Failed | Counted | Collect

_encode = msgspec.msgpack.Encoder().encode
_to_worker = msgspec.msgpack.Decoder(ToWorker)
_from_worker = msgspec.msgpack.Decoder(FromWorker)


def tell(writer: asyncio.StreamWriter, message: ToWorker | FromWorker) -> None:
    """Send; never waits. Nothing happens when the other end is gone."""
    if not writer.is_closing():
        data = _encode(message)
        writer.write(len(data).to_bytes(_SIZE_BYTES) + data)


async def hear_parent(reader: asyncio.StreamReader) -> ToWorker | None:
    """The parent's next message; None when it is gone."""
    frame = await _frame(reader)
    return None if frame is None else _to_worker.decode(frame)


async def hear_worker(reader: asyncio.StreamReader) -> FromWorker | None:
    """A worker's next message; None when it is gone."""
    frame = await _frame(reader)
    return None if frame is None else _from_worker.decode(frame)


async def _frame(reader: asyncio.StreamReader) -> bytes | None:
    try:
        size = int.from_bytes(await reader.readexactly(_SIZE_BYTES))
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
