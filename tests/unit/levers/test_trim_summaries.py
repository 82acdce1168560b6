"""A summary in place of what trim leaves out: where it stands, when there is none, what is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from scrimp.calls import Call, Reply, Target
from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import encode
from scrimp.errors import BudgetExceeded, ScrimpError, UpstreamError
from scrimp.levers.trim import TRIMMED, Trim, TrimSettings
from scrimp.pipeline.summaries import Summaries, SummaryMeans, SummarySettings
from scrimp.shrinking.summing import message
from scrimp.stores.memory_replies import MemoryReplies
from tests.support.core import FakeClock, call_of, numbers, reply_of, verdicts
from tests.support.vocabularies import shared_encoder

TARGET = Target("openai", "gpt-4o-mini", "openai.chat")


async def unasked(call: Call) -> Reply:
    """No model is asked in these tests."""
    raise AssertionError(call)


class Told(Summaries):
    """Says one thing of all turns, or fails."""

    def __init__(self, text: str = "They met.", error: Exception | None = None) -> None:
        clock = FakeClock()
        store = MemoryReplies(clock, max_bytes=1000)
        super().__init__(
            SummaryMeans(unasked, store, clock, str, DIALECTS), SummarySettings(TARGET, "trim")
        )
        self.text = text
        self.error = error
        self.asked: list[Sequence[Any]] = []

    async def of(self, call: Call, items: Sequence[Any]) -> tuple[dict[str, Any], int] | None:
        """What was set up."""
        assert call.purpose == "client"
        self.asked.append(items)
        if self.error is not None:
            raise self.error
        return (message(self.text, len(items)), 1) if self.text else None


async def sent(summaries: Summaries, items: list[Any], **settings: Any) -> tuple[Call, list[Any]]:
    """The call as it was asked, and the messages that were passed on."""
    passed: list[Call] = []

    async def below(call: Call) -> Reply:
        passed.append(call)
        return reply_of()

    window = None if "last" in settings else 1200
    trim = Trim(
        shared_encoder(),
        lambda _: window,
        lambda *_: None,
        TrimSettings(**{"reserve_output": 100, **settings}),
        summaries=summaries,
    )
    call = call_of({"model": "gpt-4o-mini", "messages": items})
    await trim(call, below)
    return call, list(passed[0].request.fields["messages"])


def talk(turns: int) -> list[Any]:
    """A conversation of so many questions with answers, and a last question."""
    items: list[Any] = [{"role": "system", "content": "rules"}]
    for number in range(turns):
        items.append({"role": "user", "content": f"q{number} " * 40})
        items.append({"role": "assistant", "content": f"a{number} " * 40})
    return [*items, {"role": "user", "content": "now"}]


async def test_a_summary_stands_where_the_first_message_stood() -> None:
    """After the instructions, before what is left; the trace and the header say so."""
    told, items = Told(), talk(20)
    call, left = await sent(told, items)
    assert left[0] == items[0]
    assert left[1]["role"] == "user"
    assert left[1]["content"].endswith("They met.")
    assert left[2:] == items[len(items) - len(left) + 2 :]
    (gone,) = told.asked
    assert list(gone) == items[1 : 1 + len(gone)]
    assert verdicts(call, "trim") == ["summary", "trimmed"]
    assert call.trace.headers[TRIMMED] == f"{len(gone)} messages, summed up"
    whole = await shared_encoder().count_request("gpt-4o-mini", {"messages": items}, "openai.chat")
    now = await shared_encoder().count_request("gpt-4o-mini", {"messages": left}, "openai.chat")
    assert now.high <= 1100
    assert numbers(call, "trim")["less_tokens"] == whole.tokens - now.tokens


async def test_by_number_too() -> None:
    """And what the summary adds is not called saved."""
    told, items = Told(), talk(9)
    call, left = await sent(told, items, last=4)
    assert [one["content"].split()[0] for one in left] == [
        "rules",
        "[Summary",
        *("q8", "a8", "now"),
    ]
    gone = sum(len(encode(one)) for one in told.asked[0])
    assert numbers(call, "trim")["less_characters"] == gone - len(encode(left[1]))


@pytest.mark.parametrize(
    ("error", "because"),
    [
        (UpstreamError("down", status=503), "UpstreamError"),
        (BudgetExceeded("spent"), "BudgetExceeded"),
        (TimeoutError(), "TimeoutError"),
    ],
)
async def test_without_a_summary_it_is_trimmed_as_ever(
    error: ScrimpError | TimeoutError, because: str
) -> None:
    """The trace says why, and nothing of what the error says."""
    call, left = await sent(Told(error=error), talk(20))
    assert left[1]["content"].startswith("q")
    assert verdicts(call, "trim") == ["no_summary", "trimmed"]
    assert call.trace.lines[0].numbers == (("because", because),)
    assert "summed" not in call.trace.headers[TRIMMED]


@pytest.mark.parametrize("text", ["word " * 2000, ""])
async def test_a_summary_that_does_not_fit_is_none(text: str) -> None:
    """Nor is one that says nothing; what is sent fits all the same."""
    call, left = await sent(Told(text), talk(20))
    assert left[1]["content"].startswith("q")
    assert verdicts(call, "trim")[-2:] == ["no_summary", "trimmed"]
    now = await shared_encoder().count_request("gpt-4o-mini", {"messages": left}, "openai.chat")
    assert now.high <= 1100


async def test_what_fits_is_not_summed_up() -> None:
    """Nor are contents of results that are cleared without a message going."""
    told = Told()
    call, left = await sent(told, talk(3))
    assert left == talk(3)
    assert told.asked == []
    assert call.trace.lines == []
