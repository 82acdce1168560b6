"""A small SQLite file that many processes share, opened for each piece of work and closed again.

That is for what is read and written seldom. Nothing stays open that a fork could inherit, and a
file that was deleted or replaced is the new one from the next piece of work on.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from scrimp.errors import StoreError
from scrimp.stores.private_file import Identity, identity, make_folder, open_private
from scrimp.stores.sqlite_rest import Gate
from scrimp.stores.sqlite_schema import Schema


class Brief:
    """One such file, for threads that take turns. `says` names in errors what is in it."""

    def __init__(self, path: Path, schema: Schema, says: str, *, busy_s: float) -> None:
        """`busy_s` is how long another process is waited for."""
        self._path = path
        self._schema = schema
        self._says = says
        self._busy_s = busy_s
        self._recognised: Identity | None = None
        self._migrated: Identity | None = None
        self._gate = Gate(lambda: None)

    @property
    def exists(self) -> bool:
        """Whether anybody has begun one."""
        return self._path.is_file()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """None while nobody has written anything yet. Raises StoreError."""
        with self._gate:
            if self._identity("read") is None:
                yield None
                return
            with self._opened("ro") as connection:
                yield connection if self._is_ours(connection) else None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, committed at the end, in a file made where there is none.

        Raises StoreError; what was not committed is undone.
        """
        with self._gate:
            if self._identity("made") is None:
                self._make()
            with self._opened("rw") as connection:
                if self._migrated != (found := identity(self._path)):
                    self._schema.migrate(connection, self._path)
                    self._migrated = found
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")

    def _identity(self, done: str) -> Identity | None:
        try:
            found = identity(self._path)
        except OSError as error:  # its folder is closed to us
            raise StoreError(f"{self._path} cannot be {done}: {error.strerror}") from error
        if found is None:  # a new file may have the place of the old one
            self._recognised = self._migrated = None
        return found

    def _make(self) -> None:
        try:
            make_folder(self._path)
            os.close(open_private(self._path, os.O_RDWR))
        except OSError as error:
            raise StoreError(f"{self._path} cannot be made: {error.strerror}") from error

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """False for a file that is still empty."""
        if self._recognised != (found := identity(self._path)):
            if not self._schema.recognise(connection, self._path):
                return False
            self._recognised = found
        return True

    @contextmanager
    def _opened(self, mode: str) -> Iterator[sqlite3.Connection]:
        try:
            uri = f"{self._path.resolve().as_uri()}?mode={mode}"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=self._busy_s)
            with closing(connection):
                yield connection
        except (sqlite3.Error, OSError) as error:
            self._recognised = self._migrated = None
            raise StoreError(f"{self._path}, {self._says}: {error}") from error
