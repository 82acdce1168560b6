"""The study of cascades counts every draft, and tells doubtful answers from good ones."""

from __future__ import annotations

import numpy as np

from benchmarks.savings.routing.cascades import held_out, study
from scrimp.routing.rows import Label, Row


def rows(count: int, seed: int) -> list[Row]:
    """Sums of which the cheap model gets some wrong; the dear one none."""
    dice = np.random.default_rng(seed)
    made = []
    for number in range(count):
        one, two = (int(part) for part in dice.integers(2, 90, 2))
        good = dice.random() < 0.6
        said = one + two + (0 if good else 1)
        weak = Label(float(good), 1_000, None, f"{one} + {two} = {said}\n#### {said}")
        asked = f"How many are {one} apples and {two} apples?"
        made.append(Row(number, asked, {"weak": weak, "strong": Label(1.0, 10_000)}))
    return made


def test_a_score_recovers_what_random_escalation_does_not() -> None:
    """And no cascade is cheaper than its drafts."""
    found = study(rows(150, 1), "weak", "strong")
    measured = found["contenders"]
    assert measured["acceptance"]["apgr"][0] > measured["random"]["apgr"][0] + 0.2
    assert measured["random"]["apgr"][0] == 0.5
    assert found["points"][0][1] == 0.1
    assert found["points"][-1][1] == 1.1


def test_questions_beside_are_only_learned_from() -> None:
    """They are not judged."""
    found = study(rows(60, 2), "weak", "strong", also=rows(60, 3))
    assert found["questions"] == 60
    assert held_out(rows(80, 4), rows(40, 5), "weak", "strong")["questions"] == 40


def test_too_little_is_said_to_be_too_little() -> None:
    """Instead of figures."""
    assert "why" in study(rows(20, 6), "weak", "strong")
    assert "why" in held_out(rows(20, 7), rows(20, 8), "weak", "strong")
