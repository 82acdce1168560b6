"""The table of what was forgotten lately, in files of answers by word and by meaning alike.

See docs/dev/decisions/0016-forgetting.md.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

import msgspec

from scrimp.ledger.rollups import EPOCH
from scrimp.remembered import LOG_S, Chosen

_SECOND_US = 1_000_000
_MICROSECOND = timedelta(microseconds=1)
_LOG = "INSERT INTO forgotten (at_us, chosen) VALUES (?, ?)"
_SINCE = "SELECT chosen FROM forgotten WHERE at_us >= ? ORDER BY at_us DESC"
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Chosen).decode


def micros(at: datetime) -> int:
    """Microseconds since the epoch, exact."""
    return (at - EPOCH) // _MICROSECOND


def write_down(connection: sqlite3.Connection, chosen: Chosen, now_us: int) -> None:
    """That this was forgotten now; what is too long ago to matter is dropped."""
    connection.execute(_LOG, (now_us, _encode(chosen)))
    connection.execute("DELETE FROM forgotten WHERE at_us < ?", (now_us - LOG_S * _SECOND_US,))


def forgotten_since(
    connection: sqlite3.Connection, asked_at: datetime | None, now_us: int
) -> list[Chosen] | None:
    """What was forgotten since then, newest first; None when nobody knows any more.

    Nothing for an answer that does not say when it was asked for.
    """
    if asked_at is None:
        return []
    asked_us = micros(asked_at)
    if asked_us < now_us - LOG_S * _SECOND_US:
        return None
    rows = connection.execute(_SINCE, (asked_us,)).fetchall()
    return [_decode(chosen) for (chosen,) in rows]
