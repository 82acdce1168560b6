"""What several processes may do at once to a file that is just being made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scrimp.stores import sqlite_schema


def test_the_switch_to_a_log_waits_for_who_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself gives up at once there, whatever its time limit."""
    path = tmp_path / "state.sqlite"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as reader,
        closing(sqlite3.connect(path, isolation_level=None)) as writer,
    ):
        writer.execute("CREATE TABLE one (x)")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM one").fetchone()
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                reader.execute("COMMIT")

        monkeypatch.setattr("scrimp.stores.sqlite_schema.time.sleep", sleep)
        sqlite_schema.use_wal(writer)
        assert len(waits) == 3
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
