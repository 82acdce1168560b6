"""The file of answers by meaning: opened, made, brought to the newest schema; where graphs lie."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scrimp.errors import StoreError
from scrimp.meanings import SemanticStats
from scrimp.ports import CacheScope
from scrimp.stores.sqlite_cache_file import MADE_BY, opened_to_write
from scrimp.stores.sqlite_reading import opened_to_read
from scrimp.stores.sqlite_schema import Schema

APPLICATION_ID = 0x5343524D
"""`SCRM` in the file's header: this database is a semantic cache of Scrimp's."""

SCHEMA = Schema("semantic cache", "semantic_", APPLICATION_ID)

BOOKS = """
SELECT tenant, task, groups, questions, size_bytes, hits, misses, audits, judged, judge_nanousd
FROM books ORDER BY tenant, task
"""

_STATES = """
SELECT tenant, task, state FROM (SELECT DISTINCT scope, book FROM groups LIMIT ?) AS used
JOIN books ON books.id = used.book JOIN scopes ON scopes.id = used.scope
WHERE state IS NOT NULL
"""
_MOST_STATES = 256  # each may have half a megabyte

_MAPPED_BYTES = 1 << 34  # reading sixty rows through a map takes half the time


def open_writer(path: Path, *, busy_timeout_ms: int) -> sqlite3.Connection:
    """A connection that writes; makes and migrates the file (0600) where needed.

    Raises StoreError (not ours, newer, damaged), sqlite3.Error or OSError.
    """
    return opened_to_write(SCHEMA, path, busy_timeout_ms=busy_timeout_ms)


def open_reader(path: Path, *, busy_timeout_ms: int = 0) -> sqlite3.Connection:
    """A connection that only reads. Raises StoreError."""
    connection = opened_to_read(SCHEMA, path, busy_timeout_ms=busy_timeout_ms, made_by=MADE_BY)
    connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
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


def file_states(path: Path) -> list[tuple[CacheScope, bytes]]:
    """What was learned in scopes that have answers, as it was last saved. Raises StoreError."""
    connection = open_reader(path, busy_timeout_ms=1000)
    try:
        rows = connection.execute(_STATES, (_MOST_STATES,)).fetchall()
        return [(CacheScope(tenant, task), state) for tenant, task, state in rows]
    except sqlite3.Error as error:
        raise StoreError(f"the semantic cache cannot be read: {error}") from error
    finally:
        connection.close()


def file_stats(path: Path, tenant: str | None = None) -> tuple[SemanticStats, ...]:
    """What a file says of itself, whether or not a gateway uses it. Raises StoreError."""
    connection = open_reader(path, busy_timeout_ms=1000)
    try:
        return books_of(connection.execute(BOOKS).fetchall(), tenant)
    except sqlite3.Error as error:
        raise StoreError(f"the semantic cache cannot be read: {error}") from error
    finally:
        connection.close()
