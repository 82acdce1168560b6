"""How much a semantic cache saves that keeps an error bound, beside fixed cosine thresholds.

Usage: run.py --data FILE [--data FILE ...] --text COLUMN --label COLUMN [--max-error 0.02 ...]
[--permutations 20] [--stream 8000] [--pairs FILE] [--flip 0.02] [--per-call] [--confidence 0.95]
[--slack 2] [--vectors FILE.npz] [--processes 2] [--json OUT]. Texts are asked once each, in random
order, of an empty cache; equal labels stand for equal answers; audits count as misses. OUT is
written after every permutation, so that a run that is stopped has told what it had.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # two processes share the cores, not eight
import numpy as np
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from benchmarks.common import busy_note, facts, write_json  # noqa: E402
from benchmarks.savings.semantic.gptcache_peer import GPTCACHE, gptcache  # noqa: E402
from benchmarks.savings.semantic.questions import labelled, questions, vectors  # noqa: E402
from benchmarks.savings.semantic.static import THRESHOLDS, Static, static  # noqa: E402
from benchmarks.savings.semantic.stream import Outcome, Questions, run  # noqa: E402
from benchmarks.savings.semantic.traps import Pair, from_file, made, served  # noqa: E402
from scrimp.quality.sketch import sketch  # noqa: E402
from scrimp.quality.words import Promise  # noqa: E402


@dataclass(frozen=True, slots=True)
class Plan:
    """One permutation of one promise."""

    promise: Promise
    seed: int
    stream: int
    flip: float
    traps: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """What every process has: questions, and traps with their vectors."""

    asked: Questions
    pairs: list[Pair]
    ones: Any
    twos: Any


Played = tuple[Plan, Outcome, dict[str, float]]
_loaded: list[Loaded] = []


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, action="append", required=True, help="CSV or JSONL")
    parser.add_argument("--text", default="text", help="column of the question")
    parser.add_argument("--label", default="category", help="column of what answers it")
    parser.add_argument("--max-error", type=float, action="append", help="share of hits: 0.02")
    parser.add_argument("--permutations", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="go on after so many of a run before")
    parser.add_argument("--stream", type=int, default=8000, help="questions per permutation")
    parser.add_argument("--confidence", type=float, default=Promise(0.02).confidence)
    parser.add_argument("--slack", type=float, default=Promise(0.02).slack)
    parser.add_argument("--flip", type=float, default=0.0, help="share of flipped verdicts")
    parser.add_argument("--per-call", action="store_true", help="errors per call, not per hit")
    parser.add_argument("--pairs", type=Path, help="columns a, b, same")
    parser.add_argument("--vectors", type=Path, help=".npz with texts and v; else the embedder's")
    parser.add_argument("--no-peers", action="store_true", help="without GPTCache")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "semantic.json")
    args = parser.parse_args(given)
    for bound in args.max_error or []:
        if not 0.001 <= bound <= 0.5:
            parser.error(f"--max-error {bound:g}: a share from 0.001 to 0.5, such as 0.02")
    for name in ("permutations", "stream", "processes"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} {getattr(args, name)}: at least 1")
    return args


def begin(loaded: Loaded) -> None:
    """In a process of the pool."""
    _loaded[:] = [loaded]


def picked(asked: Questions, plan: Plan) -> Questions:
    """Which questions a permutation has; `run` and `static` put them in order."""
    count = min(plan.stream, len(asked.labels))
    chosen = np.random.default_rng(plan.seed + 77).permutation(len(asked.labels))[:count]
    return asked.picked(chosen)


def play(plan: Plan) -> Played:
    """One permutation; afterwards the traps."""
    loaded = _loaded[0]
    done = run(picked(loaded.asked, plan), plan.promise, plan.seed, plan.flip)
    trapped = {}
    if plan.traps:
        sketches = ((sketch(pair.one), sketch(pair.two)) for pair in loaded.pairs)
        rows = zip(loaded.pairs, loaded.ones, loaded.twos, sketches, strict=True)
        trapped = served(done, ((pair, one, two, *both) for pair, one, two, both in rows))
    return plan, done.outcome(), trapped


def play_static(plan: Plan, threshold: float) -> Static:
    """A fixed threshold on the same permutation."""
    return static(picked(_loaded[0].asked, plan), plan.seed, threshold)


def plans(args: argparse.Namespace) -> list[Plan]:
    """All permutations, of each promise in turn; traps are asked after the first three of each."""
    return [
        Plan(
            Promise(bound, args.confidence, args.slack, args.per_call),
            seed,
            args.stream,
            args.flip,
            seed < 3,
        )
        for seed in range(args.first, args.first + args.permutations)
        for bound in args.max_error or [0.02]
    ]


def told(done: int, total: int, start: float) -> None:
    """Progress, on a terminal."""
    if sys.stderr.isatty():
        left = (time.monotonic() - start) / done * (total - done)
        end = "\n" if done == total else ""
        print(f"\r{done} of {total} runs, {left:.0f} s left   ", end=end, file=sys.stderr)


def summary(bound: float, found: Sequence[tuple[Outcome, dict[str, float]]]) -> dict[str, Any]:
    """Of all permutations of a promise."""
    outcomes = [outcome for outcome, _ in found]
    traps = [trapped for _, trapped in found if trapped]

    def mean(name: str) -> float:
        return float(np.mean([getattr(outcome, name) for outcome in outcomes]))

    names = ("hits", "wrong", "late_hits", "late_wrong", "audits", "verdicts", "kept")
    return {
        "max_error": bound,
        **{name: mean(name) for name in names},
        "hits_least": min(outcome.hits for outcome in outcomes),
        "wrong_most": max(outcome.wrong for outcome in outcomes),
        "first_served": mean("first_served"),
        "noise": mean("noise"),
        "restarts": sum(outcome.restarts for outcome in outcomes),
        "traps": {name: float(np.mean([one[name] for one in traps])) for name in traps[0]}
        if traps
        else {},
        "each": [asdict(outcome) for outcome in outcomes],
    }


def static_summary(found: Iterable[Static]) -> Iterator[dict[str, float]]:
    """By threshold."""
    every = list(found)
    for threshold in THRESHOLDS:
        at = [one for one in every if one.threshold == threshold]
        if at:
            yield {
                "threshold": threshold,
                "hits": float(np.mean([one.hits for one in at])),
                "wrong": float(np.mean([one.wrong for one in at])),
                "wrong_most": max(one.wrong for one in at),
            }


def table(result: dict[str, Any]) -> Table:
    """For people."""
    drawn = Table("", "hits", "least", "wrong per hit", "most", "kept", title="semantic cache")
    for name in ("2nd half", "its wrong", "audits", "verdicts per call", "from call", "traps"):
        drawn.add_column(name, justify="right")
    for one in result["bounds"]:
        shares = (f"{one[name]:.3f}" for name in ("hits", "hits_least"))
        wrong = (f"{one[name]:.2%}" for name in ("wrong", "wrong_most"))
        traps = f"{one['traps']['unequal_served']:.1%}" if one["traps"] else ""
        drawn.add_row(
            f"scrimp, at most {one['max_error']:.0%}",
            *shares,
            *wrong,
            f"{one['kept']:.0%}",
            f"{one['late_hits']:.3f}",
            f"{one['late_wrong']:.2%}",
            f"{one['audits']:.2%}",
            f"{one['verdicts']:.2f}",
            f"{one['first_served']:.0f}",
            traps,
        )
    for one in [*result["static"], *result["peers"]]:
        name = one.get("name", f"cosine {one['threshold']:.2f}")
        drawn.add_row(name, f"{one['hits']:.3f}", "", f"{one['wrong']:.2%}")
    return drawn


def load(args: argparse.Namespace) -> Loaded:
    """Files and vectors."""
    kept = args.json.parent
    found = labelled(args.data, args.text, args.label)
    asked = questions(found, vectors([text for text, _ in found], kept, args.vectors))
    pairs = from_file(args.pairs) if args.pairs else made()
    try:
        ones = vectors([pair.one for pair in pairs], kept)
        twos = vectors([pair.two for pair in pairs], kept)
    except Exception as error:
        if args.vectors is None or args.pairs:
            raise
        print(f"no traps: {error}", file=sys.stderr)
        return Loaded(asked, [], [], [])
    return Loaded(asked, pairs, ones, twos)


def told_so_far(args: argparse.Namespace, asked: int, played: Iterable[Played]) -> dict[str, Any]:
    """What was asked for, and what came of it so far."""
    by_bound: dict[float, list[tuple[Outcome, dict[str, float]]]] = {}
    for plan, outcome, trapped in sorted(played, key=lambda one: one[0].seed):
        by_bound.setdefault(plan.promise.max_error, []).append((outcome, trapped))
    return {
        "data": [path.name for path in args.data],
        "questions": asked,
        "stream": min(args.stream, asked),
        "flip": args.flip,
        "confidence": args.confidence,
        "slack": args.slack,
        "per_call": args.per_call,
        "bounds": [summary(bound, found) for bound, found in sorted(by_bound.items())],
    }


def main(given: Sequence[str]) -> int:
    """Run everything, print the table, keep the JSON."""
    args = arguments(given)
    before, loaded, todo = facts(), load(args), plans(args)
    asked, start, played = len(loaded.asked.labels), time.monotonic(), list[Played]()
    with ProcessPoolExecutor(args.processes, initializer=begin, initargs=(loaded,)) as pool:
        for done, future in enumerate(as_completed(pool.submit(play, one) for one in todo)):
            played.append(future.result())
            told(done + 1, len(todo), start)
            args.json.parent.mkdir(parents=True, exist_ok=True)
            so_far = {**before, **told_so_far(args, asked, played), "done": done + 1}
            args.json.write_text(json.dumps(so_far, indent=2) + "\n")
        seeds = [one for one in todo if one.promise == todo[0].promise][:5]
        waiting = [pool.submit(play_static, one, at) for one in seeds for at in THRESHOLDS]
        fixed = [future.result() for future in waiting]
    result = {
        **before,
        **told_so_far(args, asked, played),
        "static": list(static_summary(fixed)),
        "peers": [] if args.no_peers else gptcache(picked(loaded.asked, todo[0]), todo[0].seed),
    }
    Console(width=150).print(table(result))
    for note in filter(None, (busy_note(before), "" if result["peers"] else GPTCACHE)):
        print(note, file=sys.stderr)
    write_json(args.json, result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
