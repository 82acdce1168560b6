"""Bets on a route's mean loss, for and against, request by request. Pure.

The promise is about all traffic of a route: x(t) is the reference's quality minus that of the
served answer, and 0 where the reference served, which needs no label. A request is compared with
probability p(t), known before the coin falls; B(t) says how it fell. For a policy whose requests
are compared with at least the probability f(t), fixed before the request is seen, a bettor of stake
l in (0, 1) multiplies wealth by

    1 + l f(t) (e - B(t) x(t) / p(t)).

B x / p has the mean of x, so that the expectation is 1 + l f (e - E x(t)): at most 1 where the loss
is e or more. Wealth is then a supermartingale that starts at 1 and reaches 1/alpha, ever, with
probability alpha at most (Ville 1939, Étude critique de la notion de collectif, ch. V; Waudby-Smith
& Ramdas 2024, Estimating means of bounded random variables by betting, JRSS B 86(1), sections 3 and
4; the scaled bet under propensities: Waudby-Smith et al. 2024, Anytime-valid off-policy inference
for contextual bandits, section 3). No stopping rule breaks it, and looking costs nothing. Because
f/p <= 1 and x <= 1, wealth stays above 0 with every stake below 1.

Every request pays 1 + l f e that was not compared, or that the policy sends to the reference:
credit for traffic. A label takes it back, or adds to it. So neither the share of cheap traffic nor
its distribution has to be known. Of fixed stakes a fixed mixture is taken: it is a supermartingale
too, costs at most the log of a weight, and adapts to the variance, since losses of little variance
let the bold stakes win. The risk may move: a fixed stake's wealth is at most a martingale times
exp(l sum f (e - E x)), so that with probability 1 - alpha there is no moment at which 1/alpha is
reached although the mean loss so far, weighted by f, is e or more.

The bettor against (for an alarm) multiplies by 1 + l f (B x / p - e).
"""

from __future__ import annotations

from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scrimp.quality.betting import mixed

Floats = NDArray[np.float64]

STAKES: Final = np.array([0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75])
_WEIGHTS: Final = np.array([0.05, 0.10, 0.15, 0.20, 0.20, 0.15, 0.10, 0.05])
"""The best stake is (e/share - loss) / E x^2 on cheap traffic, mostly 0.2 to 0.6. Even weights cost
a tenth more labels; a maximum found from the data, as much, and forbids the risk to move."""
SURPRISES: Final = np.array([0.1, 0.2, 0.3, 0.42])
"""Below 1/(1 + e) for e <= 1, so that the wealth of an alarm stays above 0 at x = -1."""


def opening(rungs: int) -> Floats:
    """Logs of wealth before the first bet: rungs by stakes, the mixture's weights in them."""
    return np.tile(np.log(_WEIGHTS * len(_WEIGHTS)), (rungs, 1))


def credit(allowed: float, floors: Floats) -> Floats:
    """Log of what one request pays that is not compared: rungs by stakes. `floors` are the f."""
    return np.asarray(np.log1p(STAKES * (floors[:, None] * allowed)), np.float64)


def label(allowed: float, floors: Floats, losses: Floats) -> Floats:
    """Log of what a compared request pays. `losses` are x/p, 0 where a rung asks the reference."""
    return np.asarray(np.log1p(STAKES * (floors * (allowed - losses))[:, None]), np.float64)


def wealth(logs: Floats) -> Floats:
    """Log of wealth of each rung."""
    return mixed(logs)


def surprise_credit(allowed: float, floors: Floats) -> Floats:
    """The same of the bettor who holds that the loss is above what is allowed."""
    return np.asarray(np.log1p(-SURPRISES * (floors[:, None] * allowed)), np.float64)


def surprise_label(allowed: float, floors: Floats, losses: Floats) -> Floats:
    """The same of the bettor who holds that the loss is above what is allowed."""
    return np.asarray(np.log1p(SURPRISES * (floors * (losses - allowed))[:, None]), np.float64)


def needed(alpha: float) -> float:
    """Log of the wealth that proves."""
    return -log(alpha)
