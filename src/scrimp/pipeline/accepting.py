"""Words of certified acceptance: a draft whose score has the last word, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import NamedTuple, Protocol

from scrimp.calls import Call, Reply, Target
from scrimp.checks.words import PASSED, Answer, Passed, Question, Unknown
from scrimp.choosing import Place
from scrimp.pipeline.checking import Judged, Score

SCORE = "score"
"""The check that compares what was learned of a draft with the least that may be served."""


class Scored(NamedTuple):
    """A draft that passed all other checks. `chance` is what was learned of it, None: nothing.

    `fit` is the version that scored it: another one may have come since. `models` stand before the
    one that was asked for: each may lose its part of what may be lost.
    """

    place: Place
    question: Question
    answer: Answer
    target: Target
    checks: tuple[tuple[str, str], ...]
    models: int
    chance: float | None
    fit: str
    first: int
    past: int


class Ruling(NamedTuple):
    """What a certificate says of a draft: serve it, or why not.

    `least` is the proven least score, inf where there is none. With `drawn` it is to be compared
    with the answer of the model that was asked for. With `proving` it was made so that something
    may be proven: the money for comparing pays for it, and it is no sign that cascading is dear.
    `ground` is whose who ruled.
    """

    accepted: bool
    why: str
    drawn: bool = False
    proving: bool = False
    least: float = inf
    numbers: Mapping[str, int | float | str] = {}
    ground: object = None

    def said(self, judged: Judged) -> Judged:
        """What is known of the draft, with this in place of what the check said of its score."""
        verdict = PASSED if self.accepted else Unknown(self.why)
        score = judged.score
        if score is not None:
            certified = self.least < inf
            score = Score(score.chance, self.least, certified, score.fit)
        named = ((name, verdict if name == SCORE else one) for name, one in judged.verdicts)
        return Judged(tuple(named), score)


class Acceptor(Protocol):
    """Says which drafts are served by their score, as far as that is proven; has some compared."""

    def rule(self, call: Call, draft: Scored) -> Ruling:
        """Whether this draft is served. Returns at once."""
        ...

    def compare(self, call: Call, ruling: Ruling, draft: Reply, reference: Reply | None) -> None:
        """The call is over; `reference` is the answer of the model asked for, None: none was given.

        Has the two compared where the ruling drew that, beside the calls. Never raises.
        """
        ...

    def withdraw(self, ruling: Ruling) -> None:
        """Nothing came of the call. Never raises."""
        ...


def decided_by_score(judged: Judged) -> bool:
    """Whether its score has the last word on a draft: nothing else is against it, or unsure.

    A least score that a person gave is that person's word.
    """
    others = [verdict for name, verdict in judged.verdicts if name != SCORE]
    if len(others) == len(judged.verdicts) or not all(isinstance(v, Passed) for v in others):
        return False
    return judged.score is None or judged.score.least > 1
