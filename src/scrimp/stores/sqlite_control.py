"""The control store in a SQLite file: keys, members, budgets, tiers, and who changed them.

Several processes share the file. Calls read from memory; a thread looks at most a few times a
second whether the file has changed, so that a change shows everywhere within a second, and the
event loop never waits for the disk. While the file cannot be read nothing is answered: what asks
fails closed.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from scrimp.errors import StoreError
from scrimp.identity import AuditLine, KeyRecord, Member, MemberKind, Secret, VirtualKey
from scrimp.limits import Budget, Rules, Tier
from scrimp.ports import Clock
from scrimp.stores import sqlite_control_changes as changes
from scrimp.stores import sqlite_control_rows as rows
from scrimp.stores.private_file import Identity, identity
from scrimp.stores.sqlite_control_changes import Pen
from scrimp.stores.sqlite_control_file import open_control
from scrimp.stores.sqlite_control_rows import Snapshot

LOOK_S = 0.4
"""A snapshot of this age is looked after, beside the calls."""
OLD_S = 0.9
"""One of this age is not answered from: the look is waited for."""

_log = logging.getLogger("scrimp.control")

_T = TypeVar("_T")
_NEVER = -1


class _File:
    """The file as one thread at a time uses it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._which: Identity | None = None
        self._version = _NEVER
        self._snapshot = Snapshot()

    def look(self) -> Snapshot:
        """What holds now. Raises StoreError."""
        which = identity(self.path)
        if which is None:
            if self._which is None:
                return self._snapshot  # nobody has made a key yet
            raise StoreError(f"the control store {self.path} is gone (restore it from a copy)")
        connection = self._opened(make=False) if which == self._which else self._reopened(which)
        version: int = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._snapshot = rows.snapshot(connection)
            self._version = version
        return self._snapshot

    def read(self, query: Callable[[sqlite3.Connection], _T], empty: _T) -> _T:
        """What a query finds; `empty` while there is no file."""
        self.look()
        return empty if self._which is None else query(self._opened(make=False))

    def write(self, change: Callable[[sqlite3.Connection], _T]) -> _T:
        """Make a change; the file, too, where there is none."""
        self.look()
        connection = self._opened(make=True)
        self._version = _NEVER  # what this connection writes does not change its data_version
        return changes.written(connection, partial(change, connection))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _reopened(self, which: Identity) -> sqlite3.Connection:
        self.close()
        connection = self._opened(make=False)
        self._which, self._version = which, _NEVER
        return connection

    def _opened(self, *, make: bool) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_control(self.path, make=make)
            self._which, self._version = identity(self.path), _NEVER
        return self._connection


def was_ever_guarded(path: Path) -> bool:
    """True when there was ever a key in the file; it need not be there. Raises StoreError."""
    file = _File(path)
    try:
        return file.look().guarded
    except (sqlite3.Error, OSError, ValueError) as error:
        raise StoreError(f"the control store {path} cannot be read: {error}") from error
    finally:
        file.close()


class SqliteControl:
    """Implements `KeyStore`, `KeyDesk`, `Directory` and `RuleStore`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._file = _File(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scrimp-control")
        self._seen: Snapshot | StoreError = StoreError("the control store was not read yet")
        self._seen_at_s = clock.monotonic() - OLD_S
        self._looking: Future[None] | None = None

    @classmethod
    def open(cls, path: Path, clock: Clock) -> SqliteControl:
        """A store whose file is read once, now; it need not be there. Raises StoreError."""
        store = cls(path, clock)
        store._look()
        if isinstance(store._seen, StoreError):
            store._thread.shutdown()
            raise store._seen
        return store

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    async def find(self, sha256: str) -> VirtualKey | None:
        """The key that makes calls with this digest."""
        return (await self._now()).keys.get(sha256)

    async def find_admin(self, sha256: str) -> VirtualKey | None:
        """The admin key with this digest."""
        return (await self._now()).admins.get(sha256)

    async def any(self) -> bool:
        """True when there was ever a key that makes calls; a revoked one counts."""
        return (await self._now()).guarded

    async def any_admin(self) -> bool:
        """True when there was ever an admin key."""
        return bool((await self._now()).admins)

    async def rules(self) -> Rules:
        """All budgets and tiers in force."""
        return (await self._now()).rules

    async def keys(self, *, after: str = "", limit: int = 100) -> tuple[KeyRecord, ...]:
        """Keys as they are managed, by name."""
        return await self._read(partial(rows.key_records, after=after, limit=limit), ())

    async def key(self, name: str) -> KeyRecord | None:
        """One of them."""
        return await self._read(lambda connection: rows.key_record(connection, name), None)

    async def add_key(self, record: KeyRecord, secret: Secret, *, by: str) -> None:
        """Make a key known. Raises Conflict."""
        await self._write(by, lambda pen: changes.add_key(pen, record, secret))

    async def change_key(self, record: KeyRecord, *, by: str) -> bool:
        """Change what it may."""
        return await self._write(by, lambda pen: changes.change_key(pen, record))

    async def rotate_key(
        self, name: str, secret: Secret, *, old_ends_at: datetime, by: str
    ) -> KeyRecord | None:
        """A new secret."""
        return await self._write(by, lambda pen: changes.rotate_key(pen, name, secret, old_ends_at))

    async def revoke_key(self, name: str, *, by: str) -> bool:
        """End it."""
        return await self._write(by, lambda pen: changes.revoke_key(pen, name))

    async def members(
        self, kind: MemberKind, *, after: str = "", limit: int = 100
    ) -> tuple[Member, ...]:
        """Organisations, teams or users, by name."""
        return await self._read(
            lambda connection: rows.members(connection, kind, after=after, limit=limit), ()
        )

    async def member(self, kind: MemberKind, name: str) -> Member | None:
        """One of them."""
        return await self._read(lambda connection: rows.member(connection, kind, name), None)

    async def put_member(self, member: Member, *, by: str, new: bool) -> bool:
        """Add it or change it. Raises Conflict."""
        return await self._write(by, lambda pen: changes.put_member(pen, member, new=new))

    async def delete_member(self, kind: MemberKind, name: str, *, by: str) -> bool:
        """Take it away. Raises Conflict."""
        return await self._write(by, lambda pen: changes.delete_member(pen, kind, name))

    async def note(self, action: str, kind: str, name: str, *, by: str) -> None:
        """A line for a change that was made elsewhere."""
        await self._write(by, lambda pen: pen.note(action, kind, name))

    async def audit(self, *, before: int = 0, limit: int = 100) -> tuple[AuditLine, ...]:
        """Changes, newest first."""
        return await self._read(partial(rows.audit_lines, before=before, limit=limit), ())

    async def put_budget(self, budget: Budget, *, by: str) -> None:
        """Add it, or put it in the place of the one with its name. Raises Conflict."""
        await self._write(by, lambda pen: changes.put_budget(pen, budget))

    async def delete_budget(self, name: str, *, by: str) -> bool:
        """Take it away."""
        return await self._write(by, lambda pen: changes.delete_budget(pen, name))

    async def put_tier(self, tier: Tier, *, by: str) -> None:
        """Add it, or put it in the place of the one with its name."""
        await self._write(by, lambda pen: changes.put_tier(pen, tier))

    async def delete_tier(self, name: str, *, by: str) -> bool:
        """Take it away. Raises Conflict while scopes are in it."""
        return await self._write(by, lambda pen: changes.delete_tier(pen, name))

    async def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._thread.shutdown()
        self._file.close()

    async def _now(self) -> Snapshot:
        """What holds; at most a second old. Raises StoreError."""
        age_s = self._clock.monotonic() - self._seen_at_s
        if age_s >= LOOK_S:
            look = self._looking
            if look is None or look.done():
                self._looking = look = self._thread.submit(self._look)
            if age_s >= OLD_S:
                await asyncio.shield(asyncio.wrap_future(look))
        seen = self._seen
        if isinstance(seen, StoreError):
            raise StoreError(str(seen))
        return seen

    def _look(self) -> None:
        began_s = self._clock.monotonic()
        was_well = not isinstance(self._seen, StoreError)
        try:
            self._seen = self._file.look()
        except StoreError as error:
            self._seen = error
        except (sqlite3.Error, OSError, ValueError) as error:  # a row that makes no sense, too
            self._seen = self._broken(error)
        if was_well and isinstance(self._seen, StoreError):
            _log.error("nobody is let in: %s", self._seen)
        self._seen_at_s = began_s

    def _broken(self, error: Exception) -> StoreError:
        return StoreError(f"the control store {self._file.path} cannot be read: {error}")

    async def _read(self, query: Callable[[sqlite3.Connection], _T], empty: _T) -> _T:
        def reading() -> _T:
            return self._file.read(query, empty)

        return await self._on_thread(reading)

    async def _write(self, by: str, change: Callable[[Pen], _T]) -> _T:
        now = self._clock.now()

        def writing() -> _T:
            try:
                return self._file.write(lambda connection: change(Pen(connection, by, now)))
            finally:
                self._look()  # this process sees its own change at once

        return await self._on_thread(writing)

    async def _on_thread(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.shield(asyncio.wrap_future(self._thread.submit(work)))
        except (sqlite3.Error, OSError, ValueError) as error:
            raise self._broken(error) from error
