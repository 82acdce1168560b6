"""Answers that a cheaper model gave are served only while it may answer."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Caller, Reply, Target, Task
from scrimp.choosing import Wish
from scrimp.dialects import DIALECTS
from scrimp.levers.exact_cache import ExactCache, ExactCacheSettings
from scrimp.pipeline.chain import chain
from scrimp.routing.cascade_tables import CascadeSection, CascadeTable
from scrimp.routing.stand_ins import StandIns
from scrimp.routing.tables import RouteSection, RuleTable
from scrimp.stores.memory_replies import MemoryReplies
from tests.support.core import FakeClock, call_of, reply_of, verdicts
from tests.support.meanings import SemanticKitchen
from tests.support.routing import SECTION, Served

ALL = replace(SECTION, calls="all")
OFF = replace(ALL, enabled=False)
NONE = CascadeSection()
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello there"}]}


def asks(**changes: object) -> Call:
    """A call of the dear model."""
    return replace(call_of(BODY), target=Target("openai", "gpt-4o", "openai.chat"), **changes)


class Below:
    """Whoever answers, and how often."""

    def __init__(self, by: str = "openai/gpt-4o") -> None:
        self.by = by
        self.calls = 0

    async def __call__(self, call: Call) -> Reply:
        """As the provider answers."""
        del call
        self.calls += 1
        return reply_of(by=self.by)


def stand_ins(route: RouteSection, cascade: CascadeSection = NONE) -> StandIns:
    """By these settings."""
    return StandIns(route, cascade, Served(), DIALECTS)


def cache(store: MemoryReplies, clock: FakeClock, route: RouteSection) -> ExactCache:
    """Over a store that outlives settings."""
    return ExactCache(store, clock, DIALECTS, ExactCacheSettings(admits=stand_ins(route)))


async def test_after_routing_is_switched_off_no_cheap_answer_is_served() -> None:
    """The model that was asked for answers afresh, and its answer holds under either policy."""
    clock = FakeClock()
    store = MemoryReplies(clock, max_bytes=1 << 20)
    cheap, dear = Below("openai/gpt-4o-mini"), Below()
    routed, direct = cache(store, clock, ALL), cache(store, clock, OFF)
    await chain([routed], cheap)(asks())
    await chain([routed], cheap)(asks())
    assert cheap.calls == 1
    call = asks()
    reply = await chain([direct], dear)(call)
    assert (dear.calls, reply.by) == (1, "openai/gpt-4o")
    assert verdicts(call, "exact_cache") == ["not_admitted", "miss"]
    assert (await chain([direct], dear)(asks())).by == "openai/gpt-4o"
    assert (await chain([routed], cheap)(asks())).by == "openai/gpt-4o"
    assert (cheap.calls, dear.calls) == (1, 1)
    assert await direct.known(asks())


async def test_warming_does_not_take_a_cheap_answer_for_a_known_one() -> None:
    """What may not be served is not known."""
    clock = FakeClock()
    store = MemoryReplies(clock, max_bytes=1 << 20)
    await chain([cache(store, clock, ALL)], Below("openai/gpt-4o-mini"))(asks())
    assert not await cache(store, clock, OFF).known(asks())


@pytest.mark.parametrize(
    ("route", "call", "admitted"),
    [
        (ALL, asks(), True),
        (OFF, asks(), False),
        (replace(ALL, calls="auto"), asks(), False),
        (replace(ALL, calls="auto"), asks(wish=Wish("auto")), True),
        (replace(ALL, models=("gpt-4.1", "gpt-4o")), asks(), False),
        (ALL, asks(wish=Wish("off")), False),
        (ALL, asks(caller=Caller("key:a", key="a", models=("gpt-4o",))), False),
        (ALL, asks(caller=Caller("key:a", key="a", models=("gpt-4o", "gpt-4o-mini"))), True),
        (replace(ALL, rules=(RuleTable(tag="vip", off=True),)), asks(), True),
        (
            replace(ALL, rules=(RuleTable(tag="vip", off=True),)),
            asks(caller=Caller("key:a", key="a", tags=("vip",))),
            False,
        ),
    ],
)
def test_another_model_may_answer_only_as_the_choice_would_let_it_now(
    route: RouteSection,
    call: Call,
    admitted: bool,  # noqa: FBT001 (a case)
) -> None:
    """Settings, candidates, rules, the call's own word, its key's list."""
    assert stand_ins(route)(call, reply_of(by="openai/gpt-4o-mini")) is admitted


@pytest.mark.parametrize("by", ["", "openai/gpt-4o"])
def test_the_model_that_was_asked_for_may_always_answer(by: str) -> None:
    """And so may answers from before anybody wrote down whose they are."""
    assert stand_ins(OFF)(asks(), reply_of(by=by))


@pytest.mark.parametrize(
    ("cascade", "call", "admitted"),
    [
        (CascadeSection(models=("gpt-4o-mini",)), asks(), True),
        (CascadeSection(models=("gpt-4o-mini",), enabled=False), asks(), False),
        (CascadeSection(models=("gpt-4.1",)), asks(), False),
        (CascadeSection(models=("gpt-4o-mini",)), asks(wish=Wish(cascade=False)), False),
        (
            CascadeSection(models=("gpt-4o-mini",), tasks={"code": CascadeTable(enabled=False)}),
            asks(task=Task("code", "header")),
            False,
        ),
        (
            CascadeSection(tasks={"code": CascadeTable(models=("gpt-4o-mini",))}),
            asks(task=Task("code", "header")),
            True,
        ),
    ],
)
def test_a_draft_may_be_served_again_only_while_it_would_be_made(
    cascade: CascadeSection,
    call: Call,
    admitted: bool,  # noqa: FBT001 (a case)
) -> None:
    """The ladder of its task."""
    assert stand_ins(OFF, cascade)(call, reply_of(by="openai/gpt-4o-mini")) is admitted


async def test_an_answer_of_a_model_that_may_not_answer_any_more_makes_room() -> None:
    """It is asked for afresh, once: what comes takes its place, and is served from then on."""
    kitchen = SemanticKitchen(admits=lambda _, reply: reply.by != "openai/cheap")
    kitchen.provider.changes = {"by": "openai/cheap"}
    await kitchen.ask("How do I reset my password?")
    kitchen.provider.changes = {"by": "openai/dear"}
    kitchen.scripted.policy.kind = lambda _: "serve"
    reply, call = await kitchen.ask("My password: how do I reset it?")
    assert (reply.served_by, verdicts(call, "semantic_cache")) == (
        "upstream",
        ["not_admitted", "miss"],
    )
    again, call = await kitchen.ask("My password: how do I reset it?")
    assert (again.served_by, again.by, verdicts(call, "semantic_cache")) == (
        "semantic_cache",
        "openai/dear",
        ["hit"],
    )
