"""Scores of drafts by what was learned of their models. Implements `checking.Scores`."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from scrimp.choosing import Place
from scrimp.pipeline.checking import Score
from scrimp.routing.acceptance import Acceptance
from scrimp.routing.answer_features import features


class LearnedScores:
    """`models` is what was learned, `proven` the least score that a certificate lets pass.

    Where nothing is proven nothing is accepted, unless a person gives the least score.
    """

    def __init__(
        self, models: Mapping[str, Acceptance], proven: Mapping[tuple[Place, str], float]
    ) -> None:
        self._models = models
        self._proven = proven

    def __call__(self, place: Place, model: str, question: str, answer: str) -> Score | None:
        """None for a model of whose drafts nothing was learned."""
        found = self._models.get(model)
        if found is None:
            return None
        least = self._proven.get((place, model), inf)
        score = found.score(tuple(features(question, answer).values()))
        return Score(score, least, certified=least < inf)
