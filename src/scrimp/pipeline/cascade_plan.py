"""What is done with a call that may be cascaded: who drafts, what is checked, or why nothing is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from scrimp.calls import Call, Target
from scrimp.checks.reading import question_for
from scrimp.checks.words import Question
from scrimp.choosing import Place
from scrimp.dialects.base import Dialect
from scrimp.pipeline.cascade_books import CascadeBooks
from scrimp.routing.question import asked_of

CASCADED = "x-scrimp-cascade"
"""The header of a call that was cascaded: how it ended, and with which model."""
Checks = tuple[tuple[str, str], ...]
Ladder = Callable[[Call, tuple[str, ...]], tuple[Target, ...]]
"""Those of some models that are cheaper than a call's own and may answer it."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The cascade of a task type: models from cheap to dear, checks of their drafts."""

    models: tuple[str, ...] = ()
    checks: Checks = ()


@dataclass(frozen=True, slots=True)
class CascadeSettings:
    """As `routing.cascade_tables.CascadeSection` has them."""

    steps: Steps = Steps()
    tasks: Mapping[str, Steps] = field(default_factory=dict)
    parallel: bool = False
    hold_streams: bool = False
    keep_alive_s: float = 15.0


class Plan(NamedTuple):
    """What is done with one call; `second` is who else is asked for an opinion.

    `models` is how many the settings put before the one that was asked for, whoever is left.
    """

    question: Question
    place: Place
    ladder: tuple[Target, ...]
    models: int
    checks: Checks
    second: Target | None
    parallel: bool
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans by what the settings and the call say, and by what cascades have cost."""

    settings: CascadeSettings
    ladder: Ladder
    books: CascadeBooks
    dialects: Mapping[str, Dialect]

    def __call__(self, call: Call) -> Plan | str:
        """What is done with a call, or why nothing is (empty: nobody asked for it)."""
        steps = self._steps(call)
        if isinstance(steps, str):
            return steps
        if reason := self._unfit(call):
            return reason
        if not (ladder := self.ladder(call, steps.models)):
            return "none_cheaper"
        dialect = self.dialects[call.target.dialect]
        place = asked_of(call, dialect).place
        if (standing := self.books.resting(place)) is not None:
            call.trace.headers[CASCADED] = "stopped"
            return f"stopped: {standing.more_percent} % dearer than going direct"
        return Plan(
            question=question_for(call.request, dialect),
            place=place,
            ladder=ladder,
            models=len(steps.models),
            checks=steps.checks,
            second=self._second(call, steps.checks),
            parallel=self.settings.parallel or call.wish.low_latency,
            dialect=dialect,
        )

    def _steps(self, call: Call) -> Steps | str:
        """Which models and checks a call asks for, or why it is not cascaded."""
        wish, settings = call.wish, self.settings
        if wish.cascade is False or wish.mode == "off" or wish.required or call.wait.seconds:
            return ""
        if call.purpose != "client" or call.operation != "chat" or call.cache.mode == "only":
            return ""
        steps = settings.tasks.get(call.task.name, settings.steps)
        models, checks = steps.models, wish.checks or steps.checks
        if wish.models:
            given = tuple([name for name in models if name in wish.models])
            models = given if models else wish.models if wish.cascade else ()
        if models and checks:
            return Steps(models, checks)
        return "nothing_to_check" if models and wish.cascade else ""

    def _unfit(self, call: Call) -> str:
        """Why a call takes the direct way although a cascade is set for it."""
        request, wish = call.request, call.wish
        if call.target.dialect not in self.dialects:
            return "not_a_chat"
        if request.stream and call.sink.live and not self.settings.hold_streams:
            return "streams"
        if (wish.low_latency or wish.deadline_ms is not None) and wish.cascade is None:
            return "in_a_hurry"
        if request.stateful or request.side_effects:
            return "acts"
        return "several_answers" if request.n > 1 else ""

    def _second(self, call: Call, checks: Checks) -> Target | None:
        name = next((argument for check, argument in checks if check == "agreement"), "")
        found = self.ladder(call, (name,)) if name else ()
        return found[0] if found else None
