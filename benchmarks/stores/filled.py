"""Makes a store of answers by meaning that is too large to be filled through its front door.

Usage: filled.py --vectors FILE.npz [--entries 1000000] [--threads 2] --out FOLDER. The rows are
those that the store would write, the graph the one that it would save, made by several threads;
`semantic.py --kept FOLDER --sizes ENTRIES --engines sqlite` then measures it.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

import numpy as np

from benchmarks.stores.material import Texts, Vectors, enough, load
from benchmarks.stores.semantic import LIMITS, SCOPE, answer
from scrimp.clock import SystemClock
from scrimp.meanings import UNNAMED, Known
from scrimp.quality.sketch import sketch
from scrimp.stores.reply_codec import pack
from scrimp.stores.semantic_graph import Graph, Place
from scrimp.stores.semantic_rules import kept
from scrimp.stores.sqlite_semantic_file import graph_path, open_writer
from scrimp.stores.sqlite_semantic_rows import NewGroup, Rows

_AT_ONCE = 5000


def told(what: str, done: int, count: int) -> None:
    """Progress, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{what}: {done:,} of {count:,}", end="", file=sys.stderr)


def write_rows(connection: sqlite3.Connection, texts: Texts, vectors: Vectors) -> None:
    """A group for each vector."""
    clock = SystemClock()
    rows, stored = Rows(connection, clock, LIMITS), answer(clock)
    sketches, packed = [sketch(text, SCOPE) for text in texts.words], pack(stored)
    for start in range(0, len(vectors), _AT_ONCE):
        connection.execute("BEGIN IMMEDIATE")
        for at, row in enumerate(vectors[start : start + _AT_ONCE], start):
            known = kept(Known(0, row.tobytes(), sketches[at % len(sketches)]), root=True)
            rows.add_root(SCOPE, NewGroup(known, stored, packed, UNNAMED))
        connection.execute("COMMIT")
        told("rows", start + _AT_ONCE, len(vectors))


def write_graph(store: bytes, path: Path, vectors: Vectors, threads: int) -> None:
    """Of all of them, numbered as the rows are."""
    graph = Graph(vectors.shape[1])
    numbers = np.arange(1, len(vectors) + 1)
    for start in range(0, len(vectors), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        graph._index.add(numbers[some], vectors[some], threads=threads)  # noqa: SLF001 - in bulk
        told("graph", start + _AT_ONCE, len(vectors))
    graph.save(graph_path(path, 1), Place(store, 1, len(vectors)))


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    texts, _ = load(options.vectors)
    vectors, path = enough(texts, options.entries), options.out / "semantic.sqlite"
    with closing(open_writer(path, busy_timeout_ms=1000)) as connection:
        write_rows(connection, texts, vectors)
        store: bytes = connection.execute("SELECT id FROM store").fetchone()[0]
    write_graph(store, path, vectors, options.threads)


if __name__ == "__main__":
    main()
