"""Gateways side by side, each with one worker on one core: speed, CPU, memory, first reply.

Usage: run.py [--quick] [--only NAME,NAME] [--kinds NAME,NAME] [--rounds N] [--seconds S]
[--json FILE] [--markdown]. Provider and load share the second core. Contenders take turns, round
after round; the tables show medians. How to read them: README.md beside this file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

from benchmarks.common import busy_note, facts, write_json
from benchmarks.gateway.contenders import CONTENDERS, Contender
from benchmarks.gateway.loading import KINDS, LOAD_CORE, KindName, Loader
from benchmarks.gateway.measuring import Bench, Plan, Turn, mock_provider
from benchmarks.gateway.peers import Missing
from benchmarks.gateway.table import medians, show
from benchmarks.gateway.verdicts import markdown, verdicts

HERE = Path(__file__).parent
Turns = dict[str, list[Turn]]


def installed(names: list[str]) -> tuple[list[Contender], dict[str, str], dict[str, str]]:
    """Those that can be measured, their versions, and why the others cannot."""
    found, versions, missing = [], {}, {}
    for name in names:
        contender = CONTENDERS[name]
        try:
            versions[name] = contender.version()
        except Missing as reason:
            missing[name] = str(reason)
            print(f"WITHOUT {name.upper()}: {reason}", file=sys.stderr)
        else:
            found.append(contender)
    return found, versions, missing


def rounds(contenders: list[Contender], plan: Plan, loader_in: Path, count: int) -> Turns:
    """Every contender's turns; each round begins with another one."""
    found: Turns = {contender.name: [] for contender in contenders}
    mock = HERE / "mock_upstream.py"
    with mock_provider(sys.executable, mock, loader_in / "mock.log", LOAD_CORE) as provider:
        bench = Bench(provider, Loader(loader_in), plan, loader_in)
        for number in range(count):
            shift = number % len(contenders)
            for contender in contenders[shift:] + contenders[:shift]:
                print(f"round {number + 1}/{count}: {contender.name}", file=sys.stderr)
                turn = bench.turn(contender, number)
                if turn.failed:
                    print(f"{contender.name} FAILED: {turn.failed}", file=sys.stderr)
                found[contender.name].append(turn)
    return found


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 round of 2 s: a look, no figures")
    parser.add_argument("--only", default=",".join(CONTENDERS), help="contenders, by comma")
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of load, by comma")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "gateway.json")
    parser.add_argument("--markdown", action="store_true", help="the table for a README, too")
    options = parser.parse_args(arguments)
    for given, known in ((options.only, CONTENDERS), (options.kinds, KINDS)):
        if strange := set(given.split(",")) - set(known):
            parser.error(f"no such name: {', '.join(strange)} (one of {', '.join(known)})")
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (2.0 if options.quick else 6.0)
    return options


def main() -> None:
    """Measure, print, write."""
    options = options_of()
    kinds: tuple[KindName, ...] = tuple(k for k in KINDS if k in options.kinds.split(","))
    names = [name for name in CONTENDERS if name in options.only.split(",")]
    plan = Plan(options.seconds, 160 if options.quick else 640, kinds)
    about = facts()
    contenders, versions, missing = installed(names)
    if not contenders:
        raise SystemExit("nothing is left to measure")
    with tempfile.TemporaryDirectory(prefix="scrimp-bench-") as folder:
        loader = Loader(Path(folder)).name
        turns = rounds(contenders, plan, Path(folder), options.rounds)
    failed = {name: run[-1].failed for name, run in turns.items() if run[-1].failed}
    summary = medians(turns)
    notes = [busy_note(about), f"load: {loader}", "QUICK: no figures" if options.quick else ""]
    show(summary, versions, missing | failed, [note for note in notes if note])
    if options.markdown:
        print(markdown(summary))
    result = {
        "facts": about,
        "load": loader,
        "options": {"rounds": options.rounds, "seconds": options.seconds, "kinds": list(kinds)},
        "versions": versions,
        "not_measured": missing | failed,
        "medians": summary,
        "verdicts": [asdict(verdict) for verdict in verdicts(summary)],
        "turns": {name: [asdict(turn) for turn in run] for name, run in turns.items()},
    }
    write_json(options.json, result)


if __name__ == "__main__":
    main()
