"""A semantic cache that serves answers past their time, with a way back to the provider."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.pipeline.again import Again
from scrimp.pipeline.semantic_renewals import Renewals
from tests.support.core import answer_fields, verdicts
from tests.support.meanings import SemanticKitchen

HOUR_S, TEN_MINUTES_S = 3600, 600
ROOT, ALIAS, OTHER = (
    "How do I reset my password?",
    "My password: how do I reset it?",
    "How can I reset my password?",
)
OLD, NEW = "Press the old button.", "Press the new button."


class House(SemanticKitchen):
    """A kitchen with a way back to the provider; what is asked anew waits for `gate`."""

    def __init__(self, neighbour: House | None = None, *, stale_s: int = TEN_MINUTES_S) -> None:
        super().__init__(store=None if neighbour is None else neighbour.store, stale_s=stale_s)
        if neighbour is not None:
            self.clock = neighbour.clock
            self.lever._clock = neighbour.clock
        self.anew: list[Call] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.answer = NEW
        self.tasks: list[asyncio.Task[None]] = []
        self.again = Again(self._ask_anew, self.clock, lambda: "anew", self._spawn, most=3)
        self.lever._renewals = Renewals(self.store, self.parts.learning, self.again)
        self.decides("serve")

    def decides(self, kind: str) -> None:
        """From now on."""
        self.scripted.policy.kind = lambda _: kind

    async def past_its_time(self, *, by_s: float = 1, **words: Any) -> None:
        """An answer with an alias that was good for an hour, so many seconds ago."""
        for text in (ROOT, ALIAS, OTHER):
            self.provider.answers[text] = OLD
        await self.ask(ROOT, **words)
        self.decides("explore")
        await self.ask(ALIAS, **words)
        self.decides("serve")
        self.pass_by(HOUR_S + by_s)

    async def says(self, text: str, **words: Any) -> tuple[list[str], bytes | None]:
        """What the cache said of a call, and its answer."""
        reply, call = await self.ask(text, **words)
        return verdicts(call, "semantic_cache"), reply.body

    async def settled(self) -> None:
        """Wait for what runs in the background."""
        await asyncio.gather(*self.tasks)

    async def groups(self) -> tuple[int, int]:
        """Groups and questions."""
        stats = await self.store.stats()
        return sum(one.groups for one in stats), sum(one.questions for one in stats)

    async def _ask_anew(self, call: Call) -> Reply:
        self.anew.append(call)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        reply = await self.provider(call)
        self.provider.calls.pop()
        return replace(reply, body=answer_fields(self.answer))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return self.tasks[-1]
