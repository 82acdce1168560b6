"""Answers by meaning that gateways share in a PostgreSQL, and what they do when it is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scrimp.cli.cache_semantic import semantic_stats
from scrimp.cli.doctor_semantic import semantic_cache
from scrimp.simulator import Simulator
from tests.support import raw_http
from tests.support.gateway import RunningGateway, gateway
from tests.support.raw_http import Answer
from tests.support.semantic_stores import postgres, schema_of
from tests.support.spoken import OPENAI

ROOT, AGAIN = "How do I reset my password?", "How can I reset my password?"


def ask(one: RunningGateway, text: str) -> Answer:
    """One call, once all that was to learn from it is learned."""
    body = OPENAI.body(messages=OPENAI.question(text))
    answer = raw_http.ask(one.url, raw_http.request(OPENAI.path, body, OPENAI.headers))
    assert answer.status == 200, answer.body
    meanings = one.app.meanings
    assert meanings is not None
    loop = one._loop
    asyncio.run_coroutine_threadsafe(meanings.later.drained(), loop).result(30)
    return answer


def sent(sim: Simulator) -> int:
    """How many calls have reached the provider."""
    return len(sim.requests)


@pytest.fixture
def settings(tmp_path: Path) -> str:
    """A table with a schema of its own."""
    return (
        '[semantic_cache]\nenabled = true\nthreshold = 0.8\nlimit_s = 10\nengine = "postgres"\n'
        f'url_env = "TEST_URL"\nschema = "{schema_of(tmp_path)}"\n'
    )


def test_what_one_gateway_learned_another_serves(settings: str) -> None:
    """In other words, at no cost; commands see it, and what is forgotten is served by none."""
    with (
        Simulator() as sim,
        gateway(sim.url, more=settings, semantic_url=postgres().url) as one,
        gateway(sim.url, more=settings, semantic_url=postgres().url) as two,
    ):
        ask(one, ROOT)
        again = ask(two, AGAIN)
        assert again.headers["x-scrimp-semantic-bound"] == "none"
        assert sent(sim) == 1
        body, headers = b'{"model": "gpt-4o-mini"}', {"content-type": "application/json"}
        raw_http.ask(two.url, raw_http.request("/v1/scrimp/cache/invalidate", body, headers))
        ask(one, "My password, how do I reset it?")
        assert sent(sim) == 2
        two.stop()  # it tells what it has counted
        told = semantic_stats(one.loaded, {}, None, None) or {}
        assert sum(scope["hits"] for scope in told["scopes"]) == 1
        (finding,) = semantic_cache(one.loaded)
        assert (finding.status, "schema test_" in finding.said) == ("ok", True)


def test_calls_go_on_while_it_is_away(settings: str) -> None:
    """The trace says so, and the doctor says what to do."""
    server = postgres()
    if server.outside:
        pytest.skip("SCRIMP_TEST_POSTGRES_URL names a server that is not ours to stop")
    with Simulator() as sim, gateway(sim.url, more=settings, semantic_url=postgres().url) as one:
        ask(one, ROOT)
        server.kill()
        try:
            away = ask(one, AGAIN)
            assert "semantic_cache=skipped" in away.headers["x-scrimp-trace"]
            (finding,) = semantic_cache(one.loaded)
            assert (finding.status, "$TEST_URL" in finding.way_out) == ("fail", True)
        finally:
            server.start()
        assert sent(sim) == 2
