"""Questions and answers by meaning for tests: vectors at a chosen angle, stores by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import numpy as np

from scrimp.meanings import Known, SemanticStore
from scrimp.ports import CacheScope, Clock, StoredReply
from scrimp.stores.semantic_memory import MemorySemantic
from scrimp.stores.semantic_plan import IndexOptions, SemanticLimits
from scrimp.stores.sqlite_semantic import SemanticOptions, SqliteSemantic
from tests.support.core import reply_of

ENGINES = ("memory", "sqlite")
DIMS = 8
EAGER = IndexOptions(exact_up_to=40, tail=16, pause_s=0)
"""A graph as soon as there are a few dozen."""


def vector(angle: float, dims: int = DIMS) -> bytes:
    """Of length 1, so far (in radians) from `vector(0)`."""
    row = np.zeros(dims, "<f4")
    row[0], row[1] = math.cos(angle), math.sin(angle)
    return row.tobytes()


def scattered(number: int, dims: int = 32) -> bytes:
    """One of many directions, always the same for a number."""
    row = np.random.default_rng(number).standard_normal(dims).astype("<f4")
    unit = np.asarray(row / np.linalg.norm(row), "<f4")
    return unit.tobytes()


def cosine(one: bytes, other: bytes) -> float:
    """Of two vectors, in double precision."""
    rows: Sequence[np.ndarray] = [np.frombuffer(v, "<f4").astype(float) for v in (one, other)]
    return float(rows[0] @ rows[1])


def known(angle: float, group: int = 0, text: str = "", sketch: bytes = b"sk") -> Known:
    """A question in that direction."""
    return Known(group, vector(angle), sketch, text)


def answered(
    clock: Clock, body: bytes = b"{}", *, ttl_s: float = 3600, scope: CacheScope | None = None
) -> StoredReply:
    """An answer that lives so long."""
    now = clock.now()
    scope = scope or CacheScope("key:ana", "factual_qa")
    return StoredReply(reply_of(body=body), now, now + timedelta(seconds=ttl_s), scope)


async def open_store(
    stack: AsyncExitStack,
    engine: str,
    clock: Clock,
    path: Path,
    *,
    limits: SemanticLimits | None = None,
    index: IndexOptions | None = None,
) -> SemanticStore:
    """A store that the stack closes."""
    limits, index = limits or SemanticLimits(), index or IndexOptions()
    store: SemanticStore
    if engine == "memory":
        store = MemorySemantic(clock, limits, index)
    else:
        store = SqliteSemantic.open(path, clock, SemanticOptions(limits, index))
    stack.push_async_callback(store.close)
    return store
