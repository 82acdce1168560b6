"""One route's life, replayed: requests drawn from a pool, labels told as a judge tells them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.savings.routing.certificate_pools import Floats, Pool
from scrimp.routing.certificate import Certificate
from scrimp.routing.standing import LossPromise, Verdict

Told = Callable[[float, float], float | None]
"""What the judge tells of a true loss, given a uniform number; None for no label."""
SPLIT = 0.195
"""A fifth of the traffic, give or take half a point of where a threshold falls."""
LIMIT = 300


@dataclass(slots=True)
class Life:
    """What happened."""

    labels: int = 0
    to_fifth: int | None = None
    requests_to_fifth: int | None = None
    ever: bool = False
    violated: list[bool] = field(default_factory=list)
    served_too_lossy: list[bool] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    restarts: int = 0


@dataclass(slots=True)
class After:
    """What happened after the traffic changed; labels are those on what is served cheap."""

    was_live: bool
    excess: float = 0.0
    """How far the loss of what was served is above the bound on the new traffic, when it came."""
    labels: int = 0
    alarm: int | None = None
    violated: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How a replay goes. `late` gives how many requests later a label comes.

    `drop_missing`: labels that could not be had are left out, against the certificate's rules.
    `stop`: end at the first violation.
    """

    promise: LossPromise
    requests: int
    checkpoints: tuple[int, ...] = ()
    told: Told | None = None
    late: Callable[[float], int] | None = None
    drop_missing: bool = False
    stop: bool = False


def live_of(pool: Pool, plan: Plan, seed: int) -> tuple[Life, Certificate]:
    """A route from its first request on. What is proven counts, also while it does not serve."""
    truth, share = pool.loss, pool.share
    bad = [bool(loss > plan.promise.max_loss + 1e-9) for loss in truth]
    certificate = Certificate(plan.promise, pool.rungs, pool.given)
    life, desk, at = Life(), _Desk(certificate, plan), 0
    marks = set(plan.checkpoints)
    rows = _drawn(pool, plan.requests, np.random.default_rng(seed))
    for at, (score, loss, barred, chance, luck) in enumerate(rows, start=1):
        verdict = certificate.decide(score, chance, barred=barred)
        if verdict.shadow:
            life.labels += 1
        desk.tell(score, loss, luck, verdict)
        live, proven = certificate.ladder.live, certificate.ladder.proven
        if proven >= 0:
            life.ever = life.ever or any(bad[: proven + 1])
            if plan.stop and life.ever:
                break
            if life.to_fifth is None and share[proven] >= SPLIT:
                life.to_fifth, life.requests_to_fifth = life.labels, at
        if at in marks:
            life.violated.append(any(bad[: proven + 1]))
            life.served_too_lossy.append(live >= 0 and bad[live])
            life.shares.append(float(share[live]) if live >= 0 else 0.0)
            life.used.append(life.labels)
    life.restarts = certificate.restarts
    return life, certificate


def shifted(before: Pool, after: Pool, plan: Plan, seed: int, most: int) -> After:
    """The traffic changes at once. Violated: too lossy a rung still serves after `LIMIT` labels."""
    _, certificate = live_of(before, plan, seed)
    live, restarts = certificate.ladder.live, certificate.restarts
    found = After(live >= 0)
    if live < 0:
        return found
    truth = after.loss
    found.excess = float(truth[live]) - plan.promise.max_loss
    desk = _Desk(certificate, plan)
    for score, loss, barred, chance, luck in _drawn(
        after, most, np.random.default_rng(~seed & 2**32 - 1)
    ):
        verdict = certificate.decide(score, chance, barred=barred)
        found.labels += verdict.shadow and verdict.serve_cheap
        desk.tell(score, loss, luck, verdict)
        if certificate.restarts > restarts:
            found.alarm = found.labels
            return found
        if found.labels >= LIMIT:
            now = certificate.ladder.live
            found.violated = now >= 0 and bool(truth[now] > plan.promise.max_loss)
            return found
    return found


class _Desk:
    """Hands labels back, at once or late."""

    def __init__(self, certificate: Certificate, plan: Plan) -> None:
        self._certificate, self._plan = certificate, plan
        self._waiting: deque[tuple[int, float, float | None, Verdict]] = deque()
        self._now = 0

    def tell(self, score: float, loss: float, luck: float, verdict: Verdict) -> None:
        self._now += 1
        if verdict.shadow:
            told = loss if self._plan.told is None else self._plan.told(loss, luck)
            wait = 0 if self._plan.late is None else self._plan.late(loss)
            self._waiting.append((self._now + wait, score, told, verdict))
        if not self._waiting:
            return
        due = [one for one in self._waiting if one[0] <= self._now]
        if due:
            self._waiting = deque(one for one in self._waiting if one[0] > self._now)
        for _, place, label, asked in due:
            if label is None and self._plan.drop_missing:
                self._certificate.withdraw(asked)
            else:
                self._certificate.see(place, label, asked)


def _drawn(
    pool: Pool, requests: int, rng: np.random.Generator
) -> Sequence[tuple[float, float, bool, float, float]]:
    at = rng.integers(0, pool.size, requests)
    columns: list[Sequence[object]] = [
        pool.scores[at].tolist(),
        pool.losses[at].tolist(),
        pool.barred[at].tolist(),
        rng.random(requests).tolist(),
        rng.random(requests).tolist(),
    ]
    return list(zip(*columns, strict=True))


def rate(flags: Sequence[bool]) -> float:
    """The share that is true; 0 for none."""
    return float(np.mean(flags)) if flags else 0.0


def middle(values: Sequence[int | None]) -> float | None:
    """The median, counting what never came as larger than all; None where that is the median."""
    known: Floats = np.array([np.inf if value is None else value for value in values], np.float64)
    found = float(np.quantile(known, 0.5, method="inverted_cdf")) if len(known) else np.inf
    return found if np.isfinite(found) else None
