"""Twins of calls: paid by nobody's budget, never served, scored only where answers can be."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from scrimp.calls import Booked, Call, Cost, Reply, ReplyFacts, Target
from scrimp.errors import StoreError, UpstreamError
from scrimp.pipeline.comparing import TAG, Comparison, Outcome, ShadowRules, Shadows
from tests.support.core import FakeClock, attempt_of, call_of, reply_of

OTHER = Target("openai", "gpt-4o", "openai.chat")


@dataclass
class Provider:
    """Answers twins as it is told, at 70 nano-dollars each."""

    reply: Reply = field(default_factory=reply_of)
    error: Exception | None = None
    served: Target = OTHER
    twins: list[Call] = field(default_factory=list)

    async def __call__(self, call: Call) -> Reply:
        """One twin more."""
        self.twins.append(call)
        call.trace.attempts.append(attempt_of(target=self.served))
        call.trace.booked = Booked(Cost.exact(70, price_version="1", lines=()), 70)
        if self.error is not None:
            raise self.error
        return self.reply


@dataclass
class Scales:
    """Says what it is told, and what it was asked."""

    said: Comparison | Exception = field(default_factory=lambda: Comparison(1.0, 5))
    seen: list[tuple[Reply, Reply]] = field(default_factory=list)

    async def __call__(
        self, call: Call, reference: Reply, cheap: Reply, models: tuple[str, str]
    ) -> Comparison:
        """The reference's answer first."""
        del call, models
        self.seen.append((reference, cheap))
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def shadows(provider: Provider, scales: Scales, most: int | None = None) -> Shadows:
    """Over both."""
    return Shadows(provider, scales, ShadowRules(FakeClock(), lambda: "twin-1", most))


def reply(finish: str) -> Reply:
    """One that ended so."""
    facts = reply_of().facts
    return reply_of(facts=replace(facts, finish=finish, model="gpt-4o-2024"))


async def test_a_twin_is_a_call_of_its_own() -> None:
    """Its own id, purpose, trace and payer; no cache; the client's body, byte for byte."""
    provider, scales = Provider(), Scales()
    call = call_of()
    served = reply_of()
    found = await shadows(provider, scales).compare(call, served, OTHER, cheap_served=True)
    assert found == Outcome(1.0, 75, "gpt-4o-mini")
    twin = provider.twins[0]
    assert (twin.id, twin.purpose, twin.target) == ("twin-1", "shadow", OTHER)
    assert twin.request is call.request
    assert (twin.caller.tenant, twin.caller.key, twin.caller.tags) == (
        call.caller.tenant,
        "",
        (TAG,),
    )
    assert twin.cache.mode == "no-store"
    assert twin.trace is not call.trace
    assert not twin.sink.live
    assert scales.seen == [(provider.reply, served)]


async def test_the_reference_stands_first_whoever_was_served() -> None:
    """A loss above 0 always means that the reference was better."""
    provider, scales = Provider(), Scales()
    served = reply_of()
    await shadows(provider, scales).compare(call_of(), served, OTHER, cheap_served=False)
    assert scales.seen == [(served, provider.reply)]


@pytest.mark.parametrize("finish", ["truncated", "refused", "unknown"])
async def test_cut_and_refused_answers_are_never_scored(finish: str) -> None:
    """They are lost labels, whoever gave them; without a twin where the served one is cut."""
    provider, scales = Provider(reply=reply(finish)), Scales()
    compare = shadows(provider, scales).compare
    found = await compare(call_of(), reply_of(), OTHER, cheap_served=True)
    assert found == Outcome("lost", 70)
    assert await compare(call_of(), reply(finish), OTHER, cheap_served=True) == Outcome("lost")
    assert len(provider.twins) == 1
    assert scales.seen == []


@pytest.mark.parametrize(
    ("error", "label"),
    [
        (UpstreamError("gone", status=503), "unmade"),
        (UpstreamError("no answer", status=0), "unmade"),
        (UpstreamError("slow down", status=429), "unmade"),
        (UpstreamError("not that", status=400), "lost"),
        (StoreError("no budget store"), "unmade"),
    ],
)
async def test_a_failing_provider_says_nothing_of_answers(error: Exception, label: str) -> None:
    """But a refusal of this very call may."""
    found = await shadows(Provider(error=error), Scales()).compare(
        call_of(), reply_of(), OTHER, cheap_served=True
    )
    assert found == Outcome(label, 70)  # type: ignore[arg-type]


async def test_who_stood_in_for_the_other_model_is_not_compared() -> None:
    """A fallback's answer is none of the other model's."""
    elsewhere = Target("anthropic", "claude", "openai.chat")
    found = await shadows(Provider(served=elsewhere), Scales()).compare(
        call_of(), reply_of(), OTHER, cheap_served=True
    )
    assert found == Outcome("unmade", 70)


async def test_a_judge_that_cannot_tell_loses_the_label_and_one_that_fails_makes_none() -> None:
    """What was paid for the twin is known all the same."""
    silent = Scales(Comparison(None, 3))
    compare = shadows(Provider(), silent).compare
    assert await compare(call_of(), reply_of(), OTHER, cheap_served=True) == Outcome(
        "lost", 73, "gpt-4o-mini"
    )
    broken = Scales(UpstreamError("gone", status=500))
    compare = shadows(Provider(), broken).compare
    assert await compare(call_of(), reply_of(), OTHER, cheap_served=True) == Outcome(
        "unmade", 70, "gpt-4o-mini"
    )


async def test_a_day_has_its_money_and_the_next_one_its_own() -> None:
    """Beyond, no twin is asked at all."""
    provider, clock = Provider(), FakeClock()
    rules = ShadowRules(clock, lambda: "twin", 100)
    asked = Shadows(provider, Scales(), rules)
    call, served = call_of(), reply_of(facts=ReplyFacts(complete=True, finish="complete"))
    for _ in range(4):
        await asked.compare(call, served, OTHER, cheap_served=True)
    assert len(provider.twins) == 2
    await clock.sleep(24 * 3600)
    await asked.compare(call, served, OTHER, cheap_served=True)
    assert len(provider.twins) == 3
    assert asked.spent_ever_nanousd == 3 * 75
