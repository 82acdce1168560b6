"""The ledger's database file: made, recognised, brought to the newest schema, opened.

Everything here is for the ledger's SQLite file only; nothing is kept between calls.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from scrimp.errors import StoreError

APPLICATION_ID = 0x53435250
"""`SCRP` in the file's header: this database is a ledger of Scrimp's."""

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700
_PREFIX = "ledger_"


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
    folder = files("scrimp.stores") / "migrations"
    found = sorted(
        (f.name, f)
        for f in folder.iterdir()
        if f.name.startswith(_PREFIX) and f.name.endswith(".sql")
    )
    return tuple(f.read_text(encoding="utf-8") for _, f in found)


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise StoreError("a migration of the ledger ends in an unfinished statement")


def _tables(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    query = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    return set(connection.execute(query))


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    number: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number


def schema_version(connection: sqlite3.Connection) -> int:
    """The schema version that the file says it has."""
    return _number(connection, "user_version")


def _apply(connection: sqlite3.Connection, scripts: tuple[str, ...], start: int) -> None:
    for version, script in enumerate(scripts[start:], start + 1):
        for statement in _statements(script):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version:d}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")


def recognise(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of a ledger's file, 0 for an empty one.

    Raises StoreError when it is not a ledger, is newer than this Scrimp, or lacks a table.
    """
    scripts = migrations()
    try:
        found, ours = schema_version(connection), _number(connection, "application_id")
        tables = _tables(connection)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # locked or unreadable now, which says nothing about what it is
        msg = f"{path} is not a ledger of Scrimp's, or is damaged: {error}"
        raise StoreError(msg) from error
    if ours != APPLICATION_ID and (ours or found or tables):
        msg = (
            f"{path} is not a ledger of Scrimp's: application id {ours:#x}, "
            f"a ledger has {APPLICATION_ID:#x} (name another file for the ledger)"
        )
        raise StoreError(msg)
    if found > len(scripts):
        msg = (
            f"{path} has schema version {found}, this Scrimp knows versions up to {len(scripts)} "
            "(upgrade Scrimp, or name another file)"
        )
        raise StoreError(msg)
    scratch = sqlite3.connect(":memory:", isolation_level=None)
    try:
        _apply(scratch, scripts[:found], 0)
        missing = sorted(name for _, name in _tables(scratch) - tables)
    finally:
        scratch.close()
    if missing:
        msg = (
            f"{path} says schema version {found} of {len(scripts)} but lacks {', '.join(missing)}: "
            "it is half migrated or damaged (restore it from a copy)"
        )
        raise StoreError(msg)
    return found


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    scripts = migrations()
    if recognise(connection, path) == len(scripts):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:  # look again: another process may have been first
        _apply(connection, scripts, recognise(connection, path))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


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
        _migrate(connection, path)
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
        found = recognise(connection, path)
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
