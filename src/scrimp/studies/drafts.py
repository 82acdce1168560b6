"""Drafts whose quality is known, and what a score that was learned of them would be worth.

From labelled files (prompts and answers are read here, and not kept) or from lessons (they hold no
text). A draft is judged only where the answer of the model asked for is known, too; others teach.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from math import nan
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from scrimp.choosing import Lesson
from scrimp.routing.acceptance import MARK_BYTES, Acceptance, fit, mark_of
from scrimp.routing.answer_features import NAMES, VERSION, packed, unpacked
from scrimp.routing.rows import Row
from scrimp.values import Value

Floats = NDArray[np.float64]
MOST = 20_000
"""The newest drafts of a model; of more nothing is learned that these do not teach."""
FOLDS = 5


class Draft(Value, frozen=True):
    """One answer of a cheaper model. `features` are those of question and answer, packed.

    `gain` is by how much the answer of the model asked for was better, None where nobody compared.
    `best` is that answer's quality, where the two may be held against each other: both costs are
    known, and `weight` is one over the probability with which they were compared. `mark` tells it
    from other drafts.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"features"})

    features: bytes
    quality: float
    mark: bytes
    gain: float | None = None
    best: float | None = None
    draft_usd: float = 0.0
    best_usd: float = 0.0
    weight: float = 1.0


class Columns(Value, frozen=True):
    """Drafts as columns."""

    features: Floats
    quality: Floats
    gain: Floats
    best: Floats
    draft_usd: Floats
    best_usd: Floats
    weight: Floats
    mark: NDArray[np.bytes_]

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which may be held against the answer of the model asked for."""
        return np.isfinite(self.best)

    def only(self, chosen: NDArray[np.bool_]) -> Columns:
        """Those rows."""
        return Columns(*(getattr(self, name)[chosen] for name in self.__struct_fields__))

    def fitted(self) -> Acceptance | None:
        """What they teach; None where they are too few, or all alike."""
        return fit(self.features, self.quality, self.gain, self.marks)

    @property
    def marks(self) -> list[bytes]:
        """Of each, whole: arrays of bytes leave out noughts at the end."""
        return [bytes(one).ljust(MARK_BYTES, b"\0") for one in self.mark]


def drafts_of_rows(rows: Iterable[Row], model: str, reference: str) -> list[Draft]:
    """Answers of a model that a file holds word for word."""
    found = []
    for row in rows:
        label, asked = row.labels.get(model), row.labels.get(reference)
        if label is None or not label.response:
            continue
        costs = (label.cost_nanousd, None if asked is None else asked.cost_nanousd)
        known = asked is not None and None not in costs
        seen = packed(row.prompt, label.response)
        found.append(
            Draft(
                features=seen,
                quality=label.quality,
                mark=mark_of(_words(row.prompt, label.response), seen),
                gain=None if asked is None else asked.quality - label.quality,
                best=asked.quality if asked is not None and known else None,
                draft_usd=(costs[0] or 0) / 1e9,
                best_usd=(costs[1] or 0) / 1e9,
            )
        )
    return found


def drafts_of_lessons(
    lessons: Iterable[Lesson], model: str, times_dearer: Callable[[str], float | None]
) -> tuple[list[Draft], int]:
    """What an engine has learned of a model's drafts; and how many were of other features.

    `times_dearer` says what another model's answer costs, in costs of this one's; None: unknown.
    Judged are only those that a draw of known probability has picked for comparing: a check looks
    where something else has looked before.
    """
    found, others = [], 0
    for lesson in lessons:
        if lesson.model != model or len(lesson.features) != 4 * len(NAMES):
            continue
        if lesson.version != VERSION:
            others += 1
            continue
        times = times_dearer(lesson.reference) if lesson.reference else None
        drawn = lesson.source == "shadow" and lesson.loss is not None and lesson.propensity > 0
        best = None
        if drawn and times is not None and lesson.cost_nanousd is not None:
            best = min(1.0, max(0.0, lesson.quality + (lesson.loss or 0.0)))
        cost = (lesson.cost_nanousd or 0) / 1e9
        found.append(
            Draft(
                features=lesson.features,
                quality=lesson.quality,
                mark=mark_of(lesson.call, lesson.features),
                gain=lesson.loss,
                best=best,
                draft_usd=cost,
                best_usd=cost * (times or 0.0),
                weight=1.0 / lesson.propensity if drawn else 1.0,
            )
        )
    return found, others


def columns_of(drafts: Sequence[Draft]) -> Columns:
    """The newest of them, without those whose features are no numbers."""
    seen = [(one, unpacked(one.features)) for one in drafts[-MOST:]]
    rows = [(one, told) for one, told in seen if np.isfinite(told).all()]
    features = np.array([told for _, told in rows], np.float64).reshape(-1, len(NAMES))
    numbers = [
        (one.quality, one.gain, one.best, one.draft_usd, one.best_usd, one.weight)
        for one, _ in rows
    ]
    table = np.array(
        [[nan if number is None else number for number in row] for row in numbers], np.float64
    ).reshape(-1, 6)
    marks = np.array([one.mark for one, _ in rows], f"S{MARK_BYTES}")
    quality, gain, best, cheap, dear, weight = table.T
    return Columns(features, quality, gain, best, cheap, dear, weight, marks)


def cross_fitted(drafts: Columns, told: Callable[[int], None] = lambda _: None) -> Floats:
    """The score of each draft by a fit that has not seen it."""
    fold_of = np.arange(len(drafts.quality)) % FOLDS
    scores = np.full(len(fold_of), 0.5)
    for fold in range(FOLDS):
        told(fold + 1)
        held = fold_of == fold
        found = drafts.only(~held).fitted() if held.any() else None
        if found is not None:
            scores[held] = found.scores(drafts.features[held])
    return scores


def _words(prompt: str, answer: str) -> str:
    return hashlib.blake2b(
        f"{prompt}\0{answer}".encode(errors="surrogatepass"), digest_size=16
    ).hexdigest()
