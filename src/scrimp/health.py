"""Words and port of health: how upstreams have answered of late, as all workers see it.

An upstream is named by its provider, or by `provider/model` for what concerns one model only. Times
are seconds since 1970, for processes share them. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from scrimp.values import Value

Circuit = Literal["closed", "open", "half_open"]
"""Calls pass · calls go elsewhere · one call at a time tries whether it is well again."""


class Tally(Value, frozen=True):
    """Attempts that began to be counted at `at_s`, and how many of them failed."""

    at_s: int
    calls: int
    failures: int


class Health(Value, frozen=True, omit_defaults=True):
    """What is known of one upstream.

    `seen` is counted while the circuit is closed. Once open it is so until `until_s`, and never
    tried before `not_before_s`, as the provider asked. `openings` grows while it does not stay
    well, `passed` counts probes in a row that went well. `prober` probes now, until `probe_until_s`
    at most. `closed_s` is when it closed last.
    """

    circuit: Circuit = "closed"
    seen: tuple[Tally, ...] = ()
    until_s: float = 0.0
    not_before_s: float = 0.0
    openings: int = 0
    passed: int = 0
    prober: str = ""
    probe_until_s: float = 0.0
    closed_s: float = 0.0


WELL = Health()
Healths = Mapping[str, Health]
"""By upstream. Who is not there is well."""


class HealthStore(Protocol):
    """What was seen of upstreams, shared by all workers. Raises StoreError."""

    async def look(self) -> Healths:
        """All that is known."""
        ...

    async def change(self, change: Callable[[Healths], Healths]) -> Healths:
        """Put what `change` makes of all that is known in its place; nobody comes between.

        `change` is pure and may be called from another thread. Returns what is then known.
        """
        ...
