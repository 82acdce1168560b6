"""The file of remembered replies: opened, made, set aside when it is damaged, locked by the byte.

Beside it lies a file that holds nothing and is only locked: one byte for whoever replaces a damaged
cache, and one for each reply that a process asks for. The system gives a process's locks back when
it ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scrimp.errors import StoreError
from scrimp.stores.sqlite_cache_file import MADE_BY, opened_to_write
from scrimp.stores.sqlite_ledger_file import Identity, identity, make_folder, open_private
from scrimp.stores.sqlite_reading import opened_to_read
from scrimp.stores.sqlite_schema import Schema

APPLICATION_ID = 0x53435243
"""`SCRC` in the file's header: this database is a cache of Scrimp's."""

SCHEMA = Schema("cache", "replies_", APPLICATION_ID)

_REPLACING = 0
_FIRST_KEY = 1
_OFFSETS = 1 << 62
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_damage(error: BaseException | None) -> bool:
    """True when the file itself is bad, and not only the day."""
    if isinstance(error, StoreError):
        cause = error.__cause__  # what says nothing of the file itself is an OperationalError
        bad = isinstance(cause, sqlite3.DatabaseError)
        return bad and not isinstance(cause, sqlite3.OperationalError)
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, sqlite3.DatabaseError) and code & 0xFF in _DAMAGED


def open_writer(path: Path, *, busy_timeout_ms: int) -> sqlite3.Connection:
    """A connection that writes; makes and migrates the file (0600) where needed.

    Raises StoreError (not ours, newer; damaged: see `is_damage`), sqlite3.Error or OSError.
    """
    return opened_to_write(SCHEMA, path, busy_timeout_ms=busy_timeout_ms)


def open_reader(path: Path, *, busy_timeout_ms: int = 0) -> sqlite3.Connection:
    """A connection that only reads. Raises StoreError."""
    return opened_to_read(SCHEMA, path, busy_timeout_ms=busy_timeout_ms, made_by=MADE_BY)


def damaged_path(path: Path) -> Path:
    """Where a damaged file is kept; the one before it is not."""
    return path.with_name(path.name + ".damaged")


def set_aside(path: Path, seen: Identity | None) -> bool:
    """Move the damaged file out of the way. False when another process was first. Raises OSError.

    `seen` is the file that was found damaged.
    """
    with _alone(path):
        if seen is None or identity(path) != seen:
            return False
        path.replace(damaged_path(path))
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return True


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    locks = Locks(path)
    try:
        locks.lock(_REPLACING, wait=True)
        yield
    finally:
        locks.close()


class Locks:
    """Byte locks of this process on the file beside the cache.

    POSIX drops all of them when the process closes any descriptor of that file, so replacing a
    damaged cache lets go of claims: two processes may then ask the same once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".locks")
        self._descriptor = -1
        self._held: set[int] = set()

    def take(self, key: bytes) -> bool:
        """True: this process has the key's lock now. False: another one has it. Raises OSError."""
        offset = _offset(key)
        if not self.lock(offset, wait=False):
            return False
        self._held.add(offset)
        return True

    def give(self, key: bytes) -> None:
        """Give a key's lock back, if it is held."""
        offset = _offset(key)
        if offset in self._held:
            self._held.discard(offset)
            with suppress(OSError):
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, offset)

    def lock(self, offset: int, *, wait: bool) -> bool:
        """Lock one byte; False when another process has it. Raises OSError."""
        if self._descriptor < 0:
            make_folder(self._path)
            self._descriptor = open_private(self._path, os.O_RDWR)
        how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        try:
            fcntl.lockf(self._descriptor, how, 1, offset)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def close(self) -> None:
        """Give all back."""
        self._held.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _offset(key: bytes) -> int:
    """The byte that stands for a key. Two keys on one byte only wait for each other."""
    return _FIRST_KEY + int.from_bytes(key[:8], "big") % (_OFFSETS - _FIRST_KEY)
