"""What a certificate rests on: bets in one order, whoever made them, and their settlement. Pure.

Several desks (workers) may place bets. They tell of them in batches, each in the order in which it
decided, and a batch is put behind all that was told before: so there is one sequence, and wealth is
at every moment that of a beginning of it. The proof in `loss_betting` asks of the sequence only
that its order does not look at labels. When a desk tells must therefore not depend on what it has
to tell: it tells by the clock, and a bet takes its place whether its label is there or not.

A label that is awaited holds back all that came after it, of whatever desk. What a desk that is
gone has left open is as if it had not been: nobody will ever know of it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final, NamedTuple

from scrimp.routing.ladder import Bet, Ladder
from scrimp.routing.loss_betting import needed
from scrimp.routing.standing import LossPromise

MOST_AWAITED: Final = 256
"""Bets of one desk that wait to be settled. Beyond, the oldest without a label has lost it."""
MOST_IN_ALL: Final = 2048
GONE_S: Final = 120.0
"""A desk that waits for labels and has said nothing for so long is gone."""
FORGOTTEN_S: Final = 86_400.0
"""After so long it is not even known how much it had told."""
_RARE: Final = 4.605170185988092
"""log 100. An alarm rings falsely once in `100 / alpha` labels at most; that costs one proof."""
_HALF: Final = 2048
"""After so many requests their counts are halved: shares are those of recent traffic."""


class Placed(NamedTuple):
    """A comparison was asked for, under the proof that had begun anew so many times."""

    bet: Bet
    restarts: int


class Labelled(NamedTuple):
    """Its label; None where none could be had."""

    turn: int
    loss: float | None


class Withdrawn(NamedTuple):
    """It was not made."""

    turn: int


class Restarted(NamedTuple):
    """What was proven holds no more; counts once, however many notice."""

    why: str
    restarts: int


class Traffic(NamedTuple):
    """Requests by zone, and how many of them were served cheap."""

    zones: tuple[float, ...]
    requests: int
    served: int
    restarts: int


Event = Placed | Labelled | Withdrawn | Restarted | Traffic


class Bets:
    """One sequence of bets. Not for several threads; copies of it may be anywhere."""

    def __init__(self, promise: LossPromise, rungs: int) -> None:
        self.promise = promise
        self.rungs = rungs
        self.restarts = 0
        self.last_restart = ""
        self.zones = [0.0] * (rungs + 1)
        self.heard: dict[str, tuple[float, int]] = {}
        self._begin()

    def _begin(self) -> None:
        goal = needed(1 - self.promise.confidence)
        self.ladder = Ladder(self.rungs, self.promise.visible_loss, goal)
        self.requests = self.served = 0
        self.settled = 0
        self.awaited: deque[Bet] = deque()
        self._open: dict[tuple[str, int], Bet] = {}

    def __len__(self) -> int:
        """How many labels are awaited."""
        return len(self.awaited)

    @property
    def alarm_needed(self) -> float:
        """Log of the wealth at which the alarm rings."""
        return self.ladder.needed + _RARE

    def tell(self, owner: str, first: int, events: tuple[Event, ...], now_s: float) -> None:
        """What a desk has done since it told last; `first` counts what it had told by then.

        What was told already is passed over: a desk that does not know whether it was heard tells
        once more.
        """
        _, known = self.heard.get(owner, (now_s, first))
        for one in events[max(0, known - first) :]:
            self.take(owner, one)
        self.heard[owner] = (now_s, max(known, first + len(events)))
        for other, (heard_s, _) in tuple(self.heard.items()):
            if now_s - heard_s > FORGOTTEN_S:
                self.leave(other)
            elif now_s - heard_s > GONE_S:  # it may come back, and must not be counted twice then
                self._withdraw_all(other)

    def take(self, owner: str, event: Event) -> None:
        """One thing that a desk has done."""
        match event:
            case Placed(bet, restarts):
                if restarts == self.restarts:
                    self.place(replace(bet, owner=owner))
            case Labelled(turn, loss):
                self.label(owner, turn, loss)
            case Withdrawn(turn):
                self.withdraw(owner, turn)
            case Restarted(why, restarts):
                if restarts == self.restarts:
                    self.restart(why)
            case Traffic(zones, requests, served, restarts):
                if restarts == self.restarts and len(zones) == len(self.zones):
                    self.count(zones, requests, served)

    def leave(self, owner: str) -> None:
        """A desk is gone: it withdraws what it has left open."""
        self.heard.pop(owner, None)
        self._withdraw_all(owner)

    def _withdraw_all(self, owner: str) -> None:
        for turn in [turn for other, turn in self._open if other == owner]:
            self.withdraw(owner, turn)

    def count(self, zones: tuple[float, ...], requests: int, served: int) -> None:
        """Traffic, so that labels are sought where it is; no proof depends on it."""
        self.requests += requests
        self.served += served
        self.zones = [one + more for one, more in zip(self.zones, zones, strict=True)]

    def fade(self) -> None:
        """Recent traffic counts most."""
        if sum(self.zones) > _HALF:
            self.zones = [count / 2 for count in self.zones]

    def place(self, bet: Bet) -> None:
        """Behind all that were placed."""
        self.awaited.append(bet)
        if bet.loss is None:
            self._open[bet.owner, bet.turn] = bet
        if len(self.awaited) > MOST_AWAITED and (oldest := self._too_late(bet.owner)) is not None:
            self._lose(self._open.pop(oldest))
            self._settle()

    def _too_late(self, owner: str) -> tuple[str, int] | None:
        """Whose label has not come although so many younger bets wait, of its desk or in all."""
        if len(self.awaited) > MOST_IN_ALL:
            return next(iter(self._open), None)
        if sum(one.owner == owner for one in self.awaited) <= MOST_AWAITED:
            return None
        return next((one for one in self._open if one[0] == owner), None)

    def label(self, owner: str, turn: int, loss: float | None) -> None:
        """Its label is there; that of no bet that waits is passed over."""
        bet = self._open.pop((owner, turn), None)
        if bet is None:
            return
        if loss is None:
            self._lose(bet)
        else:
            bet.loss = min(1.0, max(-1.0, loss))
        self._settle()

    def withdraw(self, owner: str, turn: int) -> None:
        """It is as if it had not been, nor the traffic before it."""
        bet = self._open.pop((owner, turn), None)
        if bet is not None:
            self.awaited.remove(bet)
            self._settle()

    def restart(self, why: str) -> None:
        """Nothing is proven, and only bets to come count."""
        self.restarts += 1
        self.last_restart = why
        self._begin()

    def put_back(self, bets: list[Bet]) -> None:
        """Those that were awaited when this was saved, in their order."""
        self.awaited = deque(bets)
        self._open = {(bet.owner, bet.turn): bet for bet in bets if bet.loss is None}

    def _lose(self, bet: Bet) -> None:
        bet.loss = self.promise.missing_as
        self.ladder.lost += 1

    def _settle(self) -> None:
        """Pay the bets whose labels are there, up to the first that is awaited."""
        while self.awaited and (loss := self.awaited[0].loss) is not None:
            self.ladder.settle(self.awaited.popleft(), loss)
            self.settled += 1
            if self._harm():
                return

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
