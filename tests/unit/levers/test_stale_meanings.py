"""Answers by meaning a little past their time: served at once, and asked for anew by one call."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from scrimp.calls import Caller
from scrimp.errors import BudgetExceeded, InvalidRequest
from scrimp.meanings import Chosen, Judged
from scrimp.remembered import CacheControl
from tests.support.core import HereSink, answer_fields, call_of, chat_fields, numbers
from tests.support.renewals import ALIAS, HOUR_S, NEW, OLD, OTHER, ROOT, TEN_MINUTES_S, House


async def test_it_is_served_at_once_and_asked_for_once() -> None:
    """A crowd in several wordings gets the old answer; one call asks anew, then that is served."""
    house = House()
    await house.past_its_time()
    house.gate.clear()
    for text in (ALIAS, ROOT, OTHER) * 5:
        assert await house.says(text) == (["stale"], answer_fields(OLD))
    house.gate.set()
    await house.settled()
    for text in (ALIAS, ROOT, OTHER):
        assert await house.says(text) == (["hit"], answer_fields(NEW))
    assert (len(house.provider.calls), len(house.anew)) == (2, 1)


async def test_the_new_answer_is_the_root_of_the_words_that_were_asked() -> None:
    """What joined the old answer was judged against that one: questions and verdicts go with it."""
    house = House()
    await house.past_its_time()
    assert await house.groups() == (1, 2)
    (old,) = await house.store.nearest(*await near(house, ROOT))
    (fact,) = await house.store.facts(old_scope(house), (old.group,))
    assert (fact.size, fact.equal) == (2, 1)
    await house.says(ALIAS)
    await house.settled()
    assert await house.groups() == (1, 1)
    (new,) = await house.store.nearest(*await near(house, ALIAS))
    assert (new.group != old.group, round(new.cosine, 4)) == (True, 1.0)
    (fact,) = await house.store.facts(old_scope(house), (new.group,))
    assert (fact.size, fact.equal, fact.different) == (1, 0, 0)
    assert len(house.scripted.policy.learned) == 1


def old_scope(house: House) -> bytes:
    """The one scope of these tests."""
    (scope,) = house.parts.scopes._learned
    return scope


async def near(house: House, text: str) -> tuple[bytes, bytes, int]:
    """What to search for, to find the nearest."""
    (vector,) = await house.embedder.embed((text,))
    return old_scope(house), vector, 1


async def test_the_new_call_is_its_own() -> None:
    """Another id, trace and purpose; paid by the same caller, heard by nobody, named as before."""
    house = House()
    who = Caller("key:ana", key="ana")
    await house.past_its_time(caller=who, cache=CacheControl(name="faq/reset", tags=("shop",)))
    sink = HereSink()
    await house.says(ALIAS, caller=who, sink=sink)
    await house.settled()
    (anew,) = house.anew
    assert (anew.id, anew.purpose, anew.caller, anew.sink.live) == ("anew", "warm", who, False)
    assert (anew.cache.name, anew.cache.tags) == ("faq/reset", ("shop",))
    assert (anew.cache.mode, anew.trace.lines, sink.begun) == ("refresh", [], False)
    assert await house.store.invalidate(Chosen(tag="shop")) == 1


@pytest.mark.parametrize(
    ("by_s", "verdict"),
    [(-1, "hit"), (0, "stale"), (TEN_MINUTES_S - 1, "stale"), (TEN_MINUTES_S, "miss")],
)
async def test_how_long(by_s: float, verdict: str) -> None:
    """From its time on for ten minutes, and not a second longer."""
    house = House()
    await house.past_its_time(by_s=by_s)
    assert (await house.says(ALIAS))[0] == [verdict]
    await house.settled()


async def test_the_time_that_a_call_asked_for_is_the_time_of_the_answer() -> None:
    """Kept for a minute, it is past its time after that minute, whatever its task type says."""
    house = House()
    await house.ask(ROOT, cache=CacheControl(ttl_s=60))
    house.pass_by(61)
    assert (await house.says(ROOT))[0] == ["stale"]
    await house.settled()


async def test_it_tells_as_a_hit_does() -> None:
    """Age and bound in the headers; a user's word finds the answer, by its trace, too."""
    house = House()
    await house.past_its_time()
    house.gate.clear()
    _, call = await house.ask(ALIAS)
    assert numbers(call, "semantic_cache")["asks_anew"] == 1
    assert call.trace.headers["x-scrimp-semantic-age-s"] == str(HOUR_S + 1)
    assert call.trace.headers["x-scrimp-semantic-bound"] == house.scripted.policy.bound
    lines = tuple(call.trace.lines)
    house.parts.servings._known.clear()
    assert await house.parts.feedback.take(call.id, "local", "down", lines) == "quarantined"
    house.gate.set()
    await house.settled()


@pytest.mark.parametrize(
    ("cache", "verdict"),
    [
        (CacheControl(ttl_s=HOUR_S * 9), "miss"),
        (CacheControl("refresh"), "miss"),
        (CacheControl("no-store"), "bypass"),
    ],
)
async def test_who_asks_for_more_gets_no_old_answer(cache: CacheControl, verdict: str) -> None:
    """A time of its own, a fresh answer, or no cache at all."""
    house = House()
    await house.past_its_time()
    assert (await house.says(ALIAS, cache=cache))[0] == [verdict]
    assert house.anew == []


async def test_only_from_memory_is_only_what_still_holds() -> None:
    """`only` forbids a new call, and an old answer would begin one."""
    house = House()
    await house.past_its_time()
    with pytest.raises(InvalidRequest, match="no remembered answer"):
        await house.ask(ALIAS, cache=CacheControl("only"))


async def test_nothing_past_its_time_is_served_where_it_is_switched_off() -> None:
    """Answers that were kept under the setting are not served under none."""
    house = House()
    await house.past_its_time()
    house.lever._renewals = None
    assert (await house.says(ALIAS))[0] == ["miss"]


async def test_after_a_failure_nobody_asks_anew_for_a_minute() -> None:
    """The old answer is served on; then another call tries."""
    house = House()
    await house.past_its_time()
    house.error = BudgetExceeded("no more")
    for wait_s, tries in ((0, 1), (11, 1), (50, 2)):
        house.pass_by(wait_s)
        assert (await house.says(ALIAS))[0] == ["stale"]
        await house.settled()
        assert len(house.anew) == tries


async def test_an_answer_that_may_not_be_kept_takes_no_place() -> None:
    """A refusal: the old answer is served on, and nobody pays for the next one at once."""
    house = House()
    await house.past_its_time()
    house.answer = "I'm sorry, but I can't help with that."
    for _ in range(3):
        assert await house.says(ALIAS) == (["stale"], answer_fields(OLD))
        await house.settled()
        house.pass_by(11)
    assert len(house.anew) == 1


@pytest.mark.parametrize("how", ["tag", "group", "refresh"])
async def test_what_was_forgotten_meanwhile_is_not_kept(how: str) -> None:
    """Asked anew before, answered after: it stays forgotten, or what came between stays."""
    house = House()
    await house.past_its_time(cache=CacheControl(tags=("shop",)))
    house.gate.clear()
    await house.ask(ALIAS)
    await asyncio.sleep(0)
    house.pass_by(1)
    (found,) = await house.store.nearest(*await near(house, ROOT))
    if how == "tag":
        assert await house.store.invalidate(Chosen(tag="shop")) == 1
    elif how == "group":
        assert await house.store.delete(old_scope(house), found.group)
    else:
        house.provider.answers[ROOT] = "Between."
        await house.ask(ROOT, cache=CacheControl("refresh"))
    house.gate.set()
    await house.settled()
    house.pass_by(1)
    got = await house.says(ROOT)
    assert got == (
        (["hit"], answer_fields("Between.")) if how == "refresh" else (["miss"], answer_fields(OLD))
    )


async def test_a_quarantine_wins_over_an_answer_in_the_air() -> None:
    """What was confirmed wrong meanwhile is neither served nor replaced by a call that began so."""
    house = House()
    await house.past_its_time()
    house.gate.clear()
    _, call = await house.ask(ALIAS)
    await asyncio.sleep(0)
    assert await house.parts.feedback.take(call.id, "local", "down", ()) == "quarantined"
    assert (await house.says(ALIAS))[0] == ["miss"]
    before = await house.groups()
    house.gate.set()
    await house.settled()
    assert await house.groups() == before
    (fact,) = await house.store.facts(old_scope(house), (1,))
    assert fact.quarantined


async def test_processes_ask_anew_once() -> None:
    """Two with one store: one asks, the other serves on and asks nothing."""
    one = House()
    other = House(one)
    await one.past_its_time()
    one.gate.clear()
    assert (await one.says(ALIAS))[0] == ["stale"]
    await asyncio.sleep(0)
    assert (await other.says(ROOT))[0] == ["stale"]
    await other.settled()
    one.gate.set()
    await one.settled()
    assert (len(one.anew), len(other.anew)) == (1, 0)
    assert (await other.says(ROOT))[0] == ["hit"]


@pytest.mark.parametrize("kind", ["audit", "explore"])
async def test_nothing_joins_an_answer_past_its_time(kind: str) -> None:
    """A fresh answer that is judged equal takes its place, under its names, in its own words."""
    house = House()
    await house.past_its_time(cache=CacheControl(name="faq/reset", tags=("shop",)))
    house.decides(kind)
    assert (await house.says(OTHER))[0] == [kind]
    house.decides("serve")
    assert (await house.says(ALIAS))[0] == ["hit"]
    assert (await house.groups(), house.anew) == ((1, 1), [])
    assert [one.equal for one in house.scripted.policy.learned] == [True, True]
    assert await house.store.invalidate(Chosen(key="faq/reset", tag="shop")) == 1


async def test_an_audit_that_finds_another_answer_ends_the_old_one() -> None:
    """What is served past its time is wrong, too, when it is: it counts, and is served no more."""
    house = House()
    await house.past_its_time()
    house.provider.answers[OTHER] = NEW
    house.decides("audit")
    await house.says(OTHER)
    learned: list[Judged] = house.scripted.policy.learned
    assert [(one.equal, one.served) for one in learned] == [(True, False), (False, True)]
    (fact,) = await house.store.facts(old_scope(house), (1,))
    assert fact.quarantined


async def test_a_store_that_cannot_be_written_asks_nothing() -> None:
    """Whoever cannot say that he asks does not ask: all others would ask beside him."""
    house = House()
    await house.past_its_time()

    async def fails(*_: object, **__: object) -> bool:
        raise house_is_down

    house_is_down = BudgetExceeded("down")
    house.store.claim = fails  # type: ignore[method-assign]  # a store that is read-only by now
    assert (await house.says(ALIAS))[0] == ["stale"]
    await house.settled()
    assert house.anew == []


async def test_it_ends_with_the_app() -> None:
    """What is in the air at the end is cancelled; the old answer is served without asking."""
    house = House()
    await house.past_its_time()
    house.gate.clear()
    call = replace(call_of(chat_fields(ALIAS)), started_at=house.clock.now())
    await house.way(call)
    house.again.stop()
    with pytest.raises(asyncio.CancelledError):
        await house.settled()
    _, later = await house.ask(ALIAS)
    assert numbers(later, "semantic_cache")["asks_anew"] == 0
