"""Vectors of real questions, and of texts made from them, for `semantic.py`.

Usage: real_texts.py --data FILE.csv [--data FILE.jsonl] [--text COLUMN] [--more 30000] --out
FILE.npz. Half of the made texts are two questions after each other, half the beginning of one and
the end of another. Embedded as shipped: some 5 ms of one core each.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

import numpy as np
from numpy.typing import NDArray

from benchmarks.savings.semantic.questions import embedded, rows

Pairs = NDArray[np.int64]


def read(files: Sequence[Path], column: str) -> list[str]:
    """Each text of the files once."""
    texts = (str(row[column]).strip() for file in files for row in rows(file))
    return list(dict.fromkeys(filter(None, texts)))


def joined(texts: Sequence[str], count: int) -> tuple[list[str], Pairs]:
    """So many made texts, and from which two each is made."""
    dice = np.random.default_rng(2)
    pairs = dice.integers(len(texts), size=(count, 2))
    found = []
    for number, (one, two) in enumerate(pairs.tolist()):
        first, second = texts[one], texts[two]
        if number % 2:
            begin, end = first.split(), second.split()
            made = " ".join([*begin[: (len(begin) + 1) // 2], *end[len(end) // 2 :]])
        else:
            made = f"{first} {second}"
        found.append(made)
    return found, pairs


def main() -> None:
    """Read, embed, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--text", default="text", help="column of the question")
    parser.add_argument("--more", type=int, default=30_000, help="made texts")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    texts = read(options.data, options.text)
    more, pairs = joined(texts, options.more)
    vectors = asyncio.run(embedded([*texts, *more]))
    count = len(texts)
    real, made = vectors[:count], vectors[count:]
    np.savez(options.out, texts=np.array(texts), v=real, joined=made, pairs=pairs)
    print(f"written: {options.out}: {count:,} questions, {len(more):,} made", file=sys.stderr)


if __name__ == "__main__":
    main()
