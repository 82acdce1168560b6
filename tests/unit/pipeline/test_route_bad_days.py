"""What routes learn on bad days: floods of prompts, stores that fail, judges that are slow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from scrimp.by_choice import ranking_of
from scrimp.calls import Call, Caller, Reply, Target
from scrimp.choosing import Lesson, Place, Wish
from scrimp.errors import StoreError
from scrimp.levers.route import Route
from scrimp.pipeline.chooser import Depths
from scrimp.pipeline.comparing import Comparison, Outcome, ShadowRules, Shadows, why_not_compared
from scrimp.pipeline.later import Later
from scrimp.pipeline.learned import LearnedChoice, LearnedMeans
from scrimp.pipeline.proofs import FIRST, Proof, Proofs, Subjects
from scrimp.pipeline.route_feedback import RouteFeedback
from scrimp.pipeline.route_memory import RouteMemory
from scrimp.pipeline.saved_routes import VERSIONS, SavedRanking
from scrimp.routing.standing import LossPromise
from scrimp.stores import memory_routes
from scrimp.stores.memory_routes import MemoryRoutes
from tests.support.core import NOON, FakeClock, attempt_of, call_of, reply_of
from tests.support.routing import SECTION, router

OTHER = Target("openai", "gpt-4o", "openai.chat")
CERTIFIED = replace(SECTION, depth="certified", max_loss=0.05)
LESSON = Lesson(Place("key:ana"), NOON, "call-0", "small", 1.0, b"\x00", "1", "shadow")


def subjects(tenant: str, prompt: int) -> Subjects:
    """A route of a tenant's."""
    return Subjects(Place(tenant, "general", f"{prompt:x}"), "large", ("small",), LossPromise(0.05))


def gathered(proof: Proof) -> None:
    """Past its first scores."""
    for number in range(FIRST):
        proof.decide(number / FIRST, 0.0, barred=False)
    assert proof.certificate is not None


def test_thousands_of_prompts_push_out_no_proof_of_another_tenants_nor_of_their_own() -> None:
    """Those that are being proven stand apart from those that were seen once; memory is bounded."""
    proofs = Proofs()
    mine, theirs = subjects("key:ana", 1), subjects("key:bea", 1)
    for one in (mine, theirs):
        gathered(proofs.of(one))
        proofs.of(one)
    young = proofs.of(subjects("key:ana", 2))
    for prompt in range(10_000):
        proofs.of(subjects("key:bea", 100 + prompt))
    assert proofs.of(mine).certificate is not None
    assert proofs.of(theirs).certificate is not None
    assert proofs.of(subjects("key:ana", 2)) is young
    assert len(list(proofs)) <= 1024


def test_who_has_most_proofs_gives_one_up() -> None:
    """A tenant with a thousand proven routes pushes out its own oldest."""
    proofs, mine = Proofs(), subjects("key:ana", 1)
    gathered(proofs.of(mine))
    proofs.of(mine)
    for prompt in range(600):
        gathered(proofs.of(subjects("key:bea", prompt)))
        proofs.of(subjects("key:bea", prompt))
    assert proofs.of(mine).certificate is not None
    assert len(list(proofs)) <= 1024


def test_what_was_saved_is_taken_up_within_the_same_bounds() -> None:
    """However much a file holds."""
    proofs = Proofs()
    for number in range(3000):
        proofs.take(Proof(subjects("key:ana", number)).save())
    assert len(list(proofs)) <= 1024
    proofs.take(b"damaged")


@dataclass
class Failing(MemoryRoutes):
    """Takes lessons, and no states."""

    full: bool = True

    def __post_init__(self) -> None:
        """As the engine begins."""
        super().__init__()

    async def save(self, name: str, state: bytes) -> None:
        """No room."""
        if self.full:
            raise StoreError("full")
        await super().save(name, state)


async def test_a_store_that_fails_half_way_keeps_each_lesson_once_and_each_state_at_last() -> None:
    """What was written is not written again."""
    store = Failing()
    memory = RouteMemory(store, Proofs("a"), FakeClock())
    proof = memory.proofs.of(subjects("key:ana", 1))
    for number in range(FIRST):
        proof.decide(number / FIRST, 0.0, barred=False)
    memory.add(LESSON)
    await memory.flush()
    await memory.flush()
    assert await store.lessons() == [LESSON]
    assert await store.names() == ()
    assert proof.certificate is None
    store.full = False
    await memory.flush()
    assert len(await store.names()) == 1
    assert memory.proofs.of(proof.subjects).certificate is not None


async def test_prompts_that_were_seen_once_are_not_kept_in_the_store() -> None:
    """A prompt with the date in it would fill it."""
    store = MemoryRoutes()
    memory = RouteMemory(store, Proofs("a"), FakeClock())
    for prompt in range(50):
        memory.proofs.of(subjects("key:ana", prompt)).decide(0.5, 0.0, barred=False)
    await memory.flush()
    assert await store.names() == ()


async def test_states_that_grow_in_number_make_room_and_others_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The oldest by when they were saved."""
    monkeypatch.setattr(memory_routes, "MOST_STATES", 3)
    store = MemoryRoutes()
    for name in ("ranking", "certificate:1", "certificate:2", "certificate:1", "certificate:3"):
        await store.save(name, b"x")
    assert await store.names() == ("certificate:1", "certificate:3", "ranking")


async def test_a_version_that_changed_while_nobody_looked_is_known_after_a_restart() -> None:
    """What models were called is kept beside what was proven of them."""
    store = MemoryRoutes()
    first = RouteMemory(store, Proofs("a"), FakeClock())
    first.versions["small"] = "small-2026-01"
    await first.flush()
    second = RouteMemory(store, Proofs("a"), FakeClock())
    await second.begin()
    assert second.versions == {"small": "small-2026-01"}
    await store.save(VERSIONS, b"damaged")
    third = RouteMemory(store, Proofs("a"), FakeClock())
    await third.begin()
    assert third.versions == {}


def test_a_ranking_that_cannot_be_read_begins_anew() -> None:
    """It costs no start of the gateway."""
    features = ranking_of(None).version
    for damaged in (b"", b"no state", b"\x93\x01\x02"):
        made = ranking_of(SavedRanking(features, damaged, 10, NOON.isoformat()))
        assert not made.fitted


@dataclass
class Slow:
    """Answers, or judges, when it likes."""

    seconds: float = 3600.0
    asked: int = 0

    async def __call__(
        self, call: Call, reference: Reply, cheap: Reply, models: tuple[str, str]
    ) -> Comparison:
        """Not now."""
        del call, reference, cheap, models
        self.asked += 1
        await asyncio.sleep(self.seconds)
        return Comparison(0.0)


async def answered(call: Call) -> Reply:
    """A twin's."""
    call.trace.attempts.append(attempt_of(target=call.target))
    return reply_of()


def rules(**changes: object) -> ShadowRules:
    """Quick ones."""
    given: dict[str, object] = {"limit_s": 0.01, **changes}
    return ShadowRules(FakeClock(), lambda: "twin", None, **given)  # type: ignore[arg-type]


async def test_a_judge_that_is_slow_or_down_makes_no_label_and_a_slow_twin_loses_it() -> None:
    """How long an answer takes is of the answer; how long its judge takes is not."""

    async def never(call: Call) -> Reply:
        await asyncio.sleep(3600)
        return await answered(call)

    async def down(
        call: Call, reference: Reply, cheap: Reply, models: tuple[str, str]
    ) -> Comparison:
        del call, reference, cheap, models
        return Comparison(None, 7, unmade=True)

    one = call_of(), reply_of(), OTHER
    slow = await Shadows(answered, Slow(), rules()).compare(*one, cheap_served=True)
    assert slow.label == "unmade"
    twin = await Shadows(never, Slow(), rules()).compare(*one, cheap_served=True)
    assert twin.label == "lost"
    paid = await Shadows(answered, down, rules()).compare(*one, cheap_served=True)
    assert (paid.label, paid.cost_nanousd) == ("unmade", 7)


async def test_who_brings_a_key_of_their_own_pays_for_comparing_only_where_that_is_said() -> None:
    """By default nothing is asked on a stranger's account."""
    caller = Caller("credential:1", credential=("authorization", "Bearer x"))
    call, judge = replace(call_of(), caller=caller), Slow(0.0)
    found = await Shadows(answered, judge, rules()).compare(
        call, reply_of(), OTHER, cheap_served=True
    )
    assert (found, judge.asked) == (Outcome("unmade"), 0)
    asked = Shadows(answered, judge, rules(on_their_account=True))
    await asked.compare(call, reply_of(), OTHER, cheap_served=True)
    assert judge.asked == 1


def test_what_cannot_be_judged_or_is_kept_at_the_provider_has_no_twin() -> None:
    """Known before it is answered, so that it is no choice of labels."""
    call = call_of()
    assert why_not_compared(call, "Hello") == ""
    assert why_not_compared(call, "x" * 16_001) == "too_long_to_compare"
    large = replace(call, request=replace(call.request, body=b"x" * 300_000))
    assert why_not_compared(large, "Hello") == "too_long_to_compare"
    kept = replace(call, request=replace(call.request, stateful=True))
    assert why_not_compared(kept, "Hello") == "stateful"


@dataclass
class Scales:
    """Breaks on answers."""

    error: BaseException
    seen: list[Call] = field(default_factory=list)

    async def __call__(
        self, call: Call, reference: Reply, cheap: Reply, models: tuple[str, str]
    ) -> Comparison:
        """A bug, or the end."""
        del reference, cheap, models
        self.seen.append(call)
        raise self.error


@pytest.mark.parametrize(
    ("error", "lost"), [(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no"), 1), (None, 0)]
)
async def test_a_comparison_that_breaks_leaves_no_bet_waiting(
    error: Exception | None, lost: int
) -> None:
    """Broken by answers it is lost, broken off at the end it is withdrawn: others are settled."""
    scales = Scales(error or asyncio.CancelledError())
    memory, ranking, later = (
        RouteMemory(MemoryRoutes(), Proofs(), FakeClock()),
        ranking_of(None),
        Later(),
    )
    clock = FakeClock()
    means = LearnedMeans(
        section=CERTIFIED,
        ranking=ranking,
        proofs=memory.proofs,
        shadows=Shadows(answered, scales, rules(limit_s=5.0)),
        later=later,
        keep=memory.keep,
        feedback=RouteFeedback(ranking, memory.keep, clock),
        rank=memory.rank,
        train=_none,
        clock=clock,
        chance=lambda: 0.0,
        versions=memory.versions,
    )
    lever = Route(router(CERTIFIED), Depths(CERTIFIED, LearnedChoice(means)))
    body = {"model": "scrimp/auto", "messages": [{"role": "user", "content": "Hello there"}]}
    for _ in range(FIRST + 1):
        call = replace(call_of(body), target=OTHER, wish=Wish("auto"))
        await lever(call, answered)
    (proof,) = memory.proofs
    standing = proof.standing()
    assert standing is not None
    assert standing.pending == 1
    async with asyncio.TaskGroup() as group:
        work = group.create_task(later.run())
        await later.drained()
        later.stop()
    assert work.done()
    standing = proof.standing()
    assert standing is not None
    assert (standing.pending, standing.lost, len(scales.seen)) == (0, lost, 1)


async def _none() -> None:
    return None
