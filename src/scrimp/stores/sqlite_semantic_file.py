"""The file of answers by meaning: opened, made, brought to the newest schema; where graphs lie."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scrimp.errors import StoreError
from scrimp.meanings import SemanticStats
from scrimp.ports import CacheScope
from scrimp.stores.private_file import identity, make_folder, open_private
from scrimp.stores.sqlite_schema import Schema, use_wal

APPLICATION_ID = 0x5343524D
"""`SCRM` in the file's header: this database is a semantic cache of Scrimp's."""

SCHEMA = Schema("semantic cache", "semantic_", APPLICATION_ID)

BOOKS = """
SELECT tenant, task, groups, questions, size_bytes, hits, misses, audits, judged, judge_nanousd
FROM books ORDER BY tenant, task
"""

_PAGE_BYTES = 8192  # a vector and its question take about one thousand
_MAPPED_BYTES = 1 << 34  # reading sixty rows through a map takes half the time


def open_writer(path: Path, *, busy_timeout_ms: int) -> sqlite3.Connection:
    """A connection that writes; makes and migrates the file (0600) where needed.

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
        SCHEMA.migrate(connection, path)
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


def open_reader(path: Path, *, busy_timeout_ms: int = 0) -> sqlite3.Connection:
    """A connection that only reads. Raises StoreError."""
    if not path.is_file():
        raise StoreError(
            f'there is no semantic cache at {path} (scrimp serve makes it, with engine = "sqlite")'
        )
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=busy_timeout_ms / 1000,
        )
    except sqlite3.Error as error:
        raise StoreError(f"the semantic cache {path} cannot be opened: {error}") from error
    try:
        found = SCHEMA.recognise(connection, path)
        connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(f"the semantic cache {path} cannot be read: {error}") from error
    except StoreError:
        connection.close()
        raise
    if found < len(SCHEMA.scripts()):
        connection.close()
        raise StoreError(f"{path} has schema version {found} (`scrimp serve` brings it up to date)")
    return connection


def graph_path(path: Path, scope: int) -> Path:
    """Where the graph of a large scope lies."""
    return path.with_name(path.name + ".graphs") / f"{scope}.graph"


def books_of(rows: Iterable[Any], tenant: str | None) -> tuple[SemanticStats, ...]:
    """What `BOOKS` found, all or of one tenant."""
    return tuple(
        SemanticStats(
            scope=CacheScope(found, task),
            groups=groups,
            questions=questions,
            size_bytes=size_bytes,
            hits=hits,
            misses=misses,
            audits=audits,
            judged=judged,
            judge_nanousd=cost,
        )
        for found, task, groups, questions, size_bytes, hits, misses, audits, judged, cost in rows
        if tenant in (None, found)
    )


def file_stats(path: Path, tenant: str | None = None) -> tuple[SemanticStats, ...]:
    """What a file says of itself, whether or not a gateway uses it. Raises StoreError."""
    connection = open_reader(path, busy_timeout_ms=1000)
    try:
        return books_of(connection.execute(BOOKS).fetchall(), tenant)
    except sqlite3.Error as error:
        raise StoreError(f"the semantic cache cannot be read: {error}") from error
    finally:
        connection.close()
