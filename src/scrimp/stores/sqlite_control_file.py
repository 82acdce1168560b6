"""The control store's file: opened, made, recognised. Holds digests of keys: 0600."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from scrimp.errors import StoreError
from scrimp.stores.private_file import identity, make_folder, open_private
from scrimp.stores.sqlite_schema import Schema, use_wal

APPLICATION_ID = 0x5343524B
"""`SCRK` in the file's header: this database is a control store of Scrimp's."""

SCHEMA = Schema("control store", "control_", APPLICATION_ID)
BUSY_TIMEOUT_MS = 2000


def open_control(path: Path, *, make: bool) -> sqlite3.Connection:
    """A connection that reads and writes, its file at the newest schema.

    `make` says whether a file that is not there is made. Raises StoreError.
    """
    try:
        if make:
            make_folder(path)
            if identity(path) is None:  # SQLite gives its -wal and -shm files the file's mode
                os.close(open_private(path, os.O_RDWR))
        return _connected(path)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"the control store {path} cannot be opened: {error}") from error


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,  # one thread at a time, but not always the same
        timeout=BUSY_TIMEOUT_MS / 1000,
    )
    try:
        SCHEMA.migrate(connection, path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)  # by name: closing a descriptor would drop this process's locks
        use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")  # what was revoked stays revoked
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection
