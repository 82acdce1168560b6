"""Learning looks at some calls, later, and never stands in the way of any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Reply, Usage
from scrimp.encoders import TiktokenEncoder
from scrimp.encoders.learning import Learner, Remembered
from scrimp.errors import StoreError
from scrimp.tokens.ratios import MIN_OBSERVATIONS, Learned, Observation, learn
from tests.support.core import call_of, reply_of
from tests.support.vocabularies import shared_encoder

TEXT = "The gateway prices, caches and accounts every call that a client makes of a model. " * 20
MODEL = "claude-sonnet-4-5"


class _Store:
    """Remembers in memory; fails when told to."""

    def __init__(self) -> None:
        self.known: dict[str, Learned] = {}
        self.added: list[int] = []
        self.fails = False

    def load(self) -> Mapping[str, Learned]:
        """What is known."""
        if self.fails:
            raise StoreError("no disk")
        return dict(self.known)

    def add(self, observations: Sequence[Observation]) -> Mapping[str, Learned]:
        """Learn."""
        if self.fails:
            raise StoreError("no disk")
        self.added.append(len(observations))
        for one in observations:
            self.known[one.model] = learn(self.known.get(one.model), one.ratio)
        return dict(self.known)


def _call(text: str = TEXT, model: str = MODEL, **fields: Any) -> Call:
    messages = [{"role": "user", "content": text}]
    given = {"model": model, "max_tokens": 10, "messages": messages, **fields}
    return call_of(given, dialect="anthropic.messages")


def _answering(tokens: int, **usage: Any) -> Any:
    async def end(call: Call) -> Reply:
        assert call.operation
        reply = reply_of()
        return replace(reply, facts=replace(reply.facts, usage=Usage(input_tokens=tokens, **usage)))

    return end


@asynccontextmanager
async def _learning(store: _Store, *, warm: bool = True) -> AsyncIterator[Learner]:
    """A learner at work; at the end it has stopped in order."""
    learner = Learner(store)
    if warm:
        _warm(learner.encoder)
    async with asyncio.TaskGroup() as group:
        group.create_task(learner.run())
        yield learner
        learner.stop()


def _warm(encoder: TiktokenEncoder) -> None:
    """A vocabulary that is loaded already: all tests share one."""
    shared_encoder().count_now("gpt-4o", "Hi")
    encoder._loaded.update(shared_encoder()._loaded)


async def _until(true: Callable[[], bool]) -> None:
    """Let the learner have its turns until something holds."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0)


async def _raw() -> int:
    return (await shared_encoder().count("gpt-4o", (TEXT,))).tokens


async def test_real_usage_becomes_the_estimate() -> None:
    """After some calls, counts of that model are what its provider reports; of no other."""
    store, tokens = _Store(), round(await _raw() * 1.4)
    before = await shared_encoder().count(MODEL, (TEXT,))
    async with _learning(store) as learner:
        ask = learner.around(_answering(tokens))
        for _ in range(MIN_OBSERVATIONS):
            await ask(_call())
            await _until(learner._waiting.empty)
        await _until(lambda: learner.ratios(MODEL) is not None)
        count = await learner.encoder.count(f"anthropic/{MODEL}-20250929", (TEXT,))
        other = await learner.encoder.count("claude-opus-5", (TEXT,))
    assert abs(count.tokens - tokens) <= tokens * 0.02
    assert count.low <= tokens <= count.high
    assert "learned from 8 calls" in count.method
    assert abs(before.tokens - tokens) > tokens * 0.1
    assert "learned" not in other.method
    assert "estimate" in other.method


async def test_what_was_seen_is_kept_at_the_end() -> None:
    """Stopping loses nothing that was set aside."""
    store = _Store()
    async with _learning(store) as learner:
        for _ in range(3):
            await learner.around(_answering(500))(_call())
    assert store.added == [3]


async def test_what_was_learned_before_counts_at_once() -> None:
    """A start begins with what the store holds."""
    store = _Store()
    store.add([Observation(MODEL, 1.3)] * 20)
    async with _learning(store) as learner:
        await _until(lambda: learner.ratios(MODEL) is not None)
        assert "learned from 20 calls" in (await learner.encoder.count(MODEL, ("Hi",))).method


@pytest.mark.parametrize(
    ("call", "usage"),
    [
        (_call(model="gpt-4o"), {}),
        (_call(text="short"), {}),
        (_call(text=TEXT * 200), {}),
        (_call(), {"suspect": "1 is not 2"}),
        (_call(), {"web_search_requests": 1}),
        (replace(_call(), operation="count_tokens"), {}),
        (_call(tools=[{"type": "web_search_20250305", "name": "web_search"}]), {}),
    ],
    ids=["exact", "short", "huge", "suspect", "searched", "no chat", "hosted tool"],
)
async def test_calls_that_show_nothing_teach_nothing(call: Call, usage: dict[str, Any]) -> None:
    """Only a plain call with certain usage says something of a tokenizer."""
    store = _Store()
    async with _learning(store) as learner:
        await learner.around(_answering(500, **usage))(call)
    assert store.added == []


async def test_learning_loads_no_vocabulary() -> None:
    """80 MB for a guess would be dear: it learns once something else has needed the tokenizer."""
    store = _Store()
    async with _learning(store, warm=False) as learner:
        await learner.around(_answering(500))(_call())
        assert not learner.encoder.ready(MODEL)
    assert store.added == []


async def test_only_some_calls_are_looked_at() -> None:
    """The first ones, later one of sixteen, and never more than a few at a time."""
    store = _Store()
    async with _learning(store) as learner:
        ask = learner.around(_answering(500))
        for _ in range(100):
            await ask(_call())  # no turn for the learner in between
            assert learner._waiting.qsize() <= 4
    many = sum(store.added)
    assert many == 4
    async with _learning(store) as learner:
        ask = learner.around(_answering(500))
        for _ in range(160):
            await ask(_call())
            await _until(learner._waiting.empty)
    assert sum(store.added) - many == 16 + 9


async def test_a_store_that_fails_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Learning goes on in memory, calls are not touched, and no prompt is in the log."""
    store, tokens = _Store(), round(await _raw() * 1.3)
    store.fails = True
    with caplog.at_level(logging.WARNING):
        async with _learning(store) as learner:
            ask = learner.around(_answering(tokens))
            for _ in range(16):
                assert (await ask(_call())).status == 200
                await _until(learner._waiting.empty)
            await _until(lambda: learner.ratios(MODEL) is not None)
    assert [record.getMessage() for record in caplog.records] == [
        "what is learned of token counts is not kept: no disk"
    ]


def test_shells_that_only_count_see_what_was_learned() -> None:
    """Read when it is needed; what cannot be read is as good as nothing."""
    store = _Store()
    store.add([Observation(MODEL, 1.3)] * 20)
    encoder = TiktokenEncoder(Remembered(store))
    _warm(encoder)
    assert "learned from 20 calls" in encoder.count_now(MODEL, "Hi").method
    store.fails = True
    broken = TiktokenEncoder(Remembered(store))
    _warm(broken)
    assert "estimate" in broken.count_now(MODEL, "Hi").method
