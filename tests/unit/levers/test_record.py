"""The record lever: one entry per call, however it ends."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from msgspec.structs import replace

from scrimp.budgets.words import DEGRADED
from scrimp.calls import FREE_COST, UNKNOWN_COST, Call, Cost, Reply, Target, TraceLine, Usage
from scrimp.errors import InvalidRequest, UpstreamError
from scrimp.ledger.explain import explain
from scrimp.ledger.steps import sent_to, unserved
from scrimp.levers.record import Record
from scrimp.ports import Entry
from tests.support.core import (
    NOON,
    FakeClock,
    ListLedger,
    ListOutbox,
    attempt_of,
    call_of,
    chat_fields,
    flat_price,
    reply_of,
    verdicts,
)


class Desk:
    """A record lever over lists, and what lies below it."""

    def __init__(
        self, outcome: Reply | BaseException, *attempts: object, keep_content: bool = False
    ) -> None:
        self.ledger, self.outbox, self.clock = ListLedger(), ListOutbox(), FakeClock()
        self._outcome, self._attempts = outcome, attempts
        self.lever = Record(
            self.ledger, self.outbox, self.clock, flat_price, keep_content=keep_content
        )

    async def below(self, call: Call) -> Reply:
        """Attempts, 1.5 s, an outcome."""
        call.trace.attempts.extend(self._attempts)  # type: ignore[arg-type]  # attempts by construction
        self.clock.pass_by(1.5)
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    async def serve(self, call: Call) -> Reply:
        """Serve one call."""
        return await self.lever(call, self.below)

    def entry(self) -> Entry:
        """The one entry in the ledger."""
        assert (len(self.ledger.entries), self.outbox.settlements) == (1, [])
        return self.ledger.entries[0]


async def test_a_paid_call_is_booked() -> None:
    """The reply passes unchanged; the trace knows the money before the gateway answers."""
    desk, call = Desk(reply_of(), attempt_of()), call_of()
    assert await desk.serve(call) == reply_of()
    entry = desk.entry()
    assert (entry.cost_nanousd, entry.baseline_nanousd, entry.saved) == (13, 13, ())
    assert (entry.latency_ms, entry.status, entry.outcome) == (1500.0, 200, "ok")
    assert call.trace.booked is not None
    assert call.trace.booked.cost.nanousd == 13


async def test_a_hit_is_booked_with_what_it_saved() -> None:
    """At today's price of the remembered usage."""
    desk = Desk(reply_of(served_by="exact_cache"))
    await desk.serve(call_of())
    entry = desk.entry()
    assert (entry.cost_nanousd, entry.baseline_nanousd) == (0, 13)
    assert (entry.saved, entry.served_by) == ((("exact_cache", 13),), "exact_cache")


async def test_a_hit_keeps_what_its_price_depends_on() -> None:
    """Usage, tier, model and time of the attempt that was not made: to be priced again."""
    desk = Desk(reply_of(served_by="exact_cache"))
    call = call_of()
    await desk.serve(call)
    untouched = desk.entry().untouched
    assert untouched is not None
    assert untouched.usage == reply_of().facts.usage
    assert untouched.target == call.target
    assert untouched.started_at == call.started_at
    assert (untouched.cost.nanousd, untouched.cost.lines) == (13, ())


async def test_a_paid_call_stood_in_for_nothing() -> None:
    """Its attempts say it all."""
    desk = Desk(reply_of(), attempt_of())
    await desk.serve(call_of())
    assert desk.entry().untouched is None


async def test_a_hit_without_a_price_saves_an_unknown_amount() -> None:
    """The trace says why; it is not booked as $0 saved."""
    facts = replace(reply_of().facts, model="unpriced")
    desk = Desk(reply_of(served_by="exact_cache", facts=facts))
    call = call_of(chat_fields() | {"model": "unpriced"})
    await desk.serve(call)
    assert (desk.entry().baseline_nanousd, desk.entry().saved) == (None, ())
    assert verdicts(call, "record") == ["price_unknown"]


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        (UpstreamError("", status=503), 503, "failed"),
        (InvalidRequest("no"), 400, "refused"),
        (asyncio.CancelledError(), 499, "cancelled"),
        (ZeroDivisionError(), 500, "failed"),
    ],
)
async def test_an_error_passes_and_is_booked(
    error: BaseException, status: int, outcome: str
) -> None:
    """The very same error, and one entry."""
    desk = Desk(error)
    with pytest.raises(type(error)) as caught:
        await desk.serve(call_of())
    assert caught.value is error
    assert (desk.entry().status, desk.entry().outcome) == (status, outcome)


async def test_what_needs_counting_goes_to_the_outbox() -> None:
    """Nothing is counted on the way out."""
    attempt = attempt_of(outcome="cut", usage=None, cost=UNKNOWN_COST)
    desk = Desk(asyncio.CancelledError(), attempt)
    with pytest.raises(asyncio.CancelledError):
        await desk.serve(call_of())
    assert desk.ledger.entries == []
    (settlement,) = desk.outbox.settlements
    assert settlement.entry.cost_nanousd is None
    assert settlement.entry.attempts == (attempt,)


async def test_a_refused_attempt_needs_no_counting() -> None:
    """It is free, and booked at once."""
    attempt = attempt_of(outcome="rejected", status=429, usage=None, cost=FREE_COST)
    desk = Desk(UpstreamError("", status=429), attempt)
    with pytest.raises(UpstreamError):
        await desk.serve(call_of())
    assert (desk.entry().cost_nanousd, desk.entry().outcome) == (0, "rejected")


async def test_a_ledger_that_is_behind_is_in_the_trace() -> None:
    """With how many entries wait."""
    desk, call = Desk(reply_of(), attempt_of()), call_of()
    desk.ledger.ok = False
    await desk.serve(call)
    assert desk.entry().trace == (TraceLine("record", "ledger_behind", (("pending", 3),)),)


@pytest.mark.parametrize("keep", [True, False])
async def test_content_by_setting_only(keep: bool) -> None:  # noqa: FBT001 (a parameter)
    """Off unless switched on."""
    desk = Desk(reply_of(), attempt_of(), keep_content=keep)
    await desk.serve(call_of())
    assert (desk.entry().request_content is not None) is keep
    assert (desk.entry().reply_content is not None) is keep


async def test_a_cheaper_model_is_booked_beside_the_one_that_was_asked() -> None:
    """The entry names who answered; the saving is the other's price of the same tokens, less."""
    cheap = replace(attempt_of(), target=Target("openai", "gpt-4.1-nano", "openai.chat"))
    cheap = replace(cheap, cost=Cost.exact(3, price_version="t", lines=()))
    desk, call = Desk(reply_of(), cheap), call_of()
    call.trace.note("degrade", "cheaper_model", sent_to(cheap.target))
    await desk.lever(call, desk.below)
    entry, usage = desk.ledger.entries[0], cheap.usage
    assert usage is not None
    asked = flat_price(usage, call.target, NOON, "").nanousd
    assert asked is not None
    assert (entry.model, entry.model_requested) == ("gpt-4.1-nano", "gpt-4o-mini")
    assert entry.baseline_nanousd == asked
    assert entry.saved == (("degrade", asked - 3),)
    assert verdicts(call, "record") == ["baseline_estimated"]
    assert "an estimate: the same tokens" in "\n".join(explain(entry))


async def test_a_shorter_answer_claims_no_saving_but_is_counted() -> None:
    """What the longer one had cost nobody knows; reports by lever still count the call."""
    desk, call = Desk(reply_of(), attempt_of()), call_of()
    call.trace.headers[DEGRADED] = "shorter_answer"
    await desk.lever(call, desk.below)
    entry = desk.ledger.entries[0]
    assert entry.baseline_nanousd == entry.cost_nanousd
    assert entry.saved == (("degrade", 0),)
    assert "what that saved is not known" in "\n".join(explain(entry))


async def test_each_lever_that_changed_the_model_is_given_its_own_part() -> None:
    """From the model that was asked for to the routed one, and from there to the draft's."""
    middle = Target("openai", "gpt-4.1-mini", "openai.chat")
    last = Target("openai", "gpt-4.1-nano", "openai.chat")
    prices = {"gpt-4o-mini": 100, "gpt-4.1-mini": 40}

    def price(usage: Usage, target: Target, at: datetime, service_tier: str) -> Cost:
        del usage, at, service_tier
        return Cost.exact(prices[target.model], price_version="t", lines=())

    attempt = replace(attempt_of(), target=last, cost=Cost.exact(3, price_version="t", lines=()))
    desk, call = Desk(reply_of(), attempt), call_of()
    desk.lever = Record(desk.ledger, desk.outbox, desk.clock, price, keep_content=False)
    call.trace.note("route", "chose", sent_to(middle))
    call.trace.note("cascade", "draft", sent_to(last))
    await desk.serve(call)
    entry = desk.entry()
    assert (entry.baseline_nanousd, entry.cost_nanousd) == (100, 3)
    assert entry.saved == (("route", 60), ("cascade", 37))


async def test_a_draft_that_was_not_served_is_what_its_lever_cost() -> None:
    """The baseline is what the model that was asked for has cost, to the nano-dollar."""
    cheap = Target("openai", "gpt-4.1-nano", "openai.chat")
    draft = replace(attempt_of(), target=cheap, cost=Cost.exact(4, price_version="t", lines=()))
    desk, call = Desk(reply_of(), draft, attempt_of()), call_of()
    call.trace.note("cascade", "draft", sent_to(cheap))
    call.trace.note("cascade", "failed", unserved(0, 1))
    await desk.serve(call)
    entry = desk.entry()
    assert (entry.baseline_nanousd, entry.cost_nanousd) == (13, 17)
    assert (entry.saved, entry.model) == ((("cascade", -4),), "gpt-4o-mini")
    assert "cascade cost more than it saved, by" in "\n".join(explain(entry))


async def test_the_model_of_an_entry_is_whose_answer_was_served() -> None:
    """Also where attempts that were made in vain came after it."""
    cheap = Target("openai", "gpt-4.1-nano", "openai.chat")
    draft = replace(attempt_of(), target=cheap, cost=Cost.exact(4, price_version="t", lines=()))
    failed = attempt_of(outcome="failed", usage=None, cost=FREE_COST)
    desk, call = Desk(reply_of(), draft, failed), call_of()
    call.trace.note("cascade", "draft", sent_to(cheap))
    call.trace.note("cascade", "failed", unserved(1, 2))
    await desk.serve(call)
    assert (desk.entry().model, desk.entry().baseline_nanousd) == ("gpt-4.1-nano", 13)
    assert desk.entry().saved == (("cascade", 9),)


async def test_a_rung_that_was_taken_back_saved_nothing() -> None:
    """Who answers is the model that was asked for after all."""
    desk, call = Desk(reply_of(), attempt_of()), call_of()
    call.trace.note("degrade", "cheaper_model", sent_to(Target("openai", "x", "openai.chat")))
    await desk.serve(call)
    assert (desk.entry().baseline_nanousd, desk.entry().saved) == (13, ())


async def test_without_a_price_of_the_model_that_was_asked_no_saving_is_booked() -> None:
    """The trace says which price is missing."""
    cheap = replace(attempt_of(), target=Target("openai", "gpt-4.1-nano", "openai.chat"))
    desk, call = Desk(reply_of(), cheap), call_of(chat_fields() | {"model": "unpriced"})
    call.trace.note("route", "chose", sent_to(cheap.target))
    await desk.serve(call)
    assert (desk.entry().baseline_nanousd, desk.entry().saved) == (None, ())
    assert verdicts(call, "record") == ["baseline_unknown"]
