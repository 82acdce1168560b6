"""What SQLite's errors, and those of the disk below it, say to the writers of our files."""

from __future__ import annotations

import os
import sqlite3


def is_busy(error: Exception) -> bool:
    """True when another connection has the file for now: nothing is wrong with ours."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, sqlite3.Error) and code & 0xFF in {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    }


def words_of(error: Exception) -> str:
    """The reason without the path that an OSError repeats."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error)
