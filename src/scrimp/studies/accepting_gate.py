"""The no-harm gate of a score: it serves only where it beats what is there and what looks at none.

Its competitors are the two models alone, a blind mix of them at its own cost, and the score that
serves now. Every draft is paid, and those that are not served cost the other answer beside it.
Scores must come from fits that have not seen the drafts (`drafts.cross_fitted`); of the score that
serves now only drafts count that it has not learned from. Means are weighted by one over the
probability with which a draft was compared.
"""

from __future__ import annotations

from math import ceil, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scrimp.routing.acceptance import Acceptance
from scrimp.routing.gate import FEWEST, GateVerdict, Logged, gate
from scrimp.studies.drafts import Columns, Floats
from scrimp.values import Value

SHARES: Final = (0.25, 0.5, 0.75)
"""Shares of drafts served: how far a certificate goes nobody knows before."""
_MOST_MISSING: Final = 10_000_000
_DRAFT, _ASKED = "draft", "asked"


class Edge(Value, frozen=True):
    """By how much one way is better than another at the same cost, on so many drafts."""

    value: float
    low: float
    high: float
    rows: int


class At(Value, frozen=True):
    """One way of serving: this `share` of the drafts, those that score `least` or more."""

    share: float
    least: float
    quality: float
    usd: float
    blind: GateVerdict
    before: Edge | None


class ScoreVerdict(Value, frozen=True):
    """Whether a score may serve, and why. `missing` estimates how many drafts more would show it.

    `at` are the ways of serving that were looked at, best first.
    """

    live: bool
    why: str
    missing: int | None
    at: tuple[At, ...] = ()


def score_verdict(
    drafts: Columns,
    scores: Floats,
    names: tuple[str, str],
    *,
    now: Acceptance | None = None,
    least: float | None = None,
) -> ScoreVerdict:
    """Of judged drafts and their cross-fitted scores. `names` are the draft's model and the other.

    With `least` that is the score from which on drafts are served; else several shares are looked
    at, each at a level of its own, so that all of them together hold at 95 %. `now` serves so far.
    """
    if len(scores) < FEWEST:
        return ScoreVerdict(
            live=False,
            why=f"{len(scores)} drafts were compared with an answer of {names[1]}, their costs "
            f"known; at least {FEWEST} are needed to hold a score against what looks at none",
            missing=FEWEST - len(scores),
        )
    fresh, before = _unseen(drafts, now)
    confidence = 0.95 if least is not None else 1 - 0.05 / len(SHARES)
    found = []
    for share in SHARES if least is None else (None,):
        served = _served(scores, drafts.weight, share, least or 0.0)
        edge = None
        if before is not None and fresh.sum() >= FEWEST:
            some = drafts.only(fresh)
            mine = _served(scores[fresh], some.weight, share, least or 0.0)
            theirs = _served(before, some.weight, share, least or 0.0)
            edge = _edge(some, mine, theirs, confidence)
        blind = gate(_logged(drafts, served), confidence=confidence)
        weights = drafts.weight / drafts.weight.sum()
        found.append(
            At(
                share=float(weights[served].sum()),
                least=float(scores[served].min()) if served.any() else 1.0,
                quality=float(weights @ np.where(served, drafts.quality, drafts.best)),
                usd=float(weights @ _spent(drafts, served)),
                blind=blind,
                before=edge,
            )
        )
    found.sort(key=_worth, reverse=True)
    return _said(tuple(found), names, now, int(fresh.sum()))


def _unseen(drafts: Columns, now: Acceptance | None) -> tuple[NDArray[np.bool_], Floats | None]:
    """Drafts that the score that serves now has not learned from, and what it gives them."""
    if now is None:
        return np.zeros(len(drafts.quality), np.bool_), None
    fresh = ~now.has_seen(drafts.marks)
    return fresh, now.scores(drafts.features[fresh]) if fresh.any() else np.zeros(0)


def _served(
    scores: Floats, weights: Floats, share: float | None, least: float
) -> NDArray[np.bool_]:
    """The best drafts, up to so large a share; or all that score so much."""
    if share is None:
        return np.asarray(scores >= least)
    order = np.argsort(-scores, kind="stable")
    upto = np.cumsum(weights[order]) / weights.sum()
    at = int(np.searchsorted(upto, share - 1e-9))
    return np.asarray(scores >= scores[order[min(at, len(order) - 1)]])


def _spent(drafts: Columns, served: NDArray[np.bool_]) -> Floats:
    return drafts.draft_usd + np.where(served, 0.0, drafts.best_usd)


def _logged(drafts: Columns, served: NDArray[np.bool_]) -> list[Logged]:
    spent = _spent(drafts, served)
    return [
        Logged(
            {_DRAFT: quality, _ASKED: best},
            {_DRAFT: cheap, _ASKED: dear},
            quality if good else best,
            cost,
            weight,
        )
        for quality, best, cheap, dear, good, cost, weight in zip(
            *(drafts.quality.tolist(), drafts.best.tolist()),
            *(drafts.draft_usd.tolist(), drafts.best_usd.tolist()),
            *(served.tolist(), spent.tolist(), drafts.weight.tolist()),
            strict=True,
        )
    ]


def _edge(
    drafts: Columns, mine: NDArray[np.bool_], theirs: NDArray[np.bool_], confidence: float
) -> Edge:
    """Quality, less what the cost of it would buy blind: so both are held at the same cost."""
    weights = drafts.weight / drafts.weight.sum()
    gained = float(weights @ (drafts.best - drafts.quality))
    price = max(0.0, gained) / max(float(weights @ drafts.best_usd), 1e-12)
    better = np.where(mine, drafts.quality, drafts.best) - np.where(
        theirs, drafts.quality, drafts.best
    )
    edges = better - price * (_spent(drafts, mine) - _spent(drafts, theirs))
    mean = float(weights @ edges)
    half = NormalDist().inv_cdf(confidence) * sqrt(float((weights**2) @ (edges - mean) ** 2))
    return Edge(mean, mean - half, mean + half, len(edges))


def _worth(at: At) -> tuple[bool, float]:
    lows = [at.blind.closest.low, *([] if at.before is None else [at.before.low])]
    return at.blind.winner == "learned" and min(lows) > 0, min(lows)


def _said(
    found: tuple[At, ...], names: tuple[str, str], now: Acceptance | None, fresh: int
) -> ScoreVerdict:
    best = found[0]
    rival = best.blind.closest
    who = " and ".join(names[(_DRAFT, _ASKED).index(one)] for one in rival.models)
    who = f"{who} alone" if len(rival.models) == 1 else f"a blind mix of {who}"
    blind = f"{who}: {_numbers(rival.edge, rival.low, rival.high, best.blind.rows)}"
    if best.blind.winner != "learned":
        why, missing = f"not shown to beat {blind}", best.blind.missing
        return ScoreVerdict(live=False, why=why, missing=missing, at=found)
    if now is None:
        return ScoreVerdict(live=True, why=f"beats {blind}", missing=None, at=found)
    if best.before is None:
        why = (
            f"{fresh} drafts that the score of now has not learned from; at least {FEWEST} are "
            "needed to hold the two against each other"
        )
        return ScoreVerdict(live=False, why=why, missing=FEWEST - fresh, at=found)
    edge = best.before
    other = f"the score of now: {_numbers(edge.value, edge.low, edge.high, edge.rows)}"
    if edge.low <= 0:
        why, missing = f"not shown to beat {other}", _missing(edge)
        return ScoreVerdict(live=False, why=why, missing=missing, at=found)
    return ScoreVerdict(live=True, why=f"beats {blind}; {other}", missing=None, at=found)


def _numbers(value: float, low: float, high: float, rows: int) -> str:
    return f"{value:+.4f} of quality at the same cost ({low:+.4f} to {high:+.4f}) on {rows} drafts"


def _missing(edge: Edge) -> int | None:
    """Drafts more until its lower limit is above 0, if they are like these."""
    if edge.value <= 0:
        return None
    needed = edge.rows * ((edge.value - edge.low) / edge.value) ** 2
    return min(_MOST_MISSING, max(1, ceil(needed) - edge.rows + 1))
