"""Certificates while the traffic changes, replayed: what is proven, and whether it is true then.

`python -m benchmarks.savings.routing.certificate_shifts --json OUT`. A fifth of the calls is cheap
traffic whose chance of a loss moves with time, so that the truth is known at every call. A proof is
false when a rung is certified at a moment at which the mean loss over the traffic so far, since
that proof began, is the bound or more. Where the change comes after the proof, what counts is how
soon the route falls back.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scrimp.routing.certificate import Certificate
from scrimp.routing.standing import LossPromise

BOUND = 0.03
SHARE = 0.2
CALLS = 1000
_RUNGS = (0.05, 0.1, 0.2)
_LIMIT = 300

Chance = Callable[[int], float]
"""Of a loss on cheap traffic at a call: 0.15 is the bound where a fifth is cheap."""
_EVEN = BOUND / SHARE

SHIFTS: dict[str, Chance] = {
    "harmless for 50 calls, then three times the bound": lambda at: 0 if at < 50 else 3 * _EVEN,
    "harmless for 200 calls, then twice the bound": lambda at: 0 if at < 200 else 2 * _EVEN,
    "rising evenly from nothing to three times the bound": lambda at: 3 * _EVEN * at / CALLS,
    "falling evenly from twice the bound to nothing": lambda at: 2 * _EVEN * (1 - at / CALLS),
    "a hundred calls harmless, a hundred at twice the bound": (
        lambda at: 2 * _EVEN * (at // 100 % 2)
    ),
    "half the bound, then the bound, then twice of it": (
        lambda at: (0.5, 1.0, 2.0)[min(2, 3 * at // CALLS)] * _EVEN
    ),
}
AFTER: dict[str, float] = {"twice the bound": 2 * _EVEN, "four times the bound": 4 * _EVEN}


@dataclass(slots=True)
class Played:
    """What one replay has shown."""

    false_at: int | None = None
    first_proof: int | None = None
    served_loss: float = 0.0


def while_proving(chance: Chance, seed: int) -> Played:
    """One route from its first call on; all rungs lose alike, for each call they serve cheap."""
    certificate, found = _begun(), Played()
    truth = np.zeros(len(_RUNGS))
    restarts = since = 0
    for at, (score, coin, luck) in enumerate(_drawn(seed, CALLS)):
        now = chance(at)
        verdict = certificate.decide(score, coin, barred=False)
        truth += now * np.array(_RUNGS)
        since += 1
        found.served_loss += now if verdict.serve_cheap else 0.0
        before = certificate.ladder.proven
        if verdict.shadow:
            certificate.see(score, float(luck < now), verdict)
        if certificate.restarts != restarts:
            restarts, since, truth = certificate.restarts, 0, np.zeros(len(_RUNGS))
        proven = certificate.ladder.proven
        if proven > before:
            found.first_proof = at if found.first_proof is None else found.first_proof
            if truth[proven] / since >= BOUND and found.false_at is None:
                found.false_at = at
    return found


def after_a_proof(bad: float, seed: int) -> tuple[int, int, float] | None:
    """Verdicts and calls until the route falls back, and what it lost on them; None: too late."""
    certificate = _begun()
    rows = iter(_drawn(seed, 40 * CALLS))
    for score, coin, luck in rows:
        verdict = certificate.decide(score, coin, barred=False)
        if verdict.shadow:
            certificate.see(score, float(luck < _EVEN / 5), verdict)
        if certificate.ladder.live == len(_RUNGS) - 1:
            break
    labels, lost = 0, 0.0
    for calls, (score, coin, luck) in enumerate(rows, start=1):
        verdict = certificate.decide(score, coin, barred=False)
        lost += bad if verdict.serve_cheap else 0.0
        if verdict.shadow:
            labels += verdict.serve_cheap
            certificate.see(score, float(luck < bad), verdict)
        if certificate.ladder.live < 0:
            return labels, calls, lost
        if labels >= _LIMIT:
            return None
    return None


def study(replays: int, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """All of it, as plain values."""
    told: dict[str, Any] = {"replays": replays, "bound": BOUND, "confidence": 0.95, "calls": CALLS}
    told["while_proving"] = {}
    for name, chance in SHIFTS.items():
        lives = [while_proving(chance, seed) for seed in range(replays)]
        told["while_proving"][name] = {
            "proven_falsely_at_any_time": _rate([one.false_at is not None for one in lives]),
            "ever_proven": _rate([one.first_proof is not None for one in lives]),
            "mean_loss_served": float(np.mean([one.served_loss for one in lives])) / CALLS,
        }
        say(f"{name}: {told['while_proving'][name]}")
    told["after_a_proof"] = {}
    for name, bad in AFTER.items():
        ends = [after_a_proof(bad, seed) for seed in range(replays)]
        known = [end for end in ends if end is not None]
        labels, calls, lost = (np.array(column) for column in zip(*known, strict=True))
        told["after_a_proof"][name] = {
            f"still_serving_after_{_LIMIT}_verdicts": 1 - len(known) / replays,
            "verdicts_to_fall_back": {"median": _at(labels, 0.5), "p95": _at(labels, 0.95)},
            "calls_to_fall_back": {"median": _at(calls, 0.5), "p95": _at(calls, 0.95)},
            "worse_answers_until_then": {"median": _at(lost, 0.5), "p95": _at(lost, 0.95)},
        }
        say(f"{name}: {told['after_a_proof'][name]}")
    return told


def _begun() -> Certificate:
    return Certificate(LossPromise(BOUND), _RUNGS, _RUNGS)


def _drawn(seed: int, count: int) -> Sequence[Sequence[float]]:
    found: list[list[float]] = np.random.default_rng(seed).random((count, 3)).tolist()
    return found


def _rate(flags: Sequence[bool]) -> float:
    return float(np.mean(flags))


def _at(values: np.ndarray[Any, Any], part: float) -> float:
    return float(np.quantile(values, part, method="inverted_cdf"))


def main() -> None:
    """Run alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replays", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {line}", file=sys.stderr, flush=True)

    found = study(asked.replays, say)
    print(json.dumps(found, indent=2))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
