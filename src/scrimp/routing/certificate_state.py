"""A certificate as bytes: versioned, void under another promise or other rungs. Pure."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
import numpy as np

from scrimp.routing.bets import Bets
from scrimp.routing.ladder import Bet, Ladder
from scrimp.routing.loss_betting import Floats
from scrimp.routing.standing import LossPromise

VERSION: Final = 2
_READ: Final = (1, VERSION)
"""Version 1 had no bets of desks that are still awaited."""
_DIGEST: Final = 8


class KeptBet(msgspec.Struct, frozen=True, array_like=True):
    """One bet whose turn to be settled has not come."""

    owner: str
    turn: int
    zone: int
    propensity: float
    requests: int
    loss: float | None
    floors: bytes
    credit: bytes
    against: bytes


class Kept(msgspec.Struct, frozen=True):
    """Arrays as bytes of little-endian numbers; `counts` are turn, requests, served, restarts.

    `bets` are those of desks that tell and hear; `heard` says when each did last, and how much.
    """

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
    bets: tuple[KeptBet, ...] = ()
    heard: dict[str, tuple[float, int]] = {}


def saved(bets: Bets, rungs: tuple[float, ...], turn: int) -> bytes:
    """All of it, with a digest."""
    ladder = bets.ladder
    kept = Kept(
        VERSION,
        bets.promise,
        rungs,
        (turn, bets.requests, bets.served, bets.restarts),
        bets.last_restart,
        tuple(bets.zones),
        ladder.proven,
        ladder.lost,
        *(_bytes(ladder.logs), _bytes(ladder.alarms), _bytes(ladder.sums)),
        tuple([_kept(bet) for bet in bets.awaited if bet.owner]),
        bets.heard,
    )
    return written(kept)


def restore(kept: Kept, bets: Bets) -> None:
    """Put it into fresh bets. Raises ValueError where parts do not fit or are no numbers."""
    ladder = bets.ladder
    logs = _numbers(kept.logs).reshape(ladder.logs.shape)
    alarms = _numbers(kept.alarms).reshape(ladder.alarms.shape)
    sums = _numbers(kept.sums).reshape(ladder.sums.shape)
    if not np.isfinite(kept.zones).all():
        raise ValueError("traffic that is no number")
    if not -1 <= kept.proven < ladder.rungs or len(kept.zones) != ladder.rungs + 1:
        raise ValueError("rungs that are not there")
    placed = [_bet(one, ladder) for one in kept.bets]
    ladder.logs, ladder.alarms, ladder.sums = logs, alarms, sums
    ladder.proven, ladder.lost = kept.proven, kept.lost
    ladder.choose()
    _, bets.requests, bets.served, bets.restarts = kept.counts
    bets.last_restart, bets.zones = kept.last_restart, list(kept.zones)
    bets.heard = dict(kept.heard)
    bets.put_back(placed)


def _kept(bet: Bet) -> KeptBet:
    arrays = (_bytes(bet.floors), _bytes(bet.credit), _bytes(bet.against))
    return KeptBet(bet.owner, bet.turn, bet.zone, bet.propensity, bet.requests, bet.loss, *arrays)


def _bet(kept: KeptBet, ladder: Ladder) -> Bet:
    floors = _numbers(kept.floors).reshape(ladder.rungs)
    credit = _numbers(kept.credit).reshape(ladder.logs.shape)
    against = _numbers(kept.against).reshape(ladder.alarms.shape)
    if not 0 < kept.propensity <= 1 or not 0 <= kept.zone <= ladder.rungs:
        raise ValueError("a bet on nothing")
    numbers = (floors, credit, against, kept.requests, kept.loss)
    return Bet(kept.turn, kept.zone, kept.propensity, *numbers, kept.owner)


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
    return kept if kept.version in _READ else None


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST).digest()


def _bytes(numbers: Floats) -> bytes:
    return numbers.astype("<f8").tobytes()


def _numbers(kept: bytes) -> Floats:
    found = np.frombuffer(kept, "<f8").astype(np.float64)
    if not np.isfinite(found).all():
        raise ValueError("a number that is none")
    return found
