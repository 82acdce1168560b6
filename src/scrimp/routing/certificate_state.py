"""A certificate as bytes: versioned, void under another promise or other rungs. Pure."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
import numpy as np

from scrimp.routing.ladder import Ladder
from scrimp.routing.loss_betting import Floats
from scrimp.routing.standing import LossPromise

VERSION: Final = 1
_DIGEST: Final = 8


class Kept(msgspec.Struct, frozen=True):
    """Arrays as bytes of little-endian numbers; `counts` are turn, requests, served, restarts."""

    version: int
    promise: LossPromise
    rungs: tuple[float, ...]
    counts: tuple[int, int, int, int]
    last_restart: str
    zones: tuple[float, ...]
    proven: int
    lost: int
    logs: bytes
    alarms: bytes
    sums: bytes


def pack(ladder: Ladder) -> tuple[bytes, bytes, bytes]:
    """The arrays of a ladder."""
    return _bytes(ladder.logs), _bytes(ladder.alarms), _bytes(ladder.sums)


def unpack(kept: Kept, ladder: Ladder) -> None:
    """Put them into a fresh ladder. Raises ValueError where they do not fit or are no numbers."""
    logs = _numbers(kept.logs).reshape(ladder.logs.shape)
    alarms = _numbers(kept.alarms).reshape(ladder.alarms.shape)
    sums = _numbers(kept.sums).reshape(ladder.sums.shape)
    if not np.isfinite(kept.zones).all():
        raise ValueError("traffic that is no number")
    if not -1 <= kept.proven < ladder.rungs or len(kept.zones) != ladder.rungs + 1:
        raise ValueError("rungs that are not there")
    ladder.logs, ladder.alarms, ladder.sums = logs, alarms, sums
    ladder.proven, ladder.lost = kept.proven, kept.lost
    ladder.choose()


def written(kept: Kept) -> bytes:
    """With a digest before it: one bit turned in a file must not look like a proof."""
    body = msgspec.msgpack.encode(kept)
    return _digest(body) + body


def read(data: bytes) -> Kept | None:
    """What was saved; None if it is damaged or of another version."""
    body = data[_DIGEST:]
    if data[:_DIGEST] != _digest(body):
        return None
    try:
        kept = msgspec.msgpack.decode(body, type=Kept)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return kept if kept.version == VERSION else None


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST).digest()


def _bytes(numbers: Floats) -> bytes:
    return numbers.astype("<f8").tobytes()


def _numbers(kept: bytes) -> Floats:
    found = np.frombuffer(kept, "<f8").astype(np.float64)
    if not np.isfinite(found).all():
        raise ValueError("a number that is none")
    return found
