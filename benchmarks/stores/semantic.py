"""What a decision costs in a store of answers by meaning: neighbours, facts and an answer.

Usage: semantic.py --vectors FILE.npz [--vectors FILE.npz] [--sizes 10000 100000] [--json FILE]. A
file holds the vectors of real questions as array `v`; where there are too few, a mixture of two of
them stands in. Queries are real ones that were held out. Embedding them is not in the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

import numpy as np
import psutil  # type: ignore[import-untyped]  # ships no types
import uvloop
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.common import busy_note, facts, write_json
from scrimp.calls import Reply, ReplyFacts, Usage
from scrimp.clock import SystemClock
from scrimp.meanings import Known, SemanticStore
from scrimp.ports import CacheScope, StoredReply
from scrimp.stores.semantic_index import ScopeIndex
from scrimp.stores.semantic_memory import MemorySemantic
from scrimp.stores.semantic_plan import IndexOptions, SemanticLimits
from scrimp.stores.sqlite_semantic import SemanticOptions, SqliteSemantic

HERE = Path(__file__).parent
SCOPE = b"benchmark"
QUERIES = 2000
NEIGHBOURS = 60
DELETES = 1000
LIMITS = SemanticLimits(1 << 40, 1 << 30, 1 << 30)
INDEX = IndexOptions(pause_s=0)
_AT_ONCE = 250
_SKETCH_BYTES = 150
_ANSWER_BYTES = 300

Vectors = NDArray[np.float32]
Store = MemorySemantic | SqliteSemantic


@dataclass(frozen=True, slots=True)
class Figures:
    """One engine at one size. `memory_mb` is the index alone, `rss_mb` what the process grew by."""

    engine: str
    entries: int
    nearest_p50_ms: float
    decision_p50_ms: float
    decision_p99_ms: float
    decision_cpu_ms: float
    recall_at_1: float
    add_us: float
    restart_s: float
    index_delete_us: float
    delete_us: float
    memory_mb: float
    rss_mb: float
    file_mb: float
    graph_mb: float


def load(files: Sequence[Path]) -> tuple[Vectors, Vectors]:
    """(entries, queries), shuffled the same way each time."""
    rows = np.concatenate([np.load(file, allow_pickle=False)["v"] for file in files])
    rows = rows.astype(np.float32)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    return rows[QUERIES:], rows[:QUERIES]


def enough(rows: Vectors, count: int) -> Vectors:
    """So many entries: real ones first, then mixtures."""
    if count <= len(rows):
        return rows[:count]
    dice = np.random.default_rng(1)
    many = np.empty((count, rows.shape[1]), np.float32)
    many[: len(rows)] = rows
    for start in range(len(rows), count, 50_000):
        stop = min(start + 50_000, count)
        one, other = (dice.integers(len(rows), size=stop - start) for _ in range(2))
        share = dice.uniform(0.5, 0.9, size=(stop - start, 1)).astype(np.float32)
        mixed = share * rows[one] + (1 - share) * rows[other]
        many[start:stop] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return many


def best_cosines(rows: Vectors, queries: Vectors) -> Vectors:
    """The truth, by comparing all with all."""
    best = np.full(len(queries), -1.0, np.float32)
    for start in range(0, len(rows), 20_000):
        best = np.maximum(best, (queries @ rows[start : start + 20_000].T).max(axis=1))
    return best


def answer(clock: SystemClock) -> StoredReply:
    """A short one."""
    body = os.urandom(_ANSWER_BYTES)
    known = ReplyFacts(Usage(input_tokens=9, output_tokens=90), "gpt-4o-mini", "complete", True)  # noqa: FBT003 - a fact's place
    reply = Reply(200, (("content-type", "application/json"),), body, "json", known, True)  # noqa: FBT003 - the same
    now = clock.now()
    return StoredReply(reply, now, now + timedelta(days=7), CacheScope("key:bench", "general"))


def opened(engine: str, path: Path, clock: SystemClock) -> Store:
    """An engine with room for everything."""
    if engine == "memory":
        return MemorySemantic(clock, LIMITS, INDEX)
    return SqliteSemantic.open(path, clock, SemanticOptions(LIMITS, INDEX, index_bytes=1 << 40))


def index_of(store: Store) -> ScopeIndex:
    """The index of the one scope."""
    if isinstance(store, SqliteSemantic):
        return store._searcher._scopes[SCOPE].index  # noqa: SLF001 - its size is what is measured
    found = store._scopes[SCOPE].index  # noqa: SLF001 - the same
    assert found is not None  # noqa: S101 - a benchmark of nothing else
    return found


async def fill(store: Store, rows: Vectors, clock: SystemClock) -> tuple[list[int], float]:
    """Numbers of the groups, and µs for each."""
    stored, sketch = answer(clock), b"s" * _SKETCH_BYTES
    groups: list[int] = []
    began_s = time.perf_counter()
    for start in range(0, len(rows), _AT_ONCE):
        batch = [Known(0, row.tobytes(), sketch) for row in rows[start : start + _AT_ONCE]]
        added = await asyncio.gather(*(store.add_root(SCOPE, one, stored) for one in batch))
        groups += [group for group in added if group is not None]
        if start % (_AT_ONCE * 20) == 0:
            await store.nearest(SCOPE, rows[0].tobytes(), 1)
            if sys.stderr.isatty():
                print(f"\r{start:,} of {len(rows):,}", end="", file=sys.stderr)
    spent_us = (time.perf_counter() - began_s) * 1e6 / len(rows)
    while index_of(store).crowded:
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
    began_s = time.perf_counter()
    index.remove([group + shift for group in groups[:half]])
    index_us = (time.perf_counter() - began_s) * 1e6 / half
    began_s = time.perf_counter()
    await asyncio.gather(*(store.delete(SCOPE, group) for group in groups[half:]))
    return index_us, (time.perf_counter() - began_s) * 1e6 / (len(groups) - half)


def size_mb(folder: Path, pattern: str) -> float:
    """Files of one kind."""
    return sum(file.stat().st_size for file in folder.rglob(pattern)) / 1e6


async def measured(engine: str, rows: Vectors, queries: Vectors, path: Path) -> Figures:
    """Fill, ask, delete, close, open."""
    clock, process = SystemClock(), psutil.Process()
    before = process.memory_info().rss
    store = opened(engine, path, clock)
    groups, add_us = await fill(store, rows, clock)
    asked = [query.tobytes() for query in queries]
    await timed(lambda number: decide(store, asked[number]), 100)
    nearest_ms = await timed(lambda number: store.nearest(SCOPE, asked[number], 10), len(asked))
    found: list[float] = []

    async def one(number: int) -> None:
        found.append(await decide(store, asked[number]))

    cpu_s = time.process_time()
    decision_ms = await timed(one, len(asked))
    cpu_ms = (time.process_time() - cpu_s) * 1e3 / len(asked)
    recall = float(np.mean(np.array(found) >= best_cosines(rows, queries) - 1e-5))
    memory_mb = index_of(store).size_bytes / 1e6
    rss_mb = (process.memory_info().rss - before) / 1e6
    index_us, delete_us = await deleted(store, groups[:DELETES])
    await store.close()
    restart_s = 0.0
    if engine != "memory":
        began_s = time.perf_counter()
        store = opened(engine, path, clock)
        await store.nearest(SCOPE, asked[0], NEIGHBOURS)
        restart_s = time.perf_counter() - began_s
        await store.close()
    cuts = statistics.quantiles(decision_ms, n=100, method="inclusive")
    return Figures(
        engine=engine,
        entries=len(rows),
        nearest_p50_ms=statistics.median(nearest_ms),
        decision_p50_ms=cuts[49],
        decision_p99_ms=cuts[98],
        decision_cpu_ms=cpu_ms,
        recall_at_1=recall,
        add_us=add_us,
        restart_s=restart_s,
        index_delete_us=index_us,
        delete_us=delete_us,
        memory_mb=memory_mb,
        rss_mb=rss_mb,
        file_mb=size_mb(path.parent, "*.sqlite"),
        graph_mb=size_mb(path.parent, "*.graph"),
    )


def show(found: Sequence[Figures]) -> None:
    """The table."""
    table = Table(title="one decision, without embedding", title_justify="left")
    for heading in ("engine", "entries", "p50 ms", "p99 ms", "CPU ms", "10 nearest", "recall@1"):
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
            f"{one.recall_at_1:.4f}",
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
    parser.add_argument("--vectors", type=Path, action="append", required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--engines", nargs="+", default=["memory", "sqlite"])
    parser.add_argument("--json", type=Path, default=HERE / "results" / "semantic.json")
    options = parser.parse_args()
    given = facts()
    if note := busy_note(given):
        print(note, file=sys.stderr)
    real, queries = load(options.vectors)
    found: list[Figures] = []
    for size in options.sizes:
        rows = enough(real, size)
        for engine in options.engines:
            print(f"{engine}, {size:,} entries", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="scrimp-bench-") as folder:
                path = Path(folder) / "semantic.sqlite"
                found.append(uvloop.run(measured(engine, rows, queries, path)))
    show(found)
    told = {"real_vectors": len(real), "queries": len(queries), "neighbours": NEIGHBOURS}
    write_json(options.json, {**given, **told, "figures": [asdict(one) for one in found]})


if __name__ == "__main__":
    main()
