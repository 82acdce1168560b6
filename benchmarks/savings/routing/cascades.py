"""Cascades, measured: the cheap model's answers are looked at, the doubtful ones asked anew.

Every question costs the cheap answer; those that are escalated cost the dear one beside it. Scores
of a question come from a fit that never saw it: by folds, several times over, or from other rows.
`python -m benchmarks.savings.routing.cascades FILE… --weak MODEL --strong MODEL`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scrimp.checks.sums import sums
from scrimp.routing.acceptance import fit
from scrimp.routing.answer_features import features
from scrimp.routing.curve import (
    Curve,
    Floats,
    Measures,
    Pair,
    Scored,
    bootstrap,
    curve,
    interval,
    measures,
)
from scrimp.routing.rows import Row, read_rows, with_all

USD_PER_MILLION = {"weak": (0.6, 0.6), "strong": (10.0, 30.0)}
"""Input and output, of the pair that the published figures are of; for labels without a cost."""
_FOLDS, _ROUNDS = 5, 4
_CHARS_PER_TOKEN = 4
_TEMPER = 0.5
"""Of the foreseen cost in the order by which costs are read: it is foreseen only roughly."""
_LEAST = 0.2
"""No escalation is foreseen to cost less than this share of the mean."""


def study(
    rows: Sequence[Row], weak: str, strong: str, seed: int = 0, also: Sequence[Row] = ()
) -> dict[str, Any]:
    """Scores by folds, each question judged by fits of other questions, `also` of those beside."""
    rows, also = _answered(rows, weak, strong), _answered(also, weak, strong)
    if len(rows) < 10 * _FOLDS:
        return {"questions": len(rows), "why": f"fewer than {10 * _FOLDS} with {weak}'s answer"}
    seen, quality, gains = _seen(rows, weak, strong)
    more = _seen(also, weak, strong) if also else (seen[:0], quality[:0], gains[:0])
    begun = time.process_time()
    scores, costs = np.zeros(len(rows)), np.zeros(len(rows))
    for again in range(_ROUNDS):
        which = np.random.default_rng([seed, again]).permutation(len(rows)) % _FOLDS
        for fold in range(_FOLDS):
            out = which == fold
            parts = (seen[~out], quality[~out], gains[~out])
            rows_of, known, gained = map(np.concatenate, zip(parts, more, strict=True))
            found = fit(rows_of, known, gained)
            scores[out] += 0.5 if found is None else found.scores(seen[out])
            costs[out] += _foreseen(_picked(rows, ~out), _picked(rows, out), weak, strong)
    spent_s = time.process_time() - begun
    return {
        "how": f"{_FOLDS} folds, {_ROUNDS} times, and {len(also)} questions beside",
        "fit_ms": round(spent_s * 1000 / (_FOLDS * _ROUNDS), 1),
        **_told(rows, (weak, strong), scores / _ROUNDS, costs / _ROUNDS, seed),
    }


def held_out(
    train: Sequence[Row], test: Sequence[Row], weak: str, strong: str, seed: int = 0
) -> dict[str, Any]:
    """Scores by one fit on other rows."""
    train, test = _answered(train, weak, strong), _answered(test, weak, strong)
    found = fit(*_seen(train, weak, strong)) if train else None
    if found is None or not test:
        why = f"{len(train)} rows to learn from and {len(test)} to judge are too few"
        return {"questions": len(test), "why": why}
    scores = found.scores(_seen(test, weak, strong)[0])
    costs = _foreseen(train, test, weak, strong)
    how = f"one fit on {len(train)} other questions"
    return {"how": how, **_told(test, (weak, strong), scores, costs, seed)}


def _answered(rows: Sequence[Row], weak: str, strong: str) -> list[Row]:
    return [one for one in with_all(list(rows), (weak, strong)) if one.labels[weak].response]


def _seen(rows: Sequence[Row], weak: str, strong: str) -> tuple[Floats, Floats, Floats]:
    seen = [tuple(features(one.prompt, one.labels[weak].response).values()) for one in rows]
    quality = np.array([one.labels[weak].quality for one in rows])
    best = np.array([one.labels[strong].quality for one in rows])
    return np.array(seen, np.float64), quality, best - quality


def _picked(rows: Sequence[Row], chosen: NDArray[np.bool_]) -> list[Row]:
    return [row for row, wanted in zip(rows, chosen, strict=True) if wanted]


def _foreseen(train: Sequence[Row], test: Sequence[Row], weak: str, strong: str) -> Floats:
    """What escalating may cost, by the lengths of question and draft: all that is known by then."""
    told = np.array([_cost(one, strong, "strong") for one in train])
    found = np.linalg.lstsq(_lengths(train, weak), told, rcond=None)[0]
    return np.asarray(np.maximum(_lengths(test, weak) @ found, _LEAST * told.mean()))


def _lengths(rows: Sequence[Row], weak: str) -> Floats:
    return np.array([(1.0, len(one.prompt), len(one.labels[weak].response)) for one in rows])


def _told(
    rows: Sequence[Row], models: tuple[str, str], accept: Floats, costs: Floats, seed: int
) -> dict[str, Any]:
    weak, strong = models
    pair, always = _pair(rows, weak, strong)
    answers = [one.labels[weak].response for one in rows]
    wrong = np.array([any(not one.right for one in sums(text)) for text in answers], np.float64)
    doubt = 1.0 - accept
    contenders = {
        "acceptance": Scored(doubt, doubt / costs**_TEMPER),
        "arithmetic": Scored(wrong),
        "answer_length": Scored(np.array([float(len(text)) for text in answers])),
        "question_length": Scored(np.array([float(len(one.prompt)) for one in rows])),
        "random": Scored(np.zeros(len(rows))),
        "oracle": Scored(pair.gain),
    }
    drawn = bootstrap(pair, contenders, seed=seed)
    found = {}
    for name, scored in contenders.items():
        first = curve(pair, scored.by_share)
        second = None if scored.by_cost is None else curve(pair, scored.by_cost)
        found[name] = _shown(measures(first, second), drawn[name], always)
    return {
        "questions": len(rows),
        "weak_quality": round(float(pair.weak.mean()), 4),
        "strong_quality": round(float(pair.strong.mean()), 4),
        "auc": round(_auc(accept, pair.weak), 4),
        "contenders": found,
        "points": _points(curve(pair, doubt), always),
    }


def _pair(rows: Sequence[Row], weak: str, strong: str) -> tuple[Pair, float]:
    """The pair as a cascade meets it, and what escalating all costs, in always-strong calls."""
    cheap = np.array([_cost(one, weak, "weak") for one in rows])
    dear = np.array([_cost(one, strong, "strong") for one in rows])
    quality = [np.array([one.labels[name].quality for one in rows]) for name in (weak, strong)]
    return Pair(quality[0], quality[1], cheap, cheap + dear), float(
        (cheap + dear).sum() / dear.sum()
    )


def _cost(row: Row, model: str, side: str) -> float:
    """Dollars: as the row says, else by its tokens, else by the length of what was said."""
    label = row.labels[model]
    if label.cost_nanousd is not None:
        return label.cost_nanousd / 1e9
    inputs, outputs = USD_PER_MILLION[side]
    said = label.output_tokens
    if said is None:
        said = len(label.response) // _CHARS_PER_TOKEN
    return (len(row.prompt) / _CHARS_PER_TOKEN * inputs + said * outputs) / 1e6


def _shown(found: Measures, drawn: Mapping[str, Floats], always: float) -> dict[str, Any]:
    """Each measure with its interval; costs in shares of always asking the strong model."""
    shown = {}
    for name, value in asdict(found).items():
        times = always if name.startswith("cost") else 1.0
        one = interval(value * times, drawn[name] * times)
        shown[name] = [round(number, 4) for number in (one.value, one.low, one.high)]
    return shown


def _points(found: Curve, always: float) -> list[list[float]]:
    """The curve at every twentieth: share escalated, cost, quality."""
    at = np.linspace(0, len(found.share) - 1, 21).astype(int)
    return [
        [
            round(float(value), 4)
            for value in (found.share[i], found.cost[i] * always, found.quality[i])
        ]
        for i in at
    ]


def _auc(scores: Floats, right: Floats) -> float:
    """How often a right answer scores above a wrong one, ties halved."""
    good, bad = scores[right > 0.5], scores[right <= 0.5]
    if not len(good) or not len(bad):
        return float("nan")
    above = (good[:, None] > bad[None]).mean() + (good[:, None] == bad[None]).mean() / 2
    return float(above)


def main() -> None:
    """Print the study of the files as JSON."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("files", nargs="+", type=Path)
    asked.add_argument("--weak", required=True)
    asked.add_argument("--strong", required=True)
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    rows: list[Row] = []
    for path in given.files:
        data = path.read_bytes()
        rows += read_rows(gzip.decompress(data) if path.suffix == ".gz" else data, path.name)
    print(json.dumps(study(rows, given.weak, given.strong, given.seed), indent=2))


if __name__ == "__main__":
    main()
