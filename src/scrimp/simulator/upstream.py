"""One simulated upstream as a test sees it: its address, its bill, its faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from scrimp.simulator.app import Provider
from scrimp.simulator.bill import Bill
from scrimp.simulator.faults import Rule, parse
from scrimp.simulator.link import Connection
from scrimp.simulator.records import Recorded
from scrimp.simulator.settings import Settings

_POLL_S: Final = 0.002


class Upstream:
    """Everything may be asked from any thread, while it runs and after it."""

    def __init__(self, provider: Provider, url: Callable[[], str]) -> None:
        self._provider = provider
        self._where = url

    @property
    def url(self) -> str:
        """Such as `http://127.0.0.1:40123`: what the Anthropic SDK takes as base URL."""
        return self._where()

    @property
    def openai_url(self) -> str:
        """`url` with `/v1`: what the OpenAI SDK takes as base URL."""
        return f"{self.url}/v1"

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
        """Ended connections, then open ones; of all upstreams of the simulator."""
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
        The text may say it too, and more: `503:after=10:count=5`, `529:share=0.5:for=2`,
        `429:path=/v1/embeddings`.
        """
        self._provider.plan.add(Rule(parse(fault), count, every, probability, seed))

    def no_faults(self) -> None:
        """Drop the plan."""
        self._provider.plan.clear()

    def limit(
        self,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        output_tokens_per_minute: int | None = None,
    ) -> None:
        """Rate limits per key from now on; None refuses nothing."""
        self._provider.limits.change(
            Settings(
                requests_per_minute=requests_per_minute,
                tokens_per_minute=tokens_per_minute,
                output_tokens_per_minute=output_tokens_per_minute,
            )
        )

    def advance(self, seconds: float) -> None:
        """Put the clock forward that limits, prompt caches and timed faults go by."""
        self._provider.clock.advance(seconds)

    def reset(self) -> None:
        """Forget bill, requests, faults and ended connections."""
        self._provider.reset()
