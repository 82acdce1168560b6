"""Runs the gateway: one process, one event loop, a clean end.

On SIGTERM or SIGINT no new connection is taken, calls in the air may finish for a while, and then
the outbox and the ledger are drained.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import uvicorn

from scrimp.app import App, open_app
from scrimp.errors import ConfigError
from scrimp.gateway.asgi import Gateway
from scrimp.gateway.protocol import GatewayProtocol
from scrimp.gateway.web_guard import is_loopback
from scrimp.settings import Loaded

log = logging.getLogger("scrimp.gateway")
_BACKLOG = 2048
_CUT_OFF_S = 5.0
_SECRET_BYTES = 32


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError in one line when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"cannot listen on {host}:{port}: {why} (another port: --port)"
        ) from error
    listener.setblocking(False)  # noqa: FBT003 (the standard library's signature)
    return listener


def check_bind(loaded: Loaded) -> None:
    """Refuse to serve other machines without keys. Raises ConfigError."""
    settings = loaded.settings
    if is_loopback(settings.server.host) or settings.keys or settings.auth.mode == "passthrough":
        return
    raise ConfigError(
        f"{settings.server.host} is reachable from other machines and no key is set "
        "(make one: scrimp key NAME; or listen on 127.0.0.1)"
    )


async def serve(
    loaded: Loaded, listener: socket.socket, *, started: Callable[[str], None] | None = None
) -> None:
    """Serve until a signal. `started` is told the address once calls are answered."""
    async with open_app(loaded) as app:
        _tune_interpreter()
        server = server_of(app, lambda: started(address(listener)) if started else None)
        await server.serve(sockets=[listener])


def server_of(app: App, started: Callable[[], None]) -> GatewayServer:
    """The server of one engine; `await server.serve(sockets=[...])` runs it."""
    settings = app.settings
    gateway = Gateway(app, tenant_secret=tenant_secret(settings.state_path))
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
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(settings.server.drain_s)),
    )
    return GatewayServer(config, started)


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
    """The library's server, which also tells when it has started."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        if self.started:
            self._tell_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain; then wait for calls that were cut off to book themselves, while that can be."""
        await super().shutdown(sockets)
        if late := set(self.server_state.tasks):
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=_CUT_OFF_S)


def address(listener: socket.socket) -> str:
    """The base address that clients are given."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def tenant_secret(state: Path) -> bytes:
    """The secret behind tenants of passed-through credentials: made once, 0600."""
    path = state / "tenant.secret"
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        secret = b""
    if len(secret) == _SECRET_BYTES:
        path.chmod(0o600)
        return secret
    # there is none, or a process died while it wrote one: an empty secret would hide nothing
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = secrets.token_bytes(_SECRET_BYTES)
    with tempfile.NamedTemporaryFile(dir=state, prefix="tenant.", delete=False) as file:
        file.write(secret)
    Path(file.name).replace(path)
    return secret
