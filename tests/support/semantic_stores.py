"""Questions and answers by meaning for tests: vectors at a chosen angle, stores by name."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np

from scrimp.meanings import Known, SemanticStore
from scrimp.ports import CacheScope, Clock, StoredReply
from scrimp.stores.postgres_link import LinkOptions
from scrimp.stores.postgres_semantic import PostgresSemantic
from scrimp.stores.postgres_semantic import SemanticOptions as PostgresOptions
from scrimp.stores.redis_link import LinkOptions as RedisLinkOptions
from scrimp.stores.redis_semantic import RedisSemantic
from scrimp.stores.redis_semantic import SemanticOptions as RedisOptions
from scrimp.stores.semantic_memory import MemorySemantic
from scrimp.stores.semantic_plan import IndexOptions, SemanticLimits
from scrimp.stores.sqlite_semantic import SemanticOptions, SqliteSemantic
from tests.support.core import reply_of
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer, vector_server
from tests.support.whole_run import AT_END

ENGINES = ("memory", "sqlite", "postgres", "redis")
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


def open_postgres(
    clock: Clock,
    path: Path,
    *,
    limits: SemanticLimits | None = None,
    index: IndexOptions | None = None,
    link: LinkOptions | None = None,
) -> PostgresSemantic:
    """On the one server of the test run, in the schema that belongs to that path."""
    server = postgres()
    link = replace(link or LinkOptions(timeout_s=20), schema=schema_of(path))
    options = PostgresOptions(limits or SemanticLimits(), index or IndexOptions(), link, 0.0)
    return PostgresSemantic(server.url, clock, options)


def schema_of(path: Path) -> str:
    """The same for the same path, and another for any other."""
    return f"test_{hashlib.blake2b(str(path).encode(), digest_size=12).hexdigest()}"


@cache
def postgres() -> PostgresServer:
    """One for all tests of a run: started when the first needs it, ended with the run."""
    return AT_END.enter_context(PostgresServer())


@cache
def redis() -> RedisServer:
    """One with vector search for all tests of a run; skips where there is none."""
    return AT_END.enter_context(RedisServer(program=vector_server()))


def open_redis(
    stack: AsyncExitStack,
    clock: Clock,
    path: Path,
    *,
    limits: SemanticLimits | None = None,
    index: IndexOptions | None = None,
) -> RedisSemantic:
    """On the one server of the test run, under the prefix of that path; the stack closes it."""
    options = RedisOptions(
        limits or SemanticLimits(),
        index or IndexOptions(),
        RedisLinkOptions(timeout_s=20),
        prefix=schema_of(path),
        margin_s=0.0,
    )
    return running_redis(stack, RedisSemantic(redis().url, clock, options))


def running_redis(stack: AsyncExitStack, store: RedisSemantic) -> RedisSemantic:
    """With a task that runs it until the stack ends."""
    running = asyncio.get_running_loop().create_task(store.run())

    async def close() -> None:
        await store.close()
        await running

    stack.push_async_callback(close)
    return store


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
    if engine == "redis":
        return open_redis(stack, clock, path, limits=limits, index=index)
    limits, index = limits or SemanticLimits(), index or IndexOptions()
    store: SemanticStore
    if engine == "memory":
        store = MemorySemantic(clock, limits, index)
    elif engine == "postgres":
        store = open_postgres(clock, path, limits=limits, index=index)
    else:
        store = SqliteSemantic.open(path, clock, SemanticOptions(limits, index))
    stack.push_async_callback(store.close)
    return store
