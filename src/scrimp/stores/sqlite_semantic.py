"""Answers by meaning in one SQLite file that processes share, with indexes in memory.

Facts and answers are read on the event loop: a look-up in the system's page cache takes a few dozen
microseconds. Searches go to a thread of their own, and so do writes, which are committed in groups;
whoever awaits a write knows that every process sees it from then on.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from array import array
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, overload

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
)
from scrimp.ports import CacheScope, Clock, StoredReply
from scrimp.remembered import check_chosen
from scrimp.stores.reply_codec import pack, unpack
from scrimp.stores.semantic_plan import IndexOptions, SemanticLimits
from scrimp.stores.semantic_rules import kept
from scrimp.stores.semantic_untold import Untold
from scrimp.stores.sqlite_replies_file import is_damage
from scrimp.stores.sqlite_replies_rows import micros
from scrimp.stores.sqlite_rest import Gate
from scrimp.stores.sqlite_semantic_file import BOOKS, books_of, open_reader
from scrimp.stores.sqlite_semantic_rows import NewGroup, Rows
from scrimp.stores.sqlite_semantic_search import Searcher
from scrimp.stores.sqlite_semantic_writer import Job, Leaving, Writer, WriterOptions

_log = logging.getLogger("scrimp.cache")
_TALLY_S = 1.0  # how late the file may learn of uses and look-ups
_LARGE_BYTES = 128 * 1024  # unpacking more would hold the event loop up
_READ_PAUSE_S = 1.0
_T = TypeVar("_T")

# A plus keeps the planner from the index of that column: the numbers are few, a scope is not.
_FACTS = """
SELECT id, questions, equal, different, quarantined FROM groups
WHERE +scope = (SELECT id FROM scopes WHERE scope = ?) AND +expires_us > ? AND id IN ({})
"""
_ANSWER = """
SELECT answers.reply FROM groups JOIN answers ON answers.id = groups.id
WHERE groups.id = ? AND +groups.scope = (SELECT id FROM scopes WHERE scope = ?)
  AND NOT groups.quarantined AND +groups.expires_us > ?
"""
_VERDICTS = """
SELECT grp, features, equal, propensity, source, served, at_us, score, cost_nanousd FROM verdicts
WHERE scope = (SELECT id FROM scopes WHERE scope = ?) ORDER BY id DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class SemanticOptions:
    """`index_bytes` bounds the indexes in memory: those used longest ago leave it first."""

    limits: SemanticLimits = field(default_factory=SemanticLimits)
    index: IndexOptions = field(default_factory=IndexOptions)
    writer: WriterOptions = field(default_factory=WriterOptions)
    index_bytes: int = 1024 * 1024 * 1024


class SqliteSemantic:
    """Implements `meanings.SemanticStore` on one event loop. Make it with `open`."""

    def __init__(self, path: Path, clock: Clock, writer: Writer, options: SemanticOptions) -> None:
        self._path = path
        self._clock = clock
        self._writer = writer
        self._connection: sqlite3.Connection | None = None
        self._generation = 0
        self._unread_until = 0.0
        self._why_unread = ""
        self._untold = Untold()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._gate = Gate(self._disconnect)
        self._search = ThreadPoolExecutor(1, "scrimp-search")
        self._tending = ThreadPoolExecutor(1, "scrimp-tend")
        self._tended: Future[None] | None = None
        self._searcher = Searcher(
            path, clock, self._open_reader, options.index, options.index_bytes
        )

    @classmethod
    def open(
        cls,
        path: Path,
        clock: Clock,
        options: SemanticOptions | None = None,
        *,
        tell: Callable[[str], None] = _log.warning,
    ) -> SqliteSemantic:
        """Open or make the file (0600) and start its writer. Never raises.

        A file that cannot be used (another's, of a newer Scrimp, unwritable) is told once, and
        everything that is asked raises StoreError; a damaged one is set aside and made anew. `tell`
        gets one line for each turn of fortune, from any thread.
        """
        options = options or SemanticOptions()
        writer = Writer(path, clock, options.limits, options.writer, tell)
        writer.start()
        return cls(path, clock, writer, options)

    async def nearest(self, scope: bytes, vector: bytes, count: int) -> tuple[Neighbour, ...]:
        """The nearest known questions, nearest first."""
        self._check()
        generation = self._usable()
        loop = asyncio.get_running_loop()
        try:
            found, busy = await loop.run_in_executor(
                self._search, self._searcher.near, scope, vector, count, generation
            )
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        if busy is not None and (self._tended is None or self._tended.done()) and not self._closed:
            self._tended = self._tending.submit(self._searcher.tend, busy)
        return found

    async def facts(self, scope: bytes, groups: tuple[int, ...]) -> tuple[GroupFacts, ...]:
        """What is known of these groups, in order; groups that are gone are left out."""
        query = _FACTS.format(",".join("?" * len(groups)))
        rows = self._read(query, (scope, self._now_us(), *groups))
        found = {
            number: GroupFacts(number, size, equal, different, bool(quarantined))
            for number, size, equal, different, quarantined in rows
        }
        return tuple(found[group] for group in groups if group in found)

    async def answer(self, scope: bytes, group: int) -> StoredReply | None:
        """The answer of a group; None when it is gone, past its time, or in quarantine."""
        rows = self._read(_ANSWER, (group, scope, self._now_us()))
        if not rows:
            return None
        data: bytes = rows[0][0]
        few = len(data) < _LARGE_BYTES
        stored = unpack(data) if few else await asyncio.to_thread(unpack, data)
        self._untold.use(group)
        self._arm()
        return stored

    async def add_root(
        self, scope: bytes, known: Known, answer: StoredReply, about: About = UNNAMED
    ) -> int | None:
        """A new group with its answer; the group's number, or None when it is declined."""
        question = kept(known, root=True)

        def work(rows: Rows) -> int | None:
            return rows.add_root(scope, NewGroup(question, answer, pack(answer), about))

        return await self._do(work)

    async def add_alias(self, scope: bytes, known: Known, *, caller: str = "") -> bool:
        """Another question of a group. False when it is declined."""
        question = kept(known, root=False)
        return await self._do(lambda rows: rows.add_alias(scope, known.group, question, caller))

    async def judged(self, scope: bytes, verdict: Judged) -> None:
        """Write a verdict into the log, and into the facts of its group."""
        await self._do(lambda rows: rows.judged(scope, verdict))

    def tally(self, scope: CacheScope, *, hits: int = 0, misses: int = 0, audits: int = 0) -> None:
        """Count look-ups in the cache's books; the file learns of them within a second."""
        self._untold.look(scope, (hits, misses, audits))
        self._arm()

    async def verdicts(self, scope: bytes, last: int) -> tuple[Judged, ...]:
        """The newest verdicts of a scope, oldest first."""
        rows = await asyncio.to_thread(self._read_apart, _VERDICTS, (scope, last))
        return tuple(_judged(row) for row in reversed(rows))

    async def load(self, scope: bytes) -> bytes | None:
        """The state that `save` kept for the scope."""
        rows = self._read("SELECT state FROM scopes WHERE scope = ?", (scope,))
        state: bytes | None = rows[0][0] if rows else None
        return state

    async def save(self, scope: bytes, state: bytes) -> None:
        """Keep the learned state of a scope."""
        await self._do(lambda rows: rows.save(scope, state))

    async def quarantine(self, scope: bytes, group: int) -> None:
        """Never serve this answer again, in any process."""
        await self._do(lambda rows: rows.quarantine(scope, group))

    async def claim(self, scope: bytes, group: int, *, lease_s: float) -> bool:
        """True: this process has the answer made anew."""
        return await self._do(lambda rows: rows.claim(scope, group, lease_s))

    async def renew(
        self, scope: bytes, group: int, known: Known, answer: StoredReply
    ) -> int | None:
        """A new group in place of this one; None when that is gone, or it is declined."""
        new = NewGroup(kept(known, root=True), answer, pack(answer), answer.about)
        return await self._do(lambda rows: rows.renew(scope, group, new))

    async def delete(self, scope: bytes, group: int) -> bool:
        """Forget a group. False when it was not there."""
        return await self._do(Leaving(scope, group))

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget every group that is chosen; how many there were. Raises InvalidRequest."""
        check_chosen(chosen)
        return await self._do(lambda rows: rows.invalidate(chosen, dry_run=dry_run), many=True)

    async def stats(self, tenant: str | None = None) -> tuple[SemanticStats, ...]:
        """What is kept and counted, by all processes."""
        await self._do(Rows.purge, many=True)
        rows = await asyncio.to_thread(self._read_apart, BOOKS, ())
        return books_of(rows, tenant)

    async def close(self) -> None:
        """Commit what waits, save the indexes, let go of the file. May be called twice."""
        if not self._closed:
            self._hand_over()
            self._closed = True
            await asyncio.to_thread(self._stop)
            self._disconnect()

    def _stop(self) -> None:
        self._search.shutdown()
        self._tending.shutdown()
        self._writer.stop()
        self._searcher.close()

    def _check(self) -> None:
        if self._closed:
            raise StoreError(f"the semantic cache {self._path} is closed")

    def _usable(self) -> int:
        """The generation of the file. Raises StoreError when it cannot be used now."""
        generation = self._writer.file.generation
        if not generation:
            raise StoreError(self._writer.file.trouble.said)
        if time.monotonic() < self._unread_until:
            raise StoreError(self._why_unread)
        return generation

    def _read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        """Rows. Raises StoreError."""
        self._check()
        with self._gate:
            generation = self._usable()
            if self._connection is None or generation != self._generation:
                self._disconnect()
                self._connection, self._generation = self._open_reader()
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise self._unreadable(error) from error

    def _read_apart(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        """Rows that take long, on a connection of their own and in a thread. Raises StoreError."""
        self._check()
        self._usable()
        connection, _ = self._open_reader()
        try:
            return connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        finally:
            connection.close()

    def _open_reader(self) -> tuple[sqlite3.Connection, int]:
        generation = self._writer.file.generation
        try:
            return open_reader(self._path), generation
        except StoreError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: sqlite3.Error | StoreError) -> StoreError:
        self._unread_until = time.monotonic() + _READ_PAUSE_S
        words = str(error) if isinstance(error, StoreError) else f"{self._path}: {error}"
        self._why_unread = f"the semantic cache cannot be read now: {words}"
        if is_damage(error):
            self._writer.queue.put(Job(Rows.check))
        return StoreError(self._why_unread)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @overload
    async def _do(self, work: Leaving) -> bool: ...
    @overload
    async def _do(self, work: Callable[[Rows], _T], *, many: bool = False) -> _T: ...
    async def _do(self, work: Callable[[Rows], Any] | Leaving, *, many: bool = False) -> Any:
        """Have the writer do something in its turn. Raises StoreError."""
        self._check()
        writer = self._writer
        if writer.file.trouble.said and time.monotonic() < writer.file.trouble.retry_at:
            raise StoreError(writer.file.trouble.said)
        self._hand_over()
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        writer.queue.put(Job(work, done, many))
        return await done

    def _arm(self) -> None:
        if self._timer is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_TALLY_S, self._hand_over)

    def _hand_over(self) -> None:
        """Uses and look-ups go to the writer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._untold and not self._closed:
            touched, looks = self._untold.take()

            def work(rows: Rows) -> None:
                rows.touch(touched)
                rows.tally(looks)

            self._writer.queue.put(Job(work))

    def _now_us(self) -> int:
        return micros(self._clock.now())


def _judged(row: tuple[Any, ...]) -> Judged:
    group, features, equal, propensity, source, served, at_us, score, cost = row
    return Judged(
        group=group,
        features=tuple(array("d", features)),
        equal=bool(equal),
        propensity=propensity,
        source=source,
        served=bool(served),
        at=EPOCH + timedelta(microseconds=at_us),
        score=score,
        cost_nanousd=cost,
    )
