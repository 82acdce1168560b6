"""Several desks that prove together: engines in one process, or a process of its own each."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from scrimp.choosing import Place, RouteStore
from scrimp.pipeline.proofs import Proof, Proofs, Subjects
from scrimp.pipeline.route_memory import RouteMemory
from scrimp.routing.standing import LossPromise, Verdict
from scrimp.stores.sqlite_routes import SqliteRoutes
from tests.support.core import FakeClock

SUBJECTS = Subjects(Place("key:ana", "general", "ab"), "large", ("small",), LossPromise(0.05))


class Engine:
    """One of several on a store: calls, labels, sharing."""

    def __init__(self, store: RouteStore, owner: str, *, seed: int = 0) -> None:
        self.clock = FakeClock()
        self.memory = RouteMemory(store, Proofs(owner), self.clock)
        self.dice = random.Random(seed)  # noqa: S311 - a test's
        self.labels = 0
        self.cheap = 0

    @property
    def proof(self) -> Proof:
        """The one there is."""
        return self.memory.proofs.of(SUBJECTS)

    def call(self, *, score: float = 0.5, loss: float | None = 0.0) -> Verdict | None:
        """One call, compared at once where that was drawn."""
        verdict = self.ask(score)
        if verdict is not None and verdict.shadow:
            self.label(verdict, loss)
        return verdict

    def ask(self, score: float = 0.5) -> Verdict | None:
        """One call; its label comes later."""
        verdict = self.proof.decide(score, self.dice.random(), barred=False)
        self.cheap += verdict is not None and verdict.serve_cheap
        return verdict

    def label(self, verdict: Verdict, loss: float | None) -> None:
        """It comes."""
        certificate = self.proof.certificate
        assert certificate is not None
        certificate.see(0.5, loss, verdict)
        self.labels += 1

    async def share(self) -> None:
        """As the clock would."""
        await self.memory.share()


async def _work(path: Path, owner: str, calls: int) -> None:
    engine = Engine(SqliteRoutes(path), owner, seed=hash(owner) % 1000)
    await engine.memory.begin()
    for number in range(calls):
        engine.call()
        if number % 5 == 4:
            await engine.share()
    await engine.memory.leave()
    sys.stdout.write(f"{engine.labels}\n")


if __name__ == "__main__":
    asyncio.run(_work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
