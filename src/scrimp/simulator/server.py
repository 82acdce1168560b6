"""Runs the simulated provider: in a thread for tests, or in the foreground for people."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import uvicorn

from scrimp.simulator.app import Provider
from scrimp.simulator.bill import Bill
from scrimp.simulator.faults import Rule, parse
from scrimp.simulator.link import Connection, LinkProtocol
from scrimp.simulator.records import Recorded
from scrimp.simulator.settings import BELIEVABLE, Settings

_START_LIMIT_S: Final = 10.0
_POLL_S: Final = 0.002


class _Server(uvicorn.Server):
    """Says when it is ready, and does not wait for calls that would never end."""

    def __init__(self, provider: Provider, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                provider,
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
        self._provider = provider
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Break what is still in flight, then end."""
        self._provider.links.abort_all()
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


def run_simulator(
    host: str = "127.0.0.1",
    port: int = 0,
    settings: Settings = BELIEVABLE,
    *,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Prints nothing; `on_ready` gets the URL.

    Once everything is closed the signal is raised again, as uvicorn does: SIGINT ends in a
    KeyboardInterrupt. Raises OSError for a port that is taken.
    """
    bound = _listen(host, port)
    url = _url(bound)
    try:
        ready = (lambda: on_ready(url)) if on_ready is not None else (lambda: None)
        _Server(Provider(settings), ready).run(sockets=[bound])
    finally:
        bound.close()


class Simulator:
    """A simulated provider in a thread of its own, on a free port of 127.0.0.1.

    `with Simulator() as sim:` or `async with`. Give SDKs `sim.openai_url` or `sim.url`. Everything
    may be asked from any thread, while it runs and after it.
    """

    def __init__(
        self,
        *,
        first_token_ms: float = 0.0,
        per_token_ms: float = 0.0,
        jitter: float = 0.0,
        prefix_cache: bool = False,
        settings: Settings | None = None,
    ) -> None:
        chosen = settings or Settings(
            first_token_ms, per_token_ms, jitter, prefix_cache=prefix_cache
        )
        self._provider = Provider(chosen)
        self._ready = threading.Event()
        self._server = _Server(self._provider, self._ready.set)
        self._thread: threading.Thread | None = None
        self._url = ""

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

    @property
    def url(self) -> str:
        """Such as `http://127.0.0.1:40123`: what the Anthropic SDK takes as base URL."""
        return self._url

    @property
    def openai_url(self) -> str:
        """`url` with `/v1`: what the OpenAI SDK takes as base URL."""
        return f"{self._url}/v1"

    @property
    def bill(self) -> Bill:
        """The bill at this moment. Broken calls are in it once `quiet` has returned."""
        return self._provider.bill

    @property
    def requests(self) -> tuple[Recorded, ...]:
        """The last requests (1,000 by default) to the provider's side, oldest first."""
        return tuple(self._provider.requests)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Ended connections, then open ones."""
        return self._provider.links.seen()

    @property
    def in_flight(self) -> int:
        """Calls that are being answered now."""
        return self._provider.in_flight

    def quiet(self, timeout_s: float = 5.0) -> Bill:
        """Wait until no call is in flight, and return the bill. Raises TimeoutError.

        It blocks; a client on an event loop of the same thread cannot close its connections
        meanwhile, so use `aquiet` there.
        """
        end_s = time.monotonic() + timeout_s
        while self._provider.in_flight:
            self._check_limit(end_s)
            time.sleep(_POLL_S)
        return self.bill

    async def aquiet(self, timeout_s: float = 5.0) -> Bill:
        """`quiet` for coroutines."""
        end_s = time.monotonic() + timeout_s
        while self._provider.in_flight:
            self._check_limit(end_s)
            await asyncio.sleep(_POLL_S)  # the calls are on another loop
        return self.bill

    def _check_limit(self, end_s: float) -> None:
        if time.monotonic() > end_s:
            raise TimeoutError(f"{self._provider.in_flight} calls are still in flight")

    def fault(
        self,
        fault: str,
        *,
        count: int | None = None,
        every: int | None = None,
        probability: float | None = None,
        seed: int = 0,
    ) -> None:
        """Plan a fault (see `faults.Kind`). Raises ValueError.

        For the next `count` calls, every `every`-th, or by chance; with none of these for all.
        """
        self._provider.plan.add(Rule(parse(fault), count, every, probability, seed))

    def no_faults(self) -> None:
        """Drop the plan."""
        self._provider.plan.clear()

    def reset(self) -> None:
        """Forget bill, requests, faults and ended connections."""
        self._provider.reset()
