"""One worker of the hammer: many tasks that call until no key has anything left, or it is killed.

Usage: hammer_worker.py ENGINE FOLDER TASKS CALLS SEED. Among ordinary calls it settles twice,
releases, settles after the lease has ended, and is cancelled while it waits for a hold.
"""

from __future__ import annotations

import asyncio
import random
import sys
import uuid
from contextlib import suppress
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

import uvloop

from benchmarks.budgets.engines import ENGINES
from benchmarks.budgets.hammer_plan import (
    KEYS,
    LARGEST_NANOUSD,
    LEASE_S,
    SMALLEST_NANOUSD,
    TAGS,
    Attempt,
    Plan,
    Provider,
    bill_of,
)
from scrimp.errors import StoreError
from scrimp.limits import Amounts, BudgetStore

_STRIKES = 6
_REST_S = 0.25


class Worker:
    """All tasks of one process."""

    def __init__(self, store: BudgetStore, provider: Provider, plan: Plan, seed: int) -> None:
        self._store = store
        self._provider = provider
        self._plan = plan
        self._dice = random.Random(seed)  # noqa: S311 - made-up traffic
        self._strikes = [0] * KEYS

    async def run(self, tasks: int) -> None:
        """Call until every key is at its end."""
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(self._task())
        await self._store.flush()

    async def _task(self) -> None:
        while living := [key for key in range(KEYS) if self._strikes[key] < _STRIKES]:
            key, tag = self._dice.choice(living), self._dice.randrange(TAGS)
            worst = self._dice.randint(SMALLEST_NANOUSD, LARGEST_NANOUSD)
            if await self._call(key, tag, worst) or await self._smallest(key):
                self._strikes[key] = 0
            else:
                self._strikes[key] += 1
                await asyncio.sleep(_REST_S)

    async def _smallest(self, key: int) -> bool:
        """True when a key can still pay the smallest call under any tag."""
        tags = self._dice.sample(range(TAGS), TAGS)
        for tag in tags:
            if await self._call(key, tag, SMALLEST_NANOUSD):
                return True
        return False

    async def _call(self, key: int, tag: int, worst: int) -> bool:
        """One call, well-behaved or not. False when it was refused."""
        store, fate, hold_id = self._store, self._dice.random(), str(uuid.uuid4())
        limits, bill = self._plan.of_call(key, tag), bill_of(worst, self._dice)
        asking = store.hold(hold_id, limits, Amounts(worst), lease_s=LEASE_S)
        try:
            if fate < 0.01:
                with suppress(TimeoutError):
                    await asyncio.wait_for(asking, 0.001)
                store.release(hold_id)
                return True
            verdict = await asking
        except StoreError as error:
            print(error, file=sys.stderr)
            await asyncio.sleep(_REST_S)
            return True
        if verdict.denied_by is not None:
            return False
        if fate < 0.03:
            store.release(hold_id)  # it never left
            return True
        self._provider.dispatch(Attempt(key, tag, bill))
        await asyncio.sleep(LEASE_S + 0.5 if fate < 0.035 else self._dice.random() * 0.02)
        store.settle(hold_id, Amounts(bill))
        if fate < 0.06:
            store.settle(hold_id, Amounts(bill))
        return True


async def main(engine: str, folder: Path, tasks: int, calls: int, seed: int) -> None:
    """Run one worker."""
    store = ENGINES[engine].open(folder)
    provider = Provider(folder / "truth.jsonl")
    try:
        await Worker(store, provider, Plan(calls), seed).run(tasks)
    finally:
        await store.close()
        provider.close()


if __name__ == "__main__":
    sys.setswitchinterval(0.001)
    given_engine, given_folder, *numbers = sys.argv[1:]
    uvloop.run(main(given_engine, Path(given_folder), *(int(one) for one in numbers)))
