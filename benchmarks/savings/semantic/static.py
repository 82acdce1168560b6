"""Fixed cosine thresholds on the same streams: the nearest answered question, no verdicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.savings.semantic.stream import Questions

THRESHOLDS = (0.80, 0.82, 0.85, 0.88, 0.90, 0.92, 0.95, 0.97)


@dataclass(frozen=True, slots=True)
class Static:
    """Shares of one permutation at one threshold."""

    threshold: float
    hits: float
    wrong: float


def static(questions: Questions, seed: int, threshold: float) -> Static:
    """Serve the nearest at or above the threshold; insert what is not served."""
    order = np.random.default_rng(seed).permutation(len(questions.labels))
    vectors, labels = questions.vectors[order], questions.labels[order]
    kept = np.zeros_like(vectors)
    answers = np.zeros(len(order), np.int64)
    known = hits = wrong = 0
    for vector, label in zip(vectors, labels.tolist(), strict=True):
        if known:
            cosines = kept[:known] @ vector
            nearest = int(cosines.argmax())
            if cosines[nearest] >= threshold:
                hits += 1
                wrong += int(answers[nearest]) != label
                continue
        kept[known], answers[known] = vector, label
        known += 1
    return Static(threshold, hits / len(order), wrong / max(1, hits))
