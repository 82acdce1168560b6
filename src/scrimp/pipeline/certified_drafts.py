"""Drafts accepted by their score, as far down as is proven to cost little quality.

Each pair of a draft's model and the one asked for has a certificate on each route, the same as a
route's: its ladder are thresholds of the score, quantiles of the first ones. Until one is proven
the call goes on to the model asked for, so that both answers are there and only a judge is asked.
Afterwards a few accepted drafts are drawn, with logged probability; the model asked for then
answers, too, beside the calls.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Final

import msgspec
from msgspec.structs import replace

from scrimp.calls import Attempt, Call, HeldSink, Reply, Target, Trace
from scrimp.choosing import Lesson
from scrimp.ledger.steps import place_name
from scrimp.pipeline.acceptance_scores import LearnedScores
from scrimp.pipeline.accepting import Ruling, Scored
from scrimp.pipeline.cascade_books import Taught
from scrimp.pipeline.comparing import Outcome, Shadows, why_not_compared
from scrimp.pipeline.later import Later
from scrimp.pipeline.proofs import DRAFTS, FIRST, Proof, Proofs, Subjects, noticed
from scrimp.ports import Clock
from scrimp.routing.acceptance import FEWEST, Acceptance
from scrimp.routing.answer_features import VERSION
from scrimp.routing.standing import LossPromise, Verdict

_MORE: Final = 2
"""A fit is made anew of so many times as many lessons, and only while nothing is proven of it."""


@dataclass(frozen=True, slots=True)
class CertifiedMeans:
    """What it works with. `chance` is uniform in [0, 1).

    `fit` learns a model's drafts anew; it gives None where no draft differs from the others.

    `barred` says why a model can be no reference (it would judge itself), else nothing. `keep` has
    the fits saved; `versions` is as what each name was last known to its provider.
    """

    promise: LossPromise
    proofs: Proofs
    versions: dict[str, str]
    scores: LearnedScores
    shadows: Shadows
    later: Later
    taught: Taught
    fit: Callable[[str], Awaitable[Acceptance | None]]
    keep: Callable[[bytes], None]
    barred: Callable[[Target], str]
    clock: Clock
    chance: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is needed to learn from a draft. Without a proof it only teaches the next fit."""

    scored: Scored
    attempt: Attempt
    reference: Target
    proof: Proof | None = None
    verdict: Verdict | None = None


class CertifiedDrafts:
    """Implements `Acceptor`. `lessons` are those that are known already."""

    def __init__(self, means: CertifiedMeans, lessons: Sequence[Lesson] = ()) -> None:
        self._means = means
        self._known = Counter(one.model for one in lessons if one.version == VERSION)
        self._tried = Counter({one: means.scores.labels_of(one) for one in means.scores.models})
        self._fitting: set[str] = set()

    def rule(self, call: Call, draft: Scored) -> Ruling:
        """By the certificate of its route, its model and the one asked for."""
        means = self._means
        if barred := means.barred(call.target):
            return Ruling(accepted=False, why=barred)
        attempt = call.trace.attempts[draft.past - 1]
        barred = why_not_compared(call, draft.question.text)
        if draft.chance is None:
            ground = _Ground(draft, attempt, call.target)
            why = "nothing was learned of this model here"
            learns = not barred and self._pays(call, draft)
            return Ruling(accepted=False, why=why, drawn=learns, proving=learns, ground=ground)
        proof = means.proofs.of(self._subjects(call, draft))
        verdict = proof.decide(1.0 - draft.chance, means.chance(), barred=bool(barred))
        if verdict is None or proof.certificate is None:
            seen = f"{proof.seen} of the {FIRST} scores that make thresholds were seen"
            gathers = not barred and self._pays(call, draft)
            return Ruling(accepted=False, why=barred or seen, proving=gathers)
        ladder, rungs = proof.certificate.ladder, proof.certificate.rungs
        least = 1.0 - rungs[ladder.live] if ladder.live >= 0 else inf
        climbs = not verdict.serve_cheap and not barred and proof.certificate.climbing
        return Ruling(
            accepted=verdict.serve_cheap,
            why=barred or _why(proof, draft.chance, least),
            drawn=verdict.shadow,
            proving=climbs and self._pays(call, draft),
            least=least,
            numbers={
                "rung": verdict.rung,
                "live": ladder.live,
                "propensity": round(verdict.propensity, 4),
            },
            ground=_Ground(draft, attempt, call.target, proof, verdict),
        )

    def compare(self, call: Call, ruling: Ruling, draft: Reply, reference: Reply | None) -> None:
        """Beside the calls, where it was drawn."""
        ground = ruling.ground
        if not isinstance(ground, _Ground):
            return
        means = self._means
        noticed(means.versions, means.proofs, place_name(ground.scored.target), draft.facts.model)
        if reference is not None:
            name, told = place_name(ground.reference), reference.facts.model
            noticed(means.versions, means.proofs, name, told)
        if not ruling.drawn or (reference is None and ground.proof is None):
            return
        aside = call.sent_to(HeldSink(), Trace())
        if not means.later.put(partial(self._compare, aside, ground, (draft, reference))):
            self._drop(ground)

    def withdraw(self, ruling: Ruling) -> None:
        """Its comparison will not be made."""
        if ruling.drawn and isinstance(ruling.ground, _Ground):
            self._drop(ruling.ground)

    def _pays(self, call: Call, draft: Scored) -> bool:
        """Have the money for comparing pay for a draft that is not served, while there is some."""
        shadows = self._means.shadows
        if not shadows.may_spend:
            return False
        made = call.trace.attempts[draft.first : draft.past]
        shadows.book(sum(one.cost.nanousd or 0 for one in made))
        return True

    def _subjects(self, call: Call, draft: Scored) -> Subjects:
        """Other checks let other drafts through: what is proven is proven of these alone."""
        means, models = self._means, max(1, draft.models)
        checks = hashlib.blake2b(msgspec.msgpack.encode(draft.checks), digest_size=4).hexdigest()
        promise = means.promise
        return Subjects(
            draft.place,
            place_name(call.target),
            (place_name(draft.target),),
            replace(
                promise,
                max_loss=promise.max_loss / models,
                confidence=min(0.9999, 1 - (1 - promise.confidence) / models),
            ),
            f"{DRAFTS}{draft.fit}:{checks}",
        )

    async def _compare(
        self, call: Call, ground: _Ground, answers: tuple[Reply, Reply | None]
    ) -> None:
        draft, reference = answers
        shadows, means = self._means.shadows, self._means
        try:
            if reference is not None:
                outcome = await shadows.judge(call, reference, draft)
            else:
                outcome = await shadows.compare(call, draft, ground.reference, cheap_served=True)
                told = outcome.model
                noticed(means.versions, means.proofs, place_name(ground.reference), told)
        except asyncio.CancelledError:  # it is over: that says nothing of answers
            self._drop(ground)
            raise
        except BaseException:  # whatever broke may have broken on them; the bet must not wait on
            self._learn(call, ground, Outcome("lost"))
            raise
        self._learn(call, ground, outcome)

    def _learn(self, call: Call, ground: _Ground, outcome: Outcome) -> None:
        proof, verdict, label = ground.proof, ground.verdict, outcome.label
        if label == "unmade":
            self._drop(ground)
            return
        loss = None if label == "lost" else label
        scored = ground.scored
        if proof is not None and verdict is not None and proof.certificate is not None:
            proof.certificate.see(1.0 - (scored.chance or 0.0), loss, verdict)
        if loss is None:
            return
        taught = self._means.taught
        seen = (scored.question, scored.answer)
        lesson = taught.lesson(call, scored.place, seen, ground.attempt)
        taught.add(
            replace(
                lesson,
                at=self._means.clock.now(),
                quality=0.0 if loss > 0 else 1.0,
                source="shadow",
                propensity=1.0 if verdict is None else verdict.propensity,
                loss=loss,
                reference=ground.reference.model,
            )
        )
        self._consider(scored.target.model)

    def _consider(self, model: str) -> None:
        """Have the scores learned anew, where there is more to learn from and nothing to void."""
        self._known[model] += 1
        enough = max(FEWEST, _MORE * self._tried[model])
        if self._known[model] < enough or model in self._fitting or self._stands(model):
            return
        self._fitting.add(model)
        if not self._means.later.put(partial(self._fit, model)):
            self._fitting.discard(model)

    async def _fit(self, model: str) -> None:
        means = self._means
        try:
            self._tried[model] = self._known[model]
            found = await means.fit(model)
            if not self._stands(model):
                means.scores.put(model, found)
                means.keep(LearnedScores({model: found}).pack())
        finally:
            self._fitting.discard(model)

    def _stands(self, model: str) -> bool:
        """Whether its fit is none that an engine replaces: it was trained, or serves."""
        if self._means.scores.trained(model):
            return True
        fit = f"{DRAFTS}{self._means.scores.fit_of(model)}:"
        proofs = self._means.proofs
        return any(one.serves for one in proofs if one.subjects.ranking.startswith(fit))

    def _drop(self, ground: _Ground) -> None:
        if ground.proof is not None and ground.proof.certificate and ground.verdict is not None:
            ground.proof.certificate.withdraw(ground.verdict)


def _why(proof: Proof, chance: float, least: float) -> str:
    """What stands against a draft."""
    if least < inf:
        return f"{chance:.3f} of {least:.3f} proven"
    standing = proof.standing()
    if standing is None or standing.missing is None or standing.infeasible:
        return "infeasible: drafts lose more than is allowed"
    return f"infeasible so far: no least score is proven, about {standing.missing} labels more"
