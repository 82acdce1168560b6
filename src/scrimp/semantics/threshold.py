"""The classic policy: serve whatever is nearer than a threshold. Nothing is promised of it.

Of what would be served a share may still be judged, so that its owner learns how often it is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from scrimp.meanings import GroupFacts, Judged
from scrimp.quality.lexical import conflict
from scrimp.quality.sketch import read, sketch
from scrimp.semantics.deciding import Decision, Kind, Nearby, Policy, Standing, Weighed

BOUND = "none"
_Z = 1.6448536269514722
"""The 95 % quantile of the normal distribution, one-sided."""


@dataclass(frozen=True, slots=True)
class ThresholdRules:
    """`threshold` of the cosine, and the share of would-be servings that is judged."""

    threshold: float = 0.92
    audits: float = 0.0


class Thresholds:
    """Makes them. `dice` gives numbers in [0, 1)."""

    neighbours: ClassVar[int] = 4

    def __init__(self, rules: ThresholdRules, dice: Callable[[], float]) -> None:
        self._rules = rules
        self._dice = dice

    def sketch(self, text: str, scope: bytes) -> bytes:
        """Hashes of its words."""
        return sketch(text, scope[:32])

    def of(self, state: bytes | None, verdicts: tuple[Judged, ...]) -> Policy:
        """With the counts that were kept."""
        counts = _Counts()
        if state is not None:
            try:
                counts = msgspec.json.decode(state, type=_Counts)
            except msgspec.MsgspecError:
                counts = _Counts()
                for verdict in verdicts:
                    counts.take(verdict)
        return Threshold(self._rules, self._dice, counts)


class _Counts(msgspec.Struct):
    judged: int = 0
    wrong: int = 0

    def take(self, verdict: Judged) -> None:
        """Only what would have been served counts."""
        if verdict.served and verdict.source != "user":
            self.judged += 1
            self.wrong += not verdict.equal


class Threshold:
    """One scope's. Texts that exclude each other by their words are not served even so."""

    bound: ClassVar[str] = BOUND

    def __init__(self, rules: ThresholdRules, dice: Callable[[], float], counts: _Counts) -> None:
        self._rules = rules
        self._dice = dice
        self._counts = counts

    @property
    def standing(self) -> Standing:
        """The share that was wrong, with its upper bound (Wilson 1927, one-sided 95 %)."""
        judged, wrong = self._counts.judged, self._counts.wrong
        if not judged:
            return Standing(missing=0)
        share = wrong / judged
        square = _Z * _Z
        middle = share + square / (2 * judged)
        spread = _Z * (share * (1 - share) / judged + square / (4 * judged * judged)) ** 0.5
        upper = min(1.0, max(share, (middle + spread) / (1 + square / judged)))
        return Standing(judged, share, upper, missing=0)

    def weigh(self, nearby: Nearby) -> Weighed:
        """All of them: one may be in quarantine."""
        return Weighed(nearby, tuple(dict.fromkeys(one.group for one in nearby.neighbours)))

    def decide(self, weighed: Weighed, facts: tuple[GroupFacts, ...]) -> Decision:
        """By the nearest question whose answer may be served."""
        nearby = weighed.nearby
        out = {fact.group for fact in facts if fact.quarantined}
        near = [one for one in nearby.neighbours if one.group not in out]
        if not near:
            return Decision("new", why="quarantined" if nearby.neighbours else "nothing_near")
        best = near[0]
        order = tuple(dict.fromkeys(one.group for one in near))
        if best.cosine < self._rules.threshold:
            return Decision("new", best.group, score=best.cosine, order=order, why="below")
        against = conflict(read(nearby.sketch), read(best.sketch))
        if against is not None:
            return Decision("new", best.group, score=best.cosine, order=order, why=against)
        share = self._rules.audits
        kind: Kind = "audit" if share > 0 and self._dice() < share else "serve"
        return Decision(kind, best.group, score=best.cosine, propensity=share, order=order)

    def doubts(self, decision: Decision, *, equal: bool) -> bool:  # noqa: ARG002 (the protocol's)
        """Never: nothing rests on a single verdict."""
        return False

    def learn(
        self,
        verdict: Judged,
        decision: Decision,  # noqa: ARG002 (the protocol's)
        *,
        overturned: bool = False,  # noqa: ARG002 (the protocol's)
    ) -> bool:
        """Count it."""
        before = self._counts.judged
        self._counts.take(verdict)
        return self._counts.judged != before

    def study(self) -> None:
        """There is nothing to study."""

    def state(self) -> bytes:
        """The counts."""
        return msgspec.json.encode(self._counts)
