"""A SQLite file of Scrimp's: recognised by its header, brought to the newest schema.

The n-th file `migrations/PREFIX_NNNN_*.sql` makes schema version n (`PRAGMA user_version`);
`application_id` says whose file it is.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from scrimp.errors import StoreError
from scrimp.stores.sqlite_transaction import one_transaction


@dataclass(frozen=True, slots=True)
class Schema:
    """One kind of file. `what` names it in messages, such as `ledger`."""

    what: str
    prefix: str
    application_id: int

    def scripts(self) -> tuple[str, ...]:
        """The SQL of each schema version, from version 1 on."""
        folder = files("scrimp.stores") / "migrations"
        found = sorted(
            (f.name, f)
            for f in folder.iterdir()
            if f.name.startswith(self.prefix) and f.name.endswith(".sql")
        )
        return tuple(f.read_text(encoding="utf-8") for _, f in found)

    def recognise(self, connection: sqlite3.Connection, path: Path) -> int:
        """The schema version of such a file, 0 for an empty one.

        Raises StoreError when it is of another kind, is newer than this Scrimp, or lacks a table;
        its cause is an error of the library's when the file is damaged.
        """
        scripts = self.scripts()
        try:
            with _one_moment(connection):
                found, ours = schema_version(connection), _number(connection, "application_id")
                tables = _tables(connection)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # locked or unreadable now, which says nothing about what it is
            msg = (
                f"{path} is not a {self.what} of Scrimp's, or is damaged: {error} (restore "
                f"it from a copy, or move it away to begin a new one)"
            )
            raise StoreError(msg) from error
        if ours != self.application_id and (ours or found or tables):
            msg = (
                f"{path} is not a {self.what} of Scrimp's: application id {ours:#x}, a {self.what} "
                f"has {self.application_id:#x} (name another file for the {self.what})"
            )
            raise StoreError(msg)
        if found > len(scripts):
            msg = (
                f"{path} has schema version {found}, this Scrimp knows versions up to "
                f"{len(scripts)} (upgrade Scrimp, or name another file)"
            )
            raise StoreError(msg)
        if missing := sorted(name for _, name in self._expected(scripts[:found]) - tables):
            msg = (
                f"{path} says schema version {found} of {len(scripts)} but lacks "
                f"{', '.join(missing)}: it is half migrated or damaged (restore it from a copy)"
            )
            raise StoreError(msg) from sqlite3.DatabaseError("tables are missing")
        return found

    def migrate(self, connection: sqlite3.Connection, path: Path) -> None:
        """Bring the file to the newest version, whole or not at all. Raises StoreError."""
        scripts = self.scripts()
        if self.recognise(connection, path) == len(scripts):
            return
        with one_transaction(connection):  # look again: another process may have been first
            self._apply(connection, scripts, self.recognise(connection, path))

    def _expected(self, scripts: tuple[str, ...]) -> set[tuple[str, str]]:
        scratch = sqlite3.connect(":memory:", isolation_level=None)
        try:
            self._apply(scratch, scripts, 0)
            return _tables(scratch)
        finally:
            scratch.close()

    def _apply(self, connection: sqlite3.Connection, scripts: tuple[str, ...], start: int) -> None:
        for version, script in enumerate(scripts[start:], start + 1):
            for statement in self._statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version:d}")
        connection.execute(f"PRAGMA application_id = {self.application_id:d}")

    def _statements(self, script: str) -> Iterator[str]:
        statement = ""
        for line in script.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                yield statement
                statement = ""
        if statement.strip():
            raise StoreError(f"a migration of the {self.what} ends in an unfinished statement")


@contextmanager
def _one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Reads within see the file at one moment, also while another process migrates it."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def use_wal(connection: sqlite3.Connection) -> None:
    """Keep a log beside the file, so that readers do not wait. Raises sqlite3.Error.

    The switch itself fails at once where another connection is at work (SQLite calls no busy
    handler for it), so it is tried again until that one is done.
    """
    for wait_s in (*[0.005] * 40, *[0.05] * 40, 0.0):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if not wait_s:
                raise
            time.sleep(wait_s)
        else:
            return


def schema_version(connection: sqlite3.Connection) -> int:
    """The schema version that the file says it has."""
    return _number(connection, "user_version")


def _tables(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    query = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    return set(connection.execute(query))


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    number: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number
