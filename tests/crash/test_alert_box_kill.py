"""Real processes on one outbox: nothing is doubled, and nothing is lost when one is killed."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from scrimp.clock import SystemClock
from scrimp.stores.sqlite_alerts import SqliteAlerts
from tests.crash.alert_box_worker import ALERTS
from tests.support.stage import until

WORKER = Path(__file__).with_name("alert_box_worker.py")


def worker(path: Path, name: str, *more: str) -> subprocess.Popen[str]:
    """A process that offers and delivers."""
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(path), name, *more], stdout=subprocess.PIPE, text=True
    )


def told(process: subprocess.Popen[str]) -> list[str]:
    """What it printed, to its end."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output.splitlines()


def test_processes_that_find_the_same_tell_it_once(tmp_path: Path) -> None:
    """Three of them, at once: each alert is taken once and delivered once."""
    path = tmp_path / "alerts.sqlite"
    processes = [worker(path, f"worker {number}") for number in range(3)]
    counted = Counter(line for process in processes for line in told(process))
    assert set(counted.values()) == {1}
    assert sum(line.startswith("taken") for line in counted) == ALERTS
    assert sum(line.startswith("delivered") for line in counted) == ALERTS


def test_what_a_killed_process_had_in_hand_is_delivered_by_another(tmp_path: Path) -> None:
    """Its lease ends, and the next one takes it on; everything else goes on at once."""
    path = tmp_path / "alerts.sqlite"
    dying = worker(path, "dying", "die")
    assert dying.stdout is not None
    for line in dying.stdout:
        if line.startswith("claimed"):
            claimed = line.split(" ", 1)[1].strip()
            break
    dying.kill()
    dying.wait()
    dying.stdout.close()
    delivered = {
        line.removeprefix("delivered ")
        for line in told(worker(path, "second"))
        if line.startswith("delivered ")
    }
    assert len(delivered | {claimed}) == ALERTS
    if claimed not in delivered:
        box = SqliteAlerts(path, SystemClock())
        until(lambda: _in_hand(box) == claimed, limit_s=30)


def _in_hand(box: SqliteAlerts) -> str:
    """The title of what was still in hand, once it can be had again."""
    due = box.claim("webhook", "third", lease_s=60)
    return "" if due is None else due.alert.title
