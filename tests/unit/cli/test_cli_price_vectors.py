"""`scrimp price --vectors` says how many bills are exact, shows each miss, and fails on one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli

GOOD = {
    "id": "good",
    "provider": "openai",
    "model": "gpt-4o",
    "request_time": "2026-11-20T12:00:00Z",
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    "expected_usd": "0.0035",
}


def asked(path: Path, content: Any, *more: str) -> Result:
    """What the command answers for a file of this content."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    args = ["price", "--vectors", str(path), *more]
    return CliRunner().invoke(cli, args, env={"COLUMNS": "120"})


def test_all_exact(tmp_path: Path) -> None:
    """A list and an object with `vectors` are both taken; nothing missed is exit code 0."""
    for content in ([GOOD], {"vectors": [GOOD]}):
        result = asked(tmp_path / "v.json", content)
        assert result.exit_code == 0
        assert "1 of 1 exact" in result.stdout


def test_a_miss_shows_both_numbers_and_its_lines(tmp_path: Path) -> None:
    """The reader can see where the difference comes from; the exit code is 1."""
    odd = GOOD | {"id": "odd", "expected_usd": "0.0036"}
    lost = GOOD | {"id": "lost", "model": "unheard-of"}
    result = asked(tmp_path / "v.json", [GOOD, odd, lost])
    assert result.exit_code == 1
    assert "1 of 3 exact" in result.stdout
    assert "odd: expected $0.0036, got $0.0035" in result.stdout
    assert "1,000 input" in result.stdout
    assert "100 output" in result.stdout
    assert "lost: expected $0.0035, got unknown" in result.stdout


def test_misses_for_machines(tmp_path: Path) -> None:
    """The same as JSON."""
    odd = GOOD | {"expected_usd": None}
    result = asked(tmp_path / "v.json", [GOOD, odd], "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["vectors"], told["exact"]) == (2, 1)
    assert told["misses"][0]["cost_usd"] == "0.0035"
    assert [line["nanousd"] for line in told["misses"][0]["lines"]] == [2_500_000, 1_000_000]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '[{"id": 1}]', "[7]"])
def test_what_is_no_file_of_vectors(tmp_path: Path, content: str) -> None:
    """It is an error in one line, not a success over nothing."""
    result = asked(tmp_path / "v.json", content)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_model_or_vectors() -> None:
    """Without either, the command says what it wants."""
    result = CliRunner().invoke(cli, ["price"])
    assert result.exit_code == 2
    assert "MODEL" in result.output
