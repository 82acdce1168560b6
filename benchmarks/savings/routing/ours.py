"""Scrimp's own predictor on labelled questions: rows of features, chances, gains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.savings.routing.questions import Questions
from scrimp.choosing import Place
from scrimp.embedders import static_words
from scrimp.routing.curve import Floats
from scrimp.routing.predictor import Predictor, Row
from scrimp.routing.text_features import DENSE, LEXICAL, Reader

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Said:
    """Chances of a good answer, a column per model, and how novel each question is."""

    good: Floats
    novelty: Floats


def reader() -> Reader:
    """With the static embedding where it is installed."""
    if not static_words.installed():
        return Reader()
    return Reader(static_words.load(), static_words.ID)


def features(questions: Questions, made: Reader) -> Rows:
    """A row of features per question."""
    return np.stack([made.read(text) for text in questions.texts])


def embedding(rows: Rows) -> Floats:
    """The part that peers may use, too."""
    return rows[:, LEXICAL:DENSE].astype(np.float64)


def trained(questions: Questions, rows: Rows) -> Predictor:
    """A predictor that saw these; their tasks are where they were asked."""
    predictor = Predictor(rows.shape[1], most=max(10_000, len(rows)))
    predictor.fit(
        Row(
            rows[at],
            dict(zip(questions.models, map(float, questions.quality[at]), strict=True)),
            Place(task=str(questions.tasks[at])),
        )
        for at in range(len(rows))
    )
    return predictor


def said(predictor: Predictor, questions: Questions, rows: Rows, *, told: bool) -> Said:
    """What it says of questions; `told` says whether their task is."""
    good = np.empty(questions.quality.shape)
    novelty = np.empty(len(rows))
    for at, row in enumerate(rows):
        place = Place(task=str(questions.tasks[at]) if told else "")
        found = predictor.chances(row, questions.models, place)
        good[at] = [found.good[model] for model in questions.models]
        novelty[at] = found.novelty
    return Said(good, novelty)


def left_out(
    questions: Questions, rows: Rows, groups: NDArray[np.intp], say: Callable[[str], None]
) -> dict[str, Said]:
    """Each by a predictor that never saw its group: by its text, and with its task told."""
    found = {
        name: Said(np.empty(questions.quality.shape), np.empty(len(rows)))
        for name in ("text", "told")
    }
    level = questions.quality.mean(axis=0)
    for group in np.unique(groups):
        here = groups == group
        predictor = trained(questions.picked(~here), rows[~here])
        for name, into in found.items():
            one = said(predictor, questions.picked(here), rows[here], told=name == "told")
            # Each part's router knows the mean of the other parts only, which runs against its own.
            into.good[here] = one.good - one.good.mean(axis=0) + level
            into.novelty[here] = one.novelty
        say(f"left out: part {group + 1} of {len(np.unique(groups))}")
    return found
