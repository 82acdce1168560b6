"""What cascades have cost, in the file of what routes have learned, which workers share."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from scrimp.choosing import Place
from scrimp.routing.stop_loss import NOTHING, Totals
from scrimp.stores.fair_shares import share
from scrimp.stores.sqlite_brief import Brief
from scrimp.stores.sqlite_routes import SCHEMA

MOST = 1024
_BUSY_S = 2.0
_SELECT = """
SELECT tenant, task, prompt, calls, cost_nanousd, direct_nanousd, off_until_s FROM cascades
  ORDER BY used DESC LIMIT ?
"""
_UPSERT = """
INSERT INTO cascades
  (tenant, task, prompt, calls, cost_nanousd, direct_nanousd, off_until_s, used)
  VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(used), 0) + 1 FROM cascades))
  ON CONFLICT (tenant, task, prompt) DO UPDATE SET calls = excluded.calls,
    cost_nanousd = excluded.cost_nanousd, direct_nanousd = excluded.direct_nanousd,
    off_until_s = excluded.off_until_s, used = excluded.used
"""
_COUNTS = "SELECT tenant, count(*) FROM cascades GROUP BY tenant"
_TRIM = """
DELETE FROM cascades WHERE tenant = :tenant AND used <= (
  SELECT used FROM cascades WHERE tenant = :tenant ORDER BY used DESC LIMIT 1 OFFSET :most)
"""


class SqliteCascades:
    """Implements `TotalsStore`."""

    def __init__(self, path: Path) -> None:
        self._file = Brief(path, SCHEMA, "what cascades have cost", busy_s=_BUSY_S)

    async def add(
        self, more: Mapping[Place, Totals], add: Callable[[Totals, Totals], Totals]
    ) -> Mapping[Place, Totals]:
        """In one transaction. Raises StoreError."""
        return await asyncio.to_thread(self._add, more, add)

    def _add(
        self, more: Mapping[Place, Totals], add: Callable[[Totals, Totals], Totals]
    ) -> Mapping[Place, Totals]:
        if not more:
            return self._look()
        with self._file.writing() as connection:
            known = _known(connection)
            for place, totals in more.items():
                known[place] = new = add(known.get(place, NOTHING), totals)
                numbers = (new.calls, new.cost_nanousd, new.direct_nanousd, new.off_until_s)
                connection.execute(_UPSERT, (place.tenant, place.task, place.prompt, *numbers))
            _make_room(connection)
            return known

    def _look(self) -> Mapping[Place, Totals]:
        """Nothing where nobody has brought the file to this schema yet."""
        with self._file.reading() as connection:
            if connection is None or not _has_table(connection):
                return {}
            return _known(connection)


def _known(connection: sqlite3.Connection) -> dict[Place, Totals]:
    """Oldest first, as a process keeps them."""
    rows = connection.execute(_SELECT, (MOST,)).fetchall()
    return {Place(*row[:3]): Totals(*row[3:]) for row in reversed(rows)}


def _has_table(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'cascades'")
    return found.fetchone() is not None


def _make_room(connection: sqlite3.Connection) -> None:
    """The tenant that has most gives up what it used longest ago."""
    counts: dict[str, int] = dict(connection.execute(_COUNTS))
    if sum(counts.values()) <= MOST:
        return
    each = share(counts, MOST)
    for tenant in (one for one, count in counts.items() if count > each):
        connection.execute(_TRIM, {"tenant": tenant, "most": each})
