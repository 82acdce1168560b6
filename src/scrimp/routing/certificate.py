"""A route's certificate: serves the cheap model only as far as a mean loss is proven to be small.

The promise: the mean, over the route's traffic, of the quality of the reference's answer minus that
of the answer served is at most `max_loss`. The policies that may be proven are a ladder of rungs,
thresholds on a score; a rung serves cheap what scores at or below it. Why a proof holds at every
moment, whatever rule stops it, stands in `loss_betting`; what remains is the ladder and the labels.

Ladder. Each rung has its wealth, all from the same labels: a request that rung k would send to the
reference has loss 0 there. Rungs are proven in a fixed order, from cautious to bold, each at alpha;
the first that is not proven ends the ladder. Were a rung proven that is too lossy, then so was the
first too lossy one in that order, whose wealth reaches 1/alpha with probability alpha at most: no
price is paid for trying many (fixed-sequence testing: Maurer, Hothorn & Lehmacher 1995; Westfall &
Krishen 2001).

Labels. They arrive late and in any order, and a slow one may be a bad one. Bets are settled in the
order of the decisions: a label that is awaited holds back all that came after it, so that wealth is
at every moment that of a beginning of the traffic. What is awaited too long counts as lost, and a
lost label counts as `missing_as`: no assumption on why it is lost. Only a comparison that was never
made, for a reason that has nothing to do with its answers, may be withdrawn.

Restart. A new model version, prompt or ranking makes another policy of the same rung: proofs begin
anew, and labels of decisions made before do not count. The confidence is that of one proof.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite, log
from typing import Final

import numpy as np

from scrimp.errors import ConfigError
from scrimp.routing import probing
from scrimp.routing.certificate_state import VERSION, Kept, pack, read, unpack, written
from scrimp.routing.ladder import Bet, Ladder
from scrimp.routing.loss_betting import Floats, needed
from scrimp.routing.probing import Effort
from scrimp.routing.standing import LossPromise, RungStanding, Standing, Verdict

MOST_RUNGS: Final = 64
MOST_AWAITED: Final = 256
"""Labels on the way. Beyond, the oldest counts as lost."""
_RARE: Final = log(100.0)
"""An alarm rings falsely once in `100 / alpha` labels at most; that costs one proof more."""
_NEAR: Final = log(8.0)
"""So near the alarm, more is compared."""
_PATIENCE: Final = 5000
"""After so many labels what is not proven is too near the bound to be worth their price."""
_TOGETHER: Final = 8
"""After so many labels whom to compare is chosen anew."""
_HALF: Final = 2048
"""After so many requests their counts are halved: shares are those of recent traffic."""
_GIVEN: Final = 200.0


class Certificate:
    """One per route. Not for several threads. Memory is bounded: no traffic is kept."""

    def __init__(
        self, promise: LossPromise, rungs: Sequence[float], shares: Sequence[float] | None = None
    ) -> None:
        """`rungs` rise strictly. `shares` of traffic at each rung, if known, help to aim labels.

        No proof depends on `shares`. Raises ConfigError.
        """
        _check(promise, rungs)
        self.promise, self.rungs = promise, tuple(float(rung) for rung in rungs)
        self.turn = self.requests = self.served = self.restarts = 0
        self.last_restart = ""
        self.zones = [0.0] * (len(self.rungs) + 1)
        if shares is not None and len(shares) == len(self.rungs):
            steps = np.diff([0.0, *shares, 1.0]).clip(0.0)
            self.zones = [float(step) * _GIVEN for step in np.nan_to_num(steps)]
        self._begin()

    def _begin(self) -> None:
        self.ladder = Ladder(
            len(self.rungs), self.promise.visible_loss, needed(1 - self.promise.confidence)
        )
        self.requests = self.served = 0
        self.climbing = True
        self.awaited: deque[Bet] = deque()
        self._open: dict[int, Bet] = {}
        self._unpaid = self._settled = self._since = 0
        self._credit, self._against = self.ladder.credit(np.zeros(len(self.rungs)))
        self.plan()

    def decide(self, score: float, chance: float, *, barred: bool) -> Verdict:
        """What to do with a request whose predicted loss on the cheap model is `score`.

        `chance` is a uniform random number in [0, 1), fresh for each request. `barred`: something
        else forbids the cheap model (it is novel, a filter); then it is not compared either.
        """
        self.turn += 1
        self.requests += 1
        self._unpaid += 1
        self._since += 1
        known = isfinite(score)
        zone = bisect_left(self.rungs, score) if known and not barred else len(self.rungs)
        self.zones[zone] += 1
        rate = self._rates[zone] if known and not barred else 0.0
        live = self.ladder.live
        serve = zone <= live
        shadow = 0.0 <= chance < rate
        self.served += serve
        if shadow:
            self._bet(zone, rate)
        elif self.requests % 256 == 0:
            self.plan()
        why = _why(zone, live, len(self.rungs), barred=barred)
        return Verdict(serve, shadow, rate, zone, why, self.turn)

    def see(self, score: float, loss: float | None, verdict: Verdict) -> None:
        """The label of a comparison that `verdict` asked for; None where none could be had.

        `loss` is the reference's quality minus the cheap model's, in [-1, 1]. Labels of decisions
        before the last restart, or seen already, are passed over.
        """
        bet = self._open.get(verdict.turn)
        if bet is None or not isfinite(score):
            return
        if loss is None or not isfinite(loss):
            self._lose(bet)
        else:
            bet.loss = min(1.0, max(-1.0, loss))
        del self._open[verdict.turn]
        self._settle()

    def withdraw(self, verdict: Verdict) -> None:
        """A comparison was not made, for a reason that has nothing to do with its answers.

        (No budget for it, shutting down.) It is as if its traffic had not been.
        """
        bet = self._open.pop(verdict.turn, None)
        if bet is not None:
            self.awaited.remove(bet)
            self._settle()

    def restart(self, why: str) -> None:
        """Begin the proof anew: nothing is certified, and only fresh labels count."""
        self.restarts += 1
        self.last_restart = why
        self._begin()

    def _bet(self, zone: int, rate: float) -> None:
        """Remember what this comparison is about; the request itself pays by its label."""
        self._unpaid -= 1
        self._pay()
        bet = Bet(self.turn, zone, rate, self._floors, self._credit, self._against, self._since)
        self._since = 0
        self._credit, self._against = np.zeros_like(self._credit), np.zeros_like(self._against)
        self.awaited.append(bet)
        self._open[bet.turn] = bet
        if len(self.awaited) > MOST_AWAITED:
            oldest = self._open.pop(self.awaited[0].turn)
            self._lose(oldest)
            self._settle()

    def _lose(self, bet: Bet) -> None:
        bet.loss = self.promise.missing_as
        self.ladder.lost += 1

    def _settle(self) -> None:
        """Pay the bets whose labels are there, up to the first that is awaited."""
        before = self.ladder.live, self.ladder.proven
        while self.awaited and (loss := self.awaited[0].loss) is not None:
            self.ladder.settle(self.awaited.popleft(), loss)
            self._settled += 1
            if self._harm():
                return
        now = self.ladder.live, self.ladder.proven
        if now != before or self._settled >= _TOGETHER:
            self._settled = 0
            self.plan()

    def _harm(self) -> bool:
        """Whether something proven is worse than promised: the traffic is not what was proven."""
        ladder = self.ladder
        rung = ladder.rings(self.alarm_needed)
        if rung is None:
            return False
        labels, loss = ladder.labels_of(rung), ladder.recent_loss_of(rung) or 0.0
        self.restart(
            f"alarm: the loss of rung {rung} is above {self.promise.max_loss:g} "
            f"({loss:.3f} of late, {labels} labels)"
        )
        return True

    @property
    def alarm_needed(self) -> float:
        """Log of the wealth at which the alarm rings."""
        return self.ladder.needed + _RARE

    def plan(self) -> None:
        """Choose whom to compare from now on, by what is known until now."""
        if sum(self.zones) > _HALF:
            self.zones = [count / 2 for count in self.zones]
        ladder, rungs = self.ladder, len(self.rungs)
        alarms, live, top = ladder.alarm(), ladder.live, ladder.proven
        alarmed = live >= 0 and float(alarms[live]) >= self.alarm_needed - _NEAR
        shares, bars = np.cumsum(self.shares())[:-1].tolist(), ladder.doubtful()
        if top + 1 < rungs:  # the next one is given up by proof only
            bars[top + 1] = float(alarms[top + 1]) >= self.alarm_needed
        goal = probing.aim(shares, top, sum(self.zones), bars)
        effort = self._effort(goal, shares)
        self.climbing = effort is not Effort.GUARD
        serving = probing.serving_rate(self.promise, self.served, effort, suspicious=alarmed)
        # Until the first proof, labels beyond the goal prove nothing.
        beyond = 0.0 if live < 0 <= goal and effort is Effort.FIRST else self.promise.explore
        rates = probing.propensities(rungs, live, goal, serving, beyond)
        self._pay()
        self._rates: list[float] = rates.tolist()
        self._floors = probing.floors(rates)
        self._unit, self._unit_against = ladder.credit(self._floors)

    def _effort(self, goal: int, shares: list[float]) -> Effort:
        ladder = self.ladder
        top, last = ladder.proven, len(self.rungs) - 1
        if goal <= top:
            return Effort.GUARD
        labels = ladder.labels_of(last)
        if labels < self.promise.first and (top < 0 or shares[top] < probing.FIRST):
            return Effort.FIRST
        if labels >= _PATIENCE or ladder.missing(top + 1) is None:
            return Effort.GUARD
        return Effort.CLIMB

    def _pay(self) -> None:
        """Credit the traffic that was not compared, at the rates that it met."""
        if self._unpaid:
            self._credit = self._credit + self._unpaid * self._unit
            self._against = self._against + self._unpaid * self._unit_against
            self._unpaid = 0

    def shares(self) -> Floats:
        """Shares of recent traffic by zone, what lies above all rungs last."""
        counts = np.array(self.zones)
        return np.asarray(counts / max(1.0, float(counts.sum())), np.float64)

    def standing(self) -> Standing:
        """How the proof stands."""
        ladder, rungs = self.ladder, self._rungs()
        live = ladder.live if ladder.live >= 0 else None
        testing = ladder.proven + 1 if ladder.proven + 1 < len(self.rungs) else None
        return Standing(
            live=live,
            proven=ladder.proven if ladder.proven >= 0 else None,
            testing=testing,
            log_wealth=ladder.needed if testing is None else rungs[testing].log_wealth,
            needed=ladder.needed,
            labels=0 if testing is None else rungs[testing].labels,
            missing=0 if testing is None else ladder.missing(testing),
            infeasible=testing is not None and rungs[testing].exceeds,
            alarm=0.0 if live is None else rungs[live].alarm,
            alarm_needed=self.alarm_needed,
            restarts=self.restarts,
            last_restart=self.last_restart,
            lost=ladder.lost,
            pending=len(self.awaited),
            requests=self.requests,
            served_cheap=self.served,
            rungs=rungs,
            at=self.rungs,
        )

    def _rungs(self) -> tuple[RungStanding, ...]:
        ladder = self.ladder
        shares, wealth, alarms = np.cumsum(self.shares()), ladder.wealth(), ladder.alarm()
        return tuple(
            RungStanding(
                share=float(shares[rung]),
                loss=ladder.loss_of(rung),
                recent_loss=ladder.recent_loss_of(rung),
                log_wealth=float(wealth[rung]),
                alarm=float(alarms[rung]),
                labels=ladder.labels_of(rung),
                proven=rung <= ladder.proven,
                exceeds=float(alarms[rung]) >= self.alarm_needed,
            )
            for rung in range(len(self.rungs))
        )

    def save(self) -> bytes:
        """All of it but labels that are awaited."""
        counts = (self.turn, self.requests, self.served, self.restarts)
        kept = Kept(
            VERSION,
            self.promise,
            self.rungs,
            counts,
            self.last_restart,
            tuple(self.zones),
            self.ladder.proven,
            self.ladder.lost,
            *pack(self.ladder),
        )
        return written(kept)

    def load(self, kept: bytes) -> bool:
        """Take up what was saved under the same promise and rungs; False: nothing was taken up.

        Labels that were awaited then are as if withdrawn, with the traffic since the last label.
        """
        found = read(kept)
        if found is None or (found.promise, found.rungs) != (self.promise, self.rungs):
            return False
        ladder = Ladder(len(self.rungs), self.promise.visible_loss, self.ladder.needed)
        try:
            unpack(found, ladder)
        except ValueError:
            return False
        self._begin()
        self.ladder, self.last_restart = ladder, found.last_restart
        turn, self.requests, self.served, self.restarts = found.counts
        self.turn = max(self.turn, turn)  # a turn is never given twice
        self.zones = list(found.zones)
        self.plan()
        return True


def _why(zone: int, live: int, rungs: int, *, barred: bool) -> str:
    if barred:
        return "barred: novel, or a filter forbids the cheap model"
    if zone <= live:
        return "certified"
    if zone == rungs:
        return "predicted loss above all rungs"
    return "nothing is certified yet" if live < 0 else "above the certified rung"


def _check(promise: LossPromise, rungs: Sequence[float]) -> None:
    """Raises ConfigError."""
    rising = all(low < high for low, high in pairwise(rungs))
    if not 0 < len(rungs) <= MOST_RUNGS or not rising or not all(isfinite(r) for r in rungs):
        raise ConfigError(
            f"{len(rungs)} rungs, {list(rungs)[:4]} first: they must be finite and rise strictly, "
            f"1 to {MOST_RUNGS} of them"
        )
    for name, value, low, high in (
        ("max_loss", promise.max_loss, 0.0, 1.0),
        ("confidence", promise.confidence, 0.5, 0.9999),
        ("explore", promise.explore, 0.0, 1.0),
        ("spend", promise.spend, 0.0, 1.0),
        ("sensitivity", promise.sensitivity, 0.0, 1.0),
        ("specificity", promise.specificity, 0.0, 1.0),
        ("missing_as", promise.missing_as, -1.0, 1.0),
        ("first", promise.first, 0, 10**6),
    ):
        if not low <= value <= high:
            raise ConfigError(f"{name} is {value}: it lies between {low:g} and {high:g}")
    if promise.sensitivity + promise.specificity <= 1:
        raise ConfigError(
            f"the judge's sensitivity {promise.sensitivity} and specificity {promise.specificity} "
            "add up to 1 or less: it tells nothing"
        )
