"""Labelled questions that can be learned from: of two kinds, of which the weak model knows one."""

from __future__ import annotations

import json
import random
from typing import Any

_EASY = ("capital", "color", "animal", "spelling", "month", "river")
_HARD = ("integral", "theorem", "tensor", "manifold", "eigenvalue", "topology")


def rows(count: int, *, seed: int = 1, told: float = 1.0) -> list[dict[str, Any]]:
    """Lines of a file. With `told` below 1 the kind says less of who is right; at 0.5 nothing."""
    dice = random.Random(seed)  # noqa: S311 (no secret)
    found = []
    for number in range(count):
        hard = dice.random() < 0.5
        words = _HARD if hard else _EASY
        knows = dice.random() < (told if not hard else 1 - told)
        prompt = f"What of the {dice.choice(words)} and the {dice.choice(words)}, number {number}?"
        models = {
            "weak": {"quality": float(knows), "cost": "0.001"},
            "strong": {"quality": float(dice.random() < 0.95), "cost": "0.01"},
        }
        found.append({"prompt": prompt, "task": "hard" if hard else "easy", "models": models})
    return found


def lines(*fields: dict[str, Any]) -> bytes:
    """As a file holds them."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in fields)
