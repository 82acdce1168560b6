"""A model in a thread: loaded once, off the loop, bounded, and never longer than its limit."""

from __future__ import annotations

import asyncio
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scrimp.embedders.threaded import ThreadedEmbedder, ThreadLimits
from scrimp.errors import ConfigError, StoreError
from tests.support.embedding import FakeModel, numbers_of, soon

SECRET = "my account number is 4711"


@asynccontextmanager
async def opened(
    model: FakeModel, limits: ThreadLimits | None = None
) -> AsyncIterator[ThreadedEmbedder]:
    """An embedder that is closed at the end."""
    embedder = ThreadedEmbedder(model, limits or ThreadLimits())
    try:
        yield embedder
    finally:
        await embedder.close()


async def begun(model: FakeModel) -> None:
    """Wait until the model works."""
    assert await asyncio.to_thread(model.begun.wait, 10)


async def works(embedder: ThreadedEmbedder) -> bool:
    """Whether it embeds again."""
    try:
        return len(await embedder.embed(("c",))) == 1
    except StoreError:
        return False


async def test_vectors_come_in_order_and_from_another_thread() -> None:
    """One vector per text, in turns of at most 16, none of them on the loop's thread."""
    model = FakeModel()
    texts = tuple("x" * number for number in range(40))
    async with opened(model) as embedder:
        vectors = await embedder.embed(texts)
        assert (embedder.id, embedder.dims) == ("fake/1", 4)
    assert vectors == tuple(struct.pack("<4f", *numbers_of(text)) for text in texts)
    assert [len(turn) for turn in model.turns] == [16, 16, 8]
    assert threading.current_thread().name not in model.threads


async def test_nothing_is_loaded_before_it_is_needed_and_then_once() -> None:
    """Many callers at once load one model; an empty request needs none."""
    model = FakeModel()
    async with opened(model, ThreadLimits(threads=3)) as embedder:
        assert await embedder.embed(()) == ()
        assert model.loads == 0
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(embedder.embed((str(number),)))
    assert model.loads == 1


async def test_run_loads_ahead() -> None:
    """After `run` no call waits for loading; a failure there is told by the next call."""
    model = FakeModel()
    async with opened(model) as embedder:
        await embedder.run()
        assert (model.loads, model.turns) == (1, [])
    model = FakeModel()
    model.load_errors = iter([ConfigError("the model is not installed")])
    async with opened(model) as embedder:
        await embedder.run()
        with pytest.raises(StoreError, match="the model is not installed"):
            await embedder.embed(("a",))
    assert model.loads == 1


async def test_a_failed_load_is_tried_again_later() -> None:
    """Not for every call, but after its pause."""
    model = FakeModel()
    model.load_errors = iter([OSError("disk"), None])
    async with opened(model, ThreadLimits(load_again_s=0)) as embedder:
        with pytest.raises(StoreError, match=r"cannot be loaded \(OSError at embedding.py"):
            await embedder.embed(("a",))
        assert len(await embedder.embed(("a",))) == 1
    assert model.loads == 2


async def test_a_failure_of_the_library_is_told_without_the_text() -> None:
    """Its own words may hold a prompt."""
    model = FakeModel()
    model.error = ValueError(f"cannot embed {SECRET}")
    async with opened(model) as embedder:
        with pytest.raises(StoreError, match="'fake/1' failed") as caught:
            await embedder.embed((SECRET,))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_slow_model_costs_a_caller_its_limit_and_then_nothing() -> None:
    """Who waited is told; while the thread hangs, others are refused at once; then it goes on."""
    gate = threading.Event()
    model = FakeModel(gate=gate)
    async with opened(model, ThreadLimits(timeout_s=0.01)) as embedder:
        with pytest.raises(StoreError, match=r"was not done within 0\.01 s"):
            await embedder.embed(("a",))
        with pytest.raises(StoreError, match="stuck: 1 of 1 threads"):
            await embedder.embed(("b",))
        gate.set()
        await soon(lambda: works(embedder))
    assert ["b"] not in model.turns


async def test_only_so_many_may_wait() -> None:
    """The queue is bounded, and says so with both numbers."""
    gate = threading.Event()
    model = FakeModel(gate=gate)
    async with opened(model, ThreadLimits(waiting=2, timeout_s=10)) as embedder:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(embedder.embed((str(number),))) for number in range(3)]
            await begun(model)
            with pytest.raises(StoreError, match="busy: 3 turns wait or run, at most 3 may"):
                await embedder.embed(("one more",))
            gate.set()
        assert [len(task.result()) for task in tasks] == [1, 1, 1]


async def test_a_caller_that_leaves_does_no_harm() -> None:
    """Cancelled while it waits, its text is never embedded; the others get theirs."""
    gate = threading.Event()
    model = FakeModel(gate=gate)
    async with opened(model, ThreadLimits(timeout_s=10)) as embedder:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(embedder.embed(("first",)))
            await begun(model)
            leaving = group.create_task(embedder.embed(("leaving",)))
            last = group.create_task(embedder.embed(("last",)))
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.sleep(0)
            gate.set()
        assert leaving.cancelled()
        assert len(first.result()) == len(last.result()) == 1
    assert model.turns == [["first"], ["last"]]


async def test_closing_refuses_what_waits() -> None:
    """What runs ends, what waits gets a StoreError and not a cancellation, nothing begins."""
    gate = threading.Event()
    model = FakeModel(gate=gate)
    embedder = ThreadedEmbedder(model, ThreadLimits(timeout_s=10))
    async with asyncio.TaskGroup() as group:
        runs = group.create_task(embedder.embed(("runs",)))
        await begun(model)
        waits = group.create_task(_refused(embedder, "waits"))
        await asyncio.sleep(0)
        closing = group.create_task(embedder.close())
        await waits
        gate.set()
        await closing
    assert len(runs.result()) == 1
    assert "closed" in waits.result()
    assert "is closed" in await _refused(embedder, "later")
    await embedder.close()


async def _refused(embedder: ThreadedEmbedder, text: str) -> str:
    with pytest.raises(StoreError) as caught:
        await embedder.embed((text,))
    return str(caught.value)


async def test_closing_does_not_wait_for_a_model_that_hangs() -> None:
    """It gives up after the limit."""
    gate = threading.Event()
    model = FakeModel(gate=gate)
    embedder = ThreadedEmbedder(model, ThreadLimits(timeout_s=0.01))
    with pytest.raises(StoreError):
        await embedder.embed(("a",))
    await embedder.close()
    gate.set()


def test_a_model_that_hangs_does_not_hold_the_process_back() -> None:
    """A process that has closed its embedder ends, though a thread of it never will."""
    code = """
import asyncio, threading
from scrimp.embedders.threaded import ThreadedEmbedder, ThreadLimits
from scrimp.errors import StoreError
from tests.support.embedding import FakeModel

async def main():
    embedder = ThreadedEmbedder(FakeModel(gate=Never()), ThreadLimits(timeout_s=0.01))
    try:
        await embedder.embed(("a",))
    except StoreError as error:
        print(error)
    await embedder.close()

class Never(threading.Event):
    def wait(self, timeout=None):
        while True:
            super().wait()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "was not done within 0.01 s" in done.stdout
