"""The semantic cache: what it serves, what it compares, and what never holds a call up."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import FREE_COST, Call, Caller, Cost, ReplyFacts
from scrimp.errors import InvalidRequest, StoreError
from scrimp.ports import CacheScope
from scrimp.semantics.scope import ScopeRules
from scrimp.semantics.threshold import ThresholdRules, Thresholds
from scrimp.stores.semantic_memory import MemorySemantic
from tests.support.core import FakeClock, answer_fields, call_of, chat_fields, numbers, verdicts
from tests.support.meanings import Scripted, SemanticKitchen, TextJudge

ROOT, ALIAS = "How do I reset my password?", "My password: how do I reset it?"
BOOKS = CacheScope("local", "general")


def serving(kitchen: SemanticKitchen, kind: str = "serve") -> SemanticKitchen:
    """From now on it decides like this."""
    kitchen.scripted.policy.kind = lambda _: kind
    return kitchen


def said(call: Call) -> list[str]:
    """What the semantic cache said of a call."""
    return verdicts(call, "semantic_cache")


async def test_nothing_is_served_until_enough_is_known() -> None:
    """A miss says how many verdicts are missing, and the provider answers."""
    kitchen = SemanticKitchen()
    await kitchen.ask(ROOT)
    reply, call = await kitchen.ask(ALIAS)
    assert (said(call), reply.served_by, len(kitchen.provider.calls)) == (
        ["explore"],
        "upstream",
        2,
    )
    assert numbers(call, "semantic_cache")["missing"] == 7


async def test_a_hit_is_served_with_its_numbers_and_never_stored_again() -> None:
    """Trace and headers tell probability, age and bound; the provider is not asked."""
    kitchen = SemanticKitchen()
    first, _ = await kitchen.ask(ROOT)
    serving(kitchen).pass_by(90)
    reply, call = await kitchen.ask(ALIAS)
    assert (reply.body, reply.served_by, reply.cacheable) == (first.body, "semantic_cache", False)
    assert reply.headers == (("content-type", "application/json"),)
    told = numbers(call, "semantic_cache")
    assert (told["p"], told["age_s"], told["bound"]) == (0.97, 90, "max_error 0.02 at 0.95")
    assert call.trace.headers == {
        "x-scrimp-semantic-p": "0.9700",
        "x-scrimp-semantic-age-s": "90",
        "x-scrimp-semantic-bound": "max_error 0.02 at 0.95",
    }
    assert len(kitchen.provider.calls) == 1
    (stats,) = await kitchen.parts.stats()
    assert (stats.scope, stats.groups, stats.hits, stats.misses) == (BOOKS, 1, 1, 1)


async def test_a_miss_that_proves_equal_becomes_an_alias_of_the_root() -> None:
    """It joins the group, and is compared with the root's answer."""
    kitchen = SemanticKitchen()
    kitchen.provider.answers = {ROOT: "Use the link.", ALIAS: "Use the link."}
    await kitchen.ask(ROOT)
    await kitchen.ask(ALIAS)
    (stats,) = await kitchen.store.stats()
    assert (stats.groups, stats.questions, stats.judged) == (1, 2, 1)
    (verdict,) = kitchen.scripted.policy.learned
    assert (verdict.equal, verdict.served, verdict.propensity) == (True, False, 0.1)
    assert (verdict.features, verdict.score) == ((1.0, 2.0), 0.9)


async def test_a_miss_that_differs_becomes_a_group_of_its_own() -> None:
    """And the verdict says so."""
    kitchen = SemanticKitchen()
    await kitchen.ask(ROOT)
    await kitchen.ask(ALIAS)
    (stats,) = await kitchen.store.stats()
    assert (stats.groups, stats.questions) == (2, 2)
    assert [verdict.equal for verdict in kitchen.scripted.policy.learned] == [False]


async def test_an_audit_is_paid_and_compared_and_the_client_gets_the_fresh_answer() -> None:
    """Its verdict counts as one on a serving, with its propensity."""
    kitchen = SemanticKitchen()
    kitchen.provider.answers = {ROOT: "Use the link.", ALIAS: "Use the link."}
    await kitchen.ask(ROOT)
    serving(kitchen, "audit")
    reply, call = await kitchen.ask(ALIAS)
    assert (said(call), reply.served_by) == (["audit"], "upstream")
    (verdict,) = kitchen.scripted.policy.learned
    assert (verdict.served, verdict.equal, verdict.propensity) == (True, True, 0.1)
    (stats,) = await kitchen.store.stats()
    assert (stats.audits, stats.misses, stats.hits) == (1, 2, 0)


async def test_one_confirmed_error_puts_the_answer_out_of_service() -> None:
    """After an audit that found another answer, the group is in quarantine and not served."""
    kitchen = SemanticKitchen()
    await kitchen.ask(ROOT)
    serving(kitchen, "audit")
    await kitchen.ask(ALIAS)
    serving(kitchen)
    reply, call = await kitchen.ask(ROOT)
    assert (reply.served_by, said(call)) == ("upstream", ["miss"])


async def test_no_two_tenants_share_an_answer() -> None:
    """The same words of another tenant are asked for anew, though this policy serves anything."""
    kitchen = serving(SemanticKitchen())
    for tenant in ("key:a", "key:b", "", "KEY:A"):
        reply, _ = await kitchen.ask(ROOT, caller=Caller(tenant))
        assert reply.served_by == "upstream"
    again, _ = await kitchen.ask(ALIAS, caller=Caller("key:a"))
    assert again.served_by == "semantic_cache"


async def test_tenants_that_are_declared_to_share_do() -> None:
    """Those of a pool, and nobody else."""
    pools = {"key:a": "shop", "key:b": "shop"}
    rules = ScopeRules(secret=b"s" * 32, embedder="words/1", pools=pools)
    kitchen = serving(SemanticKitchen(scope=rules))
    await kitchen.ask(ROOT, caller=Caller("key:a"))
    shared, _ = await kitchen.ask(ALIAS, caller=Caller("key:b"))
    other, _ = await kitchen.ask(ALIAS, caller=Caller("key:c"))
    assert (shared.served_by, other.served_by) == ("semantic_cache", "upstream")


@pytest.mark.parametrize("broken", ["dead", "stuck"])
async def test_an_embedder_that_is_dead_or_slow_is_skipped_in_time(broken: str) -> None:
    """The call is answered afresh, the trace says why, and after three it rests for a while."""
    kitchen = SemanticKitchen(limit_s=0.01)
    setattr(kitchen.embedder, broken, True)
    for _ in range(3):
        reply, call = await kitchen.ask(ROOT)
        assert (reply.served_by, said(call)) == ("upstream", ["skipped"])
    assert numbers(call, "semantic_cache")["reason"] == (
        "the embedder is down" if broken == "dead" else "nothing within 0.01 s"
    )
    setattr(kitchen.embedder, broken, False)
    _, resting = await kitchen.ask(ROOT)
    assert numbers(resting, "semantic_cache")["reason"] == "resting"
    kitchen.pass_by(6)
    _, call = await kitchen.ask(ROOT)
    assert said(call) == ["miss"]


class BrokenStore(MemorySemantic):
    """Fails at some of its ends."""

    failing: frozenset[str] = frozenset()

    def __getattribute__(self, name: str) -> Any:
        """Its own, unless it is to fail."""
        if name != "failing" and name in self.failing:
            raise StoreError(f"{name} cannot be read")
        return super().__getattribute__(name)


@pytest.mark.parametrize("end", ["nearest", "facts", "load", "answer"])
async def test_a_store_that_cannot_be_read_is_skipped(end: str) -> None:
    """Whatever of it is damaged."""
    store = BrokenStore(FakeClock())
    kitchen = serving(SemanticKitchen(store=store))
    if end != "load":
        await kitchen.ask(ROOT)
    store.failing = frozenset({end})
    reply, call = await kitchen.ask(ROOT)
    assert (reply.served_by, said(call)[0]) == ("upstream", "skipped")
    assert numbers(call, "semantic_cache") or said(call) == ["skipped"]


@pytest.mark.parametrize("end", ["add_root", "add_alias", "judged", "save"])
async def test_a_store_that_cannot_be_written_loses_what_was_learned_and_no_call(end: str) -> None:
    """The background job fails; the next call is answered as before."""
    store = BrokenStore(FakeClock())
    kitchen = SemanticKitchen(store=store)
    kitchen.provider.answers = {ROOT: "Use the link.", ALIAS: "Use the link."}
    await kitchen.ask(ROOT)
    store.failing = frozenset({end})
    await kitchen.ask(ALIAS)
    await kitchen.ask("How do plants grow at night?")
    store.failing = frozenset()
    reply, _ = await serving(kitchen).ask(ROOT)
    assert reply.served_by == "semantic_cache"


async def test_a_surprising_verdict_is_asked_for_three_times() -> None:
    """Of a judge that may slip; the majority holds, and all three are paid."""
    judge = TextJudge(cost=Cost.exact(5, price_version="t", lines=()), source="model", slips=1)
    kitchen = SemanticKitchen(judge=judge)
    kitchen.provider.answers = {ROOT: "Use the link.", ALIAS: "Use the link."}
    policy = kitchen.scripted.policy
    policy.doubtful = True
    await kitchen.ask(ROOT)
    await kitchen.ask(ALIAS)
    (verdict,) = policy.learned
    assert (verdict.equal, verdict.cost_nanousd, len(judge.asked)) == (True, 15, 3)
    assert (policy.overturned, policy.studied) == (1, 1)


async def test_a_judge_that_cannot_tell_teaches_nothing() -> None:
    """Silence is no verdict."""
    kitchen = SemanticKitchen()
    kitchen.judge.silent = True
    await kitchen.ask(ROOT)
    await kitchen.ask(ALIAS)
    assert kitchen.scripted.policy.learned == []


async def test_what_judging_cost_is_in_the_verdict() -> None:
    """So that savings can be told net of it."""
    judge = TextJudge(cost=Cost.exact(1234, price_version="t", lines=()), source="model")
    kitchen = SemanticKitchen(judge=judge)
    await kitchen.ask(ROOT)
    await kitchen.ask(ALIAS)
    assert kitchen.scripted.policy.learned[0].cost_nanousd == 1234
    assert (await kitchen.parts.stats())[0].judge_nanousd == 1234
    assert FREE_COST.nanousd == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cacheable": False}, "not_cacheable"),
        ({"body": None}, "not_cacheable"),
        ({"facts": ReplyFacts(finish="truncated", complete=True)}, "not_whole"),
        ({"facts": ReplyFacts(finish="refused", complete=True)}, "not_whole"),
        ({"facts": ReplyFacts(finish="tool_calls", complete=True)}, "not_whole"),
        ({"facts": ReplyFacts(finish="complete", complete=False)}, "not_whole"),
        ({"body": answer_fields("I'm sorry, but I can't help with that.")}, "refusal"),
        ({"body": answer_fields(" ")}, "no_text"),
        ({"body": answer_fields("x" * 300_000)}, "too_large"),
    ],
)
async def test_what_is_no_answer_is_never_kept(changes: dict[str, Any], reason: str) -> None:
    """Refused, cut, empty or too large: it answers this call and no other."""
    kitchen = SemanticKitchen()
    kitchen.provider.changes = changes
    _, call = await kitchen.ask(ROOT)
    assert numbers(call, "semantic_cache")["reason"] == reason
    assert sum(one.groups for one in await kitchen.store.stats()) == 0


async def test_the_request_rules_over_memory() -> None:
    """no-store does neither, refresh makes anew, only never asks, ttl bounds the age."""
    kitchen = serving(SemanticKitchen())
    plain = call_of().cache
    _, call = await kitchen.ask(ROOT, cache=replace(plain, mode="no-store"))
    assert numbers(call, "semantic_cache")["reason"] == "no_store"
    with pytest.raises(InvalidRequest, match="no remembered answer"):
        await kitchen.ask(ROOT, cache=replace(plain, mode="only"))
    assert len(kitchen.provider.calls) == 1
    kitchen.provider.answers[ROOT] = "An old answer."
    await kitchen.ask(ROOT)
    kitchen.provider.answers[ROOT] = "A new answer."
    fresh, _ = await kitchen.ask(ROOT, cache=replace(plain, mode="refresh"))
    served, _ = await kitchen.ask(ALIAS, cache=replace(plain, mode="only"))
    assert (fresh.served_by, served.body) == ("upstream", fresh.body)
    kitchen.pass_by(30)
    young, _ = await kitchen.ask(ALIAS, cache=replace(plain, ttl_s=30))
    assert young.served_by == "upstream"


async def test_an_answer_past_its_time_is_not_served() -> None:
    """General answers live for an hour."""
    kitchen = serving(SemanticKitchen())
    await kitchen.ask(ROOT)
    kitchen.pass_by(3600)
    reply, _ = await kitchen.ask(ALIAS)
    assert reply.served_by == "upstream"


async def test_a_lever_that_is_skipped_reads_no_text() -> None:
    """What is bypassed is not embedded."""
    kitchen = SemanticKitchen()
    _, call = await kitchen.ask("What is the weather today?")
    assert (said(call), numbers(call, "semantic_cache")) == (["bypass"], {"reason": "time"})
    huge = [{"role": "system", "content": "x" * 200_000}, {"role": "user", "content": ROOT}]
    long = call_of({**chat_fields(), "messages": huge})
    await kitchen.way(long)
    assert numbers(long, "semantic_cache") == {"reason": "long_context"}
    assert kitchen.embedder.asked == []


async def test_learned_state_comes_back_after_a_restart() -> None:
    """What a policy saved is what the next process makes it from."""
    clock = FakeClock()
    store = MemorySemantic(clock)
    kitchen = SemanticKitchen(store=store)
    await kitchen.ask(ROOT)
    await kitchen.ask(ALIAS)
    again = SemanticKitchen(store=store)
    await again.ask(ROOT)
    assert (kitchen.scripted.states, again.scripted.states) == ([None], [b"1"])


async def test_the_classic_mode_serves_by_threshold_and_promises_nothing() -> None:
    """Near enough is served, a conflict of words is not, and the trace says that nothing holds."""
    policies = Thresholds(ThresholdRules(threshold=0.8), lambda: 0.5)
    kitchen = SemanticKitchen(policies=policies)
    await kitchen.ask("how do I reset my password")
    reply, call = await kitchen.ask("how do I reset my own password")
    assert (reply.served_by, numbers(call, "semantic_cache")["bound"]) == ("semantic_cache", "none")
    assert call.trace.headers["x-scrimp-semantic-p"].startswith("cosine 0.9")
    await kitchen.ask("flights from Oslo to Rome")
    reply, call = await kitchen.ask("flights from Rome to Oslo")
    assert reply.served_by == "upstream"
    assert numbers(call, "semantic_cache")["why"] == "order"


async def test_the_classic_mode_can_be_audited() -> None:
    """A share of its servings is judged, and the share that was wrong is told with its bound."""
    dice = iter([0.5, 0.01])
    policies = Thresholds(ThresholdRules(threshold=0.8, audits=0.1), lambda: next(dice))
    kitchen = SemanticKitchen(policies=policies)
    await kitchen.ask("how do I reset my password")
    served, _ = await kitchen.ask("how do I reset my own password")
    audited, call = await kitchen.ask("so how do I reset my password")
    assert (served.served_by, audited.served_by) == ("semantic_cache", "upstream")
    assert said(call) == ["audit"]
    (stats,) = await kitchen.parts.stats()
    assert (stats.judged, stats.wrong_share) == (1, 1.0)
    assert stats.wrong_upper == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("words", "done", "served"),
    [
        (["up"], "noted", "semantic_cache"),
        (["down"], "quarantined", "upstream"),
        (["regenerate"], "noted", "semantic_cache"),
        (["regenerate", "regenerate"], "quarantined", "upstream"),
    ],
)
async def test_users_words_take_wrong_answers_out(words: Any, done: str, served: str) -> None:
    """One thumb down, or two that ask again; estimates do not rest on who speaks up."""
    kitchen = serving(SemanticKitchen())
    await kitchen.ask(ROOT)
    _, call = await kitchen.ask(ALIAS)
    for word in words:
        said_back = await kitchen.parts.feedback.take(call.id, "local", word, ())
    assert said_back == done
    assert {verdict.propensity for verdict in kitchen.scripted.policy.learned} == {0.0}
    reply, _ = await kitchen.ask(ALIAS)
    assert reply.served_by == served


async def test_feedback_reaches_only_ones_own_servings() -> None:
    """Another tenant's word on a call is about nothing; what the ledger says is enough for ours."""
    kitchen = serving(SemanticKitchen())
    await kitchen.ask(ROOT)
    _, call = await kitchen.ask(ALIAS)
    feedback = kitchen.parts.feedback
    assert await feedback.take(call.id, "key:other", "down", ()) == "not_by_meaning"
    assert await feedback.take("unknown", "local", "down", ()) == "not_by_meaning"
    lines = tuple(call.trace.lines)
    assert await feedback.take("forgotten", "local", "down", lines) == "quarantined"
    reply, _ = await kitchen.ask(ALIAS)
    assert reply.served_by == "upstream"


async def test_many_answers_at_once_are_dropped_and_counted() -> None:
    """Learning never holds a call up: what does not fit is left."""
    kitchen = SemanticKitchen()
    kitchen.later._most = 1
    for text in (ROOT, "How do plants grow at night?"):
        call = call_of(chat_fields(text))
        await kitchen.way(call)
    assert numbers(call, "semantic_cache")["reason"] == "busy"
    assert kitchen.later.dropped == 1


def test_scripted_policies_are_policies() -> None:
    """The double has the shape of the real one."""
    assert Scripted().standing.wrong_upper == 0.4
