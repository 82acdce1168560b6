"""Answers by meaning past their time, through both SDKs: served at once, asked for anew once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scrimp.errors import ConfigError
from scrimp.ports import Entry
from scrimp.settings import parse
from scrimp.simulator import Simulator
from scrimp.stores.sqlite_semantic_file import file_stats
from tests.support import raw_http
from tests.support.gateway_process import GatewayProcess
from tests.support.sdk import VENDORS, Vendor, clients
from tests.support.spoken import OPENAI
from tests.support.stage import staged, until

STALE = """
[exact_cache]
enabled = false
[semantic_cache]
enabled = true
threshold = 0.8
limit_s = 10
stale_while_revalidate = "10m"
[semantic_cache.ttl]
factual_qa = "1s"
general = "1s"
"""
ROOT = "How do I reset my password?"
AGAIN = "How can I reset my password?"


def said(entry: Entry) -> str:
    """What the semantic cache said of a call."""
    (line,) = [one for one in entry.trace if one.lever == "semantic_cache"]
    return line.verdict


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_is_served_at_once_while_one_call_asks_anew(vendor: Vendor) -> None:
    """Stale, at no cost; beside it one warm call with an entry and a price; then a hit again."""
    with staged(more=STALE) as stage, clients(stage.url) as sdk:

        def ask(text: str) -> str:
            before = len(made("client"))
            assert sdk.ask(vendor, text, stream=False).error is None
            until(lambda: len(made("client")) > before)
            return said(made("client")[-1])

        def made(purpose: str) -> list[Entry]:
            return [one for one in stage.gateway.entries() if one.purpose == purpose]

        ask(ROOT)
        until(lambda: ask(AGAIN) == "stale")
        until(lambda: len(made("warm")) >= 1)
        first = made("warm")[0]
        stale = next(one for one in stage.gateway.entries() if "stale" in str(one.trace))
        assert (stale.cost_nanousd, stale.served_by) == (0, "semantic_cache")
        assert stale.saved == (("semantic_cache", stale.baseline_nanousd),)
        assert (bool(first.cost_nanousd), first.served_by, first.tenant, first.key) == (
            True,
            "upstream",
            stale.tenant,
            stale.key,
        )
        assert first.id != stale.id
        until(lambda: ask(AGAIN) == "hit")


@pytest.mark.parametrize("word", ["soon", "-1s", "99999d"])
def test_a_time_that_is_none_is_refused(word: str) -> None:
    """By the name of the setting."""
    more = f'[semantic_cache]\nstale_while_revalidate = "{word}"\n'
    with pytest.raises(ConfigError, match=r"my.toml: semantic_cache\.stale_while_revalidate"):
        parse(more.encode(), source="my.toml")


def test_workers_ask_anew_once(tmp_path: Path) -> None:
    """A crowd at two that share a file, a provider that does not answer: one call goes out."""
    path = tmp_path / "semantic.sqlite"
    table = f'engine = "sqlite"\npath = "{path}"\nlimit_s'
    slower = STALE.replace("limit_s", table).replace('"1s"', '"3s"')
    more = f"[server]\nworkers = 2\n{slower}"
    with Simulator() as sim, GatewayProcess(sim.url, tmp_path, more=more) as running:

        def ask(text: str) -> str:
            body = OPENAI.body(messages=OPENAI.question(text))
            request = raw_http.request(OPENAI.path, body, OPENAI.headers)
            answer = raw_http.ask(running.url, request)
            assert answer.status == 200, answer.body
            words = answer.headers["x-scrimp-trace"].split(";")
            return dict(one.split("=") for one in words if "=" in one)["semantic_cache"]

        ask(ROOT)
        until(lambda: sum(one.groups for one in file_stats(path)) == 1, limit_s=60)
        silence = json.dumps({"fault": "timeout"}).encode()
        headers = {"content-type": "application/json"}
        raw_http.ask(sim.url, raw_http.request("/_sim/faults", silence, headers))
        asked = len(sim.requests)
        until(lambda: ask(AGAIN) == "stale", limit_s=60)
        until(lambda: len(sim.requests) > asked)
        with ThreadPoolExecutor(8) as crowd:
            found = list(crowd.map(ask, [ROOT, AGAIN] * 20))
        assert set(found) == {"stale"}
        assert len(sim.requests) == asked + 1
