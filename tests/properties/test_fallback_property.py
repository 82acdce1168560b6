"""Whatever upstreams do: no call is lost, one probes at a time, a dead one is left alone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from random import Random
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.calls import Call, Reply, Target
from scrimp.choosing import Wish
from scrimp.errors import UpstreamError
from scrimp.health import WELL, Healths, Tally
from scrimp.levers.fallback import FELL_BACK
from scrimp.routing.circuit import Ended, Rules, Seen, after, claimed, look
from scrimp.stores.memory_health import MemoryHealth
from tests.support.core import FakeClock, call_of, reply_of
from tests.support.upstreams import Stage, asking, down, stage

T = 1_800_000_000.0
RULES = Rules(least_calls=4, window_s=12, open_s=2, longest_open_s=40, probes=2, probe_s=10)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["good", "bad", "claim", "end well", "end badly", "end unknown"]),
        st.integers(0, 2),
        st.floats(0, 15),
    ),
    max_size=120,
)


@given(EVENTS)
def test_of_all_workers_one_probes_at_a_time(events: list[tuple[str, int, float]]) -> None:
    """Three workers do what they like, in any order: probes never overlap, unless one was lost."""
    known: Healths = {}
    probing: dict[str, float] = {}
    now_s = T
    for number, (what, worker, later_s) in enumerate(events):
        now_s += later_s
        slot = int(now_s) // RULES.slot_s * RULES.slot_s
        health = known.get("a", WELL)
        match what:
            case "good" | "bad":
                tally = Tally(slot, 1, int(what == "bad"))
                known = after(known, Seen({"a": [tally]}), now_s, RULES)
                assert health.circuit == "closed" or known.get("a", WELL) == health
            case "claim":
                name = f"{worker}/{number}"
                known = claimed(known, ["a"], name, now_s, RULES)
                if known.get("a", WELL).prober == name:
                    assert look(health, now_s, RULES) == "half_open"
                    live = [at_s for at_s in probing.values() if now_s < at_s + RULES.probe_s]
                    assert live == []
                    probing = {name: now_s}
            case _:
                if not probing:
                    continue
                name = next(iter(probing))
                failed = {"end well": False, "end badly": True}.get(what)
                known = after(known, Seen(ended=[Ended("a", name, failed)]), now_s, RULES)
                probing = {}
                if failed:
                    assert known["a"].circuit == "open"
        found = known.get("a", WELL)
        assert found.until_s <= now_s + RULES.longest_open_s
        assert found.circuit != "closed" or not found.prober


@given(st.integers(1, 5), st.integers(1, 30), st.integers(0, 3600))
def test_a_dead_upstream_is_tried_less_and_less(probes: int, per_s: int, seconds: int) -> None:
    """However many calls there are, an hour costs it a handful of them."""
    rules = Rules(least_calls=4, probes=probes, open_s=5, growth=2, longest_open_s=300)
    known: Healths = {"a": WELL}
    tried = 0
    for tenth in range(seconds * 2):
        now_s = T + tenth / 2
        for number in range(per_s if look(known.get("a", WELL), now_s, rules) == "closed" else 1):
            health = known.get("a", WELL)
            state = look(health, now_s, rules)
            if state == "open":
                break
            name = f"{tenth}/{number}"
            tally = Tally(int(now_s) // rules.slot_s * rules.slot_s, 1, 1)
            seen = Seen({"a": [tally]})
            if state == "half_open":
                known = claimed(known, ["a"], name, now_s, rules)
                seen = Seen(ended=[Ended("a", name, failed=True)])
            known = after(known, seen, now_s, rules)
            tried += 1
    assert tried <= 4 + 7 + seconds / 300


def dice_of(seed: int) -> Random:
    """So that a run can be repeated."""
    return Random(seed)  # noqa: S311 (no secret)


def flapping(dice: Random, clock: FakeClock, name: str, share: float) -> object:
    """Well and ill by turns, some seconds each; when ill, most attempts fail in various ways."""
    until_s, ill = 0.0, False

    def says(_: Call) -> Reply | BaseException:
        nonlocal until_s, ill
        if clock.monotonic() >= until_s:
            ill, until_s = not ill, clock.monotonic() + dice.uniform(0.5, 30)
        if ill and dice.random() < share:
            return down(dice.choice([429, 500, 502, 503, 504, 529]), body=name.encode())
        return reply_of()

    return says


async def run(workers: list[Stage], calls: int, dice: Random) -> tuple[int, int]:
    """Calls one after the other, at any worker; how many were answered, and by another one."""
    answered = elsewhere = 0
    words: set[bytes] = set()
    for number in range(calls):
        one = dice.choice(workers)
        one.clock.pass_by(dice.uniform(0, 0.2))
        call = asking(call_of(), number)
        before = len(one.below.calls)
        try:
            reply = await one.answer(call)
        except UpstreamError as error:
            words.add(error.body)
            assert FELL_BACK not in call.trace.headers
            continue
        last = one.below.calls[-1].target
        answered += 1
        elsewhere += reply.cacheable is False
        assert reply.cacheable == (last.provider == "openai")
        assert len(one.below.calls) - before == len(call.trace.attempts)
    assert words <= {b"openai", b"azure", b"anthropic"}  # as upstreams put it
    return answered, elsewhere


@pytest.mark.parametrize("seed", range(3))
async def test_three_thousand_calls_over_a_flapping_upstream(seed: int) -> None:
    """Two workers, one upstream that flaps, one that is well: not one call fails."""
    dice, clock, store = dice_of(seed), FakeClock(), MemoryHealth()
    workers = [stage(store=store, clock=clock) for _ in range(2)]
    says = flapping(dice, clock, "openai", 0.9)
    for one in workers:
        one.below.says["openai"] = says  # type: ignore[assignment]  # a function of the call
    answered, elsewhere = await run(workers, 3000, dice)
    assert answered == 3000
    assert 0 < elsewhere < 3000
    missed = sum(one.lever.counts.left_out for one in workers)
    assert missed > 100


@pytest.mark.parametrize("seed", range(3))
async def test_three_thousand_calls_where_all_flap(seed: int) -> None:
    """Each call ends with an answer or with an upstream's own error, and most with an answer."""
    dice, clock, store = dice_of(seed), FakeClock(), MemoryHealth()
    workers = [stage(store=store, clock=clock) for _ in range(2)]
    for name in ("openai", "azure", "anthropic"):
        says = flapping(dice, clock, name, 0.7)
        for one in workers:
            one.below.says[name] = says  # type: ignore[assignment]  # a function of the call
    answered, _ = await run(workers, 3000, dice)
    assert answered > 2000


async def test_many_at_once_over_a_flapping_upstream() -> None:
    """Two hundred in the air at any time: none fails, and probes stay one at a time."""
    dice, clock = dice_of(7), FakeClock()
    one = stage(clock=clock)
    says = flapping(dice, clock, "openai", 0.9)
    one.below.says["openai"] = says  # type: ignore[assignment]  # a function of the call
    for turn in range(20):
        clock.pass_by(dice.uniform(0.1, 6))
        calls = [asking(call_of(), turn * 200 + number) for number in range(200)]
        replies = await asyncio.gather(*map(partial(Stage.answer, one), calls))
        assert {reply.status for reply in replies} == {200}
        probes = [
            call for call in calls if any(line.verdict == "probe" for line in call.trace.lines)
        ]
        assert len(probes) <= 4


MODELS = ("gpt-4o", "gpt-4o-mini", "claude-haiku-4-5", "gpt-4o-2024-08-06")
NAMES = tuple(f"{provider}/{model}" for provider in ("openai", "azure") for model in MODELS)
CHAIN = st.lists(st.sampled_from(NAMES), max_size=6, unique=True).map(tuple)


@given(
    chain=CHAIN,
    allowed=st.lists(st.sampled_from(MODELS), max_size=3).map(tuple),
    narrowed=st.lists(st.sampled_from(MODELS), max_size=3).map(tuple),
    required=st.booleans(),
    purpose=st.sampled_from(["client", "shadow"]),
)
def test_no_demand_of_a_call_is_ever_broken(
    chain: tuple[str, ...],
    allowed: tuple[str, ...],
    narrowed: tuple[str, ...],
    required: bool,  # noqa: FBT001 (drawn)
    purpose: Literal["client", "shadow"],
) -> None:
    """Required model, list of the key, list of the call, who a shadow must be: whatever is down."""
    wish = Wish(required="gpt-4o-mini" if required else "", models=narrowed, instead=chain)
    caller = replace(call_of().caller, models=allowed)
    call = call_of(wish=wish, caller=caller, purpose=purpose)

    async def everybody_fails() -> list[Target]:
        one = stage()
        one.below.says |= {name: down() for name in ("openai", "azure")}
        with suppress(UpstreamError):
            await one.answer(call)
        return [seen.target for seen in one.below.calls]

    first, *others = asyncio.run(everybody_fails())
    assert first == call.target
    for target in others:
        assert not allowed or target.model in allowed
        assert not narrowed or target.model in narrowed
        if required or purpose != "client":
            assert target.model == "gpt-4o-mini"
