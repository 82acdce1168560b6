"""Answers by meaning on real servers of their own, for as long as they are measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil  # type: ignore[import-untyped]  # ships no types

from scrimp.clock import SystemClock
from scrimp.stores.postgres_link import LinkOptions as PostgresLink
from scrimp.stores.postgres_semantic import PostgresSemantic
from scrimp.stores.postgres_semantic import SemanticOptions as PostgresOptions
from scrimp.stores.redis_link import LinkOptions as RedisLink
from scrimp.stores.redis_semantic import RedisSemantic
from scrimp.stores.redis_semantic import SemanticOptions as RedisOptions
from scrimp.stores.semantic_plan import IndexOptions, SemanticLimits
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer, vector_server

SERVED = ("postgres", "redis")
_PATIENT_S = 120.0


@asynccontextmanager
async def served(
    engine: str, clock: SystemClock, limits: SemanticLimits, index: IndexOptions
) -> AsyncIterator[tuple[PostgresSemantic | RedisSemantic, int]]:
    """A store on a new server on this machine, and the process of that server."""
    if engine == "redis":
        with RedisServer(program=vector_server()) as server:
            options = RedisOptions(limits, index, RedisLink(_PATIENT_S))
            redis = RedisSemantic(server.url, clock, options)
            async with asyncio.TaskGroup() as group:
                group.create_task(redis.run())
                yield redis, _listening(server.port)
                await redis.close()
        return
    with PostgresServer() as database:
        link = PostgresLink(timeout_s=_PATIENT_S, connections=4)
        postgres = PostgresSemantic(database.url, clock, PostgresOptions(limits, index, link))
        yield postgres, _listening(database.port)
        await postgres.close()


def memory_mb(process: int) -> float:
    """What a server has in memory, its helpers included; what they share counts once."""
    found = psutil.Process(process)
    held: int = sum(one.memory_full_info().pss for one in (found, *found.children()))
    return held / 1e6


def _listening(port: int) -> int:
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid:
            return int(one.pid)
    raise AssertionError(f"nobody listens at {port}")
