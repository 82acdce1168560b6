"""Answers by meaning in a PostgreSQL with pgvector, which machines share.

The server compares: one by one in small scopes, by a graph of its own (HNSW) in large ones; what it
finds is compared again here, exactly. While `run` runs, uses and look-ups are told, graphs are made
and what is past its time is forgotten; without it, all but graphs happens with the next write.
"""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from scrimp.errors import StoreError
from scrimp.ledger.rollups import EPOCH
from scrimp.meanings import (
    UNNAMED,
    About,
    Chosen,
    GroupFacts,
    Judged,
    Known,
    Neighbour,
    SemanticStats,
    VerdictSource,
)
from scrimp.ports import CacheScope, Clock, StoredReply
from scrimp.remembered import check_chosen
from scrimp.stores.postgres_link import LinkOptions, PostgresLink, Script
from scrimp.stores.postgres_semantic_rows import NewGroup, Rows, other_size
from scrimp.stores.reply_codec import pack, unpack
from scrimp.stores.semantic_plan import IndexOptions, SemanticLimits
from scrimp.stores.semantic_rules import kept, micros
from scrimp.stores.semantic_untold import Untold
from scrimp.stores.semantic_vectors import Row, ranked, read
from scrimp.stores.sqlite_semantic_file import BOOKS, books_of

_log = logging.getLogger("scrimp.cache")

SCRIPT = Script("semantic cache", "postgres_semantic_")
_SPARE = 24
_TALLY_S = 1.0
_PURGE_S = 60.0
_GRAPH_S = 3600.0
"""How long making a graph may take: a million vectors need some minutes."""
_MOST_DIMS = 4000
"""Numbers of a vector that pgvector can put into a graph of 16-bit floats."""

_FIND = "SELECT id, dims, questions, graph FROM scopes WHERE scope = $1"
# The scope is written out: only so does the planner know that its graph holds all of it. The vector
# is a SELECT: else its text would be read again for each row.
NEAR = """
SELECT id, grp, vector, sketch FROM questions WHERE scope = {scope:d} AND expires_us > $1
ORDER BY near::HALFVEC({dims:d}) <#> (SELECT $2::TEXT::HALFVEC({dims:d})) LIMIT $3
"""
_FACTS = """
SELECT id, questions, equal, different, quarantined FROM groups
WHERE scope = (SELECT id FROM scopes WHERE scope = $1) AND expires_us > $2
  AND id = ANY($3::BIGINT[])
"""
_ANSWER = """
SELECT reply FROM groups WHERE id = $1 AND scope = (SELECT id FROM scopes WHERE scope = $2)
  AND NOT quarantined AND expires_us > $3
"""
_VERDICTS = """
SELECT grp, features, equal, propensity, source, served, at_us, score, cost_nanousd FROM verdicts
WHERE scope = (SELECT id FROM scopes WHERE scope = $1) ORDER BY id DESC LIMIT $2
"""
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"
_CROWDED = "SELECT id, dims FROM scopes WHERE questions > $1 AND NOT graph AND dims <= $2"
_EMPTIED = "SELECT id FROM scopes WHERE graph AND questions < $1"
_MAKE = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON questions
USING hnsw ((near::HALFVEC({dims:d})) halfvec_ip_ops) WHERE scope = {scope:d}
"""


@dataclass(frozen=True, slots=True)
class SemanticOptions:
    """`margin_s` is added to how long ago an answer was asked for: a trip takes its time."""

    limits: SemanticLimits = field(default_factory=SemanticLimits)
    index: IndexOptions = field(default_factory=IndexOptions)
    link: LinkOptions = field(default_factory=LinkOptions)
    margin_s: float = 0.5


class PostgresSemantic:
    """Implements `meanings.SemanticStore` on one event loop."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        options: SemanticOptions | None = None,
        *,
        tell: Callable[[str], None] = _log.warning,
    ) -> None:
        """Nothing is opened yet. Raises ConfigError for a name that is no schema's."""
        self._options = options or SemanticOptions()
        self._clock = clock
        self._link = PostgresLink(url, SCRIPT, self._options.link, tell)
        self._untold = Untold()
        self._crowded = True  # perhaps: another process may have filled it
        self._stop = asyncio.Event()

    async def nearest(self, scope: bytes, vector: bytes, count: int) -> tuple[Neighbour, ...]:
        """The nearest known questions, nearest first."""
        row = read(vector)
        async with self._link.connection() as connection:
            found = await connection.fetchrow(_FIND, scope)
            if found is None or not found["questions"]:
                return ()
            dims = found["dims"]
            if dims != len(row):
                raise other_size(len(row), dims)
            query = NEAR.format(scope=found["id"], dims=dims)
            near = await connection.fetch(query, self._now_us(), _text(row), count + _SPARE)
        self._crowded |= not found["graph"] and found["questions"] > self._options.index.exact_up_to
        return ranked(row, [tuple(one) for one in near], count)

    async def facts(self, scope: bytes, groups: tuple[int, ...]) -> tuple[GroupFacts, ...]:
        """What is known of these groups, in order; groups that are gone are left out."""
        async with self._link.connection() as connection:
            rows = await connection.fetch(_FACTS, scope, self._now_us(), list(groups))
        found = {row["id"]: GroupFacts(*row) for row in rows}
        return tuple(found[group] for group in groups if group in found)

    async def answer(self, scope: bytes, group: int) -> StoredReply | None:
        """The answer of a group; None when it is gone, past its time, or in quarantine."""
        async with self._link.connection() as connection:
            data = await connection.fetchval(_ANSWER, group, scope, self._now_us())
        if data is None:
            return None
        self._untold.use(group)
        return unpack(data)

    async def add_root(
        self, scope: bytes, known: Known, answer: StoredReply, about: About = UNNAMED
    ) -> int | None:
        """A new group with its answer; the group's number, or None when it is declined."""
        question, near = kept(known, root=True), _text(read(known.vector))
        new = NewGroup(question, near, answer, pack(answer), about)
        async with self._writing() as rows:
            return await rows.add_root(scope, new)

    async def add_alias(self, scope: bytes, known: Known, *, caller: str = "") -> bool:
        """Another question of a group. False when it is declined."""
        question, near = kept(known, root=False), _text(read(known.vector))
        async with self._writing() as rows:
            return await rows.add_alias(scope, known.group, (question, near), caller)

    async def judged(self, scope: bytes, verdict: Judged) -> None:
        """Write a verdict into the log, and into the facts of its group."""
        async with self._writing() as rows:
            await rows.judged(scope, verdict)

    def tally(self, scope: CacheScope, *, hits: int = 0, misses: int = 0, audits: int = 0) -> None:
        """Count look-ups in the cache's books; the server learns of them within a second."""
        self._untold.look(scope, (hits, misses, audits))

    async def verdicts(self, scope: bytes, last: int) -> tuple[Judged, ...]:
        """The newest verdicts of a scope, oldest first."""
        async with self._link.connection() as connection:
            rows = await connection.fetch(_VERDICTS, scope, last)
        return tuple(_judged(row) for row in reversed(rows))

    async def load(self, scope: bytes) -> bytes | None:
        """The state that `save` kept for the scope."""
        query = "SELECT state FROM scopes WHERE scope = $1"
        async with self._link.connection() as connection:
            state: bytes | None = await connection.fetchval(query, scope)
        return state

    async def save(self, scope: bytes, state: bytes) -> None:
        """Keep the learned state of a scope."""
        async with self._writing() as rows:
            await rows.save(scope, state)

    async def quarantine(self, scope: bytes, group: int) -> None:
        """Never serve this answer again, on any machine."""
        async with self._writing() as rows:
            await rows.quarantine(scope, group)

    async def claim(self, scope: bytes, group: int, *, lease_s: float) -> bool:
        """True: this process has the answer made anew."""
        async with self._writing() as rows:
            return await rows.claim(scope, group, lease_s)

    async def renew(
        self, scope: bytes, group: int, known: Known, answer: StoredReply
    ) -> int | None:
        """A new group in place of this one; None when that is gone, or it is declined."""
        question, near = kept(known, root=True), _text(read(known.vector))
        new = NewGroup(question, near, answer, pack(answer), answer.about)
        async with self._writing() as rows:
            return await rows.renew(scope, group, new)

    async def delete(self, scope: bytes, group: int) -> bool:
        """Forget a group. False when it was not there."""
        async with self._writing() as rows:
            return await rows.delete(scope, group)

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget every group that is chosen; how many there were. Raises InvalidRequest."""
        check_chosen(chosen)
        async with self._writing() as rows:
            return await rows.invalidate(chosen, dry_run=dry_run)

    async def stats(self, tenant: str | None = None) -> tuple[SemanticStats, ...]:
        """What is kept and counted, by all machines."""
        async with self._writing() as rows:
            await rows.purge()
        async with self._link.connection() as connection:
            return books_of(await connection.fetch(BOOKS), tenant)

    async def run(self) -> None:
        """Tell, forget and make graphs beside the calls, until `close`."""
        purge_s, purged_s = _PURGE_S, self._clock.monotonic()
        while not self._stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_TALLY_S):
                    await self._stop.wait()
            with suppress(StoreError):  # it is told once, and waits for the next time
                if self._untold:
                    async with self._writing():
                        pass
                if self._clock.monotonic() - purged_s >= purge_s:
                    purged_s = self._clock.monotonic()
                    async with self._writing() as rows:
                        await rows.purge()
                    self._crowded = True
                if self._crowded and not self._stop.is_set():
                    await self.tend()

    async def tend(self) -> None:
        """Make graphs of scopes that are large by now, and drop those of others. Raises StoreError.

        Searches and writes go on meanwhile; of several machines one does it.
        """
        async with self._link.connection(patient=True) as connection:
            lock = f"{SCRIPT.prefix}graphs {self._options.link.schema}"
            if not await connection.fetchval(_TRY_LOCK, lock):
                return
            try:
                await self._tend(connection)
            finally:
                await connection.execute(_UNLOCK, lock)
        self._crowded = False

    async def close(self) -> None:
        """Tell what waits, let go of the server. May be called twice."""
        if not self._stop.is_set():
            self._stop.set()
            with suppress(StoreError):
                if self._untold:
                    async with self._writing():
                        pass
            await self._link.close()

    async def _tend(self, connection: Any) -> None:
        exact, schema = self._options.index.exact_up_to, self._options.link.schema
        for scope, dims in await connection.fetch(_CROWDED, exact, _MOST_DIMS):
            name = f"questions_graph_{scope:d}"
            # what was interrupted leaves an index that is no good
            await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name}")
            await connection.execute(
                _MAKE.format(name=name, scope=scope, dims=dims), timeout=_GRAPH_S
            )
            await connection.execute("UPDATE scopes SET graph = true WHERE id = $1", scope)
        for (scope,) in await connection.fetch(_EMPTIED, exact // 4):
            name = f"questions_graph_{scope:d}"
            await connection.execute("UPDATE scopes SET graph = false WHERE id = $1", scope)
            await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name}")

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Rows]:
        """The tables, with uses and look-ups told first. Raises StoreError."""
        touched, looks = self._untold.take()
        try:
            async with self._link.writing() as connection:
                options = self._options
                rows = Rows(connection, self._clock, options.limits, options.margin_s)
                if touched:
                    await rows.touch(touched)
                if looks:
                    await rows.tally(looks)
                yield rows
        except BaseException:
            self._untold.give_back(looks)
            raise

    def _now_us(self) -> int:
        return micros(self._clock.now())


def _text(row: Row) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(map(repr, row.tolist()))}]"


def _judged(row: Any) -> Judged:
    group, features, equal, propensity, source, served, at_us, score, cost = row
    told: VerdictSource = source
    at = EPOCH + timedelta(microseconds=at_us)
    return Judged(
        group=group,
        features=tuple(array("d", features)),
        equal=equal,
        propensity=propensity,
        source=told,
        served=served,
        at=at,
        score=score,
        cost_nanousd=cost,
    )
