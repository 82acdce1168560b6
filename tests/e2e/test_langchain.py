"""LangChain's own OpenAI client with our cache and our callback, and a simulator behind."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from scrimp.errors import ConfigError
from scrimp.integrations.langchain import ScrimpCache, scrimp_callback
from scrimp.money import decimal_usd
from scrimp.simulator import Simulator
from tests.support.library import Library
from tests.support.redis_server import RedisServer

ENGINES = ("memory", "file", "redis")


@pytest.fixture(autouse=True)
def no_cache_stays() -> Iterator[None]:
    """LangChain's cache is global: none is left to other tests."""
    yield
    set_llm_cache(None)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A provider."""
    with Simulator() as one:
        yield one


@pytest.fixture(params=ENGINES)
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ScrimpCache]:
    """A cache in each kind of store."""
    match request.param:
        case "memory":
            with ScrimpCache() as one:
                yield one
        case "file":
            with ScrimpCache(tmp_path / "replies.sqlite") as one:
                yield one
        case _:
            with RedisServer() as server, ScrimpCache(redis_url=server.url) as one:
                yield one


def chat(sim: Simulator, model: str = "gpt-4o-mini", base: str = "", **more: Any) -> ChatOpenAI:
    """LangChain's client; it tries once."""
    key = SecretStr("sk-mine")
    url = f"{base or sim.url}/v1"
    return ChatOpenAI(model=model, base_url=url, api_key=key, max_retries=0, **more)


def sent(sim: Simulator) -> int:
    """How many calls have reached the provider."""
    return len(sim.requests)


def test_the_second_call_is_not_sent(sim: Simulator, cache: ScrimpCache) -> None:
    """The same prompt and parameters are answered from the store; others are sent."""
    set_llm_cache(cache)
    first = chat(sim).invoke("What is the capital of France?")
    again = chat(sim).invoke("What is the capital of France?")
    assert sent(sim) == 1
    assert (again.content, again.response_metadata) == (first.content, first.response_metadata)
    chat(sim).invoke("What is the capital of Italy?")
    chat(sim, "gpt-4o").invoke("What is the capital of France?")
    chat(sim, temperature=0.3).invoke("What is the capital of France?")
    assert sent(sim) == 4
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.entries) == (1, 4, 4)
    cache.clear()
    chat(sim).invoke("What is the capital of France?")
    assert sent(sim) == 5


async def test_the_second_awaited_call_is_not_sent(sim: Simulator, cache: ScrimpCache) -> None:
    """The same, awaited; what a thread stored answers a task, and the other way round."""
    set_llm_cache(cache)
    first = await chat(sim).ainvoke("hello")
    again = await chat(sim).ainvoke("hello")
    in_a_thread = await asyncio.to_thread(chat(sim).invoke, "hello")
    assert sent(sim) == 1
    assert first.content == again.content == in_a_thread.content
    assert (await cache.astats()).hits == 2
    await cache.aclear()
    await chat(sim).ainvoke("hello")
    assert sent(sim) == 2


def test_a_file_is_shared_and_survives(sim: Simulator, tmp_path: Path) -> None:
    """Another cache on the same file answers; one of another tenant does not."""
    path = tmp_path / "replies.sqlite"
    with ScrimpCache(path) as cache:
        chat(sim, cache=cache).invoke("hello")
    with ScrimpCache(path) as cache:
        chat(sim, cache=cache).invoke("hello")
    assert sent(sim) == 1
    with ScrimpCache(path, tenant="other") as cache:
        chat(sim, cache=cache).invoke("hello")
        assert cache.stats().misses == 1
    assert sent(sim) == 2
    assert path.stat().st_mode & 0o077 == 0


def test_a_cut_answer_is_not_remembered(sim: Simulator) -> None:
    """The next one may be longer."""
    with ScrimpCache() as cache:
        short = chat(sim, cache=cache, max_completion_tokens=3)
        assert short.invoke("Tell me of Rome").response_metadata["finish_reason"] == "length"
        short.invoke("Tell me of Rome")
    assert sent(sim) == 2


def test_a_redis_url_that_is_none_is_refused_when_the_cache_is_made() -> None:
    """Not by the first call of a model; a server that is away is another matter."""
    with pytest.raises(ConfigError, match="URL of Redis cannot be read"):
        ScrimpCache(redis_url="localhost")


def test_a_dead_store_is_a_miss(sim: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """The call is answered all the same; the log says so once."""
    with RedisServer() as server:
        url = server.url
    with ScrimpCache(redis_url=url) as cache:
        client = chat(sim, cache=cache)
        assert client.invoke("hello").content
        assert client.invoke("hello").content
        assert cache.skipped == 4
    assert sent(sim) == 2
    assert [record.name for record in caplog.records].count("scrimp.langchain") == 1


def test_costs_are_the_providers_bill(sim: Simulator) -> None:
    """Answers, streams, tools and reasoning, several models: equal to the nano-dollar."""
    with scrimp_callback() as spent:
        chat(sim).invoke("What is the capital of France?")
        chat(sim, "gpt-4o").bind_tools([{"name": "look", "parameters": {}}]).invoke("hello")
        chat(sim, "o4-mini").invoke("What is 17 times 23?")
        chat(sim).batch(["one", "two", "three"])
        assert len(list(chat(sim, stream_usage=True).stream("Tell me of Rome"))) > 3
        chat(sim, use_responses_api=True).invoke("hello")
        assert spent.total_nanousd == sim.bill.total_nanousd > 0
    rows = sim.bill.rows
    assert spent.total_cost == Decimal(decimal_usd(sim.bill.total_nanousd))
    assert spent.successful_requests == len(rows) == 8
    assert spent.prompt_tokens == sum(row.usage.total_input_tokens for row in rows)
    assert spent.completion_tokens == sum(row.usage.total_output_tokens for row in rows)
    assert spent.total_tokens == spent.prompt_tokens + spent.completion_tokens
    assert spent.reasoning_tokens > 0
    chat(sim).invoke("outside")
    assert spent.successful_requests == 8


async def test_awaited_costs_are_the_providers_bill(sim: Simulator) -> None:
    """Many at once, whole and as streams, in two blocks that do not mix."""

    async def block(client: ChatOpenAI, count: int) -> tuple[int, int]:
        with scrimp_callback() as spent:
            async with asyncio.TaskGroup() as group:
                for number in range(count):
                    group.create_task(client.ainvoke(f"question {number}"))
            async for _ in client.astream("Tell me of Rome"):
                pass
        return spent.successful_requests, spent.total_nanousd or 0

    one = chat(sim, stream_usage=True)
    other = chat(sim, "gpt-4o", stream_usage=True)
    async with asyncio.TaskGroup() as group:
        few, many = group.create_task(block(one, 3)), group.create_task(block(other, 9))
    assert (few.result()[0], many.result()[0]) == (4, 10)
    assert few.result()[1] + many.result()[1] == sim.bill.total_nanousd


def test_a_prompt_that_the_provider_had_cached_is_cheaper() -> None:
    """Its own prefix cache is in the numbers."""
    long = "All roads lead to Rome, says the first rule of the book. " * 300
    with Simulator(prefix_cache=True) as sim, scrimp_callback() as spent:
        for _ in range(2):
            chat(sim, "gpt-4o").invoke([("system", long), ("human", "Hi")])
    assert spent.prompt_tokens_cached >= 1024
    assert spent.total_nanousd == sim.bill.total_nanousd


def test_what_the_cache_answers_is_free(sim: Simulator) -> None:
    """It is counted as such, and its tokens are not counted again."""
    with ScrimpCache() as cache, scrimp_callback() as spent:
        client = chat(sim, cache=cache)
        client.invoke("hello")
        tokens = spent.total_tokens
        client.invoke("hello")
    assert (spent.successful_requests, spent.totals.cached_requests) == (1, 1)
    assert (spent.total_tokens, spent.total_nanousd) == (tokens, sim.bill.total_nanousd)


def test_an_unknown_cost_is_said(sim: Simulator) -> None:
    """A stream without usage, and a provider that nobody knows: never $0."""
    with scrimp_callback() as spent:
        list(chat(sim, stream_usage=False).stream("hello"))
    assert (spent.total_cost, spent.total_nanousd) == (None, None)
    assert "stream_usage=True" in str(spent.totals)
    with scrimp_callback(prices_as="nobody") as spent:
        chat(sim).invoke("hello")
    assert spent.total_cost is None
    assert spent.total_tokens > 0
    assert "'nobody'" in str(spent.totals)


def test_a_refusal_costs_nothing(sim: Simulator) -> None:
    """It is counted as failed."""
    with scrimp_callback() as spent:
        with pytest.raises(openai.NotFoundError):
            chat(sim, "no-such-model").invoke("hello")
        chat(sim).invoke("hello")
    assert (spent.totals.failed_requests, spent.successful_requests) == (1, 1)
    assert spent.total_nanousd == sim.bill.total_nanousd


def test_a_failure_that_may_be_billed_is_unknown(sim: Simulator) -> None:
    """A provider that cannot be reached has not refused."""
    with scrimp_callback() as spent, pytest.raises(openai.APIConnectionError):
        chat(sim, base="http://127.0.0.1:9").invoke("hello")
    assert (spent.totals.failed_requests, spent.total_cost) == (1, None)


def test_blocks_in_blocks_count_each_run_once(sim: Simulator) -> None:
    """Also where LangChain itself hands the outer block's callback on."""

    def step(text: str) -> str:
        with scrimp_callback() as inner:
            chat(sim).invoke(text)
        assert inner.successful_requests == 1
        return text

    with scrimp_callback() as outer:
        RunnableLambda(step).invoke("hello")
        step("again")
    assert outer.successful_requests == 2
    assert outer.total_nanousd == sim.bill.total_nanousd


async def test_runs_are_booked_in_the_ledger(lib: Library) -> None:
    """Once each, with the provider's bill, under the user that was named."""
    with scrimp_callback(engine=lib.scrimp, user="anna", tags=("nightly",)) as spent:
        chat(lib.sim).invoke("hello")
        await chat(lib.sim, "gpt-4o").ainvoke("hello")
    entries = lib.entries()
    billed = sorted(row.billed_nanousd for row in lib.sim.bill.rows)
    assert sorted(entry.cost_nanousd or 0 for entry in entries) == billed
    assert {(entry.user, entry.tags, entry.served_by) for entry in entries} == {
        ("anna", ("nightly",), "recorded")
    }
    assert spent.total_nanousd == lib.sim.bill.total_nanousd
    assert spent.totals.unbooked_requests == 0


def test_a_ledger_that_is_closed_hides_no_cost(lib: Library) -> None:
    """The run is counted and priced, and said to be in no ledger."""
    with scrimp_callback(engine=lib.scrimp) as spent:
        lib.scrimp.close()
        chat(lib.sim).invoke("hello")
    assert (spent.successful_requests, spent.totals.unbooked_requests) == (1, 1)
    assert spent.total_nanousd == lib.sim.bill.total_nanousd


def test_the_examples_of_the_guide_run(sim: Simulator, tmp_path: Path) -> None:
    """docs/langchain.md as it stands, in a process of its own."""
    guide = (Path(__file__).parents[2] / "docs" / "langchain.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    assert len(blocks) == 4
    environ = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "SCRIMP_STATE": str(tmp_path / "state"),
        "OPENAI_API_KEY": "sk-mine",
        "OPENAI_BASE_URL": f"{sim.url}/v1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "1 1"
    assert done.stdout.splitlines()[1].startswith("about ")
    assert len(sim.requests) >= 7  # what judges ask depends on how soon the model is there


def test_scrimp_does_not_import_langchain() -> None:
    """It is an extra: neither the package, nor its engine, nor its command line need it."""
    program = (
        "import sys, scrimp.client.face, scrimp.cli.main; print('langchain_core' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "False"


def test_without_the_extra_the_way_out_is_named() -> None:
    """In the error of the import."""
    program = (
        "import sys; sys.modules['langchain_core'] = None; import scrimp.integrations.langchain"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert "pip install 'scrimp[langchain]'" in done.stderr
