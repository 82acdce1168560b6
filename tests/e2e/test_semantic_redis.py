"""Answers by meaning that gateways share in a Redis 8, and what they do when it is away or old."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis as client

from scrimp.app import system_clock
from scrimp.cli.cache_semantic import semantic_stats
from scrimp.cli.doctor_cache import cache
from scrimp.cli.doctor_semantic import semantic_cache
from scrimp.simulator import Simulator
from scrimp.stores.semantic_open import look
from scrimp.stores.semantic_plan import SemanticPlan
from tests.support import raw_http
from tests.support.gateway import RunningGateway, gateway
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_http import Answer
from tests.support.redis_server import RedisServer, vector_server
from tests.support.semantic_stores import redis, schema_of
from tests.support.spoken import OPENAI
from tests.support.stage import until as until_within

ROOT, AGAIN = "How do I reset my password?", "How can I reset my password?"
THIRD = "My password, how do I reset it?"


def until(true: Callable[[], bool]) -> None:
    """Processes and servers start on a slow machine, too."""
    until_within(true, limit_s=60.0)


def told(url: str, text: str, *, key: str = "") -> Answer:
    """One call of anybody, or of a key."""
    headers = {**OPENAI.headers, **({"authorization": f"Bearer {key}"} if key else {})}
    body = OPENAI.body(messages=OPENAI.question(text))
    answer = raw_http.ask(url, raw_http.request(OPENAI.path, body, headers))
    assert answer.status == 200, answer.body
    return answer


def ask(one: RunningGateway, text: str, *, key: str = "") -> Answer:
    """One call, once all that was to learn from it is learned."""
    answer = told(one.url, text, key=key)
    meanings = one.app.meanings
    assert meanings is not None
    asyncio.run_coroutine_threadsafe(meanings.later.drained(), one._loop).result(30)
    return answer


def sent(sim: Simulator) -> int:
    """How many calls have reached the provider."""
    return len(sim.requests)


def by_meaning(answer: Answer) -> bool:
    """Whether the semantic cache gave it."""
    return "semantic_cache=hit" in answer.headers["x-scrimp-trace"]


def table(prefix: str, more: str = "") -> str:
    """Settings of a store under that prefix."""
    return (
        '[semantic_cache]\nenabled = true\nthreshold = 0.8\nlimit_s = 10\nengine = "redis"\n'
        f'schema = "{prefix}"\n[exact_cache]\nenabled = false\n{more}'
    )


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """One of the test's own."""
    return schema_of(tmp_path)


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A server that keeps what it is told, to be stopped."""
    with RedisServer("appendonly yes", "appendfsync always", program=vector_server()) as running:
        yield running


def test_what_one_gateway_learned_another_serves(prefix: str) -> None:
    """In other words, at no cost; commands see it, and what is forgotten is served by none."""
    url = redis().url
    with (
        Simulator() as sim,
        gateway(sim.url, more=table(prefix), semantic_url=url) as one,
        gateway(sim.url, more=table(prefix), semantic_url=url) as two,
    ):
        ask(one, ROOT)
        assert by_meaning(ask(two, AGAIN))
        assert sent(sim) == 1
        body, headers = b'{"model": "gpt-4o-mini"}', {"content-type": "application/json"}
        raw_http.ask(two.url, raw_http.request("/v1/scrimp/cache/invalidate", body, headers))
        assert not by_meaning(ask(one, THIRD))
        assert sent(sim) == 2
        two.stop()  # it tells what it has counted
        until(lambda: _hits(one) == 1)
        (finding,) = semantic_cache(one.loaded)
        assert (finding.status, f"begin with {prefix}:" in finding.said) == ("ok", True)


def test_processes_share_it(prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one learned is served by another, and by a third after both were killed."""
    monkeypatch.setenv("SCRIMP_REDIS_URL", redis().url)
    plan = SemanticPlan("redis", tmp_path, url=redis().url, schema=prefix)
    more = table(prefix)
    with Simulator() as sim:
        with (
            GatewayProcess(sim.url, tmp_path / "one", more=more) as one,
            GatewayProcess(sim.url, tmp_path / "two", more=more) as two,
        ):
            told(one.url, ROOT)
            until(lambda: sum(kept.groups for kept in asyncio.run(look(plan, system_clock()))) == 1)
            assert by_meaning(told(two.url, AGAIN))
        with GatewayProcess(sim.url, tmp_path / "three", more=more) as three:
            assert by_meaning(told(three.url, THIRD))
        assert sent(sim) == 1


def test_tenants_on_one_server_share_nothing(prefix: str) -> None:
    """The same text of two keys, over two gateways: each asks for itself, and finds its own."""
    keys = {name: f"sk-scrimp-{name}" for name in ("ana", "ben")}
    tables = "".join(
        f'[[keys]]\nname = "{name}"\nsha256 = "{hashlib.sha256(key.encode()).hexdigest()}"\n'
        for name, key in keys.items()
    )
    url, more = redis().url, table(prefix, tables)
    with (
        Simulator() as sim,
        gateway(sim.url, more=more, semantic_url=url) as one,
        gateway(sim.url, more=more, semantic_url=url) as two,
    ):
        for here, name in ((one, "ana"), (two, "ben")):
            assert not by_meaning(ask(here, ROOT, key=keys[name]))
        assert sent(sim) == 2
        for here, name in ((one, "ben"), (two, "ana")):
            assert by_meaning(ask(here, AGAIN, key=keys[name]))
        assert sent(sim) == 2
        with client.Redis(port=redis().port) as link:
            found = link.keys(f"{prefix}:m1:v:*")
        assert isinstance(found, list)
        assert len(found) == 2  # a set of vectors for each


def test_calls_go_on_while_it_is_away(prefix: str, own: RedisServer) -> None:
    """The trace and the doctor say so; when it is back, so is what it had."""
    with Simulator() as sim, gateway(sim.url, more=table(prefix), semantic_url=own.url) as one:
        ask(one, ROOT)
        assert by_meaning(ask(one, AGAIN))
        own.kill()
        try:
            away = ask(one, AGAIN)
            assert "semantic_cache=skipped" in away.headers["x-scrimp-trace"]
            (finding,) = semantic_cache(one.loaded)
            assert (finding.status, "$SCRIMP_REDIS_URL" in finding.way_out) == ("fail", True)
        finally:
            own.start()
        until(lambda: by_meaning(ask(one, AGAIN)))


def test_one_without_vector_search_is_named_and_never_in_the_way(
    prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At the start, by the doctor and in each trace."""
    with (
        RedisServer() as old,
        Simulator() as sim,
        gateway(sim.url, more=table(prefix), semantic_url=old.url) as one,
    ):
        until(lambda: "Redis 8.0 or newer is needed" in caplog.text)
        for _ in range(2):
            assert "semantic_cache=skipped" in ask(one, ROOT).headers["x-scrimp-trace"]
        (finding,) = semantic_cache(one.loaded)
        assert finding.status == "fail"
        assert "Valkey" in finding.said
        assert "postgres" in finding.way_out
        assert sent(sim) == 2


def test_the_doctor_warns_of_a_server_that_drops_what_it_likes(
    prefix: str, own: RedisServer
) -> None:
    """With the policy that suits both caches."""
    own.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    caches = f'{table(prefix)}engine = "redis"\n'.replace("enabled = false", "enabled = true")
    with gateway(
        "http://127.0.0.1:9", more=caches, semantic_url=own.url, cache_url=own.url
    ) as both:
        (finding,) = cache(both.loaded)
        assert finding.way_out == "set its maxmemory, and maxmemory-policy volatile-lru"
    with Simulator() as sim, gateway(sim.url, more=table(prefix), semantic_url=own.url) as one:
        warned, used = semantic_cache(one.loaded)
        assert (warned.status, "volatile-lru" in warned.way_out) == ("warn", True)
        assert used.status == "ok"


def _hits(one: RunningGateway) -> int:
    found = semantic_stats(one.loaded, {}, None, None) or {}
    return sum(scope["hits"] for scope in found["scopes"])
