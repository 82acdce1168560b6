"""The semantic cache in a program: a judge of its own, and answers by meaning from `ask`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import scrimp
from scrimp.simulator import Simulator
from tests.support.stage import until


def test_a_programs_own_function_judges(tmp_path: Path) -> None:
    """It gets the question and both answers, beside the calls; `ask` says who answered."""
    seen: list[tuple[str, str, str]] = []

    def judge(question: str, kept: str, fresh: str) -> bool:
        seen.append((question, kept, fresh))
        return True

    with Simulator() as sim:
        settings: dict[str, Any] = {
            "state_dir": str(tmp_path),
            "providers": {
                "openai": {
                    "base_url": f"{sim.url}/v1",
                    "dialects": ["openai.chat"],
                    "headers": {"authorization": "Bearer sk-x"},
                },
            },
            "exact_cache": {"enabled": False},
            "semantic_cache": {
                "enabled": True,
                "threshold": 0.8,
                "audits": 1.0,
                "limit_s": 10.0,
            },
        }
        with scrimp.Scrimp(settings, model="gpt-4o-mini", judge=judge) as engine:
            engine.ask("How do I reset my password?")
            until(lambda: _judged(engine, seen))
        assert all(question == "How can I reset my password?" for question, _, _ in seen)
        assert all(kept and fresh for _, kept, fresh in seen)


def _judged(engine: scrimp.Scrimp, seen: list[tuple[str, str, str]]) -> bool:
    """Asked in other words, until what the first taught is known and the second is judged."""
    engine.ask("How can I reset my password?")
    return bool(seen)
