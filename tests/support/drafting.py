"""Certified drafts with a judge by script, whose comparisons are made at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from scrimp.calls import Call, Reply, Target
from scrimp.checks.words import Answer, Question
from scrimp.choosing import Lesson, Place
from scrimp.pipeline.acceptance_scores import LearnedScores
from scrimp.pipeline.accepting import Ruling, Scored
from scrimp.pipeline.cascade_books import Taught
from scrimp.pipeline.certified_drafts import CertifiedDrafts, CertifiedMeans
from scrimp.pipeline.comparing import Outcome, Shadows
from scrimp.pipeline.later import Job, Later
from scrimp.pipeline.proofs import Proofs
from scrimp.routing.acceptance import Acceptance
from scrimp.routing.answer_features import VERSION
from scrimp.routing.standing import LossPromise, Standing
from tests.support.core import FakeClock, attempt_of, call_of, chat_fields, reply_of

CHEAP = Target("openai", "cheap", "openai.chat")
DEAR = Target("openai", "dear", "openai.chat")
HERE = Place("key:ana", "general", "ab")
CHECKS = (("score", ""),)


class AtOnce:
    """In the place of `Later`: a job that waits for nothing is done when it is handed over."""

    def __init__(self) -> None:
        self.full = False

    def put(self, job: Job) -> bool:
        """Do it."""
        if self.full:
            return False
        try:
            cast("Any", job()).send(None)
        except StopIteration:
            return True
        raise AssertionError("it waited")


@dataclass
class Judge:
    """In the place of `Shadows`: says what comes next; counts who was asked."""

    outcome: Callable[[], Outcome] = lambda: Outcome(0.0)
    judged: int = 0
    may_spend: bool = True
    spent_nanousd: int = 0
    twins: list[Target] = field(default_factory=list)

    def book(self, nanousd: int) -> None:
        """So much was spent."""
        self.spent_nanousd += nanousd

    async def judge(self, call: Call, reference: Reply, cheap: Reply) -> Outcome:
        """Both answers are there."""
        del call, reference, cheap
        self.judged += 1
        return self.outcome()

    async def compare(
        self, call: Call, reply: Reply, other: Target, *, cheap_served: bool
    ) -> Outcome:
        """The other is asked, too."""
        assert cheap_served
        del call, reply
        self.twins.append(other)
        return self.outcome()


class Lessons:
    """Implements `Lessons`."""

    def __init__(self) -> None:
        self.all: list[Lesson] = []

    def add(self, lesson: Lesson) -> None:
        """Keep it."""
        self.all.append(lesson)


class Desk:
    """One acceptor and all that it works with."""

    def __init__(
        self,
        max_loss: float = 0.05,
        *,
        models: dict[str, Acceptance | None] | None = None,
        seed: int = 0,
        barred: Callable[[Target], str] = lambda _: "",
    ) -> None:
        self.judge, self.later, self.lessons = Judge(), AtOnce(), Lessons()
        self.proofs, self.kept = Proofs(), list[bytes]()
        self.scores = LearnedScores({"cheap": None} if models is None else models)
        self.versions: dict[str, str] = {}
        self.fitted: list[str] = []
        self.dice = random.Random(seed)  # noqa: S311 - a test's
        means = CertifiedMeans(
            promise=LossPromise(max_loss),
            proofs=self.proofs,
            versions=self.versions,
            scores=self.scores,
            shadows=cast("Shadows", self.judge),
            later=cast("Later", self.later),
            taught=Taught(self.lessons, lambda *_: b"f", VERSION),
            fit=self._fit,
            keep=self.kept.append,
            barred=barred,
            clock=FakeClock(),
            chance=self.dice.random,
        )
        self.acceptor = CertifiedDrafts(means)
        self._attempt, self._reply = attempt_of(target=CHEAP), reply_of()
        self.call = call_of(chat_fields(model="dear"))
        self.call.trace.attempts.append(self._attempt)

    async def _fit(self, model: str) -> Acceptance | None:
        self.fitted.append(model)
        return None

    def rule(self, chance: float | None = 1.0, *, models: int = 1) -> Ruling:
        """On one draft."""
        seen = (HERE, Question("2 + 2?"), Answer("4"), CHEAP)
        known = (chance, "" if chance is None else self.scores.fit_of("cheap"))
        return self.acceptor.rule(self.call, Scored(*seen, CHECKS, models, *known, 0, 1))

    def one(self, chance: float | None = 1.0, loss: float | None = 0.0) -> Ruling:
        """One call from end to end; `loss` is what its judge would see, None: nothing."""
        ruling = self.rule(chance)
        self.judge.outcome = lambda: Outcome("lost" if loss is None else loss)
        reference = None if ruling.accepted else self._reply
        self.acceptor.compare(self.call, ruling, self._reply, reference)
        return ruling

    def standing(self) -> Standing | None:
        """Of the one certificate there is."""
        (proof,) = self.proofs
        return proof.standing()
