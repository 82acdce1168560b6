"""Budgets are not overspent while every worker in turn is killed under its callers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("engine", "calls"), [("memory", 12_000), ("sqlite", 9_000)])
def test_killed_workers_overspend_nothing(engine: str, calls: int, tmp_path: Path) -> None:
    """69 scopes run to exhaustion, five kills: none over its limit, at most 2 % stranded."""
    told = tmp_path / "hammer.json"
    words = ["--engine", engine, "--kills", "5", "--calls", str(calls)]
    words += ["--seconds", "100", "--json", str(told)]
    done = subprocess.run(
        [sys.executable, "benchmarks/budgets/hammer.py", *words],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(told.read_text())["verdict"]
    assert (verdict["kills"], verdict["scopes"], verdict["scopes_over"]) == (5, 69, [])
    assert verdict["stranded"] <= 0.02
    assert verdict["attempts"] > 7000
    assert verdict["fullest"] > 0.95
