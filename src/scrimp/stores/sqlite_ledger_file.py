"""The ledger's database file: made, recognised, brought to the newest schema, opened.

Everything here is for the ledger's SQLite file only; nothing is kept between calls.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Literal

from scrimp.stores.private_file import Identity, identity, make_folder, open_private
from scrimp.stores.sqlite_reading import opened_to_read
from scrimp.stores.sqlite_schema import Schema, use_wal

__all__ = [
    "Identity",
    "identity",
    "make_folder",
    "migrations",
    "open_private",
    "open_reader",
    "open_writer",
]

APPLICATION_ID = 0x53435250
"""`SCRP` in the file's header: this database is a ledger of Scrimp's."""

SCHEMA = Schema("ledger", "ledger_", APPLICATION_ID)


def migrations() -> tuple[str, ...]:
    """The SQL of each schema version, from version 1 on."""
    return SCHEMA.scripts()


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
            path.chmod(0o600)
        use_wal(connection)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")  # 16 MB: hot pages move once
        connection.execute("PRAGMA journal_size_limit = 67108864")
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read, beside a writer. Raises StoreError."""
    made_by = "it is made by the first `scrimp serve`"
    return opened_to_read(SCHEMA, path, busy_timeout_ms=2000, made_by=made_by)
