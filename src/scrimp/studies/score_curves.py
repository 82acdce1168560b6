"""Quality against cost of serving drafts by a score: points for a picture, numbers for a table."""

from __future__ import annotations

import numpy as np

from scrimp.routing.curve import hull
from scrimp.routing.picture_points import Line, Picture
from scrimp.studies.drafts import Columns, Floats

SCORE, NOW, MIX, ORACLE = "score", "score of now", "blind mix", "oracle"
_MOST_POINTS = 400


def score_picture(
    drafts: Columns, scores: Floats, names: tuple[str, str], now: Floats | None = None
) -> Picture:
    """Of judged drafts: what each share served costs, in costs of always asking the other model.

    Every draft is paid, and those that are not served cost the other answer beside it. The two
    models alone and their mix pay for one answer only. `now` are scores of the fit that serves.
    """
    weights = drafts.weight / drafts.weight.sum()
    cheap, dear = float(weights @ drafts.draft_usd), float(weights @ drafts.best_usd)
    quality, best = float(weights @ drafts.quality), float(weights @ drafts.best)
    unit = dear or 1.0
    models = {names[0]: (cheap / unit, quality), names[1]: (dear / unit, best)}
    gain = (drafts.best - drafts.quality) / np.maximum(drafts.best_usd, 1e-12)
    lines = [Line(SCORE, _points(drafts, -scores, unit))]
    if now is not None:
        lines.append(Line(NOW, _points(drafts, -now, unit)))
    alone = hull(np.array([(cheap / unit, quality), (dear / unit, best)]))
    lines.append(Line(MIX, tuple((float(one[0]), float(one[1])) for one in alone)))
    lines.append(Line(ORACLE, _points(drafts, gain, unit)))
    return Picture(models, tuple(lines), max(models, key=lambda name: models[name][1]), unit)


def told_apart(drafts: Columns, scores: Floats) -> float | None:
    """How often a draft that loses nothing scores above one that loses, ties halved (AUC).

    None where all are alike.
    """
    good, bad = drafts.best <= drafts.quality, drafts.best > drafts.quality
    if not good.any() or not bad.any():
        return None
    order = np.sort(scores[bad])
    weights = drafts.weight[good]
    below = np.searchsorted(order, scores[good], "left")
    upto = np.searchsorted(order, scores[good], "right")
    return float(weights @ ((below + upto) / 2) / (weights.sum() * bad.sum()))


def _points(drafts: Columns, doubt: Floats, unit: float) -> tuple[tuple[float, float], ...]:
    """From none asked anew to all of them, the doubtful ones first."""
    weights = drafts.weight / drafts.weight.sum()
    order = np.argsort(-doubt, kind="stable")
    asked = np.concatenate([[0.0], np.cumsum((weights * drafts.best_usd)[order])])
    better = np.cumsum((weights * (drafts.best - drafts.quality))[order])
    cost = (asked + float(weights @ drafts.draft_usd)) / unit
    quality = float(weights @ drafts.quality) + np.concatenate([[0.0], better])
    at = np.unique(np.linspace(0, len(order), _MOST_POINTS).round().astype(int))
    return tuple((float(cost[one]), float(quality[one])) for one in at)
