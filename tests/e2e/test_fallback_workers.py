"""Two workers, one circuit: what one has learned of an upstream spares it the other's calls."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from scrimp.simulator import Simulator
from tests.support.stage import until
from tests.support.workers_process import WorkersProcess

MORE = """
[exact_cache]
enabled = false
[retry]
attempts = 1
[fallback.models]
"openai/gpt-4o-mini" = ["other/gpt-4o-mini"]
[fallback.circuit]
least_calls = 10
open_s = {open_s}
growth = 1
longest_open_s = 600
probes = 3
[providers.other]
base_url = "{url}/u2/v1"
dialects = ["openai.chat"]
prices_as = "openai"
key_env = "OPENAI_KEY"
"""


def asked(url: str, number: int) -> httpx2.Response:
    """One call over a connection of its own, so that any worker may get it."""
    body = {
        "model": "openai/gpt-4o-mini",
        "messages": [{"role": "user", "content": f"Tell me about the number {number}."}],
    }
    return httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=30.0)


def ask_many(url: str, count: int) -> list[httpx2.Response]:
    """So many, eight at a time."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda number: asked(url, number), range(count)))


def test_workers_share_what_they_know_of_upstreams(tmp_path: Path) -> None:
    """Not one call fails; the dead upstream is spared by both, and by both found well again."""
    with Simulator(upstreams=2) as sim:
        more = MORE.format(url=sim.url, open_s=3)
        with WorkersProcess(sim.url, tmp_path, more=more) as two:
            first, _ = sim.upstreams
            first.fault("502")
            assert {reply.status_code for reply in ask_many(two.url, 60)} == {200}
            name = 'scrimp_circuits_open{provider="openai"}'

            def both_know() -> bool:
                return all(ask_many(two.url, 4)) and two.metrics().get(name) == 2.0

            until(both_know)
            before = len(first.requests)
            assert before <= 40
            first.no_faults()

            def is_well() -> bool:
                return not any("x-scrimp-fallback" in one.headers for one in ask_many(two.url, 8))

            until(is_well, limit_s=30.0)
            until(lambda: all(ask_many(two.url, 4)) and name not in two.metrics())
            assert len(first.requests) > before
