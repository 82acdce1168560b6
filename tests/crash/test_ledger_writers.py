"""Several workers write one ledger: nothing is lost, nothing counted twice, dead ones included."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from scrimp.stores.sqlite_ledger_read import LedgerReader

ROOT = Path(__file__).parents[2]
WRITERS = 4
ENTRIES = 2000


def _start(name: str, *words: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.crash.{name}", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )


def test_four_writers_book_all_and_sums_are_equal(tmp_path: Path) -> None:
    """On a file that none of them finds there: no complaint, entries = calls, rollups = calls."""
    path = tmp_path / "ledger.db"
    with ExitStack() as stack:
        writers = [
            stack.enter_context(_start("ledger_writer", path, number * 1_000_000, ENTRIES))
            for number in range(WRITERS)
        ]
        told = [writer.communicate(timeout=120)[0] for writer in writers]
    assert told == [b""] * WRITERS
    check = LedgerReader(path).check()
    assert (check.ok, check.calls) == (True, WRITERS * ENTRIES)


def test_writers_that_die_among_others_take_nothing_along(tmp_path: Path) -> None:
    """Two are killed while two go on: all that was acknowledged to anyone is there."""
    path = tmp_path / "ledger.db"
    with ExitStack() as stack:
        victims = [
            stack.enter_context(_start("ledger_victim", path, (8 + number) * 1_000_000))
            for number in range(2)
        ]
        writers = [
            stack.enter_context(_start("ledger_writer", path, number * 1_000_000, ENTRIES))
            for number in range(2)
        ]
        acknowledged = []
        for victim in victims:
            assert victim.stdout is not None
            lines = [victim.stdout.readline() for _ in range(200)]
            victim.kill()
            acknowledged += (b"".join(lines) + victim.stdout.read()).rpartition(b"\n")[0].split()
        assert [writer.communicate(timeout=120)[0] for writer in writers] == [b"", b""]
    reader = LedgerReader(path)
    assert reader.check().ok
    booked = {entry.id for entry in reader.recent(10_000_000)}
    assert booked >= {one.decode() for one in acknowledged}
    assert len(booked) >= 2 * ENTRIES + len(acknowledged)
