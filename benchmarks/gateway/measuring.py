"""One contender's turn: start it, see its first reply, load it in every way, and read what it cost.

CPU is the scheduler's own account of the whole process tree, so it holds when a core is shared.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import Running, free_port, pinned
from benchmarks.gateway.contenders import Contender, Launch, Place
from benchmarks.gateway.loading import KINDS, Kind, KindName, Loader, body_of

GATEWAY_CORE = 0
_START_LIMIT_S = 90.0
_LOOK_S = 0.2
_IDLE_SHARE = 0.1
_IDLE_LIMIT_S = 15.0
_LONGEST_S = 30.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured load.

    A load ends with a call in the air on every connection. The CPU of these is in the account, so
    they count as calls for `cpu_us`, not for `rps`. `upstream_share` is how many of all of them
    reached the provider: 1 for misses, 0 for hits.
    `load_busy` is the share of the second core that provider and loader used: near 1 they, not the
    gateway, are what is measured.
    """

    calls: int
    rps: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    errors: int
    upstream_share: float
    load_busy: float


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn found. `failed` says why there is nothing, or less."""

    first_reply_s: float = 0.0
    rss_start_mb: float = 0.0
    rss_end_mb: float = 0.0
    figures: Mapping[KindName, Figure] | None = None
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and which. A load lasts longer than `seconds` where it would be too few calls."""

    seconds: float
    least_calls: int
    kinds: tuple[KindName, ...]

    def seconds_for(self, rps: float) -> float:
        """Long enough that the calls that its end cuts off do not matter."""
        return min(max(self.seconds, self.least_calls / max(rps, 0.1)), _LONGEST_S)


@dataclass(frozen=True, slots=True)
class Mock:
    """The provider behind everybody."""

    running: Running
    port: int

    def answered(self, *, delay_ms: int | None = None) -> int:
        """How many calls it has answered; with a delay, each answer waits so long from now on."""
        path = "/_mock" if delay_ms is None else f"/_mock/{delay_ms}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        told = json.loads(connection.getresponse().read())
        connection.close()
        return int(told["answered"])


@dataclass(frozen=True, slots=True)
class Bench:
    """What every turn needs."""

    mock: Mock
    loader: Loader
    plan: Plan
    folder: Path

    def turn(self, contender: Contender, number: int) -> Turn:
        """One contender from its start to its end."""
        kinds = tuple(kind for kind in self.plan.kinds if kind in contender.kinds)
        if contender.launch is None:
            launch = Launch([])
            figures = self._figures(self.mock.running, self.mock.port, launch, kinds)
            return Turn(figures=figures)
        folder = self.folder / f"{contender.name}-{number}"
        folder.mkdir()
        place = Place(free_port(), f"http://127.0.0.1:{self.mock.port}/v1", folder)
        launch = contender.launch(place)
        began = time.perf_counter()
        with pinned(launch.command, GATEWAY_CORE, folder / "log", launch.env) as running:
            first_s = _first_reply_s(running, place.port, launch, began)
            if first_s is None:
                return Turn(failed=f"no answer within {_START_LIMIT_S:g} s: {running.last_words()}")
            rss_mb = running.rss_mb()
            figures = self._figures(running, place.port, launch, kinds)
            return Turn(first_s, rss_mb, running.rss_mb(), figures)

    def _figures(
        self, running: Running, port: int, launch: Launch, kinds: tuple[KindName, ...]
    ) -> dict[KindName, Figure]:
        found = {}
        for name in kinds:
            kind = KINDS[name]
            self.mock.answered(delay_ms=kind.delay_ms)
            warm = self.loader.run(port, kind, launch.headers, max(1.0, self.plan.seconds / 4))
            _wait_idle(running)
            seconds = self.plan.seconds_for(warm.calls / warm.seconds)
            found[name] = self._measure(running, port, kind, launch.headers, seconds)
        self.mock.answered(delay_ms=0)
        return found

    def _measure(
        self, running: Running, port: int, kind: Kind, headers: Mapping[str, str], seconds: float
    ) -> Figure:
        answered, mock_ns = self.mock.answered(), self.mock.running.cpu_ns()
        cpu_ns = running.cpu_ns()
        loaded = self.loader.run(port, kind, headers, seconds)
        load_s = (self.mock.running.cpu_ns() - mock_ns) / 1e9 + loaded.cpu_s
        _wait_idle(running)
        begun = loaded.calls + kind.connections
        return Figure(
            calls=loaded.calls,
            rps=loaded.calls / loaded.seconds,
            cpu_us=(running.cpu_ns() - cpu_ns) / begun / 1000,
            p50_ms=loaded.p50_ms,
            p99_ms=loaded.p99_ms,
            errors=loaded.errors,
            upstream_share=(self.mock.answered() - answered) / begun,
            load_busy=load_s / loaded.seconds,
        )


def _wait_idle(running: Running) -> None:
    """Until nothing is left to do: late bookings, and calls whose client is gone."""
    end_s = time.perf_counter() + _IDLE_LIMIT_S
    before, used = running.cpu_ns(), 1.0
    while used > _IDLE_SHARE and time.perf_counter() < end_s:
        time.sleep(_LOOK_S)
        now = running.cpu_ns()
        before, used = now, (now - before) / 1e9 / _LOOK_S


def _first_reply_s(running: Running, port: int, launch: Launch, began: float) -> float | None:
    """Seconds from the start of the process to its first whole, true answer."""
    headers = {"content-type": "application/json", **launch.headers}
    body = body_of(Kind(), "first")
    while time.perf_counter() - began < _START_LIMIT_S and running.alive():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            if answer.status == 200 and b"chat.completion" in answer.read():
                return time.perf_counter() - began
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.01)
    return None


@contextmanager
def mock_provider(python: str, script: Path, log: Path, core: int) -> Iterator[Mock]:
    """The provider, on the load's core."""
    port = free_port()
    with pinned([python, str(script), str(port)], core, log) as running:
        mock = Mock(running, port)
        end_s = time.perf_counter() + 10
        while True:
            try:
                mock.answered()
            except OSError:
                if time.perf_counter() > end_s:
                    raise
                time.sleep(0.01)
            else:
                break
        yield mock
