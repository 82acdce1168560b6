"""The endpoint embedder against a real server: batches over HTTP, and every way to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest

from scrimp.embedders.endpoint import Spent
from scrimp.embedders.opened import EmbedderPlan, open_embedder
from scrimp.errors import StoreError
from scrimp.meanings import Embedder
from scrimp.simulator import Simulator
from scrimp.upstreams.http import Endpoint, HttpUpstream
from tests.support.embedding import running

MODEL = "text-embedding-3-small"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A running simulator."""
    with Simulator() as made:
        yield made


@asynccontextmanager
async def opened(
    base_url: str, spent: list[Spent], plan: EmbedderPlan | None = None
) -> AsyncIterator[Embedder]:
    """An embedder over the gateway's own HTTP client."""
    upstream = HttpUpstream({"p": Endpoint(base_url, (("authorization", "Bearer sk-x"),))})
    plan = plan or EmbedderPlan("endpoint", MODEL, provider="p", timeout_s=5, remember=0)
    made = open_embedder(plan, upstream, spent.append)

    class Both:
        run = staticmethod(made.run)
        close = made.embedder.close

    try:
        async with running(Both()):
            yield made.embedder
    finally:
        await upstream.close()


async def test_many_callers_share_requests(sim: Simulator) -> None:
    """Two hundred calls become a few requests; each caller has its own vector; all is booked."""
    spent: list[Spent] = []
    texts = [f"question number {number}" for number in range(200)]
    async with opened(sim.openai_url, spent) as embedder:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(embedder.embed((text,))) for text in texts]
        found = [task.result()[0] for task in tasks]
        whole = await embedder.embed(tuple(texts))
    assert found == list(whole)
    assert len(set(found)) == 200
    assert np.allclose([np.linalg.norm(np.frombuffer(one, "<f4")) for one in found], 1, atol=1e-5)
    assert [one.texts for one in spent] == [100, 100, 100, 100]
    assert sum(one.input_tokens or 0 for one in spent) == sum(
        row.usage.input_tokens for row in sim.bill.rows
    )


@pytest.mark.parametrize(
    "fault", ["429", "500", "503", "cut=120", "reset=120", "hangup", "early-end", "html-200"]
)
async def test_one_failure_is_not_seen(sim: Simulator, fault: str) -> None:
    """The second try brings the vectors."""
    async with opened(sim.openai_url, []) as embedder:
        right = await embedder.embed(("one", "two"))
        sim.fault(fault, count=1)
        assert await embedder.embed(("one", "two")) == right


@pytest.mark.parametrize("fault", ["429", "500", "hangup", "cut=120", "html-200", "timeout"])
async def test_a_server_that_stays_away_costs_little(sim: Simulator, fault: str) -> None:
    """An error within the limit, then one at once; and it is found again when it is back."""
    plan = EmbedderPlan("endpoint", MODEL, provider="p", timeout_s=0.5, remember=0)
    async with opened(sim.openai_url, [], plan) as embedder:
        sim.fault(fault)
        async with asyncio.timeout(60):
            with pytest.raises(StoreError, match="embedder 'p:text-embedding-3-small/1536/1'"):
                await embedder.embed(("one", "two"))
            with pytest.raises(StoreError, match=r"did not answer|is asked again in"):
                await embedder.embed(("three",))
        sim.no_faults()
        async with asyncio.timeout(60):
            await _back(embedder)


async def _back(embedder: Embedder) -> None:
    for _ in range(1000):
        with suppress(StoreError):
            await embedder.embed(("four",))
            return
        await asyncio.sleep(0.02)


async def test_other_lengths_than_expected_are_refused(sim: Simulator) -> None:
    """A model that makes other vectors than the settings say would poison an index."""
    plan = EmbedderPlan("endpoint", "text-embedding-ada-002", 768, provider="p", timeout_s=5)
    async with opened(sim.openai_url, [], plan) as embedder:
        with pytest.raises(StoreError, match="has 1536 numbers, 768 are expected"):
            await embedder.embed(("one",))


async def test_a_text_that_is_too_long_sinks_nobody_else(sim: Simulator) -> None:
    """The endpoint refuses the whole request for it; the others have their vectors."""
    async with opened(sim.openai_url, []) as embedder:

        async def one(text: str) -> str:
            try:
                return f"{len(await embedder.embed((text,)))} vector"
            except StoreError as error:
                return str(error)

        texts = ["short", "1a" * 8_000, "also short", ""]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(text)) for text in texts]
        found = [task.result() for task in tasks]
    assert "does not take a text" in found.pop(1)
    assert found == ["1 vector"] * 3


async def test_nobody_there(sim: Simulator) -> None:
    """A closed port is an error at once."""
    url = sim.openai_url
    sim.__exit__(None, None, None)
    async with opened(url, []) as embedder:
        with pytest.raises(StoreError, match="cannot be reached"):
            await embedder.embed(("one",))
