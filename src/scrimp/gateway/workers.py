"""The parent of several workers: starts them, replaces those that die, and all of them in turn.

It has the sockets and closes them only when all is to end, so that no connection is lost that waits
in one; it serves nothing itself. The library's own supervisor knows neither counts that are to be
added up, nor settings that are read anew, nor a pause between deaths (docs/dev/decisions/0005).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from scrimp.errors import ConfigError
from scrimp.gateway.hangup import Terminal
from scrimp.gateway.metrics_text import Counts, added_up, lasting, series
from scrimp.gateway.workers_process import Worker, start
from scrimp.gateway.workers_wire import (
    Adopt,
    Ask,
    Collect,
    Counted,
    Failed,
    Now,
    Ready,
    Release,
    Stop,
    Total,
    hear_worker,
)
from scrimp.settings import Loaded, ServerSettings

log = logging.getLogger("scrimp.workers")

STOP_LINGER_S = 0.1
RETIRE_LINGER_S = 5.0
"""How long a silent connection is kept by a worker whose successor already serves."""
_COUNTED_S = 1.0
_STUCK_S = 5.0
"""A worker that was silent for so long takes no connections: another serves its socket, too."""
_SILENT_S = 30.0
_WATCH_S = 1.0
_LAST_S = 15.0
_MEMORY_S = 60.0
_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before the next start of a worker, by how often it died within the last minute."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How workers are started, on which sockets, and where newer settings come from.

    `reload` raises ConfigError; `tell` gets a line for the user when something was done.
    """

    command: Sequence[str]
    listeners: Sequence[socket.socket]
    reload: Callable[[], Loaded]
    tell: Callable[[str], None]


class Workers:
    """All workers of one gateway."""

    def __init__(self, plan: Plan, loaded: Loaded) -> None:
        self._plan = plan
        self._loaded = loaded
        self._first = loaded.settings.server
        self._slots: list[Worker | None] = [None] * len(plan.listeners)
        self._alive: set[Worker] = set()
        self._adopted: dict[int, Worker] = {}
        self._past: Counts = {}
        self._deaths: list[list[float]] = [[] for _ in plan.listeners]
        self._died = 0
        self._signals = 0
        self._stop = asyncio.Event()
        self._gone = asyncio.Event()
        self._changing = asyncio.Lock()  # one start of a successor at a time
        self._rolling = False
        self._failure: ConfigError | None = None
        self._group: asyncio.TaskGroup

    async def run(self, started: Callable[[], None]) -> None:
        """Until a signal. Raises ConfigError when no worker can serve."""
        async with asyncio.TaskGroup() as self._group:
            watching = self._group.create_task(self._watch())
            with self._signal_handlers():
                try:
                    await self._start_all()
                    if not self._stop.is_set():
                        started()
                        await self._stop.wait()
                except ConfigError as error:
                    self._failure = error
                finally:
                    await self._end_all()
                    watching.cancel()
        if self._failure is not None:
            raise self._failure

    async def _start_all(self) -> None:
        """The first alone: what it complains of is said once, and it makes the ledger's file."""
        for slots in ([0], range(1, len(self._slots))):
            fresh = [await self._begin(slot, self._loaded) for slot in slots]
            for worker in fresh:
                why = await worker.up()
                if self._stop.is_set():
                    return
                if why:
                    raise ConfigError(why)
                self._slots[worker.slot] = worker

    async def _begin(self, slot: int, loaded: Loaded) -> Worker:
        worker = await start(self._plan.command, self._plan.listeners, slot, loaded)
        self._alive.add(worker)
        self._group.create_task(self._attend(worker))
        return worker

    async def _attend(self, worker: Worker) -> None:
        """Hear a worker until its end."""
        while (message := await hear_worker(worker.reader)) is not None:
            worker.heard()
            match message:
                case Ready():
                    worker.now_up("")
                case Failed(why=why):
                    worker.now_up(why)
                case Counted(counts=counts):
                    worker.counts = counts
                    worker.counted.set()
                case Collect():
                    self._group.create_task(self._add_up(worker))
        ended = await worker.end()
        self._alive.discard(worker)
        self._past = added_up([self._past, lasting(worker.counts)])
        worker.counted.set()
        if not worker.is_up:
            worker.now_up(f"a worker {ended} before it was ready (its own lines say why)")
        elif not (worker.retired or self._stop.is_set()):
            self._bury(worker, ended)
        if not self._alive:
            self._gone.set()

    def _bury(self, dead: Worker, ended: str) -> None:
        self._died += 1
        log.error("worker %d (process %d) %s; another takes its place", dead.slot, dead.pid, ended)
        if self._slots[dead.slot] is dead:
            self._slots[dead.slot] = None
        orphans = {dead.slot, *(slot for slot, by in self._adopted.items() if by is dead)}
        self._hand_over(orphans)
        self._group.create_task(self._replace(dead.slot))

    def _hand_over(self, slots: set[int]) -> None:
        """Let some worker that lives serve these sockets until theirs does."""
        heirs = (one for one in self._slots if one is not None and one.slot not in slots)
        heir = min(heirs, key=lambda one: one.silent_s(), default=None)
        for slot in slots:
            self._adopted.pop(slot, None)
            if heir is not None:
                self._adopted[slot] = heir
                heir.tell(Adopt(slot))

    async def _replace(self, slot: int) -> None:
        """Start a worker in the place of a dead one, again and again if need be."""
        while True:
            if await self._stopped_within(self._pause_s(slot)):
                return
            async with self._changing:
                if self._stop.is_set() or self._slots[slot] is not None:
                    return
                fresh = await self._begin(slot, self._loaded)
                why = await fresh.up()
                if self._stop.is_set():
                    return
                if not why:
                    self._seat(fresh)
                    self._plan.tell(f"Worker {slot} serves again (process {fresh.pid}).")
                    return
            log.error("worker %d cannot start: %s", slot, why)
            if not any(self._slots):
                self._failure = ConfigError(f"no worker is left, and none can start: {why}")
                self._stop.set()
                return

    def _pause_s(self, slot: int) -> float:
        now_s = _now_s()
        deaths = [at for at in self._deaths[slot] if now_s - at < _MEMORY_S]
        pause_s = _PAUSES_S[min(len(deaths), len(_PAUSES_S) - 1)]
        self._deaths[slot] = [*deaths, now_s]
        if pause_s:
            log.error("worker %d starts again in %g s", slot, pause_s)
        return pause_s

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._stop.wait()
        except TimeoutError:
            return False

    def _seat(self, fresh: Worker) -> None:
        """From now on this worker serves its slot; what served it before may go."""
        slot = fresh.slot
        if fresh not in self._alive:
            return  # dead again already; it is being replaced
        old, self._slots[slot] = self._slots[slot], fresh
        self._take_back(slot)
        if old is not None:
            self._hand_over({one for one, by in self._adopted.items() if by is old})
            old.retired = True
            old.tell(Stop(RETIRE_LINGER_S))

    async def _roll(self) -> None:
        """Put a worker with newer settings in the place of each; none ends before its successor."""
        try:
            loaded = self._plan.reload()
        except ConfigError as error:
            log.error("the new settings are not used, all goes on with the old ones: %s", error)  # noqa: TRY400 (it is one line)
            return
        async with self._changing:
            for slot in range(len(self._slots)):
                if self._stop.is_set() or not await self._succeed(slot, loaded):
                    return
        later = _later(self._first, loaded.settings.server)
        self._plan.tell(f"All {len(self._slots)} workers were replaced, with new settings.{later}")

    async def _succeed(self, slot: int, loaded: Loaded) -> bool:
        fresh = await self._begin(slot, loaded)
        why = await fresh.up()
        if self._stop.is_set():
            return False
        if why:
            log.error(
                "%d of %d workers were replaced, the others go on as they are: %s",
                *(slot, len(self._slots), why),
            )
            return False
        self._loaded = loaded
        self._seat(fresh)
        return True

    async def _add_up(self, asker: Worker) -> None:
        """Answer one worker's question for the counts of all."""
        # who is about to end may have no ear left: its last words are a second old, or final
        asked = [worker for worker in self._alive if worker.is_up and not worker.retired]
        for worker in asked:
            worker.counted.clear()
            worker.tell(Ask())
        try:
            async with asyncio.timeout(_COUNTED_S):
                for worker in asked:
                    await worker.counted.wait()
        except TimeoutError:
            log.warning("a worker does not say what it counted; its last word stands")
        parts = [self._past, *(worker.counts for worker in self._alive)]
        own = {series("workers"): sum(one is not None for one in self._slots)}
        own[series("worker_deaths_total")] = self._died
        asker.tell(Total(added_up([*parts, own])))

    async def _watch(self) -> None:
        """Look after workers whose event loop stands still."""
        while True:
            before_s = _now_s()
            await asyncio.sleep(_WATCH_S)
            late = _now_s() - before_s > 2 * _WATCH_S  # it was us who stood still
            for worker in [one for one in self._alive if one.is_up]:
                if late:
                    worker.heard()
                self._look_at(worker)

    def _look_at(self, worker: Worker) -> None:
        seated, silent_s = self._slots[worker.slot] is worker, worker.silent_s()
        if silent_s > _SILENT_S:
            log.error("worker %d says nothing for %g s: killed", worker.slot, _SILENT_S)
            worker.kill()
        elif silent_s > _STUCK_S and seated and worker.slot not in self._adopted:
            log.warning("worker %d says nothing for %g s", worker.slot, _STUCK_S)
            self._hand_over({worker.slot})
        elif silent_s <= _STUCK_S and seated:
            self._take_back(worker.slot)

    def _take_back(self, slot: int) -> None:
        if (by := self._adopted.pop(slot, None)) is not None:
            by.tell(Release(slot))

    async def _end_all(self) -> None:
        self._stop.set()
        for worker in self._alive:
            worker.tell(Stop(STOP_LINGER_S))
        for listener in self._plan.listeners:
            listener.close()  # the kernel would go on taking connections that nobody serves
        if not self._alive:
            return
        try:
            async with asyncio.timeout(self._loaded.settings.server.drain_s + _LAST_S):
                await self._gone.wait()
        except TimeoutError:
            for worker in self._alive:
                worker.kill()

    def _end(self) -> None:
        """The first signal lets calls finish, the second cuts them off, the third does not wait."""
        self._signals += 1
        self._stop.set()
        for worker in self._alive if self._signals > 1 else ():
            worker.tell(Now())
            if self._signals > 2:
                worker.kill()

    def _hang_up(self, terminal: Terminal) -> None:
        if terminal.closed():
            self._end()
        elif not self._rolling:
            self._rolling = True
            self._group.create_task(self._roll()).add_done_callback(self._rolled)

    def _rolled(self, _: asyncio.Task[None]) -> None:
        self._rolling = False

    @contextmanager
    def _signal_handlers(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        terminal = Terminal()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        loop.add_signal_handler(signal.SIGINT, self._end)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._hang_up(terminal))
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)


def _later(first: ServerSettings, now: ServerSettings) -> str:
    """Which of the new settings the parent itself would have to be started with."""
    kept = [
        name for name in ("host", "port", "workers") if getattr(first, name) != getattr(now, name)
    ]
    return f" From the next start on: server.{', server.'.join(kept)}." if kept else ""


def _now_s() -> float:
    return asyncio.get_running_loop().time()
