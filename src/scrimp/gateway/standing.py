"""What one serving process knows of itself: whether it drains, what is in the air, what it counted.

The server's protocol and the gateway's views share it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from uvicorn.server import ServerState

from scrimp.gateway.metrics import Metrics
from scrimp.gateway.metrics_text import Counts, series

Everyone = Callable[[], Awaitable[Counts]]


class Standing(ServerState):
    """The library's state of a server, and ours.

    `everyone` gives the counts of all workers together; without workers, this process's own.
    """

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self.draining = False
        self.metrics = metrics
        self.everyone: Everyone = self.own

    async def own(self) -> Counts:
        """What this process has counted, which is all there is."""
        return {**self.counts(), series("workers"): 1, series("worker_deaths_total"): 0}

    def counts(self) -> Counts:
        """The same, at once."""
        return self.metrics.counts(
            in_flight=len(self.tasks),
            connections=len(self.connections),
            http_requests=self.total_requests,
        )
