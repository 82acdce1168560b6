"""What a provider's embeddings cost the semantic cache: booked, held by budgets, in no saving."""

from __future__ import annotations

import asyncio

import pytest

from scrimp.cli.cache_semantic import semantic_stats, show_semantic
from scrimp.ports import Entry
from scrimp.simulator import Simulator
from tests.support import raw_http
from tests.support.gateway import RunningGateway, gateway
from tests.support.raw_http import Answer
from tests.support.spoken import OPENAI

SETTINGS = """
[semantic_cache]
enabled = true
threshold = 0.0
limit_s = 10
embedder = "endpoint"
embedder_provider = "openai"
embedder_model = "text-embedding-3-small"
"""
FIRST, SECOND = "How do I reset my password?", "Which trains run from Oslo to Bergen?"


def ask(one: RunningGateway, text: str) -> Answer:
    """One call, once all that was to learn from it is learned."""
    body = OPENAI.body(messages=OPENAI.question(text))
    answer = raw_http.ask(one.url, raw_http.request(OPENAI.path, body, OPENAI.headers))
    assert answer.status == 200, answer.body
    meanings = one.app.meanings
    assert meanings is not None
    loop = one._loop
    asyncio.run_coroutine_threadsafe(meanings.later.drained(), loop).result(30)
    one.settle()
    return answer


def embedding(entries: list[Entry]) -> list[Entry]:
    """Those of Scrimp's own embeddings."""
    return [entry for entry in entries if entry.purpose == "embed"]


def test_embeddings_are_entries_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    """The ledger is the provider's bill, to the nano-dollar, and what is saved is net of them."""
    with Simulator() as sim, gateway(sim.url, more=SETTINGS) as one:
        ask(one, FIRST)
        ask(one, SECOND)
        entries = one.entries()
        mine = embedding(entries)
        assert len(mine) >= 2
        assert {(entry.operation, entry.tenant, entry.tags) for entry in mine} == {
            ("embeddings", "scrimp", ("scrimp-embedding",))
        }
        assert sum(entry.cost_nanousd or 0 for entry in entries) == sim.bill.total_nanousd
        cost = sum(entry.cost_nanousd or 0 for entry in mine)
        saved = sum(dict(entry.saved).get("semantic_cache", 0) for entry in entries)
        told = semantic_stats(one.loaded, {"semantic": {"scopes": []}}, None, None)
        assert told is not None
        assert (told["embedding_nanousd"], told["saved_nanousd"]) == (cost, saved)
        assert told["net_nanousd"] == saved - cost
        assert cost > 0
        show_semantic(told)
        assert "for embeddings" in capsys.readouterr().out


def test_a_budget_of_embeddings_ends_look_ups_and_no_call() -> None:
    """The trace says why; the call is answered."""
    budget = '[budgets.embeddings]\ntag = "scrimp-embedding"\nusd = 0.000000001\nper = "day"\n'
    with Simulator() as sim, gateway(sim.url, more=SETTINGS + budget) as one:
        answer = ask(one, FIRST)
        assert "semantic_cache=skipped" in answer.headers["x-scrimp-trace"]
        client = [entry for entry in one.entries() if entry.purpose == "client"]
        (line,) = [line for line in client[-1].trace if line.lever == "semantic_cache"]
        assert "budget" in str(dict(line.numbers)["reason"])
        assert all(request.path.endswith("/chat/completions") for request in sim.requests)


@pytest.mark.parametrize("fault", ["500", "429", "hangup"])
def test_a_provider_of_embeddings_that_fails_costs_no_call(fault: str) -> None:
    """It is skipped, and comes back."""
    with Simulator() as sim, Simulator() as broken:
        providers = (
            f'[providers.openai]\nbase_url = "{sim.url}/v1"\nkey_env = "OPENAI_KEY"\n'
            'dialects = ["openai.chat"]\n'
            f'[providers.vectors]\nbase_url = "{broken.url}/v1"\nkey_env = "OPENAI_KEY"\n'
            'dialects = ["openai.embeddings"]\nprices_as = "openai"\n'
        )
        more = SETTINGS.replace('"openai"', '"vectors"')
        with gateway(sim.url, more=more, providers=providers) as one:
            broken.fault(fault, count=50)
            assert "semantic_cache=skipped" in ask(one, FIRST).headers["x-scrimp-trace"]
