"""What a learned router saves at which quality, beside simpler routers, on labelled questions.

Usage: run.py --train FILE… [--test FILE…] --weak MODEL --strong MODEL [--models …] [--seed 0]
[--price MODEL=IN/OUT …] [--json OUT]. Without --test three tenths of the questions are held back.
All contenders see the same split; hyperparameters were not chosen on any test part.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, as a gateway's worker has
import numpy as np
from rich.console import Console

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from benchmarks.common import busy_note, facts, write_json  # noqa: E402
from benchmarks.savings.routing import contenders, ours, printed, questions  # noqa: E402
from benchmarks.savings.routing.judged import facts_of, gained, gated, judged, many  # noqa: E402
from benchmarks.savings.routing.questions import Questions  # noqa: E402
from scrimp.routing.curve import Scored  # noqa: E402
from scrimp.routing.predictor import Predictor  # noqa: E402

GOLD = 1500
"""Labels that RouteLLM's routers had of MMLU."""
HELD_BACK = 0.3
PARTS = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for."""

    weak: str
    strong: str
    models: tuple[str, ...]
    seed: int
    rounds: int
    replays: int


@dataclass(frozen=True, slots=True)
class Side:
    """Questions with their rows of features."""

    asked: Questions
    rows: ours.Rows

    def picked(self, chosen: Any) -> Side:
        """Some of them."""
        return Side(self.asked.picked(chosen), self.rows[chosen])


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="JSON lines, CSV, .gz")
    parser.add_argument("--test", type=Path, nargs="+", help="else a part of --train is held back")
    parser.add_argument("--weak", required=True, help="the cheap model of the pair")
    parser.add_argument("--strong", required=True, help="the dear one")
    parser.add_argument("--models", help="more of them, with commas: for quality by many models")
    parser.add_argument("--price", action="append", default=[], help="MODEL=IN/OUT, USD per 1M")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=2000, help="bootstraps")
    parser.add_argument("--replays", type=int, default=1000, help="of certificates; 0: none")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "routing.json")
    return parser.parse_args(given)


def say(line: str) -> None:
    """Progress."""
    print(f"{time.strftime('%H:%M:%S')}  {line}", file=sys.stderr, flush=True)


def prices(given: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Known ones, and those of the command line."""
    found = dict(questions.PRICES)
    for one in given:
        try:
            name, both = one.rsplit("=", 1)
            paid, made = both.split("/")
            found[name] = (float(paid), float(made))
        except ValueError:
            raise SystemExit(f"--price {one}: MODEL=IN/OUT is expected, as gpt-4o=2.5/10") from None
    return found


def sides(args: argparse.Namespace, plan: Plan) -> tuple[Side, Side]:
    """What is learned from, and what is judged."""
    reader, known_prices = ours.reader(), prices(args.price)
    every = questions.load(args.train, plan.models, known_prices)
    train = Side(every, ours.features(every, reader))
    if args.test:
        asked = questions.load(args.test, plan.models, known_prices)
        return train, Side(asked, ours.features(asked, reader))
    order = np.random.default_rng(plan.seed).permutation(len(every))
    cut = round(len(order) * HELD_BACK)
    return train.picked(np.sort(order[cut:])), train.picked(np.sort(order[:cut]))


def scores(train: Side, test: Side, plan: Plan, predictor: Predictor) -> dict[str, Scored]:
    """Of every contender."""
    known = train.asked.pair(plan.weak, plan.strong)
    pair = test.asked.pair(plan.weak, plan.strong)
    split = contenders.Split(
        train.asked.texts,
        ours.embedding(train.rows),
        known,
        test.asked.texts,
        ours.embedding(test.rows),
    )
    found = {
        "random": Scored(contenders.random(split, plan.seed)),
        "keywords": Scored(contenders.keywords(split)),
        "length": Scored(contenders.length(split)),
        "kNN-100": Scored(contenders.nearest(split)),
        "matrix factorisation": Scored(contenders.factorised(split, plan.seed)),
    }
    columns = [plan.models.index(plan.weak), plan.models.index(plan.strong)]
    several = len(np.unique(train.asked.tasks)) > 1
    for name, knows in (("scrimp", False), ("scrimp, task told", True))[: 1 + several]:
        said = ours.said(predictor, test.asked, test.rows, told=knows)
        found[name] = gained(pair, said.good[:, columns], said.novelty)
    return found


def measured(train: Side, test: Side, plan: Plan) -> tuple[dict[str, Any], Predictor]:
    """The main part: tasks that are in training, all labels and few; models of one or many."""
    seen = np.isin(test.asked.tasks, np.unique(train.asked.tasks))
    found: dict[str, Any] = {}
    predictor = ours.trained(train.asked, train.rows)
    say(f"trained on {len(train.asked)} questions")
    if seen.any():
        here = test.picked(seen)
        pair = here.asked.pair(plan.weak, plan.strong)
        found["known_tasks"] = {
            "labels": len(train.asked),
            **facts_of(pair),
            "routers": judged(pair, scores(train, here, plan, predictor), plan.rounds, plan.seed),
        }
        if len(sources := np.unique(here.asked.sources)) > 1:
            found["by_source"] = {
                str(name): of_source(train, here, plan, predictor, str(name)) for name in sources
            }
        if len(train.asked) > GOLD:
            found["few_labels"] = few(train, here, plan)
        if len(plan.models) > 2:
            said = ours.said(predictor, here.asked, here.rows, told=False)
            found["many_models"] = many(here.asked.table(), said.good)
    if (~seen).any():
        found["new_tasks"] = strangers(train, test.picked(~seen), plan, predictor)
    return found, predictor


def of_source(
    train: Side, test: Side, plan: Plan, predictor: Predictor, name: str
) -> dict[str, Any]:
    """Of several files, the questions of one; learned from all of them."""
    here = test.picked(test.asked.sources == name)
    pair = here.asked.pair(plan.weak, plan.strong)
    scored = scores(train, here, plan, predictor)
    return {**facts_of(pair), "routers": judged(pair, scored, plan.rounds, plan.seed)}


def few(train: Side, test: Side, plan: Plan) -> dict[str, Any]:
    """The same with RouteLLM's number of labels."""
    chosen = np.random.default_rng(plan.seed).permutation(len(train.asked))[:GOLD]
    small = train.picked(np.sort(chosen))
    pair = test.asked.pair(plan.weak, plan.strong)
    scored = scores(small, test, plan, ours.trained(small.asked, small.rows))
    say(f"trained on {len(small.asked)} questions")
    return {
        "labels": len(small.asked),
        "routers": judged(pair, scored, plan.rounds, plan.seed),
    }


def strangers(train: Side, test: Side, plan: Plan, predictor: Predictor) -> dict[str, Any]:
    """Tasks never seen: what the router would do alone, and what it does behind its gate."""
    pair = test.asked.pair(plan.weak, plan.strong)
    columns = [plan.models.index(plan.weak), plan.models.index(plan.strong)]
    text = ours.said(predictor, test.asked, test.rows, told=False)
    told = ours.said(predictor, test.asked, test.rows, told=True)
    return {
        "tasks": sorted(set(test.asked.tasks.tolist())),
        **facts_of(pair),
        "routers": judged(pair, scores(train, test, plan, predictor), plan.rounds, plan.seed),
        "as_served": {
            "scrimp": gated(pair, text.good[:, columns], text.novelty),
            "scrimp, task told": gated(pair, told.good[:, columns], told.novelty),
        },
    }


def left_out(every: Side, plan: Plan) -> dict[str, Any] | None:
    """Each task by a router that never saw it, in five parts of the tasks."""
    names = np.unique(every.asked.tasks)
    if len(names) < PARTS:
        return None
    part = np.random.default_rng(plan.seed).permutation(len(names)) % PARTS
    groups = part[np.searchsorted(names, every.asked.tasks)]
    pair = every.asked.pair(plan.weak, plan.strong)
    columns = [plan.models.index(plan.weak), plan.models.index(plan.strong)]
    said = ours.left_out(every.asked, every.rows, groups, say)
    text, told = said["text"], said["told"]
    return {
        **facts_of(pair),
        "parts": PARTS,
        "routers": judged(
            pair,
            {
                "scrimp": gained(pair, text.good[:, columns], text.novelty),
                "scrimp, task told": gained(pair, told.good[:, columns], told.novelty),
            },
            plan.rounds,
            plan.seed,
        ),
        "as_served": {
            "scrimp": gated(pair, text.good[:, columns], text.novelty),
            "scrimp, task told": gated(pair, told.good[:, columns], told.novelty),
        },
    }


def speed(predictor: Predictor, test: Side) -> dict[str, Any]:
    """In a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        state, texts = Path(folder) / "state", Path(folder) / "texts"
        state.write_bytes(predictor.save())
        texts.write_text(json.dumps(test.asked.texts[:3000]))
        command = [sys.executable, "-m", "benchmarks.savings.routing.speed", str(state), str(texts)]
        run = subprocess.run(command, check=True, capture_output=True, cwd=HERE.parents[2])
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def sections(args: argparse.Namespace, plan: Plan) -> dict[str, Any]:
    """Cascades, where a file keeps answers; certificates."""
    pair = (plan.weak, plan.strong)
    train = questions.rows_of(args.train, pair)
    test = questions.rows_of(args.test, pair) if args.test else []
    judged_rows = test or train
    found: dict[str, Any] = {}
    answered = [row for row in judged_rows if row.labels[plan.weak].response]
    name = "benchmarks.savings.routing.cascades"
    if answered and importlib.util.find_spec(name):
        cascades = importlib.import_module(name)
        beside = [row for row in train if row.labels[plan.weak].response] if test else []
        found["cascade"] = cascades.study(answered, plan.weak, plan.strong, plan.seed, beside)
    name = "benchmarks.savings.routing.certificates"
    if plan.replays and importlib.util.find_spec(name):
        certificates = importlib.import_module(name)
        how = certificates.Asked(plan.replays, say=say)
        found["certificate"] = (
            certificates.study(train, test, *pair, how)
            if test
            else certificates.study_split(train, *pair, how)
        )
    return found


def main(given: Sequence[str]) -> int:
    """Run everything, print the tables, keep the JSON."""
    args = arguments(given)
    more = tuple(one for one in (args.models or "").split(",") if one)
    models = (args.weak, args.strong, *(one for one in more if one not in (args.weak, args.strong)))
    plan = Plan(args.weak, args.strong, models, args.seed, args.rounds, args.replays)
    before = facts()
    train, test = sides(args, plan)
    say(f"{len(train.asked)} questions to learn from, {len(test.asked)} to judge")
    found, predictor = measured(train, test, plan)
    result = {
        **before,
        "train": [path.name for path in args.train],
        "test": [path.name for path in args.test or []],
        "weak": plan.weak,
        "strong": plan.strong,
        "seed": plan.seed,
        "bootstraps": plan.rounds,
        **found,
        "speed": speed(predictor, test),
    }
    if not args.test and (others := left_out(_both(train, test), plan)):
        result["left_out_tasks"] = others
    result |= sections(args, plan)
    printed.tables(Console(width=150), result)
    if note := busy_note(before):
        print(note, file=sys.stderr)
    write_json(args.json, result)
    return 0


def _both(one: Side, other: Side) -> Side:
    asked = Questions(
        one.asked.texts + other.asked.texts,
        np.concatenate([one.asked.tasks, other.asked.tasks]),
        np.concatenate([one.asked.sources, other.asked.sources]),
        one.asked.models,
        np.concatenate([one.asked.quality, other.asked.quality]),
        np.concatenate([one.asked.cost, other.asked.cost]),
    )
    return Side(asked, np.concatenate([one.rows, other.rows]))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
