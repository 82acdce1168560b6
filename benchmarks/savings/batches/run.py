"""Calls that may wait, through a gateway that is killed again and again, at a provider with faults.

Counts what was lost, what was paid twice and what was saved, by the simulator's own bill. Prints a
table and writes JSON. `run.py --items 10000 --kills 20 --json OUT`; everything is on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scrimp.clock import SystemClock
from scrimp.deferring import Jobs, jobs_of
from scrimp.settings import parse
from scrimp.simulator import Simulator
from scrimp.stores.sqlite_ledger_read import LedgerReader

FAULTS = (
    "expired:path=/v1/batches:every=3",
    "item-errors=5:path=/v1/batches:every=4",
    "vanished:path=/v1/batches:every=5",
    "hangup:path=/v1/batches:every=7",
    "500:work:path=/v1/batches:every=11",
    "expired:path=/v1/messages/batches:every=3",
    "item-errors=5:path=/v1/messages/batches:every=4",
    "vanished:path=/v1/messages/batches:every=5",
    "hangup:path=/v1/messages/batches:every=7",
    "bad-json=2:path=/v1/files/:every=9",
    "429:share=0.05",
    "503:share=0.03",
)
"""What the provider does, and to how many requests."""
SETTINGS = """
[defer]
enabled = true
least = "1s"
gather_s = 1
poll_s = 0.5
alone_s = 0
lost_s = 5
tries = 6
most_items = 50
[exact_cache]
enabled = false
"""
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


class Gateway:
    """`scrimp serve`, started anew whenever it is not there."""

    def __init__(self, upstream: str, folder: Path) -> None:
        providers = "".join(
            f'[providers.{name}]\nbase_url = "{upstream}/v1"\ndialects = ["{dialect}"]\n'
            f'key_env = "BENCH_KEY"\n'
            for name, dialect in (("openai", "openai.chat"), ("anthropic", "anthropic.messages"))
        )
        self.text = f'state_dir = "{folder / "state"}"\n{SETTINGS}\n{providers}'
        self._config = folder / "scrimp.toml"
        self._config.write_text(self.text)
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        """Serve; returns when calls are answered."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scrimp", "serve", "--config", str(self._config), "--port", "0"],
            env={**os.environ, "BENCH_KEY": "sk-bench"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        told = self._process.stdout
        for line in told or ():
            if found := _ADDRESS.search(line):
                self.url = found[0]
                return
        raise RuntimeError("the gateway did not start")

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """SIGTERM."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


@dataclass(slots=True)
class Tally:
    """What came of it."""

    items: int
    kills: int = 0
    jobs: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0


def body_of(number: int) -> tuple[str, dict[str, Any]]:
    """The n-th call: every third to Anthropic."""
    messages = [{"role": "user", "content": f"What is {number} and {number + 1}? Be short."}]
    if number % 3 == 0:
        model = {"model": "claude-haiku-4-5", "max_tokens": 200}
        return "/v1/messages", {**model, "messages": messages}
    return "/v1/chat/completions", {"model": "gpt-4o-mini", "messages": messages}


def put_off(gateway: Gateway, number: int) -> str:
    """Ask until there is a job; by one name, so that a lost answer makes no second one."""
    path, body = body_of(number)
    while True:
        request = urllib.request.Request(  # noqa: S310 (a gateway of ours)
            f"{gateway.url}{path}",
            data=json.dumps(body).encode(),
            headers={
                "content-type": "application/json",
                "x-scrimp-max-wait": "24h",
                "idempotency-key": f"item-{number}",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (the same)
                if answer.status == 202:
                    job: str = json.loads(answer.read())["id"]
                    return job
        except (OSError, ValueError, http.client.HTTPException):
            time.sleep(0.1)


def killing(gateway: Gateway, tally: Tally, kills: int, over: threading.Event) -> None:
    """Kill the gateway at random moments, as often as asked."""
    dice = random.Random(7)  # noqa: S311 (no secret)
    while tally.kills < kills and not over.wait(dice.uniform(1.0, 7.0)):
        gateway.kill()
        tally.kills += 1
        gateway.start()


def all_over(jobs: Jobs, items: int) -> bool:
    """True when every job ended and is booked."""
    counts = jobs.desk.counts()
    done = sum(counts.get(state, 0) for state in ("done", "failed", "cancelled"))
    return done >= items and not jobs.work.unbooked(limit=1)


def measured(items: int, kills: int, folder: Path) -> dict[str, Any]:
    """One run."""
    tally, over = Tally(items), threading.Event()
    began_s = time.monotonic()
    with Simulator() as sim:
        for fault in FAULTS:
            sim.fault(fault)
        gateway = Gateway(sim.url, folder)
        gateway.start()
        killer = threading.Thread(target=killing, args=(gateway, tally, kills, over))
        killer.start()
        try:
            with ThreadPoolExecutor(16) as pool:
                made = pool.map(lambda number: put_off(gateway, number), range(items))
                for number, job_id in enumerate(made):
                    tally.jobs[number] = job_id
            settings = parse(gateway.text.encode(), source="the benchmark")
            jobs = jobs_of(settings, SystemClock())
            while not all_over(jobs, items):
                time.sleep(0.5)
        finally:
            over.set()
            killer.join()
            gateway.end()
        tally.seconds = time.monotonic() - began_s
        return {**report(tally, jobs, sim), **ledger_of(settings.ledger_path, sim)}


def report(tally: Tally, jobs: Jobs, sim: Simulator) -> dict[str, Any]:
    """Lost and doubled, by the provider's bill and the clients' jobs."""
    names = set(tally.jobs.values())
    ends = list(found_of(jobs, names))
    states = Counter(found.state for found in ends)
    failures = Counter(f"{found.why}: {found.error}" for found in ends if found.state == "failed")
    live = Counter(row.client_id.removeprefix("scrimp-") for row in sim.bill.rows if row.batch)
    return {
        "items": tally.items,
        "kills": tally.kills,
        "seconds": round(tally.seconds, 1),
        "jobs": len(names),
        "states": dict(states),
        "failures": dict(failures),
        "lost": tally.items - states["done"],
        "paid_in_batches": sum(live.values()),
        "asked_alone": sum(not row.batch for row in sim.bill.rows),
        "doubled": sum(count - 1 for count in live.values())
        + max(0, len(sim.bill.rows) - sum(live.values()) - (len(names) - len(live))),
        "of_nobody": len(set(live) - names),
        "batches": len({row.batch for row in sim.bill.rows if row.batch}),
    }


def found_of(jobs: Jobs, names: set[str]) -> Iterator[Any]:
    """The jobs of these names."""
    for name in names:
        if (found := jobs.desk.find(name, None)) is not None:
            yield found


def ledger_of(path: Path, sim: Simulator) -> dict[str, Any]:
    """What the ledger says against the bill, in nano-dollars."""
    entries = LedgerReader(path).recent(1_000_000)
    cost = sum(one.cost_nanousd or 0 for one in entries)
    saved = sum(part for one in entries for _, part in one.saved)
    baseline = sum(one.baseline_nanousd or 0 for one in entries)
    return {
        "entries": len(entries),
        "billed_nanousd": sim.bill.total_nanousd,
        "booked_nanousd": cost,
        "saved_nanousd": saved,
        "baseline_nanousd": baseline,
        "share_of_plain_price": round(cost / baseline, 4) if baseline else None,
    }


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--json", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scrimp-batches-") as folder:
        found = measured(given.items, given.kills, Path(folder))
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name:<{width}}  {value}")
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
