"""Collects texts of many calls into batches: by size and by time, in order, bounded.

Whoever asks waits for its own texts alone: what fails is told per text. While the other side is
away, who asks is refused at once, for a pause that grows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from scrimp.errors import StoreError, kind_and_place

Answer = bytes | StoreError
"""A vector, or why there is none for this text."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a batch: one answer per text. `away_s` not 0: do not ask for so long."""

    answers: Sequence[Answer]
    away_s: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A batch leaves with `size` texts, or `window_s` after its first. `flights` at once.

    `timeout_s` bounds what a caller waits, and a flight. Pauses grow while the other side is away.
    """

    size: int = 100
    window_s: float = 0.015
    flights: int = 4
    waiting: int = 1000
    timeout_s: float = 2.0
    pauses_s: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0)


@dataclass(slots=True, eq=False)
class _Asked:
    text: str
    answer: asyncio.Future[Answer] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Batcher:
    """Carries texts while `run` runs. `send` answers a batch; `name` is for messages."""

    def __init__(
        self, name: str, send: Callable[[list[str]], Awaitable[Sent]], limits: BatchLimits
    ) -> None:
        self._name = name
        self._send = send
        self._limits = limits
        self._waiting: deque[_Asked] = deque()
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._places = asyncio.Semaphore(limits.flights)
        self._closed = False
        self._failures = 0
        self._away_until = 0.0
        self._why = ""

    async def ask(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        """The vectors of these texts, in order. Raises StoreError when one of them has none."""
        self._check(len(texts))
        asked = [_Asked(text) for text in texts]
        self._waiting.extend(asked)
        self._wake()
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                answers = [await one.answer for one in asked]
        except TimeoutError as error:
            raise StoreError(
                f"embedder '{self._name}' did not answer within {self._limits.timeout_s:g} s"
            ) from error
        finally:
            for one in asked:
                one.answer.cancel()  # whoever leaves is not asked for any more
        vectors: list[bytes] = []
        for answer in answers:
            if isinstance(answer, StoreError):
                raise StoreError(str(answer)) from answer
            vectors.append(answer)
        return tuple(vectors)

    async def run(self) -> None:
        """Carry batches until `close`; those in the air are waited for."""
        try:
            async with asyncio.TaskGroup() as group:
                while not self._closed:
                    await self._some.wait()
                    await self._gather()
                    await self._places.acquire()
                    if batch := self._take():
                        group.create_task(self._fly(batch))
                    else:
                        self._places.release()
        finally:
            self.close()

    def close(self) -> None:
        """Carry nothing more; what waits is refused."""
        self._closed = True
        self._refuse_rest()
        self._some.set()
        self._full.set()

    def _check(self, more: int) -> None:
        if self._closed:
            raise StoreError(f"embedder '{self._name}' is closed")
        wait_s = self._away_until - asyncio.get_running_loop().time()
        if wait_s > 0:
            raise StoreError(f"{self._why}; it is asked again in {wait_s:.1f} s")
        if len(self._waiting) + more > self._limits.waiting and self._waiting:
            raise StoreError(
                f"embedder '{self._name}' is busy: {len(self._waiting)} texts wait, "
                f"at most {self._limits.waiting} may"
            )

    def _wake(self) -> None:
        if self._waiting:
            self._some.set()
        if len(self._waiting) >= self._limits.size:
            self._full.set()

    async def _gather(self) -> None:
        """Wait for company, but not for long."""
        try:
            async with asyncio.timeout(self._limits.window_s):
                await self._full.wait()
        except TimeoutError:
            return

    def _take(self) -> list[_Asked]:
        batch: list[_Asked] = []
        while self._waiting and len(batch) < self._limits.size:
            one = self._waiting.popleft()
            if not one.answer.done():
                batch.append(one)
        if not self._closed:
            self._some.clear()
            self._full.clear()
            self._wake()
        return batch

    async def _fly(self, batch: list[_Asked]) -> None:
        sent = Sent([StoreError(f"embedder '{self._name}' gave no answer")] * len(batch))
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                sent = await self._send([one.text for one in batch])
        except TimeoutError:
            late = StoreError(
                f"embedder '{self._name}' did not answer within {self._limits.timeout_s:g} s"
            )
            sent = Sent([late] * len(batch), away_s=self._limits.pauses_s[0])
        except Exception as error:  # noqa: BLE001 (an edge: the app must go on)
            broken = StoreError(f"embedder '{self._name}' failed ({kind_and_place(error)})")
            sent = Sent([broken] * len(batch), away_s=self._limits.pauses_s[0])
        finally:
            self._places.release()
            self._note(sent)
            for one, answer in zip(batch, sent.answers, strict=True):
                if not one.answer.done():
                    one.answer.set_result(answer)

    def _note(self, sent: Sent) -> None:
        if not sent.away_s:
            self._failures = 0
            return
        pauses = self._limits.pauses_s
        pause_s = max(sent.away_s, pauses[min(self._failures, len(pauses) - 1)])
        self._failures += 1
        self._why = next(str(one) for one in sent.answers if isinstance(one, StoreError))
        self._away_until = asyncio.get_running_loop().time() + pause_s

    def _refuse_rest(self) -> None:
        while self._waiting:
            one = self._waiting.popleft()
            if not one.answer.done():
                one.answer.set_result(StoreError(f"embedder '{self._name}' was closed"))
