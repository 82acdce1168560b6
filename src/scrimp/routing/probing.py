"""Which requests of a route are compared, with what probability: much where labels are cheap. Pure.

Before a rung is certified the reference serves its requests anyway, and a comparison costs an
answer of the cheap model: all are compared up to the rung that is aimed at. Afterwards a comparison
costs an answer of the reference: a share of them while a higher rung is within reach, then fewer
and fewer. Rates may depend on all that is past, never on the request at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from math import sqrt
from typing import Final, assert_never

import numpy as np

from scrimp.routing.loss_betting import Floats
from scrimp.routing.standing import LossPromise

FIRST: Final = 0.175
"""The first goal is about a fifth of the traffic: one label there serves every rung below, too."""
_FURTHER: Final = 1.75
"""The next goal, in shares of what is served cheap already."""
_KNOWN: Final = 60
"""So many requests tell shares well enough to aim."""
_LONG: Final = 5000
"""After so many cheap requests the share that is compared has fallen to `explore`."""
_EYES: Final = 0.005
"""What serves is compared at least so often, whatever is to be explored: an alarm needs to see."""
_ANXIOUS: Final = 4.0
_DEARER: Final = 3.0
"""Of two zones the one whose labels cost a tenth is compared sqrt(10) times as often (Neyman's
allocation)."""


class Effort(Enum):
    """Why what is served cheap is compared."""

    FIRST = 1
    """The first labels: until a fifth is proven, nothing is gained by waiting."""
    CLIMB = 2
    """A higher rung is within reach."""
    GUARD = 3
    """Only to see harm."""


def serving_rate(promise: LossPromise, served: int, effort: Effort, *, suspicious: bool) -> float:
    """The share of what is served cheap that is compared with the reference."""
    match effort:
        case Effort.FIRST:
            return 1.0
        case Effort.CLIMB:
            rate = promise.spend
        case Effort.GUARD:
            rate = min(promise.spend, promise.explore * sqrt(_LONG / max(1, served)))
        case _:
            assert_never(effort)
    rate = max(promise.explore, _EYES, rate)
    return min(1.0, _ANXIOUS * rate) if suspicious else rate


def propensities(rungs: int, live: int, aim: int, serving: float, beyond: float) -> Floats:
    """The probability of a comparison for each zone; the last is above all rungs. -1: none live.

    `beyond` is that above the aim.
    """
    rates = np.full(rungs + 1, beyond)
    rates[: aim + 1] = 1.0 if live < 0 else max(beyond, min(1.0, _DEARER * serving))
    rates[: live + 1] = serving
    return rates


def floors(rates: Floats) -> Floats:
    """The least propensity among the requests that each rung would serve cheap."""
    return np.asarray(np.minimum.accumulate(rates)[:-1], np.float64)


def aim(shares: Sequence[float], live: int, requests: float, bars: Sequence[bool]) -> int:
    """The rung up to which labels are sought. `bars` are rungs whose loss looks too high."""
    last = len(shares) - 1
    goal = min(live + 1, last)
    if requests >= _KNOWN:
        reach = FIRST if live < 0 or shares[live] < FIRST else _FURTHER * shares[live]
        goal = next((k for k, share in enumerate(shares) if share >= reach), last)
    goal = max(goal, min(live + 1, last))
    barred = next((k for k in range(live + 1, last + 1) if bars[k]), last + 1)
    return min(goal, barred - 1)
