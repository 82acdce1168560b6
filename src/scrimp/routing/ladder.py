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
_CALM: Final = 0.9
_FADING: Final = 0.5 ** (1 / 80)
"""Recent labels: their weight is halved every 80, so that 300 after a change tell of it alone."""
SUMS: Final = ("labels", "losses", "requests", "recent losses", "recent requests", "away")
_LABELS, _LOSSES, _REQUESTS, _RECENT_LOSSES, _RECENT_REQUESTS, _AWAY = range(len(SUMS))
MOST_MISSING: Final = 1_000_000


@dataclass(slots=True, eq=False)
class Bet:
    """One comparison that was asked for, and the traffic since the one before.

    `credit` and `against` are logs that this traffic pays, `floors` those of each rung at that
    moment, `requests` how many there were, this one among them. A loss that is not known yet is
    None. `owner` is the desk that placed it, which gives each a turn of its own.
    """

    turn: int
    zone: int
    propensity: float
    floors: Floats
    credit: Floats
    against: Floats
    requests: int
    loss: float | None = None
    owner: str = ""


class Ladder:
    """Wealth, alarms and labels of each rung.

    `proven` is the last rung that is proven, -1 for none. `live` is the one that may serve: not
    above it, and lower where recent labels look worse than what is allowed. That is prudence, no
    test: to serve a more cautious rung that is proven needs no reason.
    """

    def __init__(self, rungs: int, allowed: float, needed: float) -> None:
        self.rungs, self.allowed, self.needed = rungs, allowed, needed
        self.logs = betting.opening(rungs)
        self.alarms = np.zeros((rungs, len(betting.SURPRISES)))
        self.sums = np.zeros((len(SUMS), rungs))
        self.proven = self.live = -1
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
        self._count(bet, loss / bet.propensity)
        while self.proven + 1 < self.rungs and reaches(self.logs[self.proven + 1], self.needed):
            self.proven += 1
        self.choose()

    def _count(self, bet: Bet, loss: float) -> None:
        self.sums[_AWAY] += bet.requests
        if bet.zone >= self.rungs:
            return
        at = slice(bet.zone, None)
        self.sums[_LABELS, at] += 1
        self.sums[_LOSSES, at] += loss
        self.sums[_REQUESTS, at] += self.sums[_AWAY, at]
        self.sums[_RECENT_LOSSES, at] = self.sums[_RECENT_LOSSES, at] * _FADING + loss
        self.sums[_RECENT_REQUESTS, at] *= _FADING
        self.sums[_RECENT_REQUESTS, at] += self.sums[_AWAY, at]
        self.sums[_AWAY, at] = 0.0

    def choose(self) -> None:
        """The boldest proven rung whose recent labels look good."""
        self.live = self.proven
        allowed = self.allowed * _CALM
        while self.live >= 0 and (
            self.sums[_RECENT_LOSSES, self.live] > allowed * self.sums[_RECENT_REQUESTS, self.live]
        ):
            self.live -= 1

    def rings(self, needed: float) -> int | None:
        """The first proven rung whose alarm has won so much."""
        proven = self.alarms[: self.proven + 1]
        if self.proven < 0 or proven.max() < needed:
            return None
        return next((k for k, one in enumerate(proven) if reaches(one, needed)), None)

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
        return [bool(one) for one in self.alarm() - np.log1p(self.sums[_LABELS]) >= _DOUBT]

    def labels_of(self, rung: int) -> int:
        """Labels on requests that this rung would serve cheap."""
        return int(self.sums[_LABELS, rung])

    def loss_of(self, rung: int) -> float | None:
        """The estimated mean loss over all traffic (each label stands for 1/propensity)."""
        requests = float(self.sums[_REQUESTS, rung])
        return float(self.sums[_LOSSES, rung]) / requests if requests else None

    def recent_loss_of(self, rung: int) -> float | None:
        """The same, the newest labels counting most."""
        requests = float(self.sums[_RECENT_REQUESTS, rung])
        return float(self.sums[_RECENT_LOSSES, rung]) / requests if requests else None

    def missing(self, rung: int) -> int | None:
        """About how many labels more prove this rung; None where no number would."""
        short = self.needed - float(self.wealth()[rung])
        if short <= 0:
            return 0
        labels, loss = self.labels_of(rung), self.loss_of(rung)
        if labels >= _WEIGHT and loss is not None and loss >= self.allowed:
            return None
        won = float((self.logs[rung] - betting.opening(1)[0]).max())
        rate = (won + _WEIGHT * _TYPICAL) / (labels + _WEIGHT)
        return min(MOST_MISSING, ceil(short / rate)) if rate > short / MOST_MISSING else None


def reaches(logs: Floats, needed: float) -> bool:
    """Whether the mean of wealth is so much; its largest part says at once that it is not."""
    return bool(logs.max() >= needed) and bool(betting.wealth(logs) >= needed)
