"""The hammer: callers that spend every budget to its end while workers are killed under them.

Usage: hammer.py --engine memory|sqlite [--kills N] [--procs N] [--tasks N] [--calls N]
[--seconds S] [--json FILE].
Ends with 1 when a promise is broken: a scope over its limit, a hold that stays, something billed
that no counter knows, or more than 2 % of the money stranded.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

from rich.console import Console

from benchmarks.budgets.engines import ENGINES
from benchmarks.budgets.hammer_plan import LEASE_S, Plan, truth
from benchmarks.common import ROOT, busy_note, facts, write_json
from scrimp.budgets.windows import cell_at, micros
from scrimp.limits import Scope, Standing

HERE = Path(__file__).parent
MOST_STRANDED = 0.02
_WORKER = HERE / "hammer_worker.py"


@dataclass(frozen=True, slots=True)
class Options:
    """How hard to strike."""

    engine: str
    kills: int = 6
    procs: int = 3
    tasks: int = 16
    calls: int = 9000
    seconds: float = 300.0
    seed: int = 20261122


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it. Amounts are nano-dollars; shares are of the limit."""

    attempts: int
    kills: int
    seconds: float
    scopes: int
    scopes_over: tuple[str, ...]
    scopes_uncounted: tuple[str, ...]
    held_at_the_end: int
    windows_left_out: int
    fullest: float
    spent: float
    stranded: float
    stranded_worst_scope: float

    @property
    def broken(self) -> list[str]:
        """The promises that were broken, in words."""
        broken = []
        if self.scopes_over:
            broken.append(f"billed over the limit: {', '.join(self.scopes_over)}")
        if self.scopes_uncounted:
            broken.append(f"billed more than was counted: {', '.join(self.scopes_uncounted)}")
        if self.held_at_the_end:
            broken.append(f"{self.held_at_the_end} n$ are held though every lease has ended")
        if self.stranded > MOST_STRANDED:
            broken.append(f"{self.stranded:.2%} of the money is stranded (≤ {MOST_STRANDED:.0%})")
        return broken


def judge(
    standings: tuple[Standing, ...],
    billed: dict[Scope, int],
    run: tuple[int, int, datetime, datetime],
) -> Verdict:
    """Compare what the engine counted with what the provider billed.

    `run` is attempts, kills, begin and end. A window that began anew meanwhile proves nothing and
    is left out.
    """
    attempts, kills, began, ended = run
    whole = [one for one in standings if _same_cell(one, began, ended)]
    over = {
        str(one.limit.scope) for one in whole if billed.get(one.limit.scope, 0) > one.limit.amount
    }
    uncounted = {
        str(one.limit.scope)
        for one in whole
        if billed.get(one.limit.scope, 0) > one.used + one.held
    }
    shares = [_stranded(one, billed) / one.limit.amount for one in whole]
    orgs = [one for one in whole if one.limit.scope.kind == "org"]
    room = sum(one.limit.amount for one in orgs) or 1
    return Verdict(
        attempts=attempts,
        kills=kills,
        seconds=round((ended - began).total_seconds(), 1),
        scopes=len({one.limit.scope for one in standings}),
        scopes_over=tuple(sorted(over)),
        scopes_uncounted=tuple(sorted(uncounted)),
        held_at_the_end=sum(one.held for one in whole),
        windows_left_out=len(standings) - len(whole),
        fullest=max(billed.get(one.limit.scope, 0) / one.limit.amount for one in whole),
        spent=sum(billed.get(one.limit.scope, 0) for one in orgs) / room,
        stranded=sum(_stranded(one, billed) for one in orgs) / room,
        stranded_worst_scope=max(shares),
    )


def _same_cell(one: Standing, began: datetime, ended: datetime) -> bool:
    window = one.limit.window
    if window.kind == "rolling":
        return (ended - began).total_seconds() < window.seconds
    return cell_at(window, micros(began)) == cell_at(window, micros(ended))


def _stranded(one: Standing, billed: dict[Scope, int]) -> int:
    return max(0, one.used + one.held - billed.get(one.limit.scope, 0))


class Hammer:
    """Workers in one folder, and whoever kills them."""

    def __init__(self, options: Options, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._dice = random.Random(options.seed)  # noqa: S311 - moments of death, not secrets
        self._started = 0
        self._kills = 0
        self._errors = (folder / "workers.log").open("ab")

    def strike(self) -> Verdict:
        """Run to exhaustion. Raises RuntimeError when a worker breaks by itself."""
        began = datetime.now(UTC)
        workers = [self._start() for _ in range(self._options.procs)]
        try:
            self._watch(workers)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
            self._errors.close()
        time.sleep(LEASE_S + 0.2)  # then every hold that was left behind is due
        standings = asyncio.run(self._standings())
        attempts, billed = truth(self._truth)
        return judge(standings, billed, (attempts, self._kills, began, datetime.now(UTC)))

    @property
    def _truth(self) -> Path:
        return self._folder / "truth.jsonl"

    def _watch(self, workers: list[subprocess.Popen[bytes]]) -> None:
        """Until all are done: kill one whenever another share of the money is spent."""
        late = time.monotonic() + self._options.seconds
        while any(worker.poll() is None for worker in workers):
            if time.monotonic() > late:
                raise RuntimeError(f"not exhausted within {self._options.seconds:g} s")
            broken = [worker for worker in workers if worker.poll() not in (None, 0)]
            if broken:
                raise RuntimeError(f"a worker ended by itself:\n{self._last_words()}")
            due = self._kills < self._options.kills and self._progress() >= self._next_kill()
            if due:
                number = self._dice.randrange(len(workers))
                workers[number].kill()
                workers[number].wait()
                workers[number] = self._start()
                self._kills += 1
            time.sleep(0.02)

    def _next_kill(self) -> float:
        """At which share of the calls; all within the first nine tenths."""
        return 0.9 * (self._kills + 1) / (self._options.kills + 1)

    def _progress(self) -> float:
        try:
            size = self._truth.stat().st_size
        except FileNotFoundError:
            return 0.0
        return size / (41 * self._options.calls)  # a line has some 41 bytes

    def _start(self) -> subprocess.Popen[bytes]:
        self._started += 1
        options = self._options
        words = (options.engine, self._folder, options.tasks, options.calls)
        seed = options.seed + self._started
        return subprocess.Popen(
            [sys.executable, str(_WORKER), *map(str, words), str(seed)],
            cwd=ROOT,
            stderr=self._errors,
        )

    def _last_words(self) -> str:
        log = (self._folder / "workers.log").read_text(errors="replace")
        return "\n".join(log.splitlines()[-12:])

    async def _standings(self) -> tuple[Standing, ...]:
        store = ENGINES[self._options.engine].open(self._folder)
        try:
            return await store.standing(Plan(self._options.calls).all())
        finally:
            await store.close()


def strike(options: Options) -> Verdict:
    """One run in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="scrimp-hammer-") as folder:
        return Hammer(options, Path(folder)).strike()


def main() -> int:
    """Strike, print, write; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--procs", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=16, help="per process")
    parser.add_argument("--calls", type=int, default=9000, help="what the budgets are worth")
    parser.add_argument("--seconds", type=float, default=300, help="give up after")
    parser.add_argument("--json", type=Path, help="default: results/hammer-ENGINE.json")
    given = parser.parse_args()
    engine, procs, tasks = ENGINES[given.engine], given.procs, given.tasks
    if engine.most_processes is not None and procs > engine.most_processes:
        tasks = tasks * procs // engine.most_processes
        procs = engine.most_processes
    options = Options(given.engine, given.kills, procs, tasks, given.calls, given.seconds)
    head = facts()
    if note := busy_note(head):
        print(note, file=sys.stderr)
    verdict = strike(options)
    out = Console()
    out.print(
        f"{engine.name}: {procs} process{'es' * (procs > 1)} of {tasks} tasks, {verdict.kills} "
        f"kills, {verdict.attempts:,} attempts billed in {verdict.seconds:g} s\n"
        f"scopes over their limit: {len(verdict.scopes_over)} of {verdict.scopes}; fullest "
        f"{verdict.fullest:.2%}; spent {verdict.spent:.2%} of the organisations' money; stranded "
        f"{verdict.stranded:.2%} (worst scope {verdict.stranded_worst_scope:.2%})"
    )
    for words in verdict.broken:
        out.print(f"broken: {words}")
    path = given.json or HERE / "results" / f"hammer-{given.engine}.json"
    result = {"options": asdict(options), "verdict": asdict(verdict), "broken": verdict.broken}
    write_json(path, {**head, **result})
    return 1 if verdict.broken else 0


if __name__ == "__main__":
    sys.exit(main())
