"""A file of remembered answers, by word or by meaning: opened to write, 0600, in WAL."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from scrimp.stores.private_file import identity, make_folder, open_private
from scrimp.stores.sqlite_schema import Schema, use_wal

MADE_BY = 'scrimp serve makes it, with engine = "sqlite"'
_PAGE_BYTES = 8192  # of 4096, a page would often hold one answer, or few vectors, and much air


def opened_to_write(schema: Schema, path: Path, *, busy_timeout_ms: int) -> sqlite3.Connection:
    """Make and migrate the file where needed.

    Raises StoreError (not ours, newer, damaged), sqlite3.Error or OSError.
    """
    make_folder(path)
    if identity(path) is None:  # SQLite gives its -wal and -shm files the mode of the database
        os.close(open_private(path, os.O_RDWR))
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=busy_timeout_ms / 1000
    )
    try:
        if not path.stat().st_size:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        schema.migrate(connection, path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)  # by name: closing a descriptor would drop this process's locks
        use_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")  # a loss of power takes answers, no more
        connection.execute("PRAGMA wal_autocheckpoint = 1000")
        connection.execute("PRAGMA journal_size_limit = 16777216")
    except BaseException:
        connection.close()
        raise
    return connection
