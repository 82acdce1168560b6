"""Answers by meaning in a Redis 8 with its vector sets, which machines share.

The server finds candidates by a graph of its own (HNSW over 32-bit floats, one per scope); their
rows are compared again here, exactly. Everything works while `run` runs; it also tells of uses and
look-ups, and forgets what is past its time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from scrimp.errors import StoreError
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
from scrimp.stores.redis_lanes import RedisLanes
from scrimp.stores.redis_link import Argument, Command, LinkOptions
from scrimp.stores.redis_semantic_rows import (
    Writing,
    book_of,
    command_of,
    question_of,
    rows_of,
    stats_of,
)
from scrimp.stores.redis_semantic_scripts import PURGE, ROWS, TELL
from scrimp.stores.reply_codec import unpack
from scrimp.stores.semantic_plan import IndexOptions, SemanticLimits
from scrimp.stores.semantic_rules import kept, micros
from scrimp.stores.semantic_untold import Looks, Untold
from scrimp.stores.semantic_vectors import Row, ranked, read

_log = logging.getLogger("scrimp.cache")

WHAT = "semantic cache"
_LAYOUT = "m1"
_SPARE = 8
_EFFORT = 200
"""How many are looked at before a search stops."""
_EXACT = 1000
"""Up to so many, comparing all takes no longer than the graph."""
_MOST = 4000
_ROWS = 1000
_SIZES = 10_000
_TALLY_S = 1.0
_PURGE_S = 60.0
_PURGED_AT_ONCE = 50
_decode_verdict = msgspec.msgpack.Decoder(Judged).decode


@dataclass(frozen=True, slots=True)
class SemanticOptions:
    """`prefix` keeps several Scrimps on one server apart; `searches` run at the same time.

    `margin_s` is added to how long ago an answer was asked for: a trip takes its time.
    """

    limits: SemanticLimits = field(default_factory=SemanticLimits)
    index: IndexOptions = field(default_factory=IndexOptions)
    link: LinkOptions = field(default_factory=lambda: LinkOptions(2.0, (1.0,)))
    prefix: str = "scrimp"
    searches: int = 3
    margin_s: float = 0.5


class RedisSemantic:
    """Implements `meanings.SemanticStore` on one event loop. Works while `run` runs."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        options: SemanticOptions | None = None,
        *,
        tell: Callable[[str], None] = _log.warning,
    ) -> None:
        """Nothing is opened yet. Raises ConfigError for a URL that cannot be read."""
        self._options = options or SemanticOptions()
        self._clock = clock
        self._lanes = RedisLanes(url, WHAT, self._options.link, tell, self._options.searches)
        self._prefix = f"{self._options.prefix}:{_LAYOUT}:"
        limits, margin_s = self._options.limits, self._options.margin_s
        self._writing = Writing(self._run, clock, limits, margin_s)
        self._sizes: dict[str, int] = {}
        self._untold = Untold()
        self._stop = asyncio.Event()

    async def nearest(self, scope: bytes, vector: bytes, count: int) -> tuple[Neighbour, ...]:
        """The nearest known questions, nearest first."""
        row, name, asked = read(vector), scope.hex(), count + _SPARE
        while True:
            candidates = await self._candidates(name, row, asked)
            found = await self._compared(name, row, candidates, count)
            if len(found) >= count or len(candidates) < asked or asked > _MOST:
                return found
            asked *= 8  # many of them are past their time

    async def facts(self, scope: bytes, groups: tuple[int, ...]) -> tuple[GroupFacts, ...]:
        """What is known of these groups, in order; groups that are gone are left out."""
        if not groups:
            await self._lanes.read([])
            return ()
        told = await self._lanes.ask("HMGET", self._name("d", scope.hex()), *groups)
        found = (_alive(row, self._now_us()) for row in told)
        return tuple(
            GroupFacts(group, *facts[:3], quarantined=bool(facts[3]))
            for group, facts in zip(groups, found, strict=True)
            if facts is not None
        )

    async def answer(self, scope: bytes, group: int) -> StoredReply | None:
        """The answer of a group; None when it is gone, past its time, or in quarantine."""
        row, data = await self._lanes.read(
            [
                ("HGET", self._name("d", scope.hex()), group),
                ("HGET", self._name("g", str(group)), "reply"),
            ]
        )
        facts = _alive(row, self._now_us())
        if facts is None or facts[3] or data is None:
            return None
        self._untold.use(group)
        return unpack(data)

    async def add_root(
        self, scope: bytes, known: Known, answer: StoredReply, about: About = UNNAMED
    ) -> int | None:
        """A new group with its answer; the group's number, or None when it is declined."""
        question = kept(known, root=True)
        return await self._writing.add_root(scope.hex(), (question, known.vector), answer, about)

    async def add_alias(self, scope: bytes, known: Known, *, caller: str = "") -> bool:
        """Another question of a group. False when it is declined."""
        question = (kept(known, root=False), known.vector)
        return await self._writing.add_alias(scope.hex(), known.group, question, caller)

    async def judged(self, scope: bytes, verdict: Judged) -> None:
        """Write a verdict into the log, and into the facts of its group."""
        await self._writing.judged(scope.hex(), verdict)

    def tally(self, scope: CacheScope, *, hits: int = 0, misses: int = 0, audits: int = 0) -> None:
        """Count look-ups in the cache's books; the server learns of them within a second."""
        self._untold.look(scope, (hits, misses, audits))

    async def verdicts(self, scope: bytes, last: int) -> tuple[Judged, ...]:
        """The newest verdicts of a scope, oldest first."""
        name = self._name("l", scope.hex())
        rows = await self._lanes.ask("LRANGE", name, -last, -1) if last > 0 else []
        return tuple(_decode_verdict(row) for row in rows)

    async def load(self, scope: bytes) -> bytes | None:
        """The state that `save` kept for the scope."""
        state: bytes | None = await self._lanes.ask("HGET", self._name("s", scope.hex()), "state")
        return state

    async def save(self, scope: bytes, state: bytes) -> None:
        """Keep the learned state of a scope."""
        await self._writing.save(scope.hex(), state)

    async def quarantine(self, scope: bytes, group: int) -> None:
        """Never serve this answer again, on any machine."""
        await self._writing.quarantine(scope.hex(), group)

    async def claim(self, scope: bytes, group: int, *, lease_s: float) -> bool:
        """True: this process has the answer made anew."""
        return await self._writing.claim(scope.hex(), group, lease_s)

    async def renew(
        self, scope: bytes, group: int, known: Known, answer: StoredReply
    ) -> int | None:
        """A new group in place of this one; None when that is gone, or it is declined."""
        question = (kept(known, root=True), known.vector)
        return await self._writing.add_root(scope.hex(), question, answer, answer.about, group)

    async def delete(self, scope: bytes, group: int) -> bool:
        """Forget a group. False when it was not there."""
        return await self._writing.delete(scope.hex(), group)

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget every group that is chosen; how many there were. Raises InvalidRequest."""
        check_chosen(chosen)
        return await self._writing.invalidate(chosen, self._page, dry_run=dry_run)

    async def stats(self, tenant: str | None = None) -> tuple[SemanticStats, ...]:
        """What is kept and counted, by all machines."""
        await self._purge()
        books, figures = await self._write(
            [("SMEMBERS", self._name("k")), ("HGETALL", self._name("b"))]
        )
        return stats_of(books, figures, tenant)

    async def memory(self) -> dict[str, str]:
        """What the server says of its memory (for `scrimp doctor`). Raises StoreError."""
        return await self._lanes.memory()

    async def run(self) -> None:
        """Carry commands, tell and forget beside the calls, until `close`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lanes.run())
            with suppress(StoreError):  # it is told once, and said again by whoever asks
                await self._lanes.check()
            purged_s = self._clock.monotonic()
            while not self._stop.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_TALLY_S):
                        await self._stop.wait()
                with suppress(StoreError):
                    if self._untold:
                        await self._write([])
                    if self._clock.monotonic() - purged_s >= _PURGE_S:
                        purged_s = self._clock.monotonic()
                        await self._purge()

    async def close(self) -> None:
        """Tell what waits, let go of the server. May be called twice."""
        if not self._stop.is_set():
            self._stop.set()
            if self._untold:
                self._lanes.post(*self._telling(*self._untold.take()))
            self._lanes.close()

    async def _candidates(self, name: str, row: Row, asked: int) -> Sequence[bytes]:
        """Numbers of questions that may be the nearest. Raises StoreError."""
        vectors, size = self._name("v", name), self._sizes.get(name)
        few = size is not None and size <= min(_EXACT, self._options.index.exact_up_to)
        effort: tuple[Argument, ...] = ("TRUTH",) if few else ("EF", max(_EFFORT, asked))
        search = ("VSIM", vectors, "FP32", row.tobytes(), "COUNT", asked, *effort)
        try:
            held, found = await self._lanes.read([("VCARD", vectors), search])
        except StoreError as error:
            if isinstance(error.__cause__, ResponseError):
                dims = await self._lanes.ask("HGET", self._name("s", name), "dims")
                read(row.tobytes(), int(dims or 0))
            raise
        if len(self._sizes) >= _SIZES:
            self._sizes.clear()
        self._sizes[name] = int(held)
        candidates: Sequence[bytes] = found
        return candidates

    async def _compared(
        self, name: str, row: Row, candidates: Sequence[bytes], count: int
    ) -> tuple[Neighbour, ...]:
        if not candidates:
            return ()
        asked: Iterable[Command] = (
            ("EVAL", ROWS, 1, self._name("q", name), *candidates[start : start + _ROWS])
            for start in range(0, len(candidates), _ROWS)
        )
        rows = rows_of(await self._lanes.read(asked))
        now_us, dims = self._now_us(), len(row)
        found = []
        for number, data in zip(candidates, rows, strict=True):
            if data:
                group, expires_us, vector, words = question_of(data, dims)
                if expires_us > now_us:
                    found.append((int(number), group, vector, words))
        return ranked(row, found, count)

    async def _page(self, cursor: int) -> tuple[int, list[int]]:
        """Some of the groups that are not past their time, and where the next ones are."""
        after, told = await self._lanes.ask("ZSCAN", self._name("e"), cursor, "COUNT", 500)
        now_us = self._now_us()
        pairs = zip(told[::2], told[1::2], strict=True)
        return int(after), [int(group) for group, ends in pairs if float(ends) > now_us]

    async def _purge(self) -> None:
        """Forget what is past its time, some at once, so that nobody waits for long."""
        words = {"most": _PURGED_AT_ONCE, "now": self._now_us()}
        while await self._run(PURGE, words) == _PURGED_AT_ONCE:
            pass

    async def _run(self, script: str, words: Mapping[str, Any]) -> Any:
        """What a script answers."""
        (answer,) = await self._write([command_of(script, self._prefix, words)])
        return answer

    async def _write(self, commands: Sequence[Command]) -> list[Any]:
        """Answers to commands, after uses and look-ups were told."""
        if not self._untold:
            return await self._lanes.write(commands)
        used, looks = self._untold.take()
        try:
            return (await self._lanes.write([self._telling(used, looks), *commands]))[1:]
        except BaseException:
            self._untold.give_back(looks)
            raise

    def _telling(self, used: Sequence[int], looks: Mapping[CacheScope, Looks]) -> Command:
        """Uses and look-ups as a command."""
        told = [(book_of(scope), *counts) for scope, counts in looks.items()]
        words = {"used": [str(group) for group in used], "looks": told}
        return command_of(TELL, self._prefix, words)

    def _name(self, kind: str, of: str = "") -> str:
        return f"{self._prefix}{kind}:{of}" if of else f"{self._prefix}{kind}"

    def _now_us(self) -> int:
        return micros(self._clock.now())


def _alive(row: bytes | None, now_us: int) -> tuple[int, int, int, int] | None:
    """Size, equal, different and quarantine of a group that is not past its time."""
    if row is None:
        return None
    expires_us, size, equal, different, out = map(int, row.split(b":"))
    return (size, equal, different, out) if expires_us > now_us else None
