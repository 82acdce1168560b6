"""The exact cache's engines behind a real gateway: restarts, many gateways, servers that fail."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from scrimp.simulator import Simulator
from tests.support import raw_http
from tests.support.gateway import RunningGateway, gateway
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_http import Answer
from tests.support.redis_server import RedisServer
from tests.support.spoken import ANTHROPIC, OPENAI, Spoken
from tests.support.stage import until

FAST = "timeout_s = 5.0"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own."""
    with RedisServer() as running:
        yield running


def ask(
    url: str, text: str = "Where is my order?", spoken: Spoken = OPENAI, **headers: str
) -> Answer:
    """One call; the names of headers are written with underscores."""
    body = spoken.body(messages=spoken.question(text))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return raw_http.ask(url, raw_http.request(spoken.path, body, {**spoken.headers, **named}))


def verdict(answer: Answer) -> str:
    """What the exact cache said of a call."""
    assert answer.status == 200, answer.body
    found = re.findall(r"exact_cache=(\w+)", answer.headers["x-scrimp-trace"])
    return found[-1] if found else ""


def sqlite_at(path: Path) -> str:
    """Settings of a cache in this file."""
    return f'[exact_cache]\nengine = "sqlite"\npath = "{path}"\n'


@pytest.mark.parametrize("spoken", [OPENAI, ANTHROPIC], ids=lambda one: one.name)
def test_a_file_survives_a_restart(tmp_path: Path, spoken: Spoken) -> None:
    """The next gateway answers what this one was told, byte for byte, and books the saving."""
    more = sqlite_at(tmp_path / "cache.sqlite")
    with Simulator() as sim:
        with gateway(sim.url, more=more) as first:
            fresh = ask(first.url, spoken=spoken)
            assert verdict(fresh) == "miss"
        with gateway(sim.url, more=more) as second:
            again = ask(second.url, spoken=spoken)
            assert (verdict(again), again.body) == ("hit", fresh.body)
            (entry,) = second.entries()
            assert entry.saved == (("exact_cache", sim.bill.total_nanousd),)
        assert len(sim.requests) == 1


def test_gateways_share_a_redis(server: RedisServer) -> None:
    """What one learned the other knows; refreshed by one, the other sees it within seconds."""
    more = f'[exact_cache]\nengine = "redis"\n{FAST}\nmemory_bytes = 0\n'
    with (
        Simulator() as sim,
        gateway(sim.url, more=more, cache_url=server.url) as one,
        gateway(sim.url, more=more, cache_url=server.url) as other,
    ):
        assert verdict(ask(one.url)) == "miss"
        assert verdict(ask(other.url)) == "hit"
        fresh = ask(one.url, x_scrimp_cache="refresh")
        assert ask(other.url).body == fresh.body
        assert len(sim.requests) == 2


def test_a_redis_that_goes_costs_savings_only(server: RedisServer) -> None:
    """Every call is answered; the trace says that the cache was skipped; it comes back."""
    more = f'[exact_cache]\nengine = "redis"\n{FAST}\nmemory_bytes = 0\n'
    with Simulator() as sim, gateway(sim.url, more=more, cache_url=server.url) as scrimp:
        assert [verdict(ask(scrimp.url)) for _ in range(2)] == ["miss", "hit"]
        server.kill()
        assert [verdict(ask(scrimp.url)) for _ in range(3)] == ["skipped"] * 3
        line = scrimp.entries()[-1].trace[0]
        assert "cannot be reached" in str(dict(line.numbers)["error"])
        server.start()
        until(lambda: verdict(ask(scrimp.url)) in ("miss", "hit"))
        assert verdict(ask(scrimp.url)) == "hit"
        assert scrimp.tasks() < 10


def test_a_redis_that_is_not_there_at_the_start() -> None:
    """The gateway starts and answers."""
    more = '[exact_cache]\nengine = "redis"\n'
    url = "redis://:hush@127.0.0.1:1/0"
    with Simulator() as sim, gateway(sim.url, more=more, cache_url=url) as scrimp:
        assert verdict(ask(scrimp.url)) == "skipped"
        assert "hush" not in f"{scrimp.loaded} {scrimp.entries()}"


def test_only_never_pays_for_a_dead_redis() -> None:
    """The client forbade a new answer: a 400, and nothing goes upstream."""
    more = '[exact_cache]\nengine = "redis"\n'
    url = "redis://127.0.0.1:1/0"
    with Simulator() as sim, gateway(sim.url, more=more, cache_url=url) as scrimp:
        assert ask(scrimp.url, x_scrimp_cache="only").status == 400
        assert sim.requests == ()


def test_a_file_that_cannot_be_used_costs_savings_only(tmp_path: Path) -> None:
    """A text where the cache's folder should be: calls are answered and say so."""
    (tmp_path / "blocked").write_text("no folder")
    more = sqlite_at(tmp_path / "blocked" / "cache.sqlite")
    with Simulator() as sim, gateway(sim.url, more=more) as scrimp:
        assert [verdict(ask(scrimp.url)) for _ in range(2)] == ["skipped"] * 2
        assert len(sim.requests) == 2


def test_a_cache_that_is_off_makes_no_file(tmp_path: Path) -> None:
    """Nor does it look anything up."""
    more = sqlite_at(tmp_path / "cache.sqlite") + "enabled = false\n"
    with Simulator() as sim, gateway(sim.url, more=more) as scrimp:
        assert [verdict(ask(scrimp.url)) for _ in range(2)] == ["", ""]
        assert len(sim.requests) == 2
    assert list(tmp_path.iterdir()) == []


def _crowd(urls: list[str], text: str) -> list[Answer]:
    """The same call at every address at once, three times each."""
    answers: list[Answer] = []
    gate = threading.Barrier(3 * len(urls))

    def one(url: str) -> None:
        gate.wait()
        answers.append(ask(url, text))

    threads = [threading.Thread(target=one, args=(url,)) for url in urls * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.parametrize("engine", ["sqlite", "redis"])
def test_processes_that_miss_at_once_ask_once(
    engine: str, tmp_path: Path, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three gateways, nine equal calls at the same moment: one answer is paid, all get it."""
    monkeypatch.setenv("SCRIMP_REDIS_URL", server.url)
    more = f'[exact_cache]\nengine = "{engine}"\n{FAST}\npath = "{tmp_path}/cache.sqlite"\n'
    with (
        Simulator(per_token_ms=10) as sim,
        GatewayProcess(sim.url, tmp_path / "a", more=more) as one,
        GatewayProcess(sim.url, tmp_path / "b", more=more) as two,
        GatewayProcess(sim.url, tmp_path / "c", more=more) as three,
    ):
        urls = [one.url, two.url, three.url]
        for question in ("How do I pair it?", "And how do I reset it?"):
            answers = _crowd(urls, question)
            assert {answer.status for answer in answers} == {200}
            assert len({answer.body for answer in answers}) == 1
        assert len(sim.requests) == 2


def test_a_gateway_that_dies_while_it_asks_is_followed(tmp_path: Path) -> None:
    """Killed in the middle of its call: the one that waits asks, and its client is answered."""
    more = sqlite_at(tmp_path / "cache.sqlite")
    with (
        Simulator(per_token_ms=2000) as slow,
        Simulator() as quick,
        GatewayProcess(slow.url, tmp_path / "a", more=more) as doomed,
        GatewayProcess(quick.url, tmp_path / "b", more=more) as other,
    ):
        first = threading.Thread(target=_ask_in_vain, args=(doomed.url,))
        first.start()
        until(lambda: slow.in_flight == 1)
        answers: list[Answer] = []
        second = threading.Thread(target=lambda: answers.append(ask(other.url)))
        second.start()
        time.sleep(0.1)
        assert quick.requests == ()
        doomed.kill()
        second.join()
        first.join()
        assert verdict(answers[0]) == "miss"
        assert len(quick.requests) == 1


def _ask_in_vain(url: str) -> None:
    with pytest.raises((OSError, HTTPException)):
        ask(url)


def _keys(*names: str) -> str:
    """Virtual keys of these names; each is `sk-scrimp-NAME`."""
    tables = []
    for name in names:
        digest = hashlib.sha256(f"sk-scrimp-{name}".encode()).hexdigest()
        tables.append(f'[[keys]]\nname = "{name}"\nsha256 = "{digest}"\n')
    return "".join(tables)


def _own(
    scrimp: RunningGateway, method: str, path: str, name: str
) -> tuple[int, dict[str, object]]:
    headers = {"authorization": f"Bearer sk-scrimp-{name}"}
    request = raw_http.request(f"/v1/scrimp/cache{path}", b"", headers, method=method)
    answer = raw_http.ask(scrimp.url, request)
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_everybody_sees_and_forgets_their_own(engine: str) -> None:
    """GET and DELETE at /v1/scrimp/cache: nobody else's figures, nobody else's answers."""
    more = f'[exact_cache]\nengine = "{engine}"\n{_keys("ana", "ben")}'
    with Simulator() as sim, gateway(sim.url, more=more) as scrimp:
        for name in ("ana", "ana", "ben"):
            ask(scrimp.url, authorization=f"Bearer sk-scrimp-{name}", x_scrimp_task="general")
        status, told = _own(scrimp, "GET", "", "ana")
        assert (status, told["entries"], told["hits"], told["misses"]) == (200, 1, 1, 1)
        assert _own(scrimp, "GET", "", "nobody")[0] == 401
        for path, number in (("/creative", 0), ("", 1)):
            told = {"cleared": number, "caches": {"exact_cache": number}}
            assert _own(scrimp, "DELETE", path, "ana") == (200, told)
        assert _own(scrimp, "GET", "", "ben")[1]["entries"] == 1
        again = ask(scrimp.url, authorization="Bearer sk-scrimp-ben", x_scrimp_task="general")
        assert verdict(again) == "hit"
        again = ask(scrimp.url, authorization="Bearer sk-scrimp-ana", x_scrimp_task="general")
        assert verdict(again) == "miss"


def test_a_dead_cache_is_said_to_who_looks_at_it() -> None:
    """A 503 with the reason; calls go on."""
    more = '[exact_cache]\nengine = "redis"\n'
    with (
        Simulator() as sim,
        gateway(sim.url, more=more, cache_url="redis://127.0.0.1:1/0") as scrimp,
    ):
        status, told = _own(scrimp, "GET", "", "any")
        assert status == 503
        assert "cannot be reached" in str(told["error"])
