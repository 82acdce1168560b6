"""Runs the simulated provider: in a thread for tests, or in the foreground for people."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Self

import uvicorn

from scrimp.simulator.fleet import Fleet, base_path
from scrimp.simulator.link import LinkProtocol
from scrimp.simulator.settings import BELIEVABLE, Settings
from scrimp.simulator.upstream import Upstream

_START_LIMIT_S: Final = 10.0


class _Server(uvicorn.Server):
    """Says when it is ready, and does not wait for calls that would never end."""

    def __init__(self, fleet: Fleet, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                fleet,
                http=LinkProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=75,
            )
        )
        self._fleet = fleet
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Break what is still in flight, then end."""
        self._fleet.links.abort_all()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket; raises OSError, in the caller's thread, for a port that is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _each(settings: Settings, upstreams: int | Sequence[Settings]) -> Sequence[Settings]:
    """The settings of each upstream; at least one. Raises ValueError."""
    each = (settings,) * upstreams if isinstance(upstreams, int) else tuple(upstreams)
    if not each:
        raise ValueError("a simulator has one upstream at least, not 0")
    return each


def run_simulator(
    host: str = "127.0.0.1",
    port: int = 0,
    settings: Settings = BELIEVABLE,
    *,
    upstreams: int = 1,
    faults: Sequence[str] = (),
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Prints nothing; `on_ready` gets the URL.

    `faults` are planned beforehand: `503:every=5`, or `u2/503:every=5` for one upstream.
    Once everything is closed the signal is raised again, as uvicorn does: SIGINT ends in a
    KeyboardInterrupt. Raises OSError for a port that is taken, ValueError for a wrong fault.
    """
    fleet = Fleet(_each(settings, upstreams))
    for text in faults:
        fleet.plan(text)
    bound = _listen(host, port)
    url = _url(bound)
    try:
        ready = (lambda: on_ready(url)) if on_ready is not None else (lambda: None)
        _Server(fleet, ready).run(sockets=[bound])
    finally:
        bound.close()


class Simulator(Upstream):
    """A simulated provider in a thread of its own, on a free port of 127.0.0.1.

    `with Simulator() as sim:` or `async with`. Give SDKs `sim.openai_url` or `sim.url`.
    `Simulator(upstreams=3)` has three providers, in `sim.upstreams`, and is itself the first one;
    `Simulator(upstreams=(Settings(...), Settings(...)))` gives each its own settings.
    """

    def __init__(
        self,
        *,
        first_token_ms: float = 0.0,
        per_token_ms: float = 0.0,
        jitter: float = 0.0,
        prefix_cache: bool = False,
        settings: Settings | None = None,
        upstreams: int | Sequence[Settings] = 1,
    ) -> None:
        chosen = settings or Settings(
            first_token_ms, per_token_ms, jitter, prefix_cache=prefix_cache
        )
        self._fleet = fleet = Fleet(_each(chosen, upstreams))
        super().__init__(fleet.providers[0], lambda: self._url)
        self._upstreams = tuple(
            Upstream(provider, partial(self._url_of, number))
            for number, provider in enumerate(fleet.providers, 1)
        )
        self._ready = threading.Event()
        self._server = _Server(fleet, self._ready.set)
        self._thread: threading.Thread | None = None
        self._url = ""

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        """All of them, each under a base path of its own, `/u1` for the first."""
        return self._upstreams

    def _url_of(self, number: int) -> str:
        return self._url + base_path(number)

    def __enter__(self) -> Self:
        bound = _listen("127.0.0.1", 0)
        self._url = _url(bound)
        self._thread = threading.Thread(
            target=self._run, args=(bound,), name="scrimp-simulator", daemon=True
        )
        self._thread.start()
        if not self._ready.wait(_START_LIMIT_S):
            raise RuntimeError(f"the simulator did not start within {_START_LIMIT_S:g} s")
        return self

    def _run(self, bound: socket.socket) -> None:
        with contextlib.closing(bound):
            self._server.run(sockets=[bound])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)
