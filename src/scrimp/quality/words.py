"""Words of the engine that keeps an error bound: the promise, the decision, the proof."""

from __future__ import annotations

from typing import Literal

from scrimp.values import Value

Action = Literal["serve", "explore", "audit", "learn"]


class Promise(Value, frozen=True):
    """How many served answers may be wrong, and what must be proven before the first is served.

    `max_error` is the share of served answers (with `per_call`: of all calls) that may be wrong.
    The threshold is chosen to stay below it. Nothing is served before a test that holds at every
    moment has shown, at `confidence`, that the risk of what would have been served is below
    `slack * max_error`. With `slack` 1.0 the bound itself is proven first, which takes several
    times as many verdicts (thousands, at 0.01); with more it starts sooner, on the
    estimate, and the alarm watches.
    """

    max_error: float
    confidence: float = 0.95
    slack: float = 3.0
    per_call: bool = False


class Proof(Value, frozen=True):
    """How far the proof is: won and needed log wealth, the proven upper bound, verdicts used.

    `upper` is 1.0 while nothing is proven; `missing` estimates how many more verdicts on answers
    that would be served are needed, 0 when proven.
    """

    proven: bool
    won: float
    needed: float
    upper: float
    verdicts: int
    missing: int


class Decision(Value, frozen=True):
    """What to do with a candidate answer.

    `serve` it; `audit`: it would be served, but is paid for and judged; `explore`: it would not be;
    `learn`: not enough is known to serve anything (`proof.missing`). `would` says that the score is
    above the threshold and nothing forbids it. `chance` is the estimated probability that the
    answer is right, `propensity` the probability with which the verdict is asked for, `floor` the
    least propensity of that moment.
    """

    action: Action
    chance: float
    threshold: float
    would: bool
    propensity: float
    floor: float
    barred: bool
    proof: Proof
    labels: int = 0
