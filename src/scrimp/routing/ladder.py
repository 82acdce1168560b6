"""The proofs of all rungs of a route, from one label after another. Pure.

Why they hold stands in `loss_betting` and `certificate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log
from typing import Final

import numpy as np

from scrimp.routing import loss_betting as betting
from scrimp.routing.loss_betting import Floats

_LEAST: Final = -60.0
"""Log of an alarm's least wealth: each label starts a bet of 1 anew, so that less is none."""
_DOUBT: Final = log(60.0)
_TYPICAL: Final = 0.03
"""Log wealth that one label wins where 3 points are to be proven for a fifth of the traffic: what
is expected before labels tell, weighing as much as 20 of them."""
_WEIGHT: Final = 20
MOST_MISSING: Final = 1_000_000


@dataclass(slots=True)
class Bet:
    """One comparison that was asked for, and the traffic since the one before.

    `credit` and `against` are logs that this traffic pays, `floors` those of each rung at that
    moment. A loss that is not known yet is None.
    """

    turn: int
    zone: int
    propensity: float
    floors: Floats
    credit: Floats
    against: Floats
    loss: float | None = None


class Ladder:
    """Wealth, alarms and labels of each rung; `live` is the last that is proven, -1 for none."""

    def __init__(self, rungs: int, allowed: float, needed: float) -> None:
        self.rungs, self.allowed, self.needed = rungs, allowed, needed
        self.logs = betting.opening(rungs)
        self.alarms = np.zeros((rungs, len(betting.SURPRISES)))
        self.labels = np.zeros(rungs + 1, np.int64)
        self.weights = np.zeros(rungs + 1)
        self.losses = np.zeros(rungs + 1)
        self.live = -1
        self.lost = 0
        self._ranks = np.arange(rungs)

    def credit(self, floors: Floats) -> tuple[Floats, Floats]:
        """What a request pays that is not compared: for the proofs, and for the alarms."""
        return (
            betting.credit(self.allowed, floors),
            betting.surprise_credit(self.allowed, floors),
        )

    def settle(self, bet: Bet, loss: float) -> None:
        """Pay one bet, in the order of the decisions."""
        scaled = np.where(self._ranks >= bet.zone, loss / bet.propensity, 0.0)
        self.logs += bet.credit + betting.label(self.allowed, bet.floors, scaled)
        self.alarms += bet.against + betting.surprise_label(self.allowed, bet.floors, scaled)
        np.maximum(self.alarms, _LEAST, out=self.alarms)
        at = slice(bet.zone, None)
        self.alarms[at] = np.logaddexp(self.alarms[at], 0.0)
        self.labels[bet.zone] += 1
        self.weights[bet.zone] += 1 / bet.propensity
        self.losses[bet.zone] += loss / bet.propensity
        wealth = self.wealth()
        while self.live + 1 < self.rungs and wealth[self.live + 1] >= self.needed:
            self.live += 1

    def wealth(self) -> Floats:
        """Log of what each rung has won."""
        return betting.wealth(self.logs)

    def alarm(self) -> Floats:
        """Log of what each rung's alarm has won, over all moments at which a change may have come.

        A bet of 1 begins after every label of the rung, and none has a mean above 1 while the loss
        is allowed. So the sum's mean is at most the number of labels, and until it reaches c there
        are c of them in the mean, or more (Shin, Ramdas & Rinaldo 2023, E-detectors, section 2).
        """
        return betting.wealth(self.alarms)

    def doubtful(self) -> list[bool]:
        """Whether the loss of a rung looks too high: the mean of those bets has won fivefold."""
        begun = 1.0 + np.cumsum(self.labels[:-1])
        return [bool(one) for one in self.alarm() - np.log(begun) >= _DOUBT]

    def labels_of(self, rung: int) -> int:
        """Labels on requests that this rung would serve cheap."""
        return int(self.labels[: rung + 1].sum())

    def loss_of(self, rung: int, zones: Floats) -> float | None:
        """The estimated mean loss over all traffic. `zones` are shares of traffic."""
        known = self.weights[: rung + 1] > 0
        if not known.any():
            return None
        part, weights = zones[: rung + 1], self.weights[: rung + 1]
        means = self.losses[: rung + 1][known] / weights[known]
        seen = float(part[known].sum())
        # Zones without a label yet count as those that have some.
        mean = float(part[known] @ means) / seen if seen > 0 else float(means.mean())
        return mean * float(part.sum())

    def missing(self, rung: int, zones: Floats) -> int | None:
        """About how many labels more prove this rung; None where no number would."""
        short = self.needed - float(self.wealth()[rung])
        if short <= 0:
            return 0
        labels, loss = self.labels_of(rung), self.loss_of(rung, zones)
        if labels >= _WEIGHT and loss is not None and loss >= self.allowed:
            return None
        won = float((self.logs[rung] - betting.opening(1)[0]).max())
        rate = (won + _WEIGHT * _TYPICAL) / (labels + _WEIGHT)
        return min(MOST_MISSING, ceil(short / rate)) if rate > short / MOST_MISSING else None
