"""Keys and several workers: what one process changes, all of them know."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from scrimp.simulator import Simulator
from tests.support import raw_http
from tests.support.admin import AdminClient
from tests.support.spoken import OPENAI
from tests.support.stage import until
from tests.support.workers_process import WorkersProcess

_SOON_S = 5.0
"""It shows within a second; a busy machine gets some more."""


def _statuses(url: str, key: str = "") -> set[int]:
    """Of calls on connections of their own, which the kernel deals out to all workers."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    data = raw_http.request(OPENAI.path, OPENAI.body(), headers)
    return {raw_http.ask(url, data).status for _ in range(12)}


def _scrimp(config: Path, *words: str) -> str:
    """What a command prints, in a process of its own."""
    command = [sys.executable, "-m", "scrimp", *words, "--config", str(config)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_every_worker_knows_a_change_soon(tmp_path: Path) -> None:
    """Made over HTTP in one worker, rotated and revoked on the command line."""
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path, workers=2) as gateway:
        assert _statuses(gateway.url) == {200}
        key = AdminClient(gateway.url).make("/keys", {"name": "ci"})["secret"]
        began_s = time.monotonic()
        until(lambda: _statuses(gateway.url) == {401})
        assert time.monotonic() - began_s < _SOON_S
        assert _statuses(gateway.url, key) == {200}
        newer = _scrimp(gateway.config, "keys", "rotate", "ci")
        began_s = time.monotonic()
        until(lambda: _statuses(gateway.url, key) == {401})
        assert time.monotonic() - began_s < _SOON_S
        assert _statuses(gateway.url, newer) == {200}
        _scrimp(gateway.config, "keys", "revoke", "ci")
        began_s = time.monotonic()
        until(lambda: _statuses(gateway.url, newer) == {401})
        assert time.monotonic() - began_s < _SOON_S
