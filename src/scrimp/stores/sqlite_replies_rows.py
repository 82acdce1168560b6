"""What is done to the tables of remembered replies, on one connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from scrimp.errors import StoreError
from scrimp.ports import CacheScope, Clock, ScopeStats, StoredReply
from scrimp.remembered import Chosen
from scrimp.stores.scope_counts import MAX_SCOPES, OTHERS, Looked
from scrimp.stores.sqlite_replies_forget import doomed, is_forgotten, micros, write_down

__all__ = ["ROW_OVERHEAD_BYTES", "SELECT", "Rows", "micros", "read_scopes"]

ROW_OVERHEAD_BYTES = 256
"""Key, three indexes, and what pages leave unused: measured over files of 1 to 8 kB replies."""

SELECT = "SELECT reply, expires_us FROM replies WHERE key = ?"

_PUT = """
INSERT INTO replies
  (key, scope, expires_us, used, size_bytes, reply, stored_us, name, model, served, tags)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
  scope = excluded.scope, expires_us = excluded.expires_us, used = excluded.used,
  size_bytes = excluded.size_bytes, reply = excluded.reply, stored_us = excluded.stored_us,
  name = excluded.name, model = excluded.model, served = excluded.served, tags = excluded.tags
"""
_TAG = "INSERT INTO tags (reply, tag) SELECT id, ? FROM replies WHERE key = ?"
_FIND_SCOPE = "SELECT id FROM scopes WHERE tenant = ? AND task = ?"
_ADD_SCOPE = "INSERT INTO scopes (tenant, task) VALUES (?, ?) ON CONFLICT DO NOTHING"
_FORGET_SCOPES = "DELETE FROM scopes WHERE entries = 0 AND hits = 0"
_TALLY = "UPDATE scopes SET hits = hits + ?, misses = misses + ? WHERE id = ?"
_TOUCH = "UPDATE replies SET used = ? WHERE key = ?"
_DELETE = "DELETE FROM replies WHERE key = ? AND expires_us > ?"
_PURGE = "DELETE FROM replies WHERE expires_us <= ?"
_TOTAL = "SELECT coalesce(sum(size_bytes), 0) FROM scopes"
_OLDEST = "SELECT id, size_bytes FROM replies ORDER BY used LIMIT 256"
_STATS = "SELECT tenant, task, hits, misses, entries, size_bytes FROM scopes ORDER BY tenant, task"


class Rows:
    """Statements over one open file. Raises sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock, max_bytes: int) -> None:
        self.connection = connection
        self._clock = clock
        self._max_bytes = max_bytes
        self._scopes: dict[CacheScope, int] = {}
        self._used = 0

    def put(self, key: bytes, stored: StoredReply, data: bytes) -> None:
        """Remember one reply in place of the one before it, unless it is forgotten already."""
        if is_forgotten(self.connection, stored, self._now_us()):
            return
        about = stored.about
        row = (
            *(key, self._scope(stored.scope), micros(stored.expires_at), self._use()),
            *(len(data) + ROW_OVERHEAD_BYTES, data, micros(stored.stored_at)),
            *(about.name, about.model, stored.reply.facts.model, len(about.tags)),
        )
        self.connection.execute(_PUT, row)
        if about.tags:
            self.connection.executemany(_TAG, [(tag, key) for tag in dict.fromkeys(about.tags)])

    def touch(self, keys: Iterable[bytes]) -> None:
        """These were used, in this order."""
        self.connection.executemany(_TOUCH, [(self._use(), key) for key in keys])

    def tally(self, counts: Mapping[CacheScope, Looked]) -> None:
        """Add hits and misses."""
        self.connection.executemany(
            _TALLY, [(*looked, self._scope(scope)) for scope, looked in counts.items()]
        )

    def delete(self, key: bytes) -> bool:
        """Forget one. False when it was not there any more."""
        return self.connection.execute(_DELETE, (key, self._now_us())).rowcount > 0

    def forget(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget all that is chosen, what is still in the air too; how many there were."""
        self.purge()
        found = doomed(self.connection, chosen, self._now_us())
        if not dry_run:
            write_down(self.connection, chosen, self._now_us())
            self.connection.executemany("DELETE FROM replies WHERE id = ?", found)
        return len(found)

    def purge(self) -> None:
        """Forget what is past its time."""
        self.connection.execute(_PURGE, (self._now_us(),))

    def check(self) -> None:
        """Raise what `is_damage` knows when the file is not whole."""
        found: str = self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            error = sqlite3.DatabaseError(found)
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error

    def make_room(self) -> int:
        """Bring all down to the limit: first what is past its time, then the least recently used.

        How many had to go before their time.
        """
        if self._total() <= self._max_bytes:
            return 0
        self.purge()
        evicted = 0
        while (over := self._total() - self._max_bytes) > 0:
            doomed: list[tuple[int]] = []
            for row_id, size_bytes in self.connection.execute(_OLDEST).fetchall():
                doomed.append((row_id,))
                if (over := over - size_bytes) <= 0:
                    break
            if not doomed:
                break
            self.connection.executemany("DELETE FROM replies WHERE id = ?", doomed)
            evicted += len(doomed)
        return evicted

    def _total(self) -> int:
        total: int = self.connection.execute(_TOTAL).fetchone()[0]
        return total

    def _use(self) -> int:
        """Grows with each use, and is the time where processes share a file."""
        self._used = max(self._now_us(), self._used + 1)
        return self._used

    def _now_us(self) -> int:
        return micros(self._clock.now())

    def _scope(self, scope: CacheScope) -> int:
        if (known := self._scopes.get(scope)) is not None:
            return known
        found = self.connection.execute(_FIND_SCOPE, scope).fetchone()
        if found is None:
            self._add_scope(scope)
            found = self.connection.execute(_FIND_SCOPE, scope).fetchone()
        if found is None:
            return self._scope(OTHERS)
        self._scopes[scope] = found[0]
        return self._scopes[scope]

    def _add_scope(self, scope: CacheScope) -> None:
        execute = self.connection.execute
        count: int = execute("SELECT count(*) FROM scopes").fetchone()[0]
        if count >= MAX_SCOPES and scope != OTHERS:
            execute(_FORGET_SCOPES)
            self._scopes.clear()
            count = execute("SELECT count(*) FROM scopes").fetchone()[0]
        if count < MAX_SCOPES or scope == OTHERS:
            execute(_ADD_SCOPE, scope)


def read_scopes(connection: sqlite3.Connection, tenant: str | None) -> tuple[ScopeStats, ...]:
    """What is kept and counted, all or of one tenant. Raises StoreError."""
    try:
        rows = connection.execute(_STATS).fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"the cache cannot be read: {error}") from error
    return tuple(
        ScopeStats(CacheScope(found, task), *numbers)
        for found, task, *numbers in rows
        if tenant in (None, found)
    )
