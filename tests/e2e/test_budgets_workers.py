"""Budgets and limits with several workers: one counter, whoever is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from click.testing import CliRunner

from scrimp.cli.main import cli
from scrimp.simulator import Simulator
from tests.support.workers_process import WorkersProcess


def asked(url: str, number: int) -> httpx2.Response:
    """One call over a connection of its own, so that any worker may get it."""
    body = {
        "model": "gpt-4o-mini",
        "max_completion_tokens": 200,
        "messages": [{"role": "user", "content": f"Tell me about the number {number}."}],
    }
    return httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=30.0)


def test_workers_share_one_budget(tmp_path: Path) -> None:
    """Two workers, sixteen callers: what the provider bills is within the limit."""
    more = '[exact_cache]\nenabled = false\n[budgets.ci]\nusd = "0.002"\nper = "day"\n'
    with Simulator(per_token_ms=0.05) as sim, WorkersProcess(sim.url, tmp_path, more=more) as two:
        with ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(lambda number: asked(two.url, number), range(160)))
        codes = {reply.status_code for reply in replies}
        billed = sim.quiet().total_nanousd
    assert codes == {200, 429}
    assert 0 < billed <= 2_000_000


def test_workers_share_one_limit(tmp_path: Path) -> None:
    """Ten requests a minute are ten, not ten for each worker."""
    more = "[exact_cache]\nenabled = false\n[limits.all]\nrequests_per_minute = 10\n"
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path, more=more) as two:
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda number: asked(two.url, number), range(40)))
        assert sum(reply.status_code == 200 for reply in replies) == 10
        assert len(sim.quiet().rows) == 10


def test_workers_cannot_each_count_in_their_own_memory(tmp_path: Path) -> None:
    """One line with the way out, and exit code 2, before anything is served."""
    config = tmp_path / "scrimp.toml"
    config.write_text(
        f'state_dir = "{tmp_path}"\n[budget]\nengine = "memory"\n'
        '[providers.openai]\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    options = ["serve", "--config", str(config), "--port", "0", "--workers", "2"]
    result = CliRunner().invoke(cli, options)
    assert result.exit_code == 2
    assert "2 workers cannot share budgets that each keeps in its own memory" in result.output
