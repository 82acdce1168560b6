"""The chance that a model answers a question well, learned from verdicts.

Fitted in batch (`fit`, `refit`), corrected verdict by verdict in between (`learn`). Deterministic:
the same rows in the same order make the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scrimp.choosing import Place
from scrimp.routing import heads as head_fits
from scrimp.routing.effects import Effects
from scrimp.routing.fitted import Fitted, Look, compared, fitted
from scrimp.routing.heads import Head
from scrimp.routing.kept_rows import Block, KeptRows, Row, checked
from scrimp.routing.predictor_state import State, read, written
from scrimp.routing.ridge import update
from scrimp.routing.text_features import Floats, shape_of
from scrimp.values import Value

__all__ = ["Chances", "Predictor", "Row"]

Singles = NDArray[np.float32]

FEWEST: Final = 40
"""Questions, before anything is fitted."""
_MORE: Final = 0.25
_LEAST, _MOST = 0.01, 0.99
_UNKNOWN: Final = 0.5
_ROUTE: Final = 15.0
"""Verdicts that make a route half familiar."""
_ELSEWHERE: Final = (0.25, 0.5, 1.0)
"""What a verdict counts for: of any tenant, of this one, of this very task."""


class Chances(Value, frozen=True):
    """`good`: chance of a good answer, by model. `sure`: how many verdicts stand behind it.

    `novelty` is 0 for a question like those learned from, 1 for one unlike all of them, or of a
    task never seen; the more novel, the nearer each chance is to the model's mean.
    """

    good: dict[str, float]
    sure: dict[str, float]
    novelty: float


class Predictor:
    """One per set of routes. Not for several threads at once."""

    def __init__(self, width: int, *, most: int = 10_000) -> None:
        self.width = width
        self.shape = shape_of(width)
        self.most = most
        self.rows = KeptRows(width, most)
        self.effects = Effects()
        self.fitted: Fitted | None = None
        self.since = 0
        self._folded: dict[str, Singles] = {}
        self._last: tuple[bytes, Place] | None = None

    @property
    def due(self) -> bool:
        """Whether there is so much new that a refit pays."""
        return len(self.rows) >= FEWEST and self.since >= max(FEWEST, _MORE * len(self.rows))

    def chances(self, features: Floats, models: Sequence[str], place: Place) -> Chances:
        """Of these models, for one question."""
        look = None if self.fitted is None else self.fitted.look(features)
        novelty = 1.0 if look is None else self._novelty(look.novelty, models, place)
        good: dict[str, float] = {}
        for model in models:
            mean, extra = self._says(model, look)
            good[model] = mean + (1.0 - novelty) * extra + self.effects.of(model, place)
        return Chances(_within(good), self.sure(models, place), novelty)

    def sure(self, models: Sequence[str], place: Place) -> dict[str, float]:
        """How many verdicts stand behind each chance, those of this place first. Quick."""
        return {model: self._sure(model, place) for model in models}

    def learn(
        self, features: Floats, model: str, quality: float, place: Place, weight: float = 1.0
    ) -> None:
        """One verdict. Raises ValueError for a quality outside 0 to 1, or a weight not above 0."""
        checked(quality, weight)
        self._check(features)
        key = self.rows.add(features, place, {model: quality}, weight)
        self.since += 1
        look = None if self.fitted is None else self.fitted.look(features)
        mean, extra = self._says(model, look)
        self.effects.add(model, place, float(quality - mean - extra), weight)
        if self.fitted is not None and look is not None:
            self._correct(self.fitted, look, model, quality, weight)
            row = compared(self.fitted.frame, self.fitted.frame.dense(features))
            if _remember(self.fitted, row, model, quality, again=key == self._last):
                self._last = key

    def fit(self, rows: Iterable[Row]) -> None:
        """Take many verdicts at once, then refit. Raises ValueError as `learn`."""
        for row in rows:
            for quality in row.qualities.values():
                checked(quality, row.weight)
            self._check(row.features)
            self.rows.add(row.features, row.place, row.qualities, row.weight)
        self.refit()

    def refit(self) -> None:
        """Fit everything anew on the questions that are kept. Takes seconds for thousands."""
        self.since = 0
        self._folded.clear()
        self._last = None
        self.effects = Effects()
        block = self.rows.block()
        if len(self.rows) < FEWEST:
            self.fitted = None
            self._add_errors(block, np.full(block.answers.shape, _UNKNOWN))
            return
        self.fitted, said = fitted(block, self.shape)
        self._add_errors(block, said)

    def save(self) -> bytes:
        """The state: rows and all that was fitted."""
        return written(State(self.width, self.since, self.rows, self.effects, self.fitted))

    @classmethod
    def load(cls, data: bytes) -> Predictor:
        """What `save` made. Raises ValueError for bytes that are not a state of this version."""
        state = read(data)
        made = cls(state.width, most=state.rows.most)
        made.since, made.rows = state.since, state.rows
        made.effects, made.fitted = state.effects, state.fitted
        return made

    def _check(self, features: Floats) -> None:
        if features.shape != (self.width,):
            raise ValueError(f"{features.shape} features, ({self.width},) are expected")
        if not np.isfinite(features).all():
            raise ValueError("features that are not numbers")

    def _says(self, model: str, look: Look | None) -> tuple[float, float]:
        """A model's mean, and what this question adds to it."""
        if self.fitted is None or look is None:
            return _UNKNOWN, 0.0
        head = self.fitted.heads.get(model)
        if head is None:
            return float(np.mean([one.mean for one in self.fitted.heads.values()])), 0.0
        near, words, votes = self.fitted.parts
        extra = near * float(look.kernel @ self._fold(self.fitted, model, head))
        extra += words * float(look.words @ head.words)
        if (column := self.fitted.columns.get(model)) is not None:
            extra += votes * float(look.votes[column])
        return head.mean, extra

    def _fold(self, now: Fitted, model: str, head: Head) -> Singles:
        """Coefficients on the kernel itself: whitening is done once, not once a question."""
        found = self._folded.get(model)
        if found is None:
            found = (now.marks.whiten @ head.near).astype(np.float32)
            self._folded[model] = found
        return found

    def _novelty(self, of_text: float, models: Sequence[str], place: Place) -> float:
        if not place.task or len(self._tasks()) < 2:
            return of_text
        key = (place.tenant, place.task)
        known = max((self.effects.count(model, key) for model in models), default=0.0)
        return 1.0 - (1.0 - of_text) * known / (known + _ROUTE)

    def _tasks(self) -> tuple[str, ...]:
        return () if self.fitted is None else self.fitted.topics.names

    def _sure(self, model: str, place: Place) -> float:
        keys = ((), (place.tenant,), (place.tenant, place.task))
        counts = [self.effects.count(model, key) for key in keys]
        if not place.task:
            counts[2] = counts[1]
        outer = (counts[0] - counts[1], counts[1] - counts[2], counts[2])
        return sum(share * count for share, count in zip(_ELSEWHERE, outer, strict=True))

    def _correct(self, now: Fitted, look: Look, model: str, quality: float, weight: float) -> None:
        head = now.heads.get(model)
        if head is None:
            every = list(now.heads.values())
            head = head_fits.prior_of(every, now.marks.whiten.shape[1], self.shape.words)
            now.heads[model] = head
        at = (look.kernel @ now.marks.whiten).astype(np.float64)
        update(head.near, head.inverse, at, quality - head.mean - float(at @ head.near), weight)
        self._folded.pop(model, None)

    def _add_errors(self, block: Block, said: NDArray[np.float64]) -> None:
        for row, place in enumerate(block.places):
            for column in np.flatnonzero(block.weights[row]):
                error = block.answers[row, column] - said[row, column]
                weight = float(block.weights[row, column])
                self.effects.add(block.models[column], place, float(error), weight)


def _remember(now: Fitted, row: Singles, model: str, quality: float, *, again: bool) -> bool:
    """Among neighbours. `again`: it is one answer more to the question that came last."""
    column = now.columns.get(model)
    if column is None:
        return False
    near, columns = now.near, len(now.columns)
    answers = np.zeros(2 * columns, np.float32)
    if again:
        near.next = (near.next - 1) % len(near.vectors)
        answers = near.answers[near.next].copy()
    answers[column] = quality - now.heads[model].mean
    answers[columns + column] = 1.0
    near.add(row, answers)
    return True


def _within(good: dict[str, float]) -> dict[str, float]:
    """Chances between 0 and 1.

    Those that go beyond go down together: it is by how far they lie
    from each other that models are told apart, and easy questions are many.
    """
    over = max(0.0, max(good.values(), default=0.0) - _MOST)
    return {model: float(max(_LEAST, chance - over)) for model, chance in good.items()}
