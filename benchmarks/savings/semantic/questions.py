"""Labelled questions from a file, and their vectors, which are computed once and kept."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from benchmarks.savings.semantic.stream import Questions
from scrimp.embedders.opened import EmbedderPlan, open_embedder
from scrimp.quality.sight import Vectors
from scrimp.quality.sketch import sketch

_BATCH = 64
_JSON_LINES = {".jsonl", ".ndjson"}


def rows(path: Path, *needed: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV or JSONL file; a CSV from a spreadsheet may begin with a byte order mark.

    Raises SystemExit where it cannot be read, or a row lacks a column that is needed.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for number, row in enumerate(_read(path, lines), 1):
                lacking = [name for name in needed if row.get(name) is None]
                if lacking:
                    has = ", ".join(str(name) for name in row)
                    raise SystemExit(f"{path}, row {number}: no column {lacking[0]!r} (has: {has})")
                yield row
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError, TypeError) as error:
        kind = "JSON lines" if path.suffix in _JSON_LINES else "CSV"
        raise SystemExit(f"{path} cannot be read as {kind} in UTF-8: {error}") from None


def _read(path: Path, lines: TextIO) -> Iterator[dict[str, str]]:
    if path.suffix not in _JSON_LINES:
        yield from csv.DictReader(lines, delimiter="\t" if path.suffix == ".tsv" else ",")
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise TypeError(f"line {number} is no object")
            yield row


def labelled(paths: list[Path], text: str, label: str) -> list[tuple[str, str]]:
    """Each text once, with its label. Raises SystemExit where there is none."""
    found: dict[str, str] = {}
    for path in paths:
        for row in rows(path, text, label):
            found.setdefault(str(row[text]).strip(), str(row[label]))
    found.pop("", None)
    if not found:
        raise SystemExit(f"no texts in {', '.join(str(path) for path in paths)}")
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
    sketches = tuple(sketch(text) for text, _ in found)
    labels = np.unique([label for _, label in found], return_inverse=True)[1]
    return Questions(made, sketches, labels.astype(np.int64))
