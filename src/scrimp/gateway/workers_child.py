"""One worker: an engine and its server in a process of their own, which obeys its parent."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import assert_never

from scrimp.errors import ScrimpError
from scrimp.gateway.metrics_text import Counts
from scrimp.gateway.server import GatewayServer, open_server
from scrimp.gateway.workers_wire import (
    Adopt,
    Ask,
    Begin,
    Collect,
    Counted,
    Failed,
    Now,
    Ready,
    Release,
    Stop,
    Total,
    ToWorker,
    hear_parent,
    tell,
)

_COUNT_S = 1.0
_COLLECT_S = 5.0
FAILED = 2
"""Exit code of a worker that cannot serve."""


async def serve_worker(
    listeners: Sequence[socket.socket],
    slot: int,
    link: socket.socket,
    started: Callable[[], None],
) -> int:
    """Serve the socket of `slot` until the parent says otherwise, or is gone; the exit code."""
    reader, writer = await asyncio.open_connection(sock=link)
    begin = await hear_parent(reader)
    if not isinstance(begin, Begin):
        return FAILED

    def ready() -> None:
        started()
        tell(writer, Ready())

    code = 0
    try:
        async with open_server(begin.loaded, ready) as server:
            obeying = _Obeying(server, reader, writer, listeners)
            server.server_state.everyone = obeying.everyone
            server.inherited = [one for one in listeners if one is not listeners[slot]]
            async with asyncio.TaskGroup() as group:
                helping = [group.create_task(obeying.hear()), group.create_task(obeying.count())]
                await server.serve(sockets=[listeners[slot]])
                for task in helping:
                    task.cancel()
        tell(writer, Counted(server.server_state.counts()))
    except (ScrimpError, OSError) as error:
        tell(writer, Failed(str(error)))
        code = FAILED
    await _sent(writer)
    return code


async def _sent(writer: asyncio.StreamWriter) -> None:
    """Close the link once what was told has left."""
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        return  # the parent is gone


class _Obeying:
    """What a worker does for its parent beside serving."""

    def __init__(
        self,
        server: GatewayServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        listeners: Sequence[socket.socket],
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._listeners = listeners
        self._adopted: dict[int, asyncio.AbstractServer] = {}
        self._asking: deque[asyncio.Future[Counts]] = deque()

    async def hear(self) -> None:
        """Do what the parent says; end in order when it is gone."""
        while (message := await hear_parent(self._reader)) is not None:
            await self._obey(message)
        self._server.should_exit = True

    async def count(self) -> None:
        """Tell now and then what was counted, so that it is known when this process is killed."""
        while True:
            tell(self._writer, Counted(self._server.server_state.counts()))
            await asyncio.sleep(_COUNT_S)

    async def everyone(self) -> Counts:
        """What all workers have counted. Raises TimeoutError."""
        future = asyncio.get_running_loop().create_future()
        self._asking.append(future)
        tell(self._writer, Collect())
        async with asyncio.timeout(_COLLECT_S):
            counts: Counts = await future
        return counts

    async def _obey(self, message: ToWorker) -> None:
        match message:
            case Stop(linger_s=linger_s):
                self._server.linger_s = linger_s
                self._server.should_exit = True
            case Now():
                self._server.should_exit = self._server.force_exit = True
            case Adopt(slot=slot):
                await self._adopt(slot)
            case Release(slot=slot):
                self._release(slot)
            case Ask():
                tell(self._writer, Counted(self._server.server_state.counts()))
            case Total(counts=counts):
                self._told(counts)
            case Begin():
                pass  # only once, before everything else
            case _:
                assert_never(message)

    async def _adopt(self, slot: int) -> None:
        if slot not in self._adopted and not self._server.should_exit:
            self._adopted[slot] = await self._server.adopt(self._listeners[slot].dup())

    def _release(self, slot: int) -> None:
        if (adopted := self._adopted.pop(slot, None)) is not None:
            adopted.close()

    def _told(self, counts: Counts) -> None:
        while self._asking:
            future = self._asking.popleft()
            if not future.done():
                future.set_result(counts)
