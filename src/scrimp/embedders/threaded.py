"""A model of this process behind the Embedder port: loaded once, off the event loop, bounded.

A few threads run it (one by default: one core). Whoever would have to wait behind too many, or too
long, gets a StoreError instead; so a slow model costs a call some time, and never more.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from scrimp.embedders.daemon_pool import DaemonPool
from scrimp.errors import ScrimpError, StoreError, kind_and_place

_TOGETHER = 16
"""Texts of one turn in a thread: others wait no longer than these take."""


class LocalModel(Protocol):
    """A model that blocks while it works. `encode` may be called by several threads at once."""

    id: str
    dims: int

    def load(self) -> None:
        """Everything that takes long, once. Raises ConfigError or StoreError."""
        ...

    def encode(self, texts: Sequence[str]) -> list[bytes]:
        """One vector of length 1 per text, in order, as float32 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class ThreadLimits:
    """`waiting`: turns of up to 16 texts that may wait. `timeout_s` bounds each turn's wait.

    `load_timeout_s` is for `run` alone: calls never wait so long. A load that failed is tried again
    after `load_again_s`.
    """

    threads: int = 1
    waiting: int = 64
    timeout_s: float = 2.0
    load_timeout_s: float = 60.0
    load_again_s: float = 60.0


class ThreadedEmbedder:
    """Implements `meanings.Embedder` with a LocalModel. Belongs to one event loop."""

    def __init__(self, model: LocalModel, limits: ThreadLimits) -> None:
        self._model = model
        self._limits = limits
        self._pool: DaemonPool[list[bytes]] | None = None
        self._works: set[Future[list[bytes]]] = set()
        self._guard = threading.Lock()
        self._loading = threading.Lock()
        self._loaded = False
        self._failed: Exception | None = None
        self._again_at = 0.0
        self._waiting = 0
        self._overdue = 0
        self._closed = False

    @property
    def id(self) -> str:
        """The model's."""
        return self._model.id

    @property
    def dims(self) -> int:
        """The model's."""
        return self._model.dims

    async def embed(self, texts: tuple[str, ...]) -> tuple[bytes, ...]:
        """One vector per text, in order. Raises StoreError."""
        found: list[bytes] = []
        for begin in range(0, len(texts), _TOGETHER):
            turn = texts[begin : begin + _TOGETHER]
            found += await self._turn(turn, self._limits.timeout_s)
        return tuple(found)

    async def run(self) -> None:
        """Load now, so that no call waits for it. A failure is told by the calls that follow."""
        try:
            await self._turn((), self._limits.load_timeout_s)
        except ScrimpError:
            return

    async def close(self) -> None:
        """What runs now runs to its end, unless it hangs; what waits fails."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is None:
            return
        pool.close()
        with self._guard:
            works = [asyncio.wrap_future(work) for work in self._works]
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                await asyncio.gather(*works, return_exceptions=True)
        except TimeoutError:
            return  # its thread ends with the process

    async def _turn(self, texts: tuple[str, ...], limit_s: float) -> list[bytes]:
        self._check()
        if self._pool is None:
            self._pool = DaemonPool(self._limits.threads, "scrimp embed")
        work = self._pool.submit(partial(self._work, texts))
        self._waiting += 1
        with self._guard:
            self._works.add(work)
        work.add_done_callback(self._done)
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.wrap_future(work)
        except TimeoutError as error:
            if work.running():
                with self._guard:
                    self._overdue += 1
                work.add_done_callback(self._back)
            raise StoreError(f"embedder '{self.id}' was not done within {limit_s:g} s") from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):
                raise StoreError(f"embedder '{self.id}' was closed") from None
            raise
        finally:
            self._waiting -= 1

    def _done(self, work: Future[list[bytes]]) -> None:
        with self._guard:
            self._works.discard(work)

    def _back(self, _work: Future[list[bytes]]) -> None:
        """In a thread: what was given up has ended after all."""
        with self._guard:
            self._overdue -= 1

    def _check(self) -> None:
        limits = self._limits
        if self._closed:
            raise StoreError(f"embedder '{self.id}' is closed")
        if self._overdue >= limits.threads:
            raise StoreError(
                f"embedder '{self.id}' is stuck: {self._overdue} of {limits.threads} threads are "
                f"not done after {limits.timeout_s:g} s"
            )
        if self._waiting >= limits.waiting + limits.threads:
            raise StoreError(
                f"embedder '{self.id}' is busy: {self._waiting} turns wait or run, at most "
                f"{limits.waiting + limits.threads} may"
            )

    def _work(self, texts: tuple[str, ...]) -> list[bytes]:
        """In a thread."""
        if not self._loaded:
            self._load()
        try:
            return self._model.encode(texts) if texts else []
        except ScrimpError:
            raise
        except Exception as error:  # noqa: BLE001 - a library's own; its words may hold the text
            raise StoreError(f"embedder '{self.id}' failed ({kind_and_place(error)})") from None

    def _load(self) -> None:
        with self._loading:
            if self._loaded:
                return
            now_s = time.monotonic()
            if self._failed is None or now_s >= self._again_at:
                self._failed = self._tried()
                self._again_at = now_s + self._limits.load_again_s
            if self._failed is not None:
                raise StoreError(str(self._failed)) from self._failed
            self._loaded = True

    def _tried(self) -> Exception | None:
        """Why the model cannot be loaded, or None when it is."""
        try:
            self._model.load()
        except ScrimpError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a library's own, of any kind; no text is in it
            return StoreError(f"embedder '{self.id}' cannot be loaded ({kind_and_place(error)})")
        return None
