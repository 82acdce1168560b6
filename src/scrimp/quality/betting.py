"""Proofs that hold at every moment: bets on verdicts, one by one, against what would be too much.

Who bets at fair odds does not get rich: if the risk really is `m` or more, the wealth of a bettor
who gains on right answers is a supermartingale, and passes 1/alpha ever with probability alpha at
most (Ville 1939; Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by
betting", JRSS B 86(1), sections 3 and 4). Looking after every verdict costs nothing; no stopping
rule breaks it. The candidates for `m` that are rejected make a confidence sequence; its upper end
is `upper`.

Verdicts come with the probability of having been asked for. A bet on one is scaled by
`floor / propensity`, the floor being fixed before the coin falls: what was not asked for pays 1, so
the expectation is that over all decisions, and the payoff stays positive however small a propensity
is. The bettor mixes several fixed stakes, so nothing is tuned to the data.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STAKES: Final = np.array([0.1, 0.2, 0.35, 0.5, 0.7, 0.85])
_LEVELS: Final = np.array(
    [0.7, 0.8, 0.9, 0.95, 1.0, 1.25, 1.5, 1.7, 1.8, 1.9, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0, 20.0]
)
_SURPRISES: Final = np.array([0.15, 0.3, 0.5, 0.7])


def certificate_step(bound: Floats, wrong: Floats, scale: Floats) -> Floats:
    """The factors of the logs of wealth: shape of `wrong` with stakes as a last axis.

    A bettor who holds that the risk is below `bound`: gains on right answers, loses on wrong ones.
    """
    stakes = _STAKES / (1.0 - bound[..., None])
    gain = scale[..., None] * (bound - wrong)[..., None]
    return np.asarray(np.log1p(stakes * gain), np.float64)


def alarm_step(bound: float, wrong: Floats, scale: Floats) -> Floats:
    """The factors of a bettor who holds that the risk is above `bound`."""
    stakes = _SURPRISES / bound
    gain = scale[..., None] * (wrong - bound)[..., None]
    return np.asarray(1.0 + stakes * gain, np.float64)


def mixed(logs: Floats) -> Floats:
    """The log of the mean over the last axis of wealth given by logs."""
    top = logs.max(axis=-1, keepdims=True)
    return np.asarray(top[..., 0] + np.log(np.exp(logs - top).mean(axis=-1)), np.float64)


class Certificate:
    """Upper bounds of a risk, from one verdict after another.

    With probability 1 - alpha there is no moment at which a level is rejected although the mean
    risk of the decisions so far, each given all that was known before it, is that level or more
    (decisions weigh by their floor). The risk may move: for a fixed stake L the wealth is at most
    the wealth at fair odds times exp(L * sum(level - risk)), which is at most 1 then. Levels are
    from 0.7 to 20 times `bound`, 17 of them.
    """

    def __init__(self, bound: float, logs: Floats | None = None, seen: int = 0) -> None:
        self.levels = np.minimum(_LEVELS * bound, 0.95)
        self.logs = np.zeros((len(_LEVELS), len(_STAKES))) if logs is None else logs
        self.seen = seen

    def add(self, *, wrong: bool, scale: float) -> None:
        """One verdict; `scale` is floor / propensity, in (0, 1]."""
        same = np.full(len(self.levels), scale)
        self.logs = self.logs + certificate_step(self.levels, np.full_like(same, wrong), same)
        self.seen += 1

    def wealth(self, level: float) -> float:
        """Log of the wealth against this level (the next lower one of the grid)."""
        at = int(np.searchsorted(self.levels, level * (1 + 1e-9), side="right")) - 1
        return float(mixed(self.logs)[at]) if at >= 0 else 0.0

    def upper(self, alpha: float) -> float:
        """The least level that is rejected at `alpha`; 1.0 while none is."""
        proven = self.levels[mixed(self.logs) >= -np.log(alpha)]
        return float(proven.min()) if len(proven) else 1.0


class Alarm:
    """Says when a risk that was allowed is exceeded, by betting the other way, from any moment on.

    A mixture over all starting times with weights 1/((t+1)(t+2)) (Shin, Ramdas & Rinaldo 2023,
    "E-detectors", section 4, with weights that sum to one): if the risk never exceeds the bound,
    the alarm ever rings with probability alpha at most; after a change only the weight is to be won
    back.
    """

    def __init__(self, bound: float, wealth: Floats | None = None, seen: int = 0) -> None:
        self.bound = bound
        self.wealth = np.zeros(len(_SURPRISES)) if wealth is None else wealth
        self.seen = seen

    def add(self, *, wrong: bool, scale: float) -> None:
        """One verdict on what was served, or would have been."""
        start = 1.0 / ((self.seen + 1) * (self.seen + 2))
        one = np.array([float(wrong)])
        factor = alarm_step(self.bound, one, np.array([scale]))[0]
        self.wealth = np.minimum((self.wealth + start) * factor, 1e12)
        self.seen += 1

    def rings(self, alpha: float) -> bool:
        """Whether the risk is above the bound, at this error of the first kind."""
        return float(self.wealth.mean()) >= 1.0 / alpha


def growth(risk: float, bound: float) -> float:
    """Log wealth won per verdict by the best stake: the divergence of two coins."""
    risk = min(max(risk, 1e-6), 1 - 1e-6)
    if risk >= bound:
        return 0.0
    return float(risk * np.log(risk / bound) + (1 - risk) * np.log((1 - risk) / (1 - bound)))
