"""The choice by evidence: what was learned ranks, what is proven serves, comparisons teach.

Scores come from a ranking that stands still; what comparisons teach goes into the next one. A new
ranking takes its place only while nothing is certified, or when somebody trains one on purpose:
its proofs begin anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from scrimp.calls import Call, HeldSink, Reply, Trace
from scrimp.choosing import Lesson, Place
from scrimp.ledger.steps import same_place, served_of
from scrimp.pipeline.chooser import Chosen
from scrimp.pipeline.comparing import Outcome, Shadows, why_not_compared
from scrimp.pipeline.later import Later
from scrimp.pipeline.proofs import Proof, Proofs, Subjects, noticed
from scrimp.pipeline.ranking import Ranked, Ranking
from scrimp.pipeline.route_feedback import RouteFeedback
from scrimp.pipeline.router import Plan
from scrimp.pipeline.saved_routes import SavedRanking
from scrimp.ports import Clock
from scrimp.routing.filters import Offer
from scrimp.routing.standing import LossPromise, Verdict
from scrimp.routing.tables import RouteSection
from scrimp.values import Value


class Estimated(Value, frozen=True):
    """A call that was sent by estimate alone: nothing was promised, users may still tell."""

    ranked: Ranked
    place: Place


class Ground(Value, frozen=True):
    """Why a call was sent where it was: what is needed to learn from it."""

    ranked: Ranked
    reference: Offer
    challenger: Offer
    score: float
    proof: Proof
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class LearnedMeans:
    """What it works with. `chance` is uniform in [0, 1).

    `versions` is as what each name was last known to its provider: it outlives the process.
    """

    section: RouteSection
    ranking: Ranking
    proofs: Proofs
    shadows: Shadows
    later: Later
    keep: Callable[[tuple[Lesson, ...]], None]
    feedback: RouteFeedback
    rank: Callable[[SavedRanking], None]
    train: Callable[[], Awaitable[SavedRanking | None]]
    clock: Clock
    chance: Callable[[], float]
    versions: dict[str, str]


class LearnedChoice:
    """Implements `Learned`."""

    def __init__(self, means: LearnedMeans) -> None:
        self._means = means
        self._refitting = False

    def cold(self, plan: Plan) -> bool:
        """True where too few verdicts are known of the models at hand."""
        names = [offer.name for offer in plan.offers]
        return self._means.ranking.cold(names, plan.asked.place)

    def choose(self, call: Call, plan: Plan) -> Chosen:
        """Within a proven loss where one is promised; else by the estimate."""
        ranked = self._means.ranking.rank(call, plan)
        loss = plan.wanted.wish.max_loss
        if plan.wanted.depth == "learned" or loss is None:
            offer, why = ranked.by_dial(plan.wanted.wish, _reference(plan))
            return Chosen(offer, why, ranked.numbers, Estimated(ranked, plan.asked.place))
        return self._certified(call, plan, ranked, loss)

    def answered(self, call: Call, chosen: Chosen, reply: Reply) -> None:
        """Have it compared where the certificate asked for that."""
        ground, trace = chosen.ground, call.trace
        served = served_of(trace.attempts, trace.lines)
        if served is None or not same_place(served.target, chosen.offer.target):
            self.unanswered(chosen)  # another one answered: that is not what is to be proven
            return
        self._version(chosen.offer.name, reply.facts.model)
        if isinstance(ground, Estimated):
            self._means.feedback.served(call, ground.place, chosen.offer.name, ground.ranked)
        if not isinstance(ground, Ground):
            return
        place = ground.proof.subjects.place
        self._means.feedback.served(call, place, chosen.offer.name, ground.ranked)
        if not ground.verdict.shadow:
            return
        aside = call.sent_to(HeldSink(), Trace())
        if not self._means.later.put(partial(self._compare, aside, ground, reply)):
            self._withdraw(ground)

    def unanswered(self, chosen: Chosen) -> None:
        """A comparison that was asked for will not be made."""
        if isinstance(chosen.ground, Ground) and chosen.ground.verdict.shadow:
            self._withdraw(chosen.ground)

    def _certified(self, call: Call, plan: Plan, ranked: Ranked, loss: float) -> Chosen:
        reference = _reference(plan)
        if reference is None:
            offer, why = ranked.by_dial(plan.wanted.wish, None)
            return Chosen(offer, f"{why}_without_reference", ranked.numbers)
        found = ranked.challenger(reference)
        if found is None:
            return Chosen(reference, "none_cheaper", ranked.numbers)
        challenger, score = found
        section = self._means.section
        subjects = Subjects(
            plan.asked.place,
            reference.name,
            tuple(sorted(one.name for one in plan.offers if one is not reference)),
            LossPromise(
                loss,
                section.confidence,
                section.explore,
                sensitivity=section.judge_sensitivity,
                specificity=section.judge_specificity,
            ),
            self._means.ranking.id,
        )
        proof = self._means.proofs.of(subjects)
        barred = why_not_compared(call, plan.asked.text)
        if not barred and self._means.ranking.fitted and ranked.novelty > section.novelty:
            barred = "novel"
        verdict = proof.decide(score, self._means.chance(), barred=bool(barred))
        numbers = {**ranked.numbers, "score": round(score, 4), "max_loss": loss}
        if verdict is None:
            known = Estimated(ranked, plan.asked.place)
            return Chosen(reference, "gathering", numbers, known, proven=True)
        live = -1 if proof.certificate is None else proof.certificate.ladder.live
        numbers |= {"rung": verdict.rung, "live": live, "propensity": round(verdict.propensity, 4)}
        ground = Ground(ranked, reference, challenger, score, proof, verdict)
        offer = challenger if verdict.serve_cheap else reference
        why = barred or verdict.why.replace(" ", "_")
        return Chosen(offer, why, numbers, ground, proven=True)

    def _version(self, name: str, told: str) -> None:
        noticed(self._means.versions, self._means.proofs, name, told)

    async def _compare(self, call: Call, ground: Ground, reply: Reply) -> None:
        served_cheap = ground.verdict.serve_cheap
        other = ground.reference if served_cheap else ground.challenger
        try:
            outcome = await self._means.shadows.compare(
                call, reply, other.target, cheap_served=served_cheap
            )
        except asyncio.CancelledError:  # it is over: that says nothing of answers
            self._withdraw(ground)
            raise
        except BaseException:  # whatever broke may have broken on them; the bet must not wait on
            self._learn(call, ground, Outcome("lost"))
            raise
        self._version(other.name, outcome.model)
        self._learn(call, ground, outcome)

    def _learn(self, call: Call, ground: Ground, outcome: Outcome) -> None:
        proof, label = ground.proof, outcome.label
        if label == "unmade":
            self._withdraw(ground)
            return
        loss = None if label == "lost" else label
        certificate = proof.certificate
        if certificate is not None:
            certificate.see(ground.score, loss, ground.verdict)
        if loss is None:
            return
        place, ranking = proof.subjects.place, self._means.ranking
        qualities = _qualities(ground, loss)
        for name, quality in qualities.items():
            ranking.learn(ground.ranked, name, quality, place)
        self._means.keep(self._lessons(call, ground, outcome, qualities))
        if ranking.due and not self._refitting and not self._certified_anywhere():
            self._refitting = self._means.later.put(self._refit)

    def _certified_anywhere(self) -> bool:
        """A new ranking would void what is proven of the old one."""
        now = self._means.ranking.id
        proofs = self._means.proofs
        return any(proof.serves for proof in proofs if proof.subjects.ranking == now)

    async def _refit(self) -> None:
        """A new ranking serves only where it beats what needs none on labels held back."""
        try:
            self._means.ranking.tried()
            found = await self._means.train()
            if found is None or self._certified_anywhere():
                return
            if found.live:
                self._means.ranking.take(found.predictor)
            self._means.rank(found)
        finally:
            self._refitting = False

    def _lessons(
        self, call: Call, ground: Ground, outcome: Outcome, qualities: Mapping[str, float]
    ) -> tuple[Lesson, ...]:
        proof, ranked = ground.proof, ground.ranked
        loss = outcome.label if isinstance(outcome.label, float) else None
        costs = {one.name: one.cost_nanousd for one in (ground.reference, ground.challenger)}
        return tuple(
            Lesson(
                place=proof.subjects.place,
                at=self._means.clock.now(),
                call=call.id,
                model=name,
                quality=quality,
                features=ranked.packed,
                version=self._means.ranking.version,
                source="shadow",
                propensity=ground.verdict.propensity,
                loss=loss if name == ground.challenger.name else None,
                reference=ground.reference.name,
                cost_nanousd=costs[name],
            )
            for name, quality in qualities.items()
        )

    def _withdraw(self, ground: Ground) -> None:
        if ground.proof.certificate is not None:
            ground.proof.certificate.withdraw(ground.verdict)


def _reference(plan: Plan) -> Offer | None:
    """The model that the call was headed for, where no filter removed it."""
    for offer in plan.offers:
        if same_place(offer.target, plan.reference.target):
            return offer
    return None


def _qualities(ground: Ground, loss: float) -> dict[str, float]:
    """What a comparison says of each: right where it was not the worse one."""
    return {
        ground.challenger.name: 0.0 if loss > 0 else 1.0,
        ground.reference.name: 0.0 if loss < 0 else 1.0,
    }
