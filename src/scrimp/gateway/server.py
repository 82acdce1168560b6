"""Runs the gateway: one process, one event loop, a clean end.

On SIGTERM or SIGINT no new connection is taken, calls in the air may finish for a while, and then
the outbox and the ledger are drained.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import uvicorn

from scrimp.app import App, open_app
from scrimp.gateway.asgi import Gateway
from scrimp.gateway.listening import BACKLOG, address
from scrimp.gateway.metrics import Metrics
from scrimp.gateway.protocol import GatewayProtocol
from scrimp.gateway.standing import Standing
from scrimp.settings import Loaded, ServerSettings
from scrimp.shell.secret import tenant_secret

_CUT_OFF_S = 5.0
_SWEEP_TICKS = 10  # the library ticks every 100 ms
_DRAIN_SWEEP_S = 0.05
STOP_LINGER_S = 0.1
"""How long an idle connection may still ask something when the whole service ends."""


async def serve(
    loaded: Loaded, listener: socket.socket, *, started: Callable[[str], None] | None = None
) -> None:
    """Serve until a signal. `started` is told the address once calls are answered."""

    def tell() -> None:
        if started is not None:
            started(address(listener))

    async with open_server(loaded, tell) as server:
        await server.serve(sockets=[listener])


@asynccontextmanager
async def open_server(loaded: Loaded, started: Callable[[], None]) -> AsyncIterator[GatewayServer]:
    """A server over an engine of its own, in a process that does nothing else."""
    metrics = Metrics()
    async with open_app(loaded, watch=metrics.add) as app:
        _tune_interpreter()
        yield server_of(app, started, metrics, events_secret=loaded.events_secret)


def server_of(
    app: App,
    started: Callable[[], None],
    metrics: Metrics | None = None,
    *,
    events_secret: str = "",
) -> GatewayServer:
    """The server of one engine; `await server.serve(sockets=[...])` runs it.

    `metrics` is what watches the engine's ledger entries; without `events_secret` no event from
    outside is taken.
    """
    settings = app.settings
    standing = Standing(metrics or Metrics())
    standing.metrics.measure(app)
    gateway = Gateway(
        app,
        tenant_secret=tenant_secret(settings.state_path),
        standing=standing,
        events_secret=events_secret.encode(),
    )
    config = uvicorn.Config(
        gateway,
        http=GatewayProtocol,
        loop="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(settings.server.drain_s)),
    )
    return GatewayServer(config, standing, settings.server, started)


def _tune_interpreter() -> None:
    """Collect garbage seldom, and let the ledger's thread have its turn.

    What was loaded at start lives to the end, and calls hold few cycles. Under full load a loop
    that never idles keeps other threads waiting for many switch intervals: at Python's 5 ms the
    ledger's window of 50 ms was missed by far, at 1 ms it held (measured on two cores).
    """
    sys.setswitchinterval(0.001)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


class GatewayServer(uvicorn.Server):
    """The library's server, which also tells when it has started, sweeps, and drains with care.

    `inherited` are sockets that it does not serve but has: they are closed with its own, because
    the kernel takes connections for as long as anybody holds them.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        standing: Standing,
        limits: ServerSettings,
        started: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self.server_state: Standing = standing
        self.linger_s = STOP_LINGER_S
        self.inherited: Sequence[socket.socket] = ()
        self._head_s, self._body_s = limits.head_timeout_s, limits.body_timeout_s
        self._tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        if self.started:
            self._tell_started()

    async def adopt(self, listener: socket.socket) -> asyncio.AbstractServer:
        """Take connections of one more socket; close what comes back to leave it again."""

        def protocol() -> GatewayProtocol:
            return GatewayProtocol(
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )

        loop = asyncio.get_running_loop()
        server = await loop.create_server(protocol, sock=listener, backlog=BACKLOG)
        self.servers.append(server)
        return server

    async def on_tick(self, counter: int) -> bool:
        """The library's own, and a look at who sends too slowly."""
        if counter % _SWEEP_TICKS == 0:
            now_s = asyncio.get_running_loop().time()
            for connection in self._connections():
                connection.sweep(now_s, head_s=self._head_s, body_s=self._body_s)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain; then wait for calls that were cut off to book themselves, while that can be."""
        self.server_state.draining = True
        for listener in self.inherited:
            listener.close()
        async with asyncio.TaskGroup() as group:
            sweeping = group.create_task(self._drain_connections())
            await super().shutdown(sockets)
            sweeping.cancel()
        if late := set(self.server_state.tasks):
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=_CUT_OFF_S)

    async def _drain_connections(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now_s = loop.time()
            for connection in self._connections():
                connection.sweep(now_s, head_s=self._head_s, body_s=self._body_s)
                connection.close_idle(now_s, linger_s=self.linger_s)
            await asyncio.sleep(_DRAIN_SWEEP_S)

    def _connections(self) -> Iterable[GatewayProtocol]:
        return cast("list[GatewayProtocol]", list(self.server_state.connections))
