"""The engine that keeps an error bound: scores in, decisions out, verdicts back. Knows no cache.

Whoever uses it (a semantic cache, a router) brings features of a candidate and verdicts on it. It
learns how probably a candidate is right, chooses from which score on it may be served, proves that
before the first is served, audits what is served, and stops when the audits say that the bound is
exceeded.
"""

from __future__ import annotations

from math import ceil, log, sqrt
from typing import Final

import numpy as np

from scrimp.quality.betting import Alarm, Certificate, growth
from scrimp.quality.labels import Labels
from scrimp.quality.noise import Noise, surprising
from scrimp.quality.threshold import MIN_LABELS, Fitted, Lesson
from scrimp.quality.words import Action, Decision, Promise, Proof

_AUDITS: Final = 0.01
"""At least one of a hundred served answers is judged, more at first; each costs a call."""
_EARLY: Final = 2000
_BY_RISK: Final = 0.06
"""And as many more as the risk of the answer in units of the bound: there a verdict tells most."""
_BEGIN: Final = 250
"""Before so many labels the threshold still jumps, and its early errors would weigh on the
proof."""


class Engine:
    """One per scope. Not for several threads: only `study(engine.lesson())` belongs elsewhere."""

    def __init__(self, promise: Promise, width: int) -> None:
        """`width` is the number of features."""
        self.promise = promise
        self.width = width
        self.labels = Labels(width)
        self.noise = Noise()
        self.fitted: Fitted | None = None
        self.live = False
        self.decisions = 0
        self.restarts = 0
        self.certificate = Certificate(self._allowed)
        self.alarm = Alarm(promise.max_error)
        self._next_study = MIN_LABELS
        self._told: tuple[tuple[object, ...], Proof] | None = None

    @property
    def _allowed(self) -> float:
        return min(0.5, self.promise.max_error)

    @property
    def alpha(self) -> float:
        """The share of proofs that may be false."""
        return 1 - self.promise.confidence

    def decide(self, features: tuple[float, ...], chance: float, *, barred: bool) -> Decision:
        """What to do. `chance` is a uniform random number in [0, 1), fresh for each decision.

        `barred`: something else forbids to serve it (a gate, quarantine).
        """
        self.decisions += 1
        row = np.array(features, np.float64)
        right = -1.0 if self.fitted is None else float(self.fitted.model.chances(row[None])[0])
        self.labels.passed(row, barred=barred)
        threshold = 2.0 if self.fitted is None else self.fitted.threshold
        would = right >= threshold and not barred
        action, propensity, floor = self._action(right, chance, would=would)
        return Decision(
            action,
            right,
            threshold,
            would,
            propensity,
            floor,
            barred,
            self.proof(),
            len(self.labels),
        )

    def _action(self, right: float, chance: float, *, would: bool) -> tuple[Action, float, float]:
        floor = 1.0
        if self.live:
            floor = _AUDITS * sqrt(max(1.0, _EARLY / self.decisions))
        if not would:
            return ("explore" if self.live else "learn"), 1.0, floor
        if not self.live:
            return "learn", 1.0, floor
        by_risk = _BY_RISK * (1 - right) / self.promise.max_error
        propensity = min(1.0, max(floor, by_risk))
        return ("audit" if chance < propensity else "serve"), propensity, floor

    def doubts(self, decision: Decision, *, right: bool) -> bool:
        """Whether two more opinions on this verdict should be asked for, the majority counting."""
        return surprising(decision.chance if self.fitted else None, right=right)

    def learn(
        self,
        features: tuple[float, ...],
        decision: Decision,
        *,
        right: bool,
        overturned: bool = False,
    ) -> None:
        """A verdict on what was not served. `overturned`: two more opinions changed it."""
        row = np.array(features, np.float64)
        self.labels.add(row, right=right, propensity=decision.propensity, barred=decision.barred)
        if self.fitted is not None:
            self.noise = self.noise.after(decision.chance, overturned=overturned)
        if len(self.labels) < _BEGIN or not (decision.would or self.promise.per_call):
            return
        scale = decision.floor / decision.propensity
        wrong = decision.would and not right
        self.certificate.add(wrong=wrong, scale=scale)
        if not self.live:
            self.live = self.certificate.wealth(self._to_prove) >= -log(self.alpha)
            return
        self.alarm.add(wrong=wrong, scale=scale)
        if self.alarm.rings(self.alpha):
            self._restart()

    @property
    def _to_prove(self) -> float:
        """The level to reject. A judge who misses some wrong answers must find fewer."""
        return self.promise.slack * self._allowed * (1 - self.noise.share)

    def _restart(self) -> None:
        """What was learned no longer holds: serve nothing, keep the newest labels, prove anew."""
        self.labels.keep_newest(_BEGIN - 1)
        self.fitted, self.live = None, False
        self.restarts += 1
        self._next_study = MIN_LABELS
        self.certificate = Certificate(self._allowed)
        self.alarm = Alarm(self.promise.max_error)

    def proof(self) -> Proof:
        """How far the proof is; made anew where something changed it, which most calls do not."""
        made_from = (
            *(self.certificate, self.certificate.seen, len(self.labels)),
            *(self.live, self.noise.share, self.fitted and self.fitted.risk),
        )
        if self._told is None or self._told[0] != made_from:
            self._told = (made_from, self._proof())
        return self._told[1]

    def _proof(self) -> Proof:
        won, needed = self.certificate.wealth(self._to_prove), -log(self.alpha)
        labels_missing = max(0, _BEGIN - len(self.labels))
        missing = 0
        if not self.live:
            risk = min(self._allowed, 1.0 if self.fitted is None else self.fitted.risk)
            # A risk at its bound wins nothing against slack 1: then only "many" can be said.
            rate = max(growth(risk * 0.8, self._to_prove), 1e-5)
            missing = labels_missing + ceil(max(0.0, needed - won) / rate)
        upper = min(1.0, self.certificate.upper(self.alpha) / (1 - self.noise.share))
        return Proof(self.live, won, needed, upper, self.certificate.seen, missing)

    @property
    def due(self) -> bool:
        """Whether enough was learned since the last study for another."""
        return self.labels.total >= self._next_study

    def lesson(self) -> Lesson:
        """What there is to learn from, for `study` in a thread; give the result to `adopt`."""
        total = self.labels.total
        self._next_study = max(total + 40, int(total * 1.08)) if total < 2000 else total + 150
        return self.labels.lesson(self.promise.max_error, per_call=self.promise.per_call)

    def adopt(self, fitted: Fitted) -> None:
        """Decide by this from now on."""
        self.fitted = fitted
