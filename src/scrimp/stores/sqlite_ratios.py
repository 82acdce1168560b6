"""Learned token ratios in a small SQLite file that several processes write.

Each addition reads, learns and writes inside one transaction, so no process undoes what another
has learned. The file is opened for each and closed again: it is written every few calls at most.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from scrimp.stores.sqlite_brief import Brief
from scrimp.stores.sqlite_schema import Schema
from scrimp.tokens.ratios import Learned, Observation, learn

APPLICATION_ID = 0x53435254
"""`SCRT` in the file's header: this database holds learned token ratios of Scrimp's."""

SCHEMA = Schema("file of learned token ratios", "ratios_", APPLICATION_ID)
MOST_MODELS = 256
_SAYS = "the learned token ratios (it may be deleted)"
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
        self._file = Brief(path, SCHEMA, _SAYS, busy_s=_BUSY_S)

    def load(self) -> Mapping[str, Learned]:
        """What is known; nothing when there is no such file yet. Raises StoreError."""
        with self._file.reading() as connection:
            return {} if connection is None else _known(connection)

    def add(self, observations: Sequence[Observation]) -> Mapping[str, Learned]:
        """Learn from these, on top of what others have learned. Raises StoreError."""
        with self._file.writing() as connection:
            known = dict(_known(connection))
            for one in observations:
                known[one.model] = learn(known.get(one.model), one.ratio)
            for model in dict.fromkeys(one.model for one in observations):
                new = known[model]
                row = (model, new.count, new.centre, new.variance, new.streak)
                connection.execute(_UPSERT, row)
            connection.execute(_TRIM, (MOST_MODELS,))
            return dict(_known(connection))


def _known(connection: sqlite3.Connection) -> Mapping[str, Learned]:
    """What stands there and may be true: a file that somebody has edited misleads nobody."""
    rows = ((model, Learned(*numbers)) for model, *numbers in connection.execute(_SELECT))
    return {model: one for model, one in rows if one.credible}
