"""Simulator and gateway together, for tests that look at both ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway


@dataclass(frozen=True, slots=True)
class Stage:
    """A provider and the gateway in front of it."""

    sim: Simulator
    gateway: RunningGateway

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self.gateway.url


@contextmanager
def staged(*, more: str = "", per_token_ms: float = 0.0) -> Iterator[Stage]:
    """Both, on free ports. `more` is TOML, as `gateway` takes it."""
    with Simulator(per_token_ms=per_token_ms) as sim, gateway(sim.url, more=more) as running:
        yield Stage(sim, running)


_CLIENTS = ("openai", "anthropic", "httpx2", "httpcore2")
_FORMAT = logging.Formatter("%(name)s %(message)s")


def logged(records: list[logging.LogRecord]) -> str:
    """What the gateway and its libraries logged, tracebacks and all; the test's own SDKs apart."""
    ours = (record for record in records if not record.name.startswith(_CLIENTS))
    return "\n".join(_FORMAT.format(record) for record in ours)


def until(true: Callable[[], bool], *, limit_s: float = 10.0) -> None:
    """Wait for what happens in another thread or process."""
    end_s = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end_s, f"not within {limit_s:g} s"
        time.sleep(0.002)
