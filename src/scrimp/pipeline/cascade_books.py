"""What cascades cost beside going direct, by route, and what their checks teach."""

from __future__ import annotations

from collections.abc import Callable

from scrimp.calls import Attempt, Call
from scrimp.checks.words import Answer, Question
from scrimp.choosing import Lesson, Lessons, Place
from scrimp.errors import PriceUnknown
from scrimp.ledger.steps import same_place, served_of
from scrimp.pipeline.cascade_totals import SharedTotals
from scrimp.ports import Clock, Pricer
from scrimp.routing.stop_loss import StopLoss, Totals

LEVER = "cascade"


class CascadeBooks:
    """Without `stop` nothing is ever switched off; with `shared` workers count together."""

    def __init__(
        self,
        pricer: Pricer,
        clock: Clock,
        stop: StopLoss | None,
        shared: SharedTotals | None = None,
    ) -> None:
        self._pricer = pricer
        self._clock = clock
        self._stop = stop
        self._shared = shared

    def resting(self, place: Place) -> Totals | None:
        """The totals of a route whose cascade is switched off now."""
        if self._stop is None:
            return None
        if self._shared is not None:
            self._shared.touch()
        return self._stop.resting(place, self._clock.now().timestamp())

    def add(self, call: Call, place: Place, since: int) -> None:
        """Count in what the attempts from `since` on have cost. The trace says what it led to."""
        if self._stop is None:
            return
        attempts = call.trace.attempts
        costs = [attempt.cost.nanousd for attempt in attempts[since:]]
        served = served_of(attempts, call.trace.lines)
        direct = None if served is None else self._direct(call, served)
        if direct is None or not costs or None in costs:
            return
        cost = sum(one or 0 for one in costs)
        off = self._stop.add(place, cost, direct, self._clock.now().timestamp())
        if off:
            call.trace.note(LEVER, "switched_off", {"why": "it costs more than going direct"})
        if self._shared is not None:
            self._shared.touch(at_once=off)

    def _direct(self, call: Call, served: Attempt) -> int | None:
        """What the model that was asked for would have cost for the answer that was served."""
        if same_place(served.target, call.target):
            return served.cost.nanousd
        if served.usage is None:
            return None
        try:
            cost = self._pricer(served.usage, call.target, served.started_at, served.service_tier)
        except PriceUnknown:
            return None
        return cost.nanousd


class Taught:
    """Hands lessons on. `features` packs what can be seen of an answer, `version` says how."""

    def __init__(
        self, lessons: Lessons, features: Callable[[str, str], bytes], version: str
    ) -> None:
        self._lessons = lessons
        self._features = features
        self._version = version

    def lesson(
        self, call: Call, place: Place, seen: tuple[Question, Answer], told: Attempt
    ) -> Lesson:
        """What is known of one answer; its quality is yet to be set."""
        question, answer = seen
        return Lesson(
            place=place,
            at=told.started_at,
            call=call.id,
            model=told.target.model,
            quality=0.0,
            features=self._features(question.text, answer.text),
            version=self._version,
            source="check",
            cost_nanousd=told.cost.nanousd,
        )

    def add(self, lesson: Lesson) -> None:
        """Hand it over."""
        self._lessons.add(lesson)
