"""Files of calls for `scrimp jobs submit` and `collect`: what the commands say, and the bills."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from scrimp.simulator import Simulator
from tests.support.call_files import CallFile
from tests.support.stage import until

QUICK = (
    '[defer]\nleast = "1s"\ngather_s = 0.05\npoll_s = 0.05\nalone_s = 0\nlost_s = 1.0\ntries = 6\n'
)


class JobFile(CallFile):
    """A file whose calls may wait; everything that takes hours takes milliseconds."""

    def __init__(self, sim: Simulator, folder: Path, quick: str = QUICK, more: str = "") -> None:
        super().__init__(sim, folder)
        config = folder / "scrimp.toml"
        config.write_text(config.read_text().replace("[retry]", f"{quick}{more}[retry]", 1))

    def submit(self, *more: str) -> Result:
        """What `scrimp jobs submit` says."""
        return CliRunner().invoke(cli, ["jobs", "submit", str(self.file), *more], env=self.env)

    def collect(self, *more: str) -> Result:
        """What `scrimp jobs collect` says."""
        args = ["jobs", "collect", str(self.file), "-o", str(self.out), *more]
        return CliRunner().invoke(cli, args, env=self.env)

    def submitted(self, *more: str, code: int = 0) -> dict[str, Any]:
        """The same for machines."""
        return _read(self.submit("--yes", "--json", *more), code)

    def collected(self, *more: str, code: int = 0) -> dict[str, Any]:
        """The same for machines."""
        return _read(self.collect("--json", *more), code)

    def texts(self) -> list[str]:
        """The answers, in the order of OUT."""
        return [one.get("text", "") for one in self.results()]

    def jobs_there(self) -> int:
        """How many are in the file of jobs."""
        path = self.folder / "state" / "jobs.sqlite"
        if not path.exists():
            return 0
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            try:
                (count,) = connection.execute("SELECT count(*) FROM jobs").fetchone()
            except sqlite3.OperationalError:  # its tables are being made
                return 0
        connection.close()
        return int(count)

    def killed(self, when: Callable[[], bool], *command: str) -> None:
        """SIGKILL a process of `scrimp jobs`; whoever comes next need not wait for its lease."""
        child = subprocess.Popen(
            [sys.executable, "-m", "scrimp", "jobs", *command],
            env={**os.environ, **self.env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: when() or child.poll() is not None, limit_s=60)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
        with sqlite3.connect(self.folder / "state" / "jobs.sqlite", timeout=30) as connection:
            connection.execute("DELETE FROM leases")
        connection.close()

    def settled(self) -> None:
        """Each billed line is in the ledger at the very price of the bill, once."""
        rows, entries = self.sim.quiet(30).rows, self.entries()
        assert len({row.client_id for row in rows if row.batch}) == sum(
            bool(row.batch) for row in rows
        )
        assert sum(one.cost_nanousd or 0 for one in entries) == self.sim.bill.total_nanousd
        for one in entries:
            assert one.baseline_nanousd is not None
            assert one.cost_nanousd is not None
            assert one.baseline_nanousd - one.cost_nanousd == sum(part for _, part in one.saved)


def _read(result: Result, code: int) -> dict[str, Any]:
    assert result.exit_code == code, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told
