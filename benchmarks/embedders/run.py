"""What the embedded sentence model costs: load, memory, one text, many texts, and how near it is.

Usage: run.py [--quick] [--rounds N] [--json FILE]. Each precision loads in a process of its own on
core 0; rounds take turns, the table shows medians over them. `p50` and `p99` are wall time of one
text alone, through tokenizer and graph; `CPU` is the process's own.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

from rich.console import Console
from rich.table import Table

from benchmarks.common import busy_note, facts, on_core, write_json

HERE = Path(__file__).parent
PRECISIONS = ("q8", "fp32")
LENGTHS = {5: 200, 17: 200, 60: 60, 250: 16}
"""Tokens of a text, its two frame tokens included → how often it is embedded in a round."""
ASKED_MS = 8.0
_WORDS = (
    *("order", "return", "label", "refund", "device", "lamp", "battery", "signal", "account"),
    *("plan", "support", "window", "button", "minutes", "days", "open", "press", "hold", "wait"),
)
"""Each is one token of the model."""


def texts_of(tokens: int, count: int) -> list[str]:
    """Texts of so many tokens, none like the other."""
    dice = random.Random(tokens)  # noqa: S311 - made-up words, not secrets
    return [" ".join(dice.choices(_WORDS, k=tokens - 2)) for _ in range(count)]


def memory_mb() -> dict[str, float]:
    """Resident memory of this process, and what of it is not shared with the weights' file."""
    found: dict[str, float] = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, _, size = line.partition(":")
        if name in ("Rss", "Private_Dirty"):
            found[name] = int(size.split()[0]) * 1024 / 1e6
    return found


def one_round(precision: str) -> dict[str, Any]:
    """Everything that is measured, in this process."""
    before = memory_mb()
    began_s = time.perf_counter()
    from scrimp.embedders.minilm import MiniLm, references  # noqa: PLC0415 - importing is measured

    imported_s = time.perf_counter()
    model = MiniLm("fp32" if precision == "fp32" else "q8")
    model.load()
    loaded_s = time.perf_counter()
    loaded = memory_mb()
    lengths: dict[str, dict[str, float]] = {}
    for tokens, times in LENGTHS.items():
        lengths[str(tokens)] = _alone(model.encode, texts_of(tokens, times))
    batch = texts_of(17, 512)
    began, cpu = time.perf_counter(), time.process_time()
    model.encode(batch)
    together_s, together_cpu_s = time.perf_counter() - began, time.process_time() - cpu
    import numpy as np  # noqa: PLC0415 - the same

    known = [one for one in references() if one.text]
    found = [np.frombuffer(one, "<f4") for one in model.encode([one.text for one in known])]
    cosines = [float(a @ b.numbers()) for a, b in zip(found, known, strict=True)]
    return {
        "import_s": imported_s - began_s,
        "load_s": loaded_s - imported_s,
        "rss_before_mb": before["Rss"],
        "rss_loaded_mb": loaded["Rss"],
        "private_loaded_mb": loaded["Private_Dirty"] - before["Private_Dirty"],
        "rss_end_mb": memory_mb()["Rss"],
        "tokens": lengths,
        "batch_texts_per_s": len(batch) / together_s,
        "batch_cpu_ms_per_text": together_cpu_s / len(batch) * 1e3,
        "least_cosine": min(cosines),
        "median_cosine": statistics.median(cosines),
    }


def _alone(encode: Any, texts: Sequence[str]) -> dict[str, float]:
    encode(texts[:2])
    spent_ms: list[float] = []
    cpu_s = time.process_time()
    for text in texts:
        began_s = time.perf_counter()
        encode([text])
        spent_ms.append((time.perf_counter() - began_s) * 1e3)
    cuts = statistics.quantiles(spent_ms, n=100, method="inclusive")
    cpu_ms = (time.process_time() - cpu_s) * 1e3 / len(texts)
    return {"p50_ms": cuts[49], "p99_ms": cuts[98], "cpu_ms": cpu_ms}


def measured(rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Precision → rounds."""
    found: dict[str, list[dict[str, Any]]] = {one: [] for one in PRECISIONS}
    for number in range(rounds):
        for precision in PRECISIONS[:: 1 if number % 2 == 0 else -1]:
            print(f"round {number + 1}/{rounds}: {precision}", file=sys.stderr)
            command = [sys.executable, __file__, "--inside", precision]
            with on_core(0):
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found[precision].append(json.loads(done.stdout))
    return found


def show(found: dict[str, list[dict[str, Any]]]) -> None:
    """Two tables: one text alone, and all else."""
    alone = Table(title="one text alone, ms, medians over rounds", title_justify="left")
    for heading in ("precision", "tokens", "p50", "asked", "p99", "CPU"):
        alone.add_column(heading, justify="left" if heading == "precision" else "right")
    rest = Table(title="the rest, medians over rounds", title_justify="left")
    rest.add_column("")
    for precision, rounds in found.items():
        rest.add_column(precision, justify="right")
        for tokens in LENGTHS:
            figures = [one["tokens"][str(tokens)] for one in rounds]
            alone.add_row(
                precision,
                str(tokens),
                f"{_median(figures, 'p50_ms'):.2f}",
                f"≤ {ASKED_MS:g}" if tokens == 17 else "",
                f"{_median(figures, 'p99_ms'):.1f}",
                f"{_median(figures, 'cpu_ms'):.2f}",
                end_section=tokens == max(LENGTHS),
            )
    for name, key, digits in (
        ("imports, s", "import_s", 2),
        ("load, s (hashes of all files included)", "load_s", 2),
        ("resident when loaded, MB", "rss_loaded_mb", 0),
        ("of it the model's own, not shared, MB", "private_loaded_mb", 0),
        ("resident at the end, MB", "rss_end_mb", 0),
        ("many texts of 17 tokens, texts/s", "batch_texts_per_s", 0),
        ("the same, CPU ms a text", "batch_cpu_ms_per_text", 2),
        ("cosine to the published model, least", "least_cosine", 5),
        ("cosine to the published model, median", "median_cosine", 5),
    ):
        rest.add_row(name, *(f"{_median(rounds, key):.{digits}f}" for rounds in found.values()))
    console = Console()
    console.print(alone)
    console.print(rest)


def _median(rounds: Sequence[dict[str, Any]], key: str) -> float:
    return float(statistics.median(one[key] for one in rounds))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round: a look")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "embedders.json")
    parser.add_argument("--inside", choices=PRECISIONS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(one_round(options.inside)))
        return
    given = facts()
    if note := busy_note(given):
        print(note, file=sys.stderr)
    found = measured(1 if options.quick else options.rounds)
    show(found)
    write_json(options.json, {**given, "rounds": found})


if __name__ == "__main__":
    main()
