"""Made-up streams for an engine that keeps a bound: scores, answers, a judge that errs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scrimp.quality.engine import Engine
from scrimp.quality.threshold import study
from scrimp.quality.words import Decision, Promise

WIDTH = 4


@dataclass(frozen=True, slots=True)
class Told:
    """What an engine decided of one candidate, and whether it was right."""

    decision: Decision
    right: bool


Rows = list[tuple[float, ...]]


def candidates(
    count: int, dice: np.random.Generator, floor: float = 0.0
) -> tuple[Rows, list[bool]]:
    """Candidates; their first feature tells how probably they are right, `floor` is untold."""
    rows = dice.normal(size=(count, WIDTH))
    wrong = 1 / (1 + np.exp(2.5 * rows[:, 0] + 2)) * (1 - floor) + floor
    right = dice.random(count) >= wrong
    return [tuple(row) for row in rows.tolist()], right.tolist()


class Player:
    """An engine and a judge who flips a share of the verdicts, each asking anew."""

    def __init__(self, promise: Promise, dice: np.random.Generator, flip: float = 0.0) -> None:
        self.engine = Engine(promise, WIDTH)
        self._dice, self._flip = dice, flip

    def play(self, rows: Rows, right: list[bool], *, barred: bool = False) -> list[Told]:
        """All candidates, in order."""
        return [self._one(row, good, barred=barred) for row, good in zip(rows, right, strict=True)]

    def _one(self, row: tuple[float, ...], good: bool, *, barred: bool) -> Told:  # noqa: FBT001
        engine = self.engine
        decision = engine.decide(row, float(self._dice.random()), barred=barred)
        if decision.action != "serve":
            first = verdict = self._verdict(good)
            if engine.doubts(decision, right=first):
                verdict = first + self._verdict(good) + self._verdict(good) >= 2
            engine.learn(row, decision, right=verdict, overturned=verdict != first)
        if engine.due:
            engine.adopt(study(engine.lesson()))
        return Told(decision, good)

    def _verdict(self, good: bool) -> bool:  # noqa: FBT001  # the truth, as one judge sees it
        return good != (self._dice.random() < self._flip)
