"""Attempts out of the ledger's file, call by call, for a look beside a provider's bill.

Read-only, streamed, and only the columns that are needed: a month may hold millions of calls.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from scrimp.calls import Attempt
from scrimp.errors import StoreError
from scrimp.ledger.rollups import EPOCH
from scrimp.stores.sqlite_ledger_file import open_reader

_MICROSECOND = timedelta(microseconds=1)
_decode = msgspec.json.Decoder(tuple[Attempt, ...]).decode

_ATTEMPTS = "SELECT attempts FROM calls WHERE at_us >= ? AND at_us < ? AND attempts <> '[]'"
_FIRST = "SELECT min(at_us) FROM calls"


class AttemptReader:
    """Every method raises StoreError when the file cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def between(self, since: datetime, until: datetime) -> Iterator[tuple[Attempt, ...]]:
        """The attempts of each call that began in [since, until) and had any."""
        bounds = ((since - EPOCH) // _MICROSECOND, (until - EPOCH) // _MICROSECOND)
        connection = open_reader(self._path)
        try:
            for (attempts,) in connection.execute(_ATTEMPTS, bounds):
                yield _decode(attempts)
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            said = f"the ledger {self._path} cannot be read: {type(error).__name__}"
            raise StoreError(said) from error
        finally:
            connection.close()

    def first(self) -> datetime | None:
        """When the oldest call began; None for a ledger without calls."""
        connection = open_reader(self._path)
        try:
            (at_us,) = connection.execute(_FIRST).fetchone()
        except sqlite3.Error as error:
            said = f"the ledger {self._path} cannot be read: {type(error).__name__}"
            raise StoreError(said) from error
        finally:
            connection.close()
        return None if at_us is None else EPOCH + timedelta(microseconds=at_us)
