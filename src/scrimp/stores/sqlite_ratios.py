"""Learned token ratios in a small SQLite file that several processes write.

Each addition reads, learns and writes inside one transaction, so no process undoes what another
has learned. The file is opened for each and closed again: it is written every few calls at most.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from scrimp.errors import StoreError
from scrimp.stores.sqlite_ledger_file import identity, make_folder, open_private
from scrimp.stores.sqlite_rest import Gate
from scrimp.stores.sqlite_schema import Schema
from scrimp.tokens.ratios import Learned, Observation, learn

APPLICATION_ID = 0x53435254
"""`SCRT` in the file's header: this database holds learned token ratios of Scrimp's."""

SCHEMA = Schema("file of learned token ratios", "ratios_", APPLICATION_ID)
MOST_MODELS = 256
_BUSY_S = 2.0
_SELECT = "SELECT model, observations, centre, variance, streak FROM ratios"
_UPSERT = """
INSERT INTO ratios (model, observations, centre, variance, streak, turn)
VALUES (?, ?, ?, ?, ?, (SELECT coalesce(max(turn), 0) + 1 FROM ratios))
ON CONFLICT (model) DO UPDATE SET observations = excluded.observations, centre = excluded.centre,
  variance = excluded.variance, streak = excluded.streak, turn = excluded.turn
"""
_TRIM = """
DELETE FROM ratios WHERE model NOT IN (SELECT model FROM ratios ORDER BY turn DESC LIMIT ?)
"""


class SqliteRatios:
    """Implements `tokens.ratios.RatioStore`. Blocks: call it in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._gate = Gate(lambda: None)  # nothing stays open that a fork could inherit

    def load(self) -> Mapping[str, Learned]:
        """What is known; nothing when there is no such file yet. Raises StoreError."""
        if not self._path.is_file():
            return {}
        with self._opened(f"{self._path.resolve().as_uri()}?mode=ro") as connection:
            if not SCHEMA.recognise(connection, self._path):
                return {}
            return _known(connection)

    def add(self, observations: Sequence[Observation]) -> Mapping[str, Learned]:
        """Learn from these, on top of what others have learned. Raises StoreError."""
        try:
            make_folder(self._path)
            if identity(self._path) is None:
                os.close(open_private(self._path, os.O_RDWR))
        except OSError as error:
            raise StoreError(f"{self._path} cannot be made: {error}") from error
        with self._opened(f"{self._path.resolve().as_uri()}?mode=rw") as connection:
            SCHEMA.migrate(connection, self._path)
            connection.execute("BEGIN IMMEDIATE")
            known = dict(_known(connection))
            for one in observations:
                known[one.model] = learn(known.get(one.model), one.ratio)
            for model in dict.fromkeys(one.model for one in observations):
                new = known[model]
                row = (model, new.count, new.centre, new.variance, new.streak)
                connection.execute(_UPSERT, row)
            connection.execute(_TRIM, (MOST_MODELS,))
            known = dict(_known(connection))
            connection.execute("COMMIT")
            return known

    @contextmanager
    def _opened(self, uri: str) -> Iterator[sqlite3.Connection]:
        """A connection for one piece of work; what is not committed is undone."""
        with self._gate:
            try:
                connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S)
                with closing(connection):
                    yield connection
            except sqlite3.Error as error:
                msg = f"{self._path}, the learned token ratios: {error} (it may be deleted)"
                raise StoreError(msg) from error


def _known(connection: sqlite3.Connection) -> Mapping[str, Learned]:
    """What stands there and may be true: a file that somebody has edited misleads nobody."""
    rows = ((model, Learned(*numbers)) for model, *numbers in connection.execute(_SELECT))
    return {model: one for model, one in rows if one.credible}
