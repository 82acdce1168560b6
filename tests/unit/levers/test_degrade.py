"""The ladder over a soft budget: which rung is taken, what is told, what is never remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from scrimp.budgets.tables import LadderTable
from scrimp.calls import Call, Reply, Target
from scrimp.dialects import DIALECTS
from scrimp.errors import Breach, BudgetExceeded
from scrimp.fingerprint import fingerprint
from scrimp.levers.degrade import Degrade, DegradeSettings
from scrimp.ports import StoredReply
from scrimp.stores.memory_replies import MemoryReplies
from tests.support.core import NOON, FakeClock, call_of, chat_fields, reply_of, verdicts

MINI = Target("openai", "gpt-4.1-nano", "openai.chat")


def denial(*, soft: bool = True, used: int = 100) -> BudgetExceeded:
    """A refusal at so many percent of the limit."""
    breach = Breach("people", "usd", 100, used=used, needed=9)
    return BudgetExceeded("over", soft=soft, breach=breach)


def below(
    seen: list[Call], *, used: int = 100, hard_too: bool = False
) -> Callable[[Call], Awaitable[Reply]]:
    """Denies what has no leave to pass soft budgets; then replies, or denies for good."""

    async def answer(call: Call) -> Reply:
        if not call.over_soft:
            raise denial(used=used)
        seen.append(call)
        if hard_too:
            raise denial(soft=False)
        return reply_of()

    return answer


def ladder(*rungs: str, cheaper: Target | None = MINI, **more: Any) -> Degrade:
    """A lever with these rungs."""
    settings = DegradeSettings(ladder=rungs, **more)  # type: ignore[arg-type]  # names of rungs
    return Degrade(
        MemoryReplies(FakeClock(), max_bytes=10_000_000), DIALECTS, lambda _: cheaper, settings
    )


async def test_what_is_within_budget_is_left_alone() -> None:
    """No line, no header, and it may be remembered."""
    call = call_of(over_soft=True)
    reply = await ladder("pass")(call, below([]))
    assert reply.cacheable
    assert not call.trace.lines


async def test_a_hard_refusal_is_not_degraded() -> None:
    """Hard is hard."""

    async def deny(call: Call) -> Reply:  # noqa: ARG001 (the port's)
        raise denial(soft=False)

    with pytest.raises(BudgetExceeded):
        await ladder("pass")(call_of(), deny)


async def test_background_calls_are_refused() -> None:
    """Nobody waits for them: they cost less by not being made."""
    with pytest.raises(BudgetExceeded):
        await ladder("pass")(call_of(purpose="audit"), below([]))


async def test_a_cheaper_model_is_asked_and_not_remembered() -> None:
    """The header is there before the call is made, so that a stream has it too."""
    seen: list[Call] = []
    call = call_of()
    reply = await ladder("cheaper_model")(call, below(seen))
    assert seen[0].target == MINI
    assert not reply.cacheable
    assert call.trace.headers == {"x-scrimp-degraded": "cheaper_model"}
    assert verdicts(call, "degrade") == ["cheaper_model"]


async def test_a_rung_that_does_not_bear_leads_to_the_next() -> None:
    """No cheaper model: a shorter answer; a hard budget denies that, too: refused."""
    seen: list[Call] = []
    call = call_of()
    with pytest.raises(BudgetExceeded, match="over"):
        await ladder("cheaper_model", "shorter_answer", cheaper=None)(
            call, below(seen, hard_too=True)
        )
    assert verdicts(call, "degrade") == ["skipped_rung", "shorter_answer", "denied", "refused"]
    assert call.trace.headers == {}


@pytest.mark.parametrize(
    ("used", "rung"), [(100, "cheaper_model"), (125, "shorter_answer"), (149, "shorter_answer")]
)
async def test_further_over_the_limit_the_ladder_goes_on(used: int, rung: str) -> None:
    """Up to 125 percent a cheaper model, up to 150 a shorter answer."""
    call = call_of()
    await ladder("cheaper_model", "shorter_answer")(call, below([], used=used))
    assert call.trace.headers["x-scrimp-degraded"] == rung


async def test_at_the_end_of_the_ladder_stands_the_refusal() -> None:
    """150 percent: with both numbers, as it came."""
    call = call_of()
    with pytest.raises(BudgetExceeded, match="over"):
        await ladder("cheaper_model", "shorter_answer")(call, below([], used=150))
    assert verdicts(call, "degrade")[-1] == "refused"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "max_completion_tokens"),
        ({"max_tokens": 900}, "max_tokens"),
        ({"max_completion_tokens": 900}, "max_completion_tokens"),
    ],
)
async def test_the_limit_of_output_is_set_in_the_field_that_the_call_uses(
    fields: dict[str, Any], name: str
) -> None:
    """A model may refuse the other name."""
    seen: list[Call] = []
    await ladder("shorter_answer")(call_of(chat_fields(**fields)), below(seen))
    sent = msgspec.json.decode(seen[0].request.body)
    assert sent[name] == 100
    assert seen[0].request.max_output_tokens == 100
    assert not seen[0].sink.live


async def test_plain_text_ends_with_the_notice() -> None:
    """In words of the settings, with the numbers in it."""
    reply = await ladder("shorter_answer", notice="({tokens} for {budget} {x})")(
        call_of(), below([])
    )
    fields = msgspec.json.decode(reply.body or b"")
    assert fields["choices"][0]["message"]["content"] == "Hi there\n\n(100 for people {x})"


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        (call_of(chat_fields(response_format={"type": "json_object"})), reply_of()),
        (call_of(), reply_of(facts=replace(reply_of().facts, finish="tool_calls"))),
        (call_of(), reply_of(body=b'{"choices":[{"message":{"content":"So: ```x```"}}]}')),
        (call_of(), reply_of(body=b'{"choices":[{"message":{"content":"{\\"a\\":1}"}}]}')),
        (call_of(), reply_of(body=b'{"choices":[{"message":{"content":null}}]}')),
    ],
    ids=["json asked", "tool call", "code", "looks like json", "no text"],
)
async def test_no_notice_stands_below_json_code_or_tool_calls(call: Call, reply: Reply) -> None:
    """A program reads them: not a byte is added."""

    async def answer(call: Call) -> Reply:
        if not call.over_soft:
            raise denial()
        return reply

    assert (await ladder("shorter_answer")(call, answer)).body == reply.body


async def test_an_answer_beyond_its_time_costs_nothing() -> None:
    """Where older answers are kept one of them is served, and nobody is asked."""
    lever, call = ladder("older_answer", keeps_older=True), call_of()
    stored = StoredReply(reply_of(), NOON - timedelta(hours=3), NOON + timedelta(hours=9))
    key = fingerprint(call, DIALECTS["openai.chat"])
    await lever._replies.put(key, stored)
    reply = await lever(call, below([]))
    assert (reply.served_by, reply.cacheable) == ("degrade", False)
    assert call.trace.lines[-1].numbers == (("age_s", 10800),)
    fresh = call_of(cache=replace(call.cache, mode="no-store"))
    with pytest.raises(BudgetExceeded):
        await lever(fresh, below([]))


async def test_an_older_answer_of_a_model_that_may_not_answer_any_more_is_none() -> None:
    """Over a budget, too, a call gets no model that its settings do not choose."""
    lever = ladder("older_answer", keeps_older=True, admits=lambda _, reply: not reply.by)
    call = call_of()
    stored = StoredReply(reply_of(by="openai/cheap"), NOON, NOON + timedelta(hours=9))
    await lever._replies.put(fingerprint(call, DIALECTS["openai.chat"]), stored)
    with pytest.raises(BudgetExceeded):
        await lever(call, below([]))
    assert call.trace.lines[0].numbers == (("rung", "older_answer"), ("why", "none"))


async def test_a_store_that_keeps_no_older_answers_says_so() -> None:
    """The trace has the reason."""
    call = call_of()
    with pytest.raises(BudgetExceeded):
        await ladder("older_answer")(call, below([]))
    assert call.trace.lines[0].numbers == (("rung", "older_answer"), ("why", "none_kept"))


async def test_a_ladder_of_its_own_for_some_calls() -> None:
    """The first table that fits the budget, the task and the path."""
    only = (
        LadderTable(ladder=(), task="code"),
        LadderTable(ladder=("pass",), budget="people", path="/chat/completions"),
    )
    call = call_of()
    await ladder("shorter_answer", only=only)(call, below([]))
    assert call.trace.headers["x-scrimp-degraded"] == "pass"
    code = call_of(task=replace(call.task, name="code"))
    with pytest.raises(BudgetExceeded):
        await ladder("shorter_answer", only=only)(code, below([]))
