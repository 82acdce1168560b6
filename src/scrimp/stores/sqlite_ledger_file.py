"""The ledger's database file: made, recognised, brought to the newest schema, opened.

Everything here is for the ledger's SQLite file only; nothing is kept between calls.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scrimp.errors import StoreError
from scrimp.stores.sqlite_schema import Schema

APPLICATION_ID = 0x53435250
"""`SCRP` in the file's header: this database is a ledger of Scrimp's."""

SCHEMA = Schema("ledger", "ledger_", APPLICATION_ID)

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file this is, whatever its name: a deleted or replaced one has another."""

    device: int
    inode: int


def identity(path: Path) -> Identity | None:
    """None when there is no such file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Identity(found.st_dev, found.st_ino)


def migrations() -> tuple[str, ...]:
    """The SQL of each schema version, from version 1 on."""
    return SCHEMA.scripts()


def make_folder(path: Path) -> None:
    """Make the folder of a state file, closed to others when it is made here. Raises OSError."""
    if not path.parent.exists():
        path.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a state file that only its owner may read. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, _FILE_MODE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def open_writer(
    path: Path, *, synchronous: Literal["NORMAL", "FULL"], busy_timeout_ms: int
) -> sqlite3.Connection:
    """A connection for the one writer; makes and migrates the file where needed.

    Raises StoreError (not ours, newer, half migrated), sqlite3.Error or OSError.
    """
    make_folder(path)
    if identity(path) is None:  # SQLite gives its -wal and -shm files the mode of the database
        os.close(open_private(path, os.O_RDWR))
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=busy_timeout_ms / 1000
    )
    try:
        SCHEMA.migrate(connection, path)
        if path.stat().st_mode & 0o077:
            # By name: closing any descriptor of the file would drop this process's locks on it.
            path.chmod(_FILE_MODE)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")  # 16 MB: hot pages move once
        connection.execute("PRAGMA journal_size_limit = 67108864")
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read, beside a writer. Raises StoreError."""
    if not path.is_file():
        msg = f"there is no ledger at {path} (it is made by the first `scrimp serve`)"
        raise StoreError(msg)
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=2.0
        )
    except sqlite3.Error as error:
        raise StoreError(f"the ledger {path} cannot be opened: {error}") from error
    try:
        found = SCHEMA.recognise(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(f"the ledger {path} cannot be read: {error}") from error
    except StoreError:
        connection.close()
        raise
    if found < len(migrations()):
        connection.close()
        msg = (
            f"{path} has schema version {found}, this Scrimp reads {len(migrations())} "
            "(`scrimp serve` brings it up to date)"
        )
        raise StoreError(msg)
    return connection
