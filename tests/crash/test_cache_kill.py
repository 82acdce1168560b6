"""Processes that are killed while they write a shared cache file leave it whole."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from scrimp.clock import SystemClock
from scrimp.ports import StoreStats
from scrimp.stores.sqlite_replies import RepliesOptions, SqliteReplies, file_stats
from tests.crash.cache_victim import MAX_BYTES, body_of

ROOT = Path(__file__).parents[2]
KILLS = 4


def _victim(path: Path, number: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.cache_victim", str(path), str(number)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )


def _run_and_kill(path: Path, round_number: int, after_s: float) -> list[int]:
    """The last reply that each of two victims on one file had seen in it."""
    starts = [(2 * round_number + one) * 1_000_000 + 10 for one in range(2)]
    last: list[int] = []
    with _victim(path, starts[0]) as one, _victim(path, starts[1]) as other:
        outs = [victim.stdout for victim in (one, other) if victim.stdout is not None]
        firsts = [out.readline() for out in outs]
        time.sleep(after_s)
        for victim in (one, other):
            victim.kill()
        for out, first in zip(outs, firsts, strict=True):
            whole = (first + out.read()).decode().rpartition("\n")[0]
            last.append(int(whole.split()[-1]))
    return last


def _check(path: Path) -> StoreStats:
    """The file is sound, within its limit, and its sums are those of its rows."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute("SELECT count(*), sum(size_bytes) FROM replies").fetchone()
        sums = connection.execute("SELECT sum(entries), sum(size_bytes) FROM scopes").fetchone()
    assert rows == sums
    stats = file_stats(path, MAX_BYTES)
    assert 0 < stats.size_bytes <= MAX_BYTES
    return stats


async def test_killed_writers_leave_a_whole_cache(tmp_path: Path) -> None:
    """Two at a time on one file, again and again: what was said to be there is, byte for byte."""
    path = tmp_path / "cache.sqlite"
    moments = random.Random(20261122)  # noqa: S311 - moments of death, not secrets
    seen: list[int] = []
    for kill in range(KILLS):
        seen = _run_and_kill(path, kill, moments.uniform(0.0, 0.4))
        _check(path)
    told: list[str] = []
    cache = SqliteReplies.open(path, SystemClock(), RepliesOptions(MAX_BYTES), tell=told.append)
    for number in seen:
        key = number.to_bytes(32, "big")
        stored = await cache.get(key)
        assert stored is not None
        assert stored.reply.body == body_of(key)
    assert (await cache.stats()).entries > 20
    await cache.close()
    assert told == []
