"""What one decision costs: CPU by the thread's own clock, on one core, and memory.

Run by `run.py` in a process of its own: `python -m benchmarks.savings.routing.speed STATE TEXTS`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # ships no types

WARM = 300
PASSES = 5
"""The least of so many counts for each question: what others on the core add is left out."""


def measured(state: Path, texts: Path) -> dict[str, Any]:
    """Reading the question, chances, the choice: all that stands between a call and its model."""
    process = psutil.Process()
    process.cpu_affinity([process.cpu_affinity()[-1]])
    bare = process.memory_info().rss
    asked = json.loads(texts.read_text())
    with_texts = process.memory_info().rss

    from benchmarks.savings.routing.ours import reader  # noqa: PLC0415 - its memory is counted
    from scrimp.choosing import Place  # noqa: PLC0415 - the same
    from scrimp.routing.decide import Candidate, Dial, choose  # noqa: PLC0415 - the same
    from scrimp.routing.predictor import Predictor  # noqa: PLC0415 - the same

    imported = process.memory_info().rss
    made, predictor = reader(), Predictor.load(state.read_bytes())
    models = tuple(predictor.fitted.heads) if predictor.fitted else ()
    candidates = [Candidate(name, 10 ** (at + 4)) for at, name in enumerate(models)]
    place, dial = Place(), Dial(max_loss=0.02)

    def decided(text: str) -> int:
        begin = time.thread_time_ns()
        choose(candidates, predictor.chances(made.read(text), models, place), dial)
        return time.thread_time_ns() - begin

    for text in asked[:WARM]:
        decided(text)
    passes = [[decided(text) for text in asked] for _ in range(PASSES)]
    once, least = sorted(passes[0]), sorted(map(min, zip(*passes, strict=True)))
    after = process.memory_info().rss
    return {
        "decisions": len(asked),
        "p50_ms": least[len(least) // 2] / 1e6,
        "p99_ms": least[int(len(least) * 0.99)] / 1e6,
        "passes": PASSES,
        "first_pass_p50_ms": once[len(once) // 2] / 1e6,
        "first_pass_p99_ms": once[int(len(once) * 0.99)] / 1e6,
        "extra_rss_mb": (after - imported) / 1e6,
        "extra_rss_with_numpy_mb": (after - with_texts) / 1e6,
        "bare_rss_mb": bare / 1e6,
        "state_mb": state.stat().st_size / 1e6,
        "torch": "torch" in sys.modules,
    }


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]), Path(sys.argv[2]))))
