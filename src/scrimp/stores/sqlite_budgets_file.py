"""The file of budgets: made, opened, and taken in turns by the processes that share it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from pathlib import Path
from typing import Literal

from scrimp.errors import StoreError
from scrimp.stores.private_file import identity, make_folder, open_private
from scrimp.stores.sqlite_schema import Schema, use_wal

APPLICATION_ID = 0x53435242
"""`SCRB` in the file's header: this database holds budgets of Scrimp's."""

SCHEMA = Schema("file of budgets", "budgets_", APPLICATION_ID)

_POLL_S = 0.0003


def open_database(
    path: Path, *, synchronous: Literal["NORMAL", "FULL"], busy_s: float
) -> sqlite3.Connection:
    """A connection for one thread; makes and migrates the file (0600) where needed.

    Raises StoreError (not ours, newer, damaged), sqlite3.Error or OSError.
    """
    make_folder(path)
    if identity(path) is None:  # SQLite gives its -wal and -shm files the mode of the database
        os.close(open_private(path, os.O_RDWR))
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=busy_s
    )
    try:
        SCHEMA.migrate(connection, path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)  # by name: closing a descriptor would drop this process's locks
        use_wal(connection)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA busy_timeout = 0")  # who waits for a turn waits in `Turns`
    except BaseException:
        connection.close()
        raise
    return connection


class Turns:
    """Who writes next, in the order of asking as far as the system keeps one.

    SQLite alone lets the process that has just committed begin again before those that sleep have
    looked. Here whoever wants to begin holds a lock on a file beside the database while it waits,
    so that the one before has to queue up behind it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = open_private(path.with_name(path.name + ".turn"), os.O_RDWR)

    def begin(self, connection: sqlite3.Connection, *, within_s: float) -> None:
        """Begin a transaction that writes. Raises StoreError when others do not let go in time."""
        late = time.monotonic() + within_s
        while not self._first():
            self._wait(late, within_s)
        try:
            while not _begun(connection):
                self._wait(late, within_s)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _first(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait(self, late: float, within_s: float) -> None:
        if time.monotonic() >= late:
            raise StoreError(
                f"{self._path} is locked: another process has written to it for {within_s:g} s"
            )
        time.sleep(_POLL_S)


def _begun(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return False
        raise
    return True
