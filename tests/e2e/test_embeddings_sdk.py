"""Embeddings by OpenAI's own SDK: priced to the nano-dollar, remembered for a month."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import openai
import pytest

from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway

MODEL = "text-embedding-3-small"
TEXTS = ["a lamp", "the lamp that I bought"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A fresh simulator and gateway, and a client between them."""

    sim: Simulator
    scrimp: RunningGateway
    client: openai.OpenAI

    def served(self) -> list[str]:
        """Who answered each call."""
        return [entry.served_by for entry in self.scrimp.entries()]


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Nothing is remembered yet."""
    with (
        Simulator() as sim,
        gateway(sim.url) as scrimp,
        openai.OpenAI(base_url=scrimp.openai_url, api_key="k", max_retries=0) as client,
    ):
        yield Stage(sim, scrimp, client)


def test_embeddings_are_priced_and_remembered(stage: Stage) -> None:
    """Many inputs in one call; the second time the same vectors, free."""
    raw = stage.client.embeddings.with_raw_response.create(model=MODEL, input=TEXTS)
    fresh = raw.parse()
    again = stage.client.embeddings.create(model=MODEL, input=TEXTS)
    assert [len(one.embedding) for one in fresh.data] == [1536, 1536]
    assert again.to_dict() == fresh.to_dict()
    assert len(stage.sim.requests) == 1
    paid, free = stage.scrimp.entries()
    assert (paid.operation, paid.dialect, paid.task) == (
        "embeddings",
        "openai.embeddings",
        "embedding",
    )
    assert paid.usage.input_tokens == fresh.usage.prompt_tokens == paid.usage.total_input_tokens
    assert (paid.cost_basis, paid.cost_nanousd) == ("usage", stage.sim.bill.total_nanousd)
    assert raw.headers["x-scrimp-served-by"] == "upstream"
    assert (free.served_by, free.cost_nanousd) == ("exact_cache", 0)
    assert free.saved == (("exact_cache", stage.sim.bill.total_nanousd),)
    ttl = [dict(line.numbers)["ttl_s"] for line in paid.trace if line.lever == "exact_cache"]
    assert ttl == [30 * 24 * 3600]


def test_what_changes_a_vector_parts_the_cache(stage: Stage) -> None:
    """Model, dimensions, their form, the order of inputs; a list of one is another call, too."""
    create = stage.client.embeddings.create
    create(model=MODEL, input=TEXTS)
    create(model="text-embedding-3-large", input=TEXTS)
    create(model=MODEL, input=TEXTS, dimensions=256)
    create(model=MODEL, input=TEXTS, encoding_format="float")
    create(model=MODEL, input=TEXTS[::-1])
    create(model=MODEL, input=TEXTS[0])
    assert stage.served() == ["upstream"] * 6
    assert sum(entry.cost_nanousd or 0 for entry in stage.scrimp.entries()) == (
        stage.sim.bill.total_nanousd
    )


def test_a_request_may_rule_the_memory_of_vectors(stage: Stage) -> None:
    """By the same headers as a chat."""
    for mode in ("no-store", "default", "refresh", "only"):
        stage.client.embeddings.create(
            model=MODEL, input="a lamp", extra_headers={"x-scrimp-cache": mode}
        )
    assert stage.served() == ["upstream", "upstream", "upstream", "exact_cache"]
    with pytest.raises(openai.BadRequestError, match="no remembered answer"):
        stage.client.embeddings.create(
            model=MODEL, input="another", extra_headers={"x-scrimp-cache": "only"}
        )


async def test_the_async_client_embeds_too(stage: Stage) -> None:
    """Token ids are inputs like texts."""
    url = stage.scrimp.openai_url
    async with openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
        made = await client.embeddings.create(model=MODEL, input=[[1, 2, 3], [4]])
    assert made.usage.prompt_tokens == 4
    assert stage.scrimp.entries()[0].cost_nanousd == stage.sim.bill.total_nanousd


@pytest.mark.parametrize("fault", ["cut=900", "timeout"])
def test_broken_embeddings_are_booked_with_bounds(fault: str) -> None:
    """Input is all that they cost, and it can be counted."""
    more = "[retry]\nattempts = 1\n"
    with (
        Simulator() as sim,
        gateway(sim.url, more=more) as scrimp,
        openai.OpenAI(
            base_url=scrimp.openai_url, api_key="k", max_retries=0, timeout=0.3
        ) as client,
    ):
        sim.fault(fault, count=1)
        with pytest.raises(openai.APIError):
            client.embeddings.create(model=MODEL, input=TEXTS * 20)
        billed = sim.quiet().total_nanousd
        entry = scrimp.entries()[-1]
        assert entry.cost_basis == "estimate"
        assert entry.cost_low_nanousd is not None
        assert entry.cost_high_nanousd is not None
        assert entry.cost_low_nanousd <= billed <= entry.cost_high_nanousd
        assert entry.cost_high_nanousd > 0


def test_errors_of_embeddings_raise_the_sdks_own_classes(stage: Stage) -> None:
    """The provider's, and ours."""
    stage.sim.fault("429", count=5)
    with pytest.raises(openai.RateLimitError):
        stage.client.embeddings.create(model=MODEL, input="x")
    with pytest.raises(openai.NotFoundError):
        stage.client.embeddings.create(model="no-such-embedder", input="x")
