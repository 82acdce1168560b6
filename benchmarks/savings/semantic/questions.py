"""Labelled questions from a file, and their vectors, which are computed once and kept."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.savings.semantic.stream import Questions
from scrimp.embedders.opened import EmbedderPlan, open_embedder
from scrimp.quality.sight import Vectors
from scrimp.quality.sketch import read, sketch

_BATCH = 64


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV or JSONL file."""
    with path.open(encoding="utf-8", newline="") as lines:
        if path.suffix in {".jsonl", ".ndjson"}:
            yield from (json.loads(line) for line in lines if line.strip())
        else:
            yield from csv.DictReader(lines)


def labelled(paths: list[Path], text: str, label: str) -> list[tuple[str, str]]:
    """Each text once, with its label. Raises SystemExit where a column is missing."""
    found: dict[str, str] = {}
    for path in paths:
        for row in rows(path):
            if text not in row or label not in row:
                raise SystemExit(
                    f"{path} has no column {text!r} or {label!r} (it has: {', '.join(row)})"
                )
            found.setdefault(str(row[text]).strip(), str(row[label]))
    found.pop("", None)
    return list(found.items())


def vectors(texts: list[str], kept: Path, given: Path | None = None) -> Vectors:
    """Vectors of length 1: from `given` (an .npz with `texts` and `v`), else kept or computed."""
    if given is not None:
        with np.load(given, allow_pickle=True) as file:
            named = (str(text).strip() for text in file["texts"])
            known = dict(zip(named, file["v"], strict=True))
        return np.array([known[text] for text in texts], np.float32)
    name = hashlib.sha256("\n".join(texts).encode("utf-8", "replace")).hexdigest()[:16]
    path = kept / f"vectors-{name}.npy"
    if not path.exists():
        kept.mkdir(parents=True, exist_ok=True)
        np.save(path, asyncio.run(embedded(texts)))
    return np.asarray(np.load(path), np.float32)


async def embedded(texts: list[str]) -> Vectors:
    """Vectors of the embedded model, as it ships."""
    opened = open_embedder(EmbedderPlan(timeout_s=60.0, remember=0))
    found: list[bytes] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(opened.run())
        for start in range(0, len(texts), _BATCH):
            found += await opened.embedder.embed(tuple(texts[start : start + _BATCH]))
            if sys.stderr.isatty():
                print(f"\rvectors {len(found)} of {len(texts)}", end="", file=sys.stderr)
        await opened.embedder.close()
    return np.frombuffer(b"".join(found), "<f4").reshape(len(texts), -1)


def questions(found: list[tuple[str, str]], made: Vectors) -> Questions:
    """As the stream wants them."""
    sketches = tuple(read(sketch(text)) for text, _ in found)
    labels = np.unique([label for _, label in found], return_inverse=True)[1]
    return Questions(made, sketches, labels.astype(np.int64))
