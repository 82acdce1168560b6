"""One budget of ten calls under 1, 16 and 64 callers at once: Scrimp's engines beside LiteLLM's.

Usage: beside.py [--json FILE]. The provider takes 300 ms. Every caller calls until it is refused;
what was spent is divided by the budget. LiteLLM is installed into an environment of its own from
our lock; where that cannot be done a line says so and the exit code is 3.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

from rich.console import Console
from rich.table import Table

from benchmarks.budgets.engines import ENGINES
from benchmarks.common import facts, write_json
from benchmarks.gateway.peers import Missing, litellm, litellm_version
from scrimp.limits import Amounts, Limit, Scope, Window

HERE = Path(__file__).parent
CALLERS = (1, 16, 64)
BUDGET_CALLS = 10
DELAY_S = 0.3
BILL_NANOUSD = 13_500
WORST_NANOUSD = 2 * BILL_NANOUSD
SIDES = {"manager": "LiteLLM BudgetManager", "router": "LiteLLM provider budget"}


async def ours(engine: str, callers: int, folder: Path) -> float:
    """What was spent of the budget. Each call might have cost twice what it is billed."""
    store = ENGINES[engine].open(folder)
    limits = (
        Limit("ana", Scope("user", "ana"), "usd", BUDGET_CALLS * BILL_NANOUSD, Window("day")),
    )
    spent_nanousd = 0

    async def caller() -> None:
        nonlocal spent_nanousd
        while True:
            hold_id = str(uuid.uuid4())
            verdict = await store.hold(hold_id, limits, Amounts(WORST_NANOUSD), lease_s=60)
            if verdict.denied_by is not None:
                return
            await asyncio.sleep(DELAY_S)
            spent_nanousd += BILL_NANOUSD
            store.settle(hold_id, Amounts(BILL_NANOUSD))

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    await store.close()
    return spent_nanousd / (BUDGET_CALLS * BILL_NANOUSD)


def theirs(command: Path, which: str, callers: int) -> float:
    """The same of LiteLLM, in a process and a folder of its own."""
    words = (which, str(callers), str(BUDGET_CALLS), str(DELAY_S))
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(command.with_name("python")), str(HERE / "litellm_side.py"), *words],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=300,
        )
    return float(json.loads(done.stdout.splitlines()[-1])["share"])


def main() -> int:
    """Measure, print, write; 3 when LiteLLM could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "beside.json")
    options = parser.parse_args()
    found: dict[str, list[float]] = {}
    for engine in ("memory", "sqlite"):
        found[f"Scrimp, {ENGINES[engine].name}"] = shares = []
        for callers in CALLERS:
            with tempfile.TemporaryDirectory() as folder:
                shares.append(asyncio.run(ours(engine, callers, Path(folder))))
    missing = version = ""
    try:
        command = litellm()
        version = litellm_version()
        for which, name in SIDES.items():
            found[name] = [theirs(command, which, callers) for callers in CALLERS]
    except Missing as error:
        missing = str(error)
    table = Table("spent / budget", *(f"{callers} at once" for callers in CALLERS))
    for name, shares in found.items():
        table.add_row(name, *(f"{share:.2f}" for share in shares))
    Console().print(table)
    if missing:
        print(f"NOT measured: LiteLLM ({missing})", file=sys.stderr)
    write_json(options.json, {**facts(), "litellm": version, "missing": missing, "shares": found})
    return 3 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
