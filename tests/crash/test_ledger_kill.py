"""A killed process loses nothing that the ledger had acknowledged."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from scrimp.stores.sqlite_ledger import SqliteLedger
from scrimp.stores.sqlite_ledger_read import LedgerReader

ROOT = Path(__file__).parents[2]
KILLS = 6


def _run_and_kill(path: Path, number: int, after_s: float) -> list[str]:
    """Ids that the victim had acknowledged when it was killed."""
    victim = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.ledger_victim", str(path), str(number)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    with victim:
        assert victim.stdout is not None
        first = victim.stdout.readline()
        time.sleep(after_s)
        victim.kill()
        rest = victim.stdout.read()
    assert victim.returncode == -9
    # The last line may be torn: only a whole one is an acknowledgement.
    return (first + rest).decode().rpartition("\n")[0].split()


async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Killed at random moments, again and again on one file: all there, sums equal, file whole."""
    path = tmp_path / "ledger.db"
    moments = random.Random(20260304)  # noqa: S311 - moments of death, not secrets
    acknowledged: list[str] = []
    for kill in range(KILLS):
        acknowledged += _run_and_kill(path, kill * 1_000_000, moments.uniform(0.0, 0.4))
        check = LedgerReader(path).check()
        assert check.problems == ()
        assert check.calls >= len(acknowledged)
    await SqliteLedger.open(path).close()
    booked = {entry.id for entry in LedgerReader(path).recent(10_000_000)}
    assert len(acknowledged) >= KILLS
    assert booked >= set(acknowledged)
    assert LedgerReader(path).check().ok
