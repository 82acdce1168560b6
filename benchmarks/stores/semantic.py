"""What a decision costs in a store of answers by meaning: neighbours, facts and an answer.

Usage: semantic.py --vectors FILE.npz [--sizes 10000 100000] [--engines memory sqlite]
[--kept FOLDER] [--json OUT]. Engines: memory, sqlite, postgres and redis (SCRIMP_REDIS_SERVER
names a Redis 8; servers are started for it, on this machine). FILE is what `real_texts.py` writes.
Where entries are more than its texts, vectors are made from parts of them (`material.more_of`).
Queries are questions and made texts that were held out. Embedding them is not in the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import cycle
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

import numpy as np
import psutil  # type: ignore[import-untyped]  # ships no types
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.common import busy_note, facts, write_json
from benchmarks.stores.material import Asked, Vectors, best_cosines, enough, load
from benchmarks.stores.servers import SERVED, memory_mb, served
from scrimp.calls import Reply, ReplyFacts, Usage
from scrimp.clock import SystemClock
from scrimp.meanings import Known, SemanticStore
from scrimp.pipeline.semantic_scopes import Scopes, of_length
from scrimp.ports import CacheScope, StoredReply
from scrimp.quality.sketch import sketch
from scrimp.quality.words import Promise
from scrimp.semantics.bounded import Bounds
from scrimp.stores.postgres_semantic import PostgresSemantic
from scrimp.stores.redis_semantic import RedisSemantic
from scrimp.stores.semantic_index import ScopeIndex
from scrimp.stores.semantic_memory import MemorySemantic
from scrimp.stores.semantic_plan import IndexOptions, SemanticLimits
from scrimp.stores.sqlite_semantic import SemanticOptions, SqliteSemantic

HERE = Path(__file__).parent
ASKED = b"benchmark"
SCOPE = of_length(ASKED, bytes(384 * 4))
"""Where what is asked in `ASKED` is kept, for vectors of the embedded model."""
BOOKS = CacheScope("key:bench", "general")
NEIGHBOURS = 60
DELETES = 1000
LIMITS = SemanticLimits(1 << 40, 1 << 30, 1 << 30)
INDEX = IndexOptions(pause_s=0)
_AT_ONCE = 250
_NEAR = 0.8
_ANSWER_BYTES = 300

Store = MemorySemantic | SqliteSemantic | PostgresSemantic | RedisSemantic


@dataclass(frozen=True, slots=True)
class Quickest:
    """Milliseconds of each, and of a core for one."""

    each_ms: list[float]
    cpu_ms: float

    def cut(self, percent: int) -> float:
        """A percentile."""
        return statistics.quantiles(self.each_ms, n=100, method="inclusive")[percent - 1]


@dataclass(frozen=True, slots=True)
class Figures:
    """One engine at one size. `memory_mb` is the index alone, `rss_mb` what the process grew by.

    Of an engine that is a server, `memory_mb` is the whole of what it grew by, and CPU is that of
    its client alone.

    `decision` is what is asked of the store, `whole` the decision of a policy that keeps a bound.
    """

    engine: str
    entries: int
    nearest_p50_ms: float
    decision_p50_ms: float
    decision_p99_ms: float
    decision_cpu_ms: float
    whole_p50_ms: float
    whole_p99_ms: float
    whole_cpu_ms: float
    recall_at_1: float
    recall_made: float
    recall_near: float
    add_us: float
    restart_s: float
    index_delete_us: float
    delete_us: float
    memory_mb: float
    rss_mb: float
    file_mb: float
    graph_mb: float


def answer(clock: SystemClock) -> StoredReply:
    """A short one."""
    body = os.urandom(_ANSWER_BYTES)
    known = ReplyFacts(Usage(input_tokens=9, output_tokens=90), "gpt-4o-mini", "complete", True)  # noqa: FBT003 - a fact's place
    reply = Reply(200, (("content-type", "application/json"),), body, "json", known, True)  # noqa: FBT003 - the same
    now = clock.now()
    return StoredReply(reply, now, now + timedelta(days=7), BOOKS)


@asynccontextmanager
async def at_work(
    engine: str, path: Path, clock: SystemClock
) -> AsyncIterator[tuple[Store, Callable[[], float]]]:
    """An engine, and what it has in memory."""
    if engine in SERVED:
        async with served(engine, clock, LIMITS, INDEX) as (server, process):
            empty_mb = memory_mb(process)
            yield server, lambda: memory_mb(process) - empty_mb
        return
    store = opened(engine, path, clock)
    yield store, lambda: 0.0 if (index := index_of(store)) is None else index.size_bytes / 1e6
    await store.close()


def opened(engine: str, path: Path, clock: SystemClock) -> MemorySemantic | SqliteSemantic:
    """An engine in this process, with room for everything."""
    if engine == "memory":
        return MemorySemantic(clock, LIMITS, INDEX)
    return SqliteSemantic.open(path, clock, SemanticOptions(LIMITS, INDEX, index_bytes=1 << 40))


def index_of(store: Store) -> ScopeIndex | None:
    """The index of the one scope; a server has its own."""
    if isinstance(store, PostgresSemantic | RedisSemantic):
        return None
    if isinstance(store, SqliteSemantic):
        return store._searcher._scopes[SCOPE].index  # noqa: SLF001 - its size is what is measured
    found = store._scopes[SCOPE].index  # noqa: SLF001 - the same
    assert found is not None  # noqa: S101 - a benchmark of nothing else
    return found


async def fill(
    store: Store, rows: Vectors, words: Sequence[str], clock: SystemClock
) -> tuple[list[int], float]:
    """Numbers of the groups, and µs for each. A vector gets the words of any question."""
    stored = answer(clock)
    sketches = [sketch(text, SCOPE) for text in words]
    groups: list[int] = []
    began_s = time.perf_counter()
    for start in range(0, len(rows), _AT_ONCE):
        batch = [
            Known(0, row.tobytes(), sketches[(start + at) % len(sketches)])
            for at, row in enumerate(rows[start : start + _AT_ONCE])
        ]
        added = await asyncio.gather(*(store.add_root(SCOPE, one, stored) for one in batch))
        groups += [group for group in added if group is not None]
        if start % (_AT_ONCE * 20) == 0:
            await store.nearest(SCOPE, rows[0].tobytes(), 1)
            if sys.stderr.isatty():
                print(f"\r{start:,} of {len(rows):,}", end="", file=sys.stderr)
    spent_us = (time.perf_counter() - began_s) * 1e6 / len(rows)
    if isinstance(store, PostgresSemantic):
        await store.tend()
    while (index := index_of(store)) is not None and index.crowded:
        await store.nearest(SCOPE, rows[0].tobytes(), 1)
        await asyncio.sleep(2)  # a search among many that are not in a graph yet is slow
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return groups, spent_us


async def decide(store: SemanticStore, vector: bytes) -> float:
    """What a lever asks of a store for a hit; the best cosine."""
    near = await store.nearest(SCOPE, vector, NEIGHBOURS)
    await store.facts(SCOPE, tuple({one.group for one in near[:10]}))
    await store.answer(SCOPE, near[0].group)
    return near[0].cosine


class GivenVectors:
    """An embedder that takes no time: whatever is asked, the next vector."""

    id, dims = "given", 0

    def __init__(self, vectors: Sequence[bytes]) -> None:
        self._next = cycle(vectors)

    async def embed(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        """One for each."""
        return tuple(next(self._next) for _ in texts)

    async def close(self) -> None:
        """Nothing."""


async def wholes(store: Store, asked: Sequence[bytes], words: Sequence[str]) -> Quickest:
    """Decisions by a policy, and the answer."""
    scopes = Scopes(store, GivenVectors(asked), Bounds(Promise(0.02), random.Random(0).random))  # noqa: S311 - no secret

    async def one(number: int) -> None:
        looked = await scopes.look(ASKED, BOOKS, words[number % len(words)])
        await store.answer(SCOPE, looked.decision.group)

    return await quickest(one, len(asked))


async def quickest(work: Callable[[int], Awaitable[object]], count: int) -> Quickest:
    """Each is done in three rounds, and the quickest counts: what others do to a core only adds."""
    rounds, cpu_ms = list[list[float]](), list[float]()
    for _ in range(3):
        cpu_s = time.process_time()
        rounds.append(await timed(work, count))
        cpu_ms.append((time.process_time() - cpu_s) * 1e3 / count)
    return Quickest([min(each) for each in zip(*rounds, strict=True)], min(cpu_ms))


async def timed(work: Callable[[int], Awaitable[object]], count: int) -> list[float]:
    """Milliseconds of each, one after the other."""
    spent_ms: list[float] = []
    for number in range(count):
        began_s = time.perf_counter()
        await work(number)
        spent_ms.append((time.perf_counter() - began_s) * 1e3)
    return spent_ms


async def deleted(store: Store, groups: Sequence[int]) -> tuple[float, float]:
    """µs to leave an index, and µs for a group in all, where many leave together."""
    index, half = index_of(store), len(groups) // 2
    shift = 0 if isinstance(store, SqliteSemantic) else 1  # from a group to its only question
    index_us, began_s = 0.0, time.perf_counter()
    if index is not None:
        index.remove([group + shift for group in groups[:half]])
        index_us = (time.perf_counter() - began_s) * 1e6 / half
    began_s = time.perf_counter()
    await asyncio.gather(*(store.delete(SCOPE, group) for group in groups[half:]))
    return index_us, (time.perf_counter() - began_s) * 1e6 / (len(groups) - half)


async def restarted(path: Path, clock: SystemClock, vector: bytes) -> float:
    """Seconds from opening to the first search's end, the quickest of three."""
    spent_s: list[float] = []
    for _ in range(3):
        began_s = time.perf_counter()
        store = opened("sqlite", path, clock)
        await store.nearest(SCOPE, vector, NEIGHBOURS)
        spent_s.append(time.perf_counter() - began_s)
        await store.close()
    return min(spent_s)


def size_mb(folder: Path, pattern: str) -> float:
    """Files of one kind."""
    return sum(file.stat().st_size for file in folder.rglob(pattern)) / 1e6


def recalls(found: Vectors, best: Vectors) -> tuple[float, float, float]:
    """Of questions, of made texts, and of either where something is near."""
    hit, half = found >= best - 1e-5, len(best) // 2
    near = best >= _NEAR
    return float(hit[:half].mean()), float(hit[half:].mean()), float(hit[near].mean())


async def measured(
    engine: str, rows: Vectors, given: Asked, path: Path, *, kept: bool = False
) -> Figures:
    """Fill (or take what is kept), ask, delete, close, open."""
    queries = given.queries
    clock, process = SystemClock(), psutil.Process()
    before = process.memory_info().rss
    asked = [query.tobytes() for query in queries]
    async with at_work(engine, path, clock) as (store, held_mb):
        groups, add_us = list(range(1, DELETES + 1)), 0.0
        if not kept:
            groups, add_us = await fill(store, rows, given.words, clock)
        found = np.array([await decide(store, vector) for vector in asked], np.float32)
        nearest = await quickest(lambda number: store.nearest(SCOPE, asked[number], 10), len(asked))
        decision = await quickest(lambda number: decide(store, asked[number]), len(asked))
        whole = await wholes(store, asked, given.words)
        recall = recalls(found, best_cosines(rows, queries))
        index_mb = held_mb()
        rss_mb = (process.memory_info().rss - before) / 1e6
        index_us, delete_us = await deleted(store, groups[:DELETES])
    restart_s = await restarted(path, clock, asked[0]) if engine == "sqlite" else 0.0
    return Figures(
        engine=engine,
        entries=len(rows),
        nearest_p50_ms=nearest.cut(50),
        decision_p50_ms=decision.cut(50),
        decision_p99_ms=decision.cut(99),
        decision_cpu_ms=decision.cpu_ms,
        whole_p50_ms=whole.cut(50),
        whole_p99_ms=whole.cut(99),
        whole_cpu_ms=whole.cpu_ms,
        recall_at_1=recall[0],
        recall_made=recall[1],
        recall_near=recall[2],
        add_us=add_us,
        restart_s=restart_s,
        index_delete_us=index_us,
        delete_us=delete_us,
        memory_mb=index_mb,
        rss_mb=rss_mb,
        file_mb=size_mb(path.parent, "*.sqlite"),
        graph_mb=size_mb(path.parent, "*.graph"),
    )


def show(found: Sequence[Figures]) -> None:
    """The table."""
    table = Table(title="one decision, without embedding", title_justify="left")
    for heading in (
        "engine",
        "entries",
        "p50 ms",
        "p99 ms",
        "CPU ms",
        "10 nearest",
        "whole p50",
        "recall@1",
        "of made",
    ):
        table.add_column(heading, justify="right")
    for heading in ("add µs", "restart s", "delete µs", "… of index", "index MB", "file MB"):
        table.add_column(heading, justify="right")
    for one in found:
        table.add_row(
            one.engine,
            f"{one.entries:,}",
            f"{one.decision_p50_ms:.2f}",
            f"{one.decision_p99_ms:.2f}",
            f"{one.decision_cpu_ms:.2f}",
            f"{one.nearest_p50_ms:.2f}",
            f"{one.whole_p50_ms:.2f}",
            f"{one.recall_at_1:.4f}",
            f"{one.recall_made:.4f}",
            f"{one.add_us:.0f}",
            f"{one.restart_s:.2f}" if one.restart_s else "",
            f"{one.delete_us:.0f}",
            f"{one.index_delete_us:.1f}",
            f"{one.memory_mb:.0f}",
            f"{one.file_mb:.0f}" if one.file_mb else "",
        )
    Console(width=150).print(table)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--engines", nargs="+", default=["memory", "sqlite"])
    parser.add_argument("--kept", type=Path, help="folder that `filled.py` made, of this size")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "semantic.json")
    options = parser.parse_args()
    given = facts()
    if note := busy_note(given):
        print(note, file=sys.stderr)
    texts, queries = load(options.vectors)
    found: list[Figures] = []
    for size in options.sizes:
        rows = enough(texts, size)
        for engine in options.engines:
            print(f"{engine}, {size:,} entries", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="scrimp-bench-") as folder:
                kept = options.kept / "semantic.sqlite" if options.kept else None
                path = kept or Path(folder) / "semantic.sqlite"
                asked, is_kept = Asked(queries, texts.words), kept is not None
                found.append(uvloop.run(measured(engine, rows, asked, path, kept=is_kept)))
    show(found)
    told = {
        "embedded": len(texts.known) + len(texts.joined),
        "queries": len(queries),
        "neighbours": NEIGHBOURS,
    }
    write_json(options.json, {**given, **told, "figures": [asdict(one) for one in found]})


if __name__ == "__main__":
    main()
