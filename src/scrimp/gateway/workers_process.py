"""One worker as its parent sees it: a process, a link to it, and what it last said."""

from __future__ import annotations

import asyncio
import signal
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence

from scrimp.gateway.metrics_text import Counts
from scrimp.gateway.workers_wire import Begin, ToWorker, tell
from scrimp.settings import Loaded

READY_S = 60.0
_LAST_WORD_S = 10.0


class Worker:
    """A worker that was started. `slot` is the place, and the socket, that it serves."""

    def __init__(
        self,
        slot: int,
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.slot = slot
        self.reader = reader
        self._heard_s = loop.time()
        self.counts: Counts = {}
        self.counted = asyncio.Event()
        self.retired = False
        self._process = process
        self._writer = writer
        self._up: asyncio.Future[str] = loop.create_future()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_up(self) -> bool:
        """True once it has served."""
        return self._up.done() and not self._up.result()

    def heard(self) -> None:
        """It has said something."""
        self._heard_s = asyncio.get_running_loop().time()

    def silent_s(self) -> float:
        """Since when it says nothing; a word comes every second."""
        return asyncio.get_running_loop().time() - self._heard_s

    def now_up(self, why_not: str) -> None:
        """It has said that it serves, or why it does not."""
        if not self._up.done():
            self._up.set_result(why_not)

    async def up(self) -> str:
        """Wait until it serves; nothing when it does, else why it does not."""
        try:
            async with asyncio.timeout(READY_S):
                return await asyncio.shield(self._up)
        except TimeoutError:
            self.now_up(f"a worker was not ready within {READY_S:g} s")
            self.kill()
            return self._up.result()

    def tell(self, message: ToWorker) -> None:
        """Send a message; nothing happens when the worker is gone."""
        tell(self._writer, message)

    def kill(self) -> None:
        """End it with no chance to do anything."""
        if self._process.returncode is None:
            self._process.kill()

    async def end(self) -> str:
        """Wait for its end, which its closed link has announced; how it ended, in words."""
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                code = await self._process.wait()
        except TimeoutError:
            self.kill()
            code = await self._process.wait()
        self._writer.close()
        return _in_words(code)


def _in_words(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


async def start(
    command: Sequence[str], listeners: Sequence[socket.socket], slot: int, loaded: Loaded
) -> Worker:
    """Start a worker; it says when it serves.

    It gets the sockets of all, so that it can serve one whose own worker is dead. It is a process
    group of its own: Ctrl-C is for the parent, which then ends its workers in order.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        sockets = [listener.fileno() for listener in listeners]
        process = await asyncio.create_subprocess_exec(
            *(*command, ",".join(map(str, sockets)), str(slot), str(theirs.fileno())),
            stdin=DEVNULL,
            pass_fds=(*sockets, theirs.fileno()),
            process_group=0,
        )
    reader, writer = await asyncio.open_connection(sock=ours)
    worker = Worker(slot, process, reader, writer)
    worker.tell(Begin(loaded))
    return worker
