"""Summaries of what is left out: asked for once, kept by what they sum up, paid within limits."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from scrimp.calls import Booked, Call, Caller, Cost, Reply, ReplyFacts, Target
from scrimp.dialects import DIALECTS
from scrimp.errors import BudgetExceeded, ScrimpError, StoreError, UpstreamError
from scrimp.ledger.booking import booked
from scrimp.pipeline.summaries import TAG, Summaries, SummaryMeans, SummarySettings
from scrimp.remembered import CacheControl
from scrimp.stores.memory_replies import MemoryReplies
from tests.support.core import FakeClock, call_of

ITEMS = [{"role": "user", "content": f"I am Ada, number {n}"} for n in range(3)]
TARGET = Target("openai", "gpt-4o-mini", "openai.chat")


class Model:
    """A model that sums up: counts its calls, answers something new each time."""

    def __init__(self, *, finish: str = "stop", text: str | None = None) -> None:
        self.calls: list[Call] = []
        self._finish = finish
        self._text = text
        self.error: ScrimpError | None = None

    async def __call__(self, call: Call) -> Reply:
        """Cost a thousandth of a cent each."""
        self.calls.append(call)
        await asyncio.sleep(0)
        call.trace.booked = Booked(Cost.exact(10_000, price_version="", lines=()), 0)
        if self.error is not None:
            raise self.error
        text = f"summary {len(self.calls)}" if self._text is None else self._text
        said = {"role": "assistant", "content": text}
        body = {"model": "m", "choices": [{"message": said, "finish_reason": self._finish}]}
        done = self._finish == "stop"
        facts = ReplyFacts(finish="complete" if done else "refused", complete=True)
        return Reply(200, (), json.dumps(body).encode(), "json", facts, cacheable=True)


def summaries(model: Model, store: MemoryReplies | None = None, **settings: Any) -> Summaries:
    """Over this model and store."""
    clock = FakeClock()
    ids = iter(range(1000))
    kept = store or MemoryReplies(clock, max_bytes=1 << 20)
    means = SummaryMeans(model, kept, clock, lambda: f"s{next(ids)}", DIALECTS)
    return Summaries(means, SummarySettings(TARGET, "trim", **settings))


async def test_the_same_turns_have_the_same_summary() -> None:
    """Asked for once; another tenant's, and other turns, are others."""
    model, store = Model(), MemoryReplies(FakeClock(), max_bytes=1 << 20)
    first = await summaries(model, store).of(call_of(), ITEMS)
    again = await summaries(model, store).of(call_of(), ITEMS)
    assert first is not None
    assert again is not None
    assert first[0] == again[0]
    assert (first[1], again[1]) == (1, 0)
    assert "summary 1" in first[0]["content"]
    other = call_of(caller=Caller("else"))
    assert await summaries(model, store).of(other, ITEMS) != again
    assert await summaries(model, store).of(call_of(), ITEMS[1:]) != again
    assert len(model.calls) == 3


async def test_a_summary_is_a_call_of_its_own() -> None:
    """Its own purpose and tag, the caller's money, no cache, and nobody is served its answer."""
    model = Model()
    call = call_of(caller=Caller("t", key="k", team="team", credential=("authorization", "x")))
    await summaries(model, max_tokens=77).of(call, ITEMS)
    (made,) = model.calls
    assert (made.purpose, made.target, made.caller.key) == ("summary", TARGET, "k")
    assert made.caller.tags == (TAG,)
    assert made.cache.mode == "no-store"
    assert made.id != call.id
    assert made.trace is not call.trace
    assert made.request.max_output_tokens == 77
    assert "I am Ada, number 2" in made.request.fields["messages"][1]["content"]
    (line,) = made.trace.lines
    assert line.lever == "trim"
    assert booked(None, (), Cost(0, 0, 0, "free"), (line,)).saved == ()


async def test_two_calls_at_once_wait_for_one_summary() -> None:
    """And get the same."""
    model = Model()
    made = summaries(model)
    found = await asyncio.gather(*(made.of(call_of(), ITEMS) for _ in range(8)))
    assert len(model.calls) == 1
    assert len({json.dumps(one[0]) for one in found if one is not None}) == 1


async def test_a_long_conversation_has_few_summaries() -> None:
    """Eight of them are summed up again; what was summed up is not asked for a second time."""
    model = Model()
    made = summaries(model)
    items = [{"role": "user", "content": f"{n} " + "word " * 5000} for n in range(80)]
    asked = []
    for count in (20, 40, 41, 80):
        found = await made.of(call_of(), items[:count])
        assert found is not None
        asked.append(found[1])
        assert found[0]["content"].count("summary ") <= 16
    pieces = 80 * 6000 // 24000
    assert sum(asked) <= pieces + pieces // 8 + 4


@pytest.mark.parametrize("model", [Model(finish="content_filter"), Model(text="  ")])
async def test_what_is_no_summary_is_none(model: Model) -> None:
    """A refusal, an empty answer: the caller goes on without."""
    with pytest.raises(UpstreamError):
        await summaries(model).of(call_of(), ITEMS)


async def test_what_cannot_be_kept_is_not_used() -> None:
    """It would be another one with the next call, and break the prefix."""
    with pytest.raises(StoreError):
        await summaries(Model(), MemoryReplies(FakeClock(), max_bytes=10)).of(call_of(), ITEMS)


async def test_a_day_has_a_limit() -> None:
    """With both numbers and the setting."""
    model = Model()
    made = summaries(model, most_nanousd=15_000)
    await made.of(call_of(), ITEMS)
    await made.of(call_of(), ITEMS[1:])
    with pytest.raises(BudgetExceeded, match=r"\$0\.00002 .*\$0\.000015 a day .trim\.summary_usd"):
        await made.of(call_of(), ITEMS[2:])
    assert len(model.calls) == 2


async def test_a_call_of_which_nothing_is_kept_has_none() -> None:
    """Nor has a conversation that says nothing."""
    model = Model()
    made = summaries(model)
    assert await made.of(call_of(cache=CacheControl("no-store")), ITEMS) is None
    assert await made.of(call_of(), [{"role": "user", "content": ""}]) is None
    assert model.calls == []
