"""A SQLite file of Scrimp's opened to be read only, beside whoever writes it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from scrimp.errors import StoreError
from scrimp.stores.sqlite_schema import Schema


def opened_to_read(
    schema: Schema, path: Path, *, busy_timeout_ms: int, made_by: str
) -> sqlite3.Connection:
    """Change nothing. `made_by` says in the error how there comes to be one. Raises StoreError."""
    what = schema.what
    if not path.is_file():
        raise StoreError(f"there is no {what} at {path} ({made_by})")
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=busy_timeout_ms / 1000,
        )
    except sqlite3.Error as error:
        raise StoreError(f"the {what} {path} cannot be opened: {error}") from error
    try:
        found, newest = schema.recognise(connection, path), len(schema.scripts())
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(f"the {what} {path} cannot be read: {error}") from error
    except StoreError:
        connection.close()
        raise
    if found < newest:
        connection.close()
        raise StoreError(
            f"{path} has schema version {found}, this Scrimp reads {newest} "
            "(`scrimp serve` brings it up to date)"
        )
    return connection
