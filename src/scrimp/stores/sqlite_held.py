"""A cache's file as its one writer holds it: made anew where it was replaced or damaged.

A cache may always begin anew: what cannot be written is given up, and asked for again one day.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from scrimp.errors import StoreError
from scrimp.stores.private_file import Identity, identity
from scrimp.stores.sqlite_rest import Gate
from scrimp.stores.sqlite_trouble import Trouble

_T = TypeVar("_T")


class HasConnection(Protocol):
    """The rows of a file, and what they are written through."""

    @property
    def connection(self) -> sqlite3.Connection:
        """Open for as long as the rows are."""


_Rows = TypeVar("_Rows", bound=HasConnection)


class HeldFile(Generic[_Rows]):
    """One writer's. `trouble` says what is wrong; `generation` counts how often it was opened."""

    def __init__(
        self,
        path: Path,
        name: str,
        pauses_s: tuple[float, ...],
        tell: Callable[[str], None],
        open_rows: Callable[[], _Rows],
    ) -> None:
        """`name` is how messages call the file, such as `semantic cache`."""
        self.trouble = Trouble(path, name, pauses_s, tell, self._disconnect)
        self.generation = 0
        self._path = path
        self._name = name
        self._tell = tell
        self._open_rows = open_rows
        self._rows: _Rows | None = None
        self._identity: Identity | None = None
        self._gate = Gate(self._disconnect)

    def attempt(self, work: Callable[[_Rows], list[_T]]) -> list[_T] | None:
        """Do it; once more where a damaged file was replaced. None when it is given up."""
        for last in (False, True):
            try:
                with self._gate:
                    done = self._in_named_file(work)
            except (sqlite3.Error, OSError, StoreError) as error:
                if not last and self.trouble.mended(error, self._identity):
                    continue
                self.trouble.failed(error)
                break
            self.trouble.passed()
            return done
        return None

    def close(self) -> None:
        """Let go of the file; the next attempt opens it again."""
        with self._gate:
            self._disconnect()

    def _in_named_file(self, work: Callable[[_Rows], list[_T]]) -> list[_T]:
        while True:
            done = work(self._rows or self._connect())
            if identity(self._path) == self._identity:
                return done
            # Deleted or replaced underneath: this may have gone into a file without a name.
            self._disconnect()
            gone = f"{self._path} was removed or replaced while in use; it is made anew"
            self._tell(f"{self._name}: {gone}")

    def _connect(self) -> _Rows:
        rows = self._rows = self._open_rows()
        self._identity = identity(self._path)
        self.generation += 1
        return rows

    def _disconnect(self) -> None:
        rows, self._rows, self._identity = self._rows, None, None
        if rows is not None:
            with suppress(sqlite3.Error):
                rows.connection.close()
