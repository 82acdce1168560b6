"""Words and port of health: how upstreams have answered of late, as all workers see it."""

from __future__ import annotations

from typing import Literal, Protocol

from scrimp.values import Value

Circuit = Literal["closed", "open", "half_open"]
"""Calls pass · calls go elsewhere · one call at a time tries whether it is well again."""


class Verdict(Value, frozen=True):
    """How one attempt at an upstream ended: `failed` only where the upstream is to blame."""

    upstream: str
    failed: bool
    latency_ms: float


class HealthStore(Protocol):
    """What was seen of upstreams, shared by all workers. Raises StoreError."""

    async def seen(self, verdict: Verdict) -> None:
        """One attempt more."""
        ...

    async def may_try(self, upstream: str) -> Circuit:
        """`half_open` for the one call that may probe; others see `open` until it has ended."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
