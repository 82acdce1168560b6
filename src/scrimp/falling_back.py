"""How going elsewhere after an error is put together: chains, circuits, and their shared file."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from scrimp.billing import places_of
from scrimp.budgets.worst import WorstCase
from scrimp.calls import Call
from scrimp.health import Healths, HealthStore
from scrimp.levers.fallback import Fallback, FallbackSettings
from scrimp.pipeline.background import Spawn
from scrimp.pipeline.circuits import Circuits
from scrimp.ports import Clock
from scrimp.routing.circuit import Rules
from scrimp.routing.fallback_tables import CircuitTable
from scrimp.routing.instead import Instead
from scrimp.routing.regions import Regions
from scrimp.settings import Settings
from scrimp.stores.memory_health import MemoryHealth
from scrimp.stores.sqlite_health import SqliteHealth
from scrimp.targets import Targets


@dataclass(frozen=True, slots=True)
class FallingBack:
    """The lever, and how long retries below it may wait."""

    lever: Fallback | None
    patience: Patience


@dataclass(frozen=True, slots=True)
class Patience:
    """Called with a call: the longest wait before a retry, in seconds; None: as retry's settings.

    While another target stands ready nobody waits long for the first one, and nobody waits for what
    would come after the call's deadline.
    """

    clock: Clock
    instead: Instead | None
    retry_wait_s: float
    deadline_ms: int | None

    def __call__(self, call: Call) -> float | None:
        """Asked only after an error."""
        limits: list[float] = []
        if self.instead is not None and self.instead.names(call):
            limits.append(self.retry_wait_s)
        if (deadline_ms := call.wish.deadline_ms or self.deadline_ms) is not None:
            gone_s = (self.clock.now() - call.started_at).total_seconds()
            limits.append(max(0.0, deadline_ms / 1000 - gone_s))
        return min(limits, default=None)


def falling_back(
    settings: Settings, targets: Targets, worst_case: WorstCase, clock: Clock, spawn: Spawn
) -> FallingBack:
    """Without a lever where it is switched off."""
    section = settings.fallback
    if not section.enabled:
        return FallingBack(None, Patience(clock, None, 0.0, None))
    regions = Regions(places_of(settings), settings.route.facts, targets)
    instead = Instead(section, targets, worst_case, clock, regions)
    circuits = Circuits(store_of(settings), clock, rules_of(section.circuit), spawn)
    lever = Fallback(
        instead,
        circuits,
        clock,
        FallbackSettings(
            also_on=frozenset(section.also_on),
            larger_window=section.larger_window,
            deadline_ms=section.deadline_ms,
            least_ms=section.least_ms,
        ),
    )
    patience = Patience(clock, instead, section.retry_wait_s, section.deadline_ms)
    return FallingBack(lever, patience)


def store_of(settings: Settings) -> HealthStore:
    """In memory, or for several workers in a file that they share. Nothing is opened yet."""
    if settings.server.workers == 1:
        return MemoryHealth()
    return SqliteHealth(settings.state_path / "health.sqlite")


async def health_of(settings: Settings) -> Healths:
    """What a file that workers share says of upstreams. Raises StoreError."""
    return await store_of(settings).look()


def rules_of(table: CircuitTable) -> Rules:
    """The table as the state machine takes it."""
    return msgspec.convert(msgspec.structs.asdict(table), Rules)
