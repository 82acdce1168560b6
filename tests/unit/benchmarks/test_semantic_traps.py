"""Our own trap pairs, and the stream of the semantic benchmark."""

from __future__ import annotations

import numpy as np

from benchmarks.savings.semantic.static import static
from benchmarks.savings.semantic.stream import Questions, run
from benchmarks.savings.semantic.traps import made
from scrimp.quality.lexical import conflict
from scrimp.quality.sketch import read, sketch
from scrimp.quality.words import Promise


def test_no_trap_of_ours_is_left_to_the_score() -> None:
    """Word order, numbers, with and without, denial, opposites, names: a gate sees each pair."""
    missed = [
        (pair.one, pair.two)
        for pair in made()
        if not pair.same and conflict(read(sketch(pair.one)), read(sketch(pair.two))) is None
    ]
    assert missed == []


def test_a_stream_of_plain_topics_is_served_and_kept_apart() -> None:
    """Four topics far apart: most is served after the proof, nothing wrong, and each repeats."""
    dice = np.random.default_rng(5)
    labels = dice.integers(0, 4, 900)
    vectors = dice.normal(size=(4, 32))[labels] + 0.2 * dice.normal(size=(900, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sketches = tuple(sketch(f"topic {'abcd'[label]}") for label in labels)
    asked = Questions(vectors.astype(np.float32), sketches, labels)
    first, second = (run(asked, Promise(max_error=0.05), seed=1).outcome() for _ in range(2))
    assert first == second
    assert first.wrong == 0
    assert first.late_hits > 0.8
    assert first.first_served >= 250
    assert static(asked, 1, 0.8).wrong == 0
