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
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite, log
from typing import Final

import numpy as np

from scrimp.errors import ConfigError
from scrimp.routing import probing
from scrimp.routing.bets import (
    MOST_AWAITED,
    Bets,
    Event,
    Labelled,
    Placed,
    Restarted,
    Traffic,
    Withdrawn,
)
from scrimp.routing.certificate_state import read, restore, saved
from scrimp.routing.ladder import Bet, Ladder
from scrimp.routing.loss_betting import Floats
from scrimp.routing.probing import Effort
from scrimp.routing.standing import LossPromise, RungStanding, Standing, Verdict

MOST_RUNGS: Final = 64
_NEAR: Final = log(8.0)
"""So near the alarm, more is compared."""
_PATIENCE: Final = 5000
"""After so many labels what is not proven is too near the bound to be worth their price."""
_TOGETHER: Final = 8
"""After so many labels whom to compare is chosen anew."""
_GIVEN: Final = 200.0


class Certificate:
    """One per route. Not for several threads. Memory is bounded: no traffic is kept.

    Alone (without an `owner`) it settles by itself. One of several desks keeps what it does as
    `news` instead, to tell all desks' `bets`; by what it hears of them it decides. `first` counts
    the news that were told.
    """

    def __init__(
        self,
        promise: LossPromise,
        rungs: Sequence[float],
        shares: Sequence[float] | None = None,
        owner: str = "",
    ) -> None:
        """`rungs` rise strictly. `shares` of traffic at each rung, if known, help to aim labels.

        No proof depends on `shares`. Raises ConfigError.
        """
        _check(promise, rungs)
        self.promise, self.rungs = promise, tuple(float(rung) for rung in rungs)
        self.owner, self.turn = owner, 0
        self.bets = Bets(promise, len(self.rungs))
        self.news: list[Event] = []
        self.first = 0
        self._halted = -1
        if shares is not None and len(shares) == len(self.rungs):
            steps = np.diff([0.0, *shares, 1.0]).clip(0.0)
            self.bets.zones = [float(step) * _GIVEN for step in np.nan_to_num(steps)]
        self._begin()

    def _begin(self) -> None:
        """What this desk alone knows, begun anew."""
        self.climbing = True
        self._mine: dict[int, None] = {}
        self._unpaid = self._since = 0
        self._credit, self._against = self.ladder.credit(np.zeros(len(self.rungs)))
        self._count()
        self.plan()

    def _count(self) -> None:
        self._zones = [0.0] * (len(self.rungs) + 1)
        self._requests = self._served = 0

    @property
    def ladder(self) -> Ladder:
        """The proofs of all rungs."""
        return self.bets.ladder

    @property
    def restarts(self) -> int:
        """How often the proof has begun anew."""
        return self.bets.restarts

    @property
    def serves(self) -> bool:
        """Whether anything is served cheap."""
        return self.ladder.live >= 0 and self._halted != self.restarts

    def decide(self, score: float, chance: float, *, barred: bool) -> Verdict:
        """What to do with a request whose predicted loss on the cheap model is `score`.

        `chance` is a uniform random number in [0, 1), fresh for each request. `barred`: something
        else forbids the cheap model (it is novel, a filter); then it is not compared either.
        """
        self.turn += 1
        known = isfinite(score)
        zone = bisect_left(self.rungs, score) if known and not barred else len(self.rungs)
        if self._halted == self.restarts:  # told, and not heard of yet: as if it had not been
            return Verdict(False, False, 0.0, zone, "begins anew", self.turn)  # noqa: FBT003
        self._unpaid += 1
        self._since += 1
        self._requests += 1
        self._zones[zone] += 1
        rate = self._rates[zone] if known and not barred else 0.0
        live = self.ladder.live
        serve = zone <= live
        shadow = 0.0 <= chance < rate
        self._served += serve
        if not self.owner:
            self.bets.take("", self._traffic())
        if shadow:
            self._bet(zone, rate)
        elif self.bets.requests % 256 == 0:
            self.plan()
        why = _why(zone, live, len(self.rungs), barred=barred)
        return Verdict(serve, shadow, rate, zone, why, self.turn)

    def see(self, score: float, loss: float | None, verdict: Verdict) -> None:
        """The label of a comparison that `verdict` asked for; None where none could be had.

        `loss` is the reference's quality minus the cheap model's, in [-1, 1]. Labels of decisions
        before the last restart, or seen already, are passed over.
        """
        if isfinite(score) and verdict.turn in self._mine:
            del self._mine[verdict.turn]
            known = loss is not None and isfinite(loss)
            self._do(Labelled(verdict.turn, loss if known else None))

    def withdraw(self, verdict: Verdict) -> None:
        """A comparison was not made, for a reason that has nothing to do with its answers.

        (No budget for it, shutting down.) It is as if its traffic had not been.
        """
        if verdict.turn in self._mine:
            del self._mine[verdict.turn]
            self._do(Withdrawn(verdict.turn))

    def restart(self, why: str) -> None:
        """Begin the proof anew: nothing is certified, and only fresh labels count."""
        if self._halted != self.restarts:
            self._halted = self.restarts if self.owner else -1
            self._do(Restarted(why, self.restarts))

    def _do(self, event: Event) -> None:
        """Alone at once; with others once it is told."""
        if self.owner:
            self.news.append(event)
            return
        before = self.restarts, self.ladder.live, self.ladder.proven
        self.bets.take("", event)
        now = self.restarts, self.ladder.live, self.ladder.proven
        if now[0] != before[0]:
            self._begin()
        elif now != before or self.bets.settled >= _TOGETHER:
            self.bets.settled = 0
            self.plan()

    def _bet(self, zone: int, rate: float) -> None:
        """Remember what this comparison is about; the request itself pays by its label."""
        self._unpaid -= 1
        self._pay()
        bet = Bet(self.turn, zone, rate, self._floors, self._credit, self._against, self._since)
        self._since = 0
        self._credit, self._against = np.zeros_like(self._credit), np.zeros_like(self._against)
        self._mine[bet.turn] = None
        if len(self._mine) > MOST_AWAITED + 1:  # whoever settles has given that one up
            del self._mine[next(iter(self._mine))]
        self._do(Placed(bet, self.restarts))

    def _traffic(self) -> Traffic:
        """What was counted since this was asked last."""
        told = Traffic(tuple(self._zones), self._requests, self._served, self.restarts)
        self._count()
        return told

    @property
    def counted(self) -> bool:
        """Whether there was traffic since this was asked last."""
        return bool(self._requests)

    def take_news(self) -> tuple[Event, ...]:
        """What this desk has done since `told`, for all desks' bets."""
        if self._requests:
            self.news.append(self._traffic())
        return tuple(self.news)

    def told(self, count: int) -> None:
        """So much of the news has been told."""
        del self.news[:count]
        self.first += count

    def forget_news(self) -> None:
        """It cannot be told for too long: it is as if it had not been."""
        self.told(len(self.news))
        self._begin()

    @property
    def awaits(self) -> bool:
        """Whether labels are on their way to this desk."""
        return bool(self._mine)

    def hear(self, bets: Bets) -> None:
        """How all desks' bets stand now."""
        anew = bets.restarts != self.restarts
        self.bets = bets
        if anew:
            self._begin()
        else:
            self.plan()

    def plan(self) -> None:
        """Choose whom to compare from now on, by what is known until now."""
        self.bets.fade()
        ladder, rungs = self.ladder, len(self.rungs)
        alarms, live, top = ladder.alarm(), ladder.live, ladder.proven
        needed = self.bets.alarm_needed
        alarmed = live >= 0 and float(alarms[live]) >= needed - _NEAR
        shares, bars = np.cumsum(self.shares())[:-1].tolist(), ladder.doubtful()
        if top + 1 < rungs:  # the next one is given up by proof only
            bars[top + 1] = float(alarms[top + 1]) >= needed
        goal = probing.aim(shares, top, sum(self.bets.zones), bars)
        effort = self._effort(goal, shares)
        self.climbing = effort is not Effort.GUARD
        serving = probing.serving_rate(self.promise, self.bets.served, effort, suspicious=alarmed)
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
        counts = np.array(self.bets.zones)
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
            alarm_needed=self.bets.alarm_needed,
            restarts=self.restarts,
            last_restart=self.bets.last_restart,
            lost=ladder.lost,
            pending=len(self.bets) + sum(isinstance(one, Placed) for one in self.news),
            requests=self.bets.requests,
            served_cheap=self.bets.served,
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
                exceeds=float(alarms[rung]) >= self.bets.alarm_needed,
            )
            for rung in range(len(self.rungs))
        )

    def save(self) -> bytes:
        """All of it but labels that are awaited by who is alone: nobody will bring them."""
        return saved(self.bets, self.rungs, self.turn)

    def load(self, kept: bytes) -> bool:
        """Take up what was saved under the same promise and rungs; False: nothing was taken up.

        Labels that were awaited by who was alone are as if withdrawn, with the traffic since the
        last label.
        """
        found = read(kept)
        if found is None or (found.promise, found.rungs) != (self.promise, self.rungs):
            return False
        bets = Bets(self.promise, len(self.rungs))
        try:
            restore(found, bets)
        except ValueError:
            return False
        self.bets = bets
        self.turn = max(self.turn, found.counts[0])  # a turn is never given twice
        self._begin()
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
