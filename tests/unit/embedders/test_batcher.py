"""Texts of many calls become batches by size and by time, in order; nobody sinks the others."""

from __future__ import annotations

import asyncio

import pytest

from scrimp.embedders.batching import Batcher, BatchLimits, Sent
from scrimp.errors import StoreError
from tests.support.embedding import soon

LONG_S = 3600.0


class Sender:
    """Answers each text with itself; some are refused, some batches held."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.away_s = 0.0
        self.gate: asyncio.Event | None = None

    async def __call__(self, texts: list[str]) -> Sent:
        """One batch."""
        self.batches.append(texts)
        if self.gate is not None:
            await self.gate.wait()
        answers = [
            StoreError(f"refused {len(text)}") if text.startswith("bad") else text.encode()
            for text in texts
        ]
        return Sent(answers, self.away_s)


def batcher(sender: Sender, limits: BatchLimits) -> Batcher:
    """One that is named in errors."""
    return Batcher("e", sender, limits)


async def outcome(made: Batcher, *texts: str) -> tuple[bytes, ...] | str:
    """Vectors, or the error's words."""
    try:
        return await made.ask(texts)
    except StoreError as error:
        return str(error)


async def good(made: Batcher) -> bool:
    """Whether it answers."""
    return await outcome(made, "good") == (b"good",)


async def refused_at_once(made: Batcher) -> bool:
    """Whether it says why, and for how long."""
    told = await outcome(made, "b")
    why = "embedder 'e' did not answer within 0.01 s; it is asked again in "
    return isinstance(told, str) and told.startswith(why)


async def test_a_batch_leaves_when_it_is_full() -> None:
    """Its window may be long; what is left over goes with the next."""
    sender = Sender()
    made = batcher(sender, BatchLimits(size=3, window_s=LONG_S, timeout_s=10))
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run())
        tasks = [group.create_task(made.ask([f"t{number}"])) for number in range(6)]
        found = [await task for task in tasks]
        made.close()
    assert found == [(f"t{number}".encode(),) for number in range(6)]
    assert sender.batches == [["t0", "t1", "t2"], ["t3", "t4", "t5"]]


async def test_a_batch_leaves_when_its_time_is_up() -> None:
    """A text that stays alone is not kept waiting for company."""
    sender = Sender()
    made = batcher(sender, BatchLimits(size=100, window_s=0.001, timeout_s=10))
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run())
        assert await made.ask(["alone"]) == (b"alone",)
        assert await made.ask(["a", "b"]) == (b"a", b"b")
        made.close()
    assert sender.batches == [["alone"], ["a", "b"]]


async def test_a_failed_text_is_told_to_its_own_caller_alone() -> None:
    """Others of the same batch have their vectors."""
    sender = Sender()
    made = batcher(sender, BatchLimits(size=4, window_s=LONG_S, timeout_s=10))
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run())
        tasks = [
            group.create_task(outcome(made, *texts))
            for texts in (("one",), ("two", "bad"), ("three",))
        ]
        found = [await task for task in tasks]
        made.close()
    assert found == [(b"one",), "refused 3", (b"three",)]
    assert len(sender.batches) == 1


async def test_a_caller_that_leaves_is_not_asked_for() -> None:
    """Its text is in no batch; those behind it go on."""
    sender = Sender()
    made = batcher(sender, BatchLimits(size=2, window_s=LONG_S, timeout_s=10))
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(made.ask(["leaving"]))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
        group.create_task(made.run())
        assert await made.ask(["stays", "too"]) == (b"stays", b"too")
        made.close()
    assert [text for batch in sender.batches for text in batch] == ["stays", "too"]


async def test_flights_and_waiting_are_bounded() -> None:
    """So many batches in the air, so many texts behind them, then both numbers."""
    sender = Sender()
    sender.gate = asyncio.Event()
    made = batcher(sender, BatchLimits(size=1, window_s=0, flights=2, waiting=2, timeout_s=10))
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run())
        tasks = [group.create_task(outcome(made, "a")), group.create_task(outcome(made, "b"))]
        await soon(lambda: len(sender.batches) == 2)
        tasks += [group.create_task(outcome(made, "c")), group.create_task(outcome(made, "d"))]
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(sender.batches) == 2
        told = await outcome(made, "e")
        assert told == "embedder 'e' is busy: 2 texts wait, at most 2 may"
        sender.gate.set()
        assert [await task for task in tasks] == [(b"a",), (b"b",), (b"c",), (b"d",)]
        made.close()


async def test_a_side_that_does_not_answer_costs_one_limit() -> None:
    """Then who asks is refused at once, with the reason and how long."""
    sender = Sender()
    sender.gate = asyncio.Event()
    limits = BatchLimits(size=1, window_s=0, timeout_s=0.01, pauses_s=(LONG_S,))
    made = batcher(sender, limits)
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run())
        assert await outcome(made, "a") == "embedder 'e' did not answer within 0.01 s"
        await soon(lambda: refused_at_once(made))
        made.close()


async def test_a_side_that_is_back_is_asked_again() -> None:
    """After the pause, and the next failure begins with the first pause."""
    sender = Sender()
    sender.away_s = 1e-9
    made = batcher(sender, BatchLimits(size=1, window_s=0, timeout_s=10, pauses_s=(0.0, LONG_S)))
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run())
        assert await outcome(made, "bad") == "refused 3"
        sender.away_s = 0.0
        await soon(lambda: good(made))
        sender.away_s = 1e-9
        assert await outcome(made, "bad") == "refused 3"
        sender.away_s = 0.0
        await soon(lambda: good(made))
        made.close()


async def test_closing_refuses_what_waits_and_waits_for_what_flies() -> None:
    """Nobody is left waiting."""
    sender = Sender()
    sender.gate = asyncio.Event()
    made = batcher(sender, BatchLimits(size=1, window_s=0, flights=1, timeout_s=10))
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run())
        flies = group.create_task(outcome(made, "flies"))
        await soon(lambda: bool(sender.batches))
        waits = group.create_task(outcome(made, "waits"))
        await asyncio.sleep(0)
        made.close()
        assert await waits == "embedder 'e' was closed"
        sender.gate.set()
        assert await flies == (b"flies",)
    assert await outcome(made, "later") == "embedder 'e' is closed"


async def test_when_running_ends_nobody_waits_on() -> None:
    """Cancelled from outside, in the air or not."""
    sender = Sender()
    sender.gate = asyncio.Event()
    made = batcher(sender, BatchLimits(size=1, window_s=0, timeout_s=10))
    async with asyncio.TaskGroup() as group:
        run = group.create_task(made.run())
        flies = group.create_task(outcome(made, "flies"))
        await soon(lambda: bool(sender.batches))
        run.cancel()
        assert await flies == "embedder 'e' gave no answer"
    with pytest.raises(StoreError, match="is closed"):
        await made.ask(["later"])


async def test_what_breaks_in_sending_is_told_to_those_who_asked_and_ends_nothing() -> None:
    """An error that nobody thought of: no text is in its words, and the next batch is sent."""
    sender = Sender()

    async def send(texts: list[str]) -> Sent:
        if texts == ["secret"]:
            raise KeyError("secret")
        return await sender(texts)

    made = Batcher("e", send, BatchLimits(window_s=0.0, pauses_s=(0.0,)))
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run())
        told = await outcome(made, "secret")
        assert isinstance(told, str)
        assert told.startswith("embedder 'e' failed (KeyError")
        assert "secret" not in told
        assert await good(made)
        made.close()
