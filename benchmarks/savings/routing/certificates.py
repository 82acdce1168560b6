"""Certificates of routes, measured: violations at any time, labels needed, judges that err, shifts.

`python -m benchmarks.savings.routing.certificates FILE… --weak MODEL --strong MODEL` draws a
thousand replays from the questions of labelled files; a ranking is trained on others than those it
is judged on. Requests are drawn with replacement, so that what is true of a rung is known exactly.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.savings.routing.certificate_pools import (
    Pool,
    Ranker,
    losses_of,
    novel,
    pool_of,
    ridge_ranker,
    under,
)
from benchmarks.savings.routing.certificate_replays import (
    After,
    Plan,
    live_of,
    middle,
    rate,
    shifted,
)
from scrimp.routing.rows import Row, read_rows, with_all
from scrimp.routing.standing import LossPromise

BOUNDS = (0.02, 0.03, 0.05)
_SHIFTED = (0.03, 0.05)
CHECKPOINTS = (250, 500, 1000, 2000, 3000)
_SPLITS = 10
_HELD_BACK = 0.3
"""So many of the tasks are traffic that was never seen before."""
_SENSITIVITY, _SPECIFICITY = 0.9, 0.85

Split = tuple[Sequence[Row], Sequence[Row]]
"""Rows to train a ranking on, and rows to draw traffic from."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How the study goes: how many replays, which ranking, whom to tell of progress."""

    replays: int = 1000
    ranker: Ranker | None = None
    say: Callable[[str], None] = lambda _line: None


def study(
    train: Sequence[Row], test: Sequence[Row], weak: str, strong: str, asked: Asked = Asked()
) -> dict[str, Any]:
    """All of it, as plain values. Ranked by what `train` tells, on traffic drawn from `test`."""
    return _study([(train, test)], weak, strong, asked)


def study_split(
    rows: Sequence[Row], weak: str, strong: str, asked: Asked = Asked()
) -> dict[str, Any]:
    """The same on ten random splits of one file, six parts to train and four to draw from."""
    return _study([_split(rows, seed) for seed in range(_SPLITS)], weak, strong, asked)


def _study(splits: Sequence[Split], weak: str, strong: str, asked: Asked) -> dict[str, Any]:
    rank, replays = asked.ranker or ridge_ranker(weak, strong), asked.replays
    pools = [pool_of(rank(train, test), losses_of(test, weak, strong)) for train, test in splits]
    found: dict[str, Any] = {"replays": replays, "confidence": 0.95, "traffic": {}, "nulls": {}}
    for bound in BOUNDS:
        found["traffic"][f"{bound:g}"] = _on_traffic(pools, bound, replays)
        asked.say(f"bound {bound:g}: {found['traffic'][f'{bound:g}']}")
    for name, (pool, plan) in _nulls().items():
        lives = [live_of(pool, plan, seed)[0] for seed in range(replays)]
        found["nulls"][name] = {"violated_ever": rate([life.ever for life in lives])}
        asked.say(f"{name}: {found['nulls'][name]}")
    found["shift"] = _on_shifts(_shifts(splits, weak, strong, rank), replays)
    asked.say(f"shift: {found['shift']}")
    return found


def _on_traffic(pools: list[Pool], bound: float, replays: int) -> dict[str, Any]:
    plan = Plan(LossPromise(bound), CHECKPOINTS[-1], CHECKPOINTS)
    lives = [live_of(pools[seed % len(pools)], plan, seed)[0] for seed in range(replays)]
    return {
        "violated_ever": rate([life.ever for life in lives]),
        "violated_at_the_end": rate([life.violated[-1] for life in lives]),
        "violated_at": {
            str(at): rate([life.violated[place] for life in lives])
            for place, at in enumerate(CHECKPOINTS)
        },
        "served_too_lossy_at_the_end": rate([life.served_too_lossy[-1] for life in lives]),
        "cheap_share_at": {
            str(at): float(np.mean([life.shares[place] for life in lives]))
            for place, at in enumerate(CHECKPOINTS)
        },
        "labels_at": {
            str(at): float(np.mean([life.used[place] for life in lives]))
            for place, at in enumerate(CHECKPOINTS)
        },
        "labels_to_a_fifth": middle([life.to_fifth for life in lives]),
        "requests_to_a_fifth": middle([life.requests_to_fifth for life in lives]),
        "true_loss_of_a_fifth": float(np.mean([_fifth(pool) for pool in pools])),
        "false_alarms": rate([life.restarts > 0 for life in lives]),
    }


def _fifth(pool: Pool) -> float:
    """The true loss of the first rung that serves a fifth cheap."""
    return float(pool.loss[int(np.argmax(pool.share >= 0.195))])


def _on_shifts(shifts: list[tuple[Pool, Pool]], replays: int) -> dict[str, Any]:
    """Proven on known tasks, then all traffic is of others."""
    if not shifts:
        return {}
    found: dict[str, Any] = {}
    for bound in _SHIFTED:
        plan = Plan(LossPromise(bound), 2000)
        lives: list[After] = []
        for seed in range(replays):
            before, after = shifts[seed % len(shifts)]
            lives.append(shifted(before, after, plan, seed, most=6000))
        harmed = [life for life in lives if life.was_live and life.excess > 0]
        found[f"{bound:g}"] = {
            "live_before": rate([life.was_live for life in lives]),
            "too_lossy_after": rate([life.was_live and life.excess > 0 for life in lives]),
            "mean_excess": float(np.mean([life.excess for life in harmed])) if harmed else 0.0,
            "violated_after_300_labels": rate([life.violated for life in lives]),
            "labels_to_alarm": middle([life.alarm for life in harmed]),
            "barred_as_novel": float(np.mean([after.barred.mean() for _, after in shifts])),
        }
    return found


def _shifts(
    splits: Sequence[Split], weak: str, strong: str, rank: Ranker
) -> list[tuple[Pool, Pool]]:
    """For each split, known tasks and others; the ranking has seen only the known ones."""
    found = []
    for seed, (train, test) in enumerate(splits):
        tasks = sorted({row.task for row in test})
        if len(tasks) < 4:
            return []
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(tasks))[: max(1, round(_HELD_BACK * len(tasks)))]
        unseen = {tasks[at] for at in chosen}
        known = [row for row in train if row.task not in unseen]
        usual = [row for row in test if row.task not in unseen]
        strange = [row for row in test if row.task in unseen]
        bars = novel(known, usual)
        before = pool_of(rank(known, usual), losses_of(usual, weak, strong), bars)
        scores, losses = rank(known, strange), losses_of(strange, weak, strong)
        found.append((before, under(before, scores, losses, novel(known, strange))))
    return found


def _nulls() -> dict[str, tuple[Pool, Plan]]:
    """Made-up traffic whose loss is exactly the bound: whatever is certified is a violation."""
    mixed, only = _null(0.2, 0.25, 0.10), _null(0.2, 0.15, 0.0)
    plan = Plan(LossPromise(0.03 - 1e-6), 1500, stop=True)
    honest = LossPromise(0.03 - 1e-6, sensitivity=_SENSITIVITY, specificity=_SPECIFICITY)
    return {
        "losses and gains": (mixed, plan),
        "losses only": (only, plan),
        "all of the traffic, rare losses": (_null(1.0, 0.03, 0.0), plan),
        "graded, no variance": (_constant(0.2, 0.15), plan),
        "a ladder of nulls": (_ladder_null(), plan),
        "a judge that errs, allowed for": (mixed, replace(plan, promise=honest, told=_erring)),
        "a judge that errs, not allowed for": (mixed, replace(plan, told=_erring)),
        "a third of the losses has no label": (mixed, replace(plan, told=_shy)),
        "the same, left out": (mixed, replace(plan, told=_shy, drop_missing=True)),
        "losses are told late": (mixed, replace(plan, late=_slow)),
    }


def _null(share: float, harm: float, gain: float, size: int = 20_000) -> Pool:
    """One rung of this share, on which so many lose and so many gain."""
    cheap = round(share * size)
    losses = np.zeros(size)
    losses[: round(harm * cheap)] = 1.0
    losses[round(harm * cheap) : round((harm + gain) * cheap)] = -1.0
    scores = np.where(np.arange(size) < cheap, 0.5, 2.0)
    return Pool(scores, losses, np.zeros(size, np.bool_), (1.0,), (share,))


def _constant(share: float, loss: float) -> Pool:
    pool = _null(share, 0.0, 0.0)
    return under(pool, pool.scores, np.where(pool.scores < 1, loss, 0.0), pool.barred)


def _ladder_null(size: int = 20_000) -> Pool:
    """Every rung loses exactly the bound: what the first loses, and nothing beyond."""
    scores = (np.arange(size) + 0.5) / size
    losses = np.zeros(size)
    losses[: round(0.03 * size)] = 1.0
    order = np.random.default_rng(0).permutation(round(0.1 * size))
    losses[: len(order)] = losses[: len(order)][order]
    rungs = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
    return Pool(scores, losses, np.zeros(size, np.bool_), rungs, rungs)


def _erring(loss: float, luck: float) -> float:
    """Both answers judged, each with its own error; equal answers are both good here."""
    reference, cheap = {1.0: (1, 0), 0.0: (1, 1)}.get(loss, (0, 1))
    one, other = luck, luck * 7919 % 1.0
    seen = [
        luck < (_SENSITIVITY if good else 1 - _SPECIFICITY)
        for good, luck in ((reference, one), (cheap, other))
    ]
    return float(seen[0]) - float(seen[1])


def _shy(loss: float, luck: float) -> float | None:
    return None if loss > 0 and luck < 1 / 3 else loss


def _slow(loss: float) -> int:
    return 60 if loss > 0 else 2


def _split(rows: Sequence[Row], seed: int) -> tuple[list[Row], list[Row]]:
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = round(0.6 * len(rows))
    return [rows[at] for at in order[:cut]], [rows[at] for at in order[cut:]]


def read(paths: Sequence[Path], weak: str, strong: str) -> list[Row]:
    """Rows that have both labels."""
    found: list[Row] = []
    for path in paths:
        data = path.read_bytes()
        found += read_rows(gzip.decompress(data) if path.suffix == ".gz" else data, path.name)
    return with_all(found, (weak, strong))


def main() -> None:
    """Run alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "files", nargs="+", type=Path, help="labelled files, to train and draw from"
    )
    parser.add_argument("--test", nargs="+", type=Path, help="draw from these instead")
    parser.add_argument("--weak", required=True)
    parser.add_argument("--strong", required=True)
    parser.add_argument("--replays", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {line}", file=sys.stderr, flush=True)

    how = Asked(asked.replays, say=say)
    rows = read(asked.files, asked.weak, asked.strong)
    if asked.test:
        test = read(asked.test, asked.weak, asked.strong)
        found = study(rows, test, asked.weak, asked.strong, how)
    else:
        found = study_split(rows, asked.weak, asked.strong, how)
    print(json.dumps(found, indent=2))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
