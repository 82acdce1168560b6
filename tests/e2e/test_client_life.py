"""The library among threads, event loops, forks and exits: nothing hangs, nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

import scrimp
from scrimp.client.engine import ClosedError
from scrimp.simulator import Simulator
from tests.support.endless import Endless
from tests.support.library import Library, entries_of, library, settings_for
from tests.support.stage import until

MODEL = "gpt-4o-mini"
_LIMIT_S = 0.1
_TIMES = 5


@pytest.fixture
def slow() -> Iterator[Library]:
    """A provider that speaks slowly enough to be interrupted."""
    with library(per_token_ms=10) as both:
        yield both


def gpt(lib: Library) -> openai.OpenAI:
    """OpenAI's client, wrapped."""
    return lib.scrimp.wrap(openai.OpenAI(base_url=lib.openai_url, api_key="sk-mine"))


def agpt(lib: Library) -> openai.AsyncOpenAI:
    """The same, awaited."""
    return lib.scrimp.wrap(openai.AsyncOpenAI(base_url=lib.openai_url, api_key="sk-mine"))


def chat(text: str) -> dict[str, Any]:
    """The arguments of one chat."""
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]}


def asked(lib: Library, calls: int) -> bool:
    """True once so many calls have reached the provider."""
    return len(lib.sim.requests) == calls


def ended_after_s(sim: Simulator, left_s: float) -> float:
    """How long after that moment the provider saw its newest connection end."""
    until(lambda: all(one.closed_s is not None for one in sim.connections))
    newest = max(sim.connections, key=lambda one: one.number)
    assert newest.closed_by == "client"
    assert newest.closed_s is not None
    return newest.closed_s - left_s


def test_nothing_runs_before_the_first_use(tmp_path: Path) -> None:
    """No thread, no file; closing what was never used is nothing, too."""
    threads = threading.active_count()
    with scrimp.Scrimp({"state_dir": str(tmp_path / "state")}) as one:
        one.wrap(openai.OpenAI(api_key="sk-mine"))
        assert not one.report().total.calls
    assert threading.active_count() == threads
    assert not list(tmp_path.iterdir())


def test_closing_books_everything_and_ends_the_thread(lib: Library) -> None:
    """Afterwards a wrapped client says what has happened, and closing again is nothing."""
    others = set(threading.enumerate())
    client = gpt(lib)
    client.chat.completions.create(**chat("hello"))
    lib.scrimp.close()
    lib.scrimp.close()
    assert "scrimp-engine" not in {one.name for one in set(threading.enumerate()) - others}
    assert len(entries_of(lib.scrimp)) == 1
    with pytest.raises(ClosedError, match="closed"):
        client._client.post(f"{lib.openai_url}/chat/completions", json=chat("again"))


def test_fifty_threads_share_one_engine(lib: Library) -> None:
    """Each gets its own answer; one thread serves them; every call is booked once."""
    others = set(threading.enumerate())
    client = gpt(lib)

    def ask(number: int) -> str:
        said = client.chat.completions.create(**chat(f"question {number}"))
        stream = client.chat.completions.create(**chat(f"question {number}"), stream=True)
        streamed = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
        assert streamed == said.choices[0].message.content
        return streamed

    with ThreadPoolExecutor(50) as pool:
        said = list(pool.map(ask, range(100)))
    assert len(said) == 100
    begun = [one.name for one in set(threading.enumerate()) - others]
    assert begun.count("scrimp-engine") == 1
    entries = lib.entries()
    assert len(entries) == 200
    assert sum(entry.cost_nanousd or 0 for entry in entries) == lib.sim.bill.total_nanousd


def test_one_client_serves_one_event_loop_after_another(lib: Library) -> None:
    """What breaks the pools of a bare client: `asyncio.run` again and again."""
    client = agpt(lib)

    async def ask(number: int) -> int:
        several = (client.chat.completions.create(**chat(f"{number} {n}")) for n in range(3))
        return len(await asyncio.gather(*several))

    assert [asyncio.run(ask(number)) for number in range(4)] == [3, 3, 3, 3]
    assert len(lib.entries()) == 12


def test_event_loops_in_several_threads_share_one_client(lib: Library) -> None:
    """Each loop is woken by its own answers only."""
    client = agpt(lib)

    async def ask(number: int) -> str:
        stream = await client.chat.completions.create(**chat(f"{number}"), stream=True)
        return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda number: asyncio.run(ask(number)), range(16)))
    assert all(said)
    assert len(lib.entries()) == 16


async def test_a_blocking_client_works_inside_a_running_loop(lib: Library) -> None:
    """As in a notebook's cell: the loop is the engine's own, so nothing waits for itself."""
    assert gpt(lib).chat.completions.create(**chat("hello")).choices[0].message.content
    assert lib.scrimp.ask("And now?", model=MODEL).answer
    assert (await lib.scrimp.aask("And now?", model=MODEL)).cached
    assert (await lib.scrimp.areport()).total.calls == 3


def test_letting_go_of_a_stream_ends_the_providers_work(slow: Library) -> None:
    """Within 100 ms, by closing it in the middle; the entry has bounds around the bill."""
    client = gpt(slow)
    waits: list[float] = []
    for number in range(_TIMES):
        stream = client.chat.completions.create(**chat(f"{number}"), stream=True)
        next(iter(stream))
        left_s = time.monotonic()
        stream.close()
        waits.append(ended_after_s(slow.sim, left_s))
    assert statistics.median(waits) < _LIMIT_S
    until(lambda: len(slow.entries()) == _TIMES)
    for entry, row in zip(slow.entries(), slow.sim.bill.rows, strict=True):
        assert (entry.outcome, entry.cost_basis) == ("cancelled", "estimate")
        assert entry.cost_low_nanousd is not None
        assert entry.cost_high_nanousd is not None
        assert entry.cost_low_nanousd <= row.billed_nanousd <= entry.cost_high_nanousd


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_cancelling_a_task_ends_the_providers_work(slow: Library, *, stream: bool) -> None:
    """Within 100 ms, whether it waits for the answer or for its next piece."""
    client = agpt(slow)
    waits: list[float] = []

    async def ask(number: int) -> None:
        answer: Any = await client.chat.completions.create(**chat(f"{number}"), stream=stream)
        if stream:
            async for _ in answer:
                begun.set()

    for number in range(_TIMES):
        begun = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(ask(number))
            if stream:
                await begun.wait()
            else:
                await asyncio.to_thread(until, partial(asked, slow, number + 1))
            left_s = time.monotonic()
            task.cancel()
        waits.append(await asyncio.to_thread(ended_after_s, slow.sim, left_s))
    assert statistics.median(waits) < _LIMIT_S
    await asyncio.to_thread(until, lambda: len(slow.entries()) == _TIMES)
    assert {entry.outcome for entry in slow.entries()} == {"cancelled"}


def test_a_stream_that_nobody_holds_is_let_go(slow: Library) -> None:
    """Without a word of the program, when the last reference to it is gone."""
    client = gpt(slow)
    stream = client.chat.completions.create(**chat("hello"), stream=True)
    next(iter(stream))
    del stream
    gc.collect()  # of all that the tests have made: it may take a second itself
    assert ended_after_s(slow.sim, time.monotonic()) < 1


def test_who_does_not_read_makes_the_provider_wait(tmp_path: Path) -> None:
    """The memory of a stream is bounded; letting go of it ends the provider's sending."""
    with Endless() as endless, scrimp.Scrimp(settings_for(endless.url, tmp_path)) as one:
        client = one.wrap(openai.OpenAI(base_url=f"{endless.url}/v1", api_key="sk-mine"))
        stream = client.chat.completions.create(**chat("hello"), stream=True)
        next(iter(stream))
        seen: deque[int] = deque(maxlen=100)

        def stands_still() -> bool:
            seen.append(endless.sent_bytes)
            return len(seen) == 100 and len(set(seen)) == 1

        until(stands_still)
        assert endless.sent_bytes < 20_000_000
        stream.close()
        until(lambda: len(endless.ended_s) == 1)


def test_a_call_leaves_nothing_for_the_garbage_collector(lib: Library) -> None:
    """Fifty of them: no ring of objects that only the collector frees."""
    client = gpt(lib)
    transport: Any = client._client._transport
    request = client._client.build_request(
        "POST", f"{lib.openai_url}/chat/completions", json=chat("hello")
    )
    for _ in range(20):
        transport.handle_request(request).read()
    lib.entries()
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            transport.handle_request(request).read()
        lib.entries()
        assert gc.collect() < 10
    finally:
        gc.enable()


async def test_claude_in_an_event_loop_that_is_closed_under_a_stream(lib: Library) -> None:
    """A loop that ends with a stream half read: the call is over, the engine goes on."""

    def half_read() -> None:
        client = lib.scrimp.wrap(anthropic.AsyncAnthropic(base_url=lib.sim.url, api_key="sk-mine"))

        async def ask() -> None:
            stream = await client.messages.create(
                model="claude-haiku-4-5",
                max_tokens=100,
                messages=[{"role": "user", "content": "hello"}],
                stream=True,
            )
            await anext(aiter(stream))

        asyncio.run(ask())

    await asyncio.to_thread(half_read)
    assert gpt(lib).chat.completions.create(**chat("hello")).choices
