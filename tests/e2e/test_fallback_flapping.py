"""A thousand calls over an upstream that flaps: none is lost, each is booked once."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from scrimp.simulator import Simulator
from tests.support.faults import check_money
from tests.support.gateway import gateway

PROVIDERS = """
[providers.openai]
base_url = "{url}/v1"
dialects = ["openai.chat"]
key_env = "OPENAI_KEY"
[providers.azure]
base_url = "{url}/u2/v1"
dialects = ["openai.chat"]
prices_as = "openai"
key_env = "AZURE_KEY"
"""
SETTINGS = """
[exact_cache]
enabled = false
[retry]
attempts = 2
base_s = 0.001
max_wait_s = 0.002
[fallback.models]
"gpt-4o-mini" = ["azure/gpt-4o-mini"]
[fallback.circuit]
failure_rate = 0.2
least_calls = 6
open_s = 0.1
growth = 1.1
longest_open_s = 0.5
probes = 2
"""
CLIENTS, EACH = 8, 125
TURN_S = 0.15


def ask_on_and_on(url: str, client: int) -> Counter[tuple[int, str]]:
    """One client on one connection; how its calls ended, and who answered."""
    seen: Counter[tuple[int, str]] = Counter()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    for number in range(EACH):
        text = f"What is {client} times {number}?"
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
        headers = {"content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        seen[answer.status, answer.headers.get("x-scrimp-fallback", "")] += 1
    connection.close()
    return seen


@pytest.mark.parametrize("fault", ["502:share=0.8", "529", "hangup:share=0.6"])
def test_no_call_is_lost_over_a_flapping_upstream(fault: str) -> None:
    """Ill and well by turns of 150 ms: every call is answered, by one or the other."""
    with (
        Simulator(upstreams=2) as sim,
        gateway(sim.url, more=SETTINGS, providers=PROVIDERS.format(url=sim.url)) as running,
    ):
        done = threading.Event()

        def flap() -> None:
            while not done.wait(TURN_S):
                sim.fault(fault)
                done.wait(TURN_S)
                sim.no_faults()

        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            flapping = pool.submit(flap)
            asking = [pool.submit(ask_on_and_on, running.url, one) for one in range(CLIENTS)]
            seen = sum((one.result() for one in asking), Counter[tuple[int, str]]())
            done.set()
            flapping.result()
        assert seen[200, ""] + seen[200, "azure/gpt-4o-mini"] == CLIENTS * EACH, seen
        assert seen[200, "azure/gpt-4o-mini"] > 0
        entries = running.entries()
        assert len(entries) == CLIENTS * EACH
        skips = sum(
            dict(line.numbers).get("why") == "circuit_open"
            for entry in entries
            for line in entry.trace
            if line.lever == "fallback"
        )
        assert skips > 0
        billed = sum(one.quiet().total_nanousd for one in sim.upstreams)
        check_money(billed, entries)
