"""`scrimp compare --quality-column`: a file that has its grades; nobody is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli

CSV = """prompt,model,grade,cost
a,gpt-4o,1,0.01
a,gpt-4o-mini,0.5,0.001
b,gpt-4o,0.8,0.02
b,gpt-4o-mini,0.9,0.002
c,gpt-4o,1,0.01
"""


def compare(folder: Path, *more: str) -> Result:
    """What the command says of the file."""
    file, config = folder / "graded.csv", folder / "scrimp.toml"
    file.write_text(CSV)
    config.write_text(f'state_dir = "{folder / "state"}"\n')
    args = ["compare", str(file), "--models", "gpt-4o,gpt-4o-mini", *more]
    return CliRunner().invoke(cli, args, env={"SCRIMP_CONFIG": str(config)})


def test_grades_of_a_file_are_compared_and_nothing_is_asked(tmp_path: Path) -> None:
    """Quality, cost and pairs, over the prompts that both have a grade for."""
    result = compare(tmp_path, "--quality-column", "grade", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["questions"], told["compared"]) == (3, 2)
    assert told["models"]["gpt-4o"]["quality"]["value"] == pytest.approx(0.9)
    assert told["models"]["gpt-4o-mini"]["quality"]["value"] == pytest.approx(0.7)
    assert told["models"]["gpt-4o-mini"]["paid_nanousd"] == 3_000_000
    assert not (tmp_path / "state").exists()
    assert "2 of 3 prompts compared" in compare(tmp_path, "--quality-column", "grade").stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--quality-column", "nope"), "prompt, model, nope, cost"),
        (("--quality-column", "grade", "--judge", "x"), "--judge or --quality-column, not both"),
        (("--quality-column", "grade", "-o", "out.jsonl"), "nothing to keep with -o"),
        (("--quality-column", "grade", "--models", "gpt-4o,other"), "no answer of 'other'"),
        ((), "--quality-column FIELD"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(
    tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    """With the way out."""
    result = compare(tmp_path, *more)
    assert result.exit_code != 0
    assert said in " ".join(result.output.split())
