"""`scrimp run` and files that are wrong: named by line, before anything is paid."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrimp.simulator import Simulator
from tests.support.call_files import MODEL, CallFile, prompts


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CallFile]:
    """All of it."""
    with Simulator() as sim:
        yield CallFile(sim, tmp_path)


def test_bad_lines_are_named_and_the_rest_is_asked(desk: CallFile) -> None:
    """By number, before anything is paid; they stand in OUT; mended, only they are asked."""
    good = prompts(2)
    desk.write(
        good[0],
        '{"prompt": "cut off',
        {"model": "nobody-knows", "input": "x"},
        {"prompt": 5, "model": MODEL},
        {"custom_id": "g", "method": "GET", "url": "/v1/files", "body": {}},
        "x" * 10,
        good[1],
    )
    result = desk.run("--yes")
    assert result.exit_code == 1
    said = " ".join(result.stderr.split())
    for words in (
        "line 2: no JSON object",
        "line 3: model 'nobody-knows' is not known",
        "line 4: 'prompt' is no text",
        "line 5: 'method' is 'GET', not POST",
        "line 6: no JSON object",
    ):
        assert words in said
    assert [bool(one["error"]) for one in desk.results()] == [False, *[True] * 5, False]
    desk.write(good[0], *prompts(7)[2:7], good[1])
    assert desk.told()["answered"] == 5
    assert len(desk.bodies()) == 7


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--budget", "1,5"), "not an amount"),
        (("--budget", "0"), "--budget"),
        (("--tag", "a\nb"), "control characters"),
        (("--task", "x y"), "task"),
        (("--concurrency", "0"), "0 is not in the range"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_costs(
    desk: CallFile, args: tuple[str, ...], said: str
) -> None:
    """In one line, and nothing is left behind."""
    desk.write(*prompts(1))
    result = desk.run("--yes", *args)
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.stderr.split())
    assert not desk.bodies()
    assert not list(desk.folder.glob("out*"))


def test_a_price_that_nobody_knows_is_told(desk: CallFile) -> None:
    """No budget can hold for it, and it is asked for only when somebody agrees."""
    desk.write({"prompt": "Hi", "model": "openai/new-thing"})
    refused = desk.run("--yes", "--budget", "1")
    assert "no price is known for openai/new-thing, so --budget cannot hold" in " ".join(
        refused.stderr.split()
    )
    assert desk.run().exit_code == 2
    assert not desk.bodies()


def test_nobody_writes_over_the_file_of_the_calls(desk: CallFile) -> None:
    """Nor over a file that is something else."""
    desk.write(*prompts(1))
    desk.out = desk.file
    assert "-o names the file of the calls" in desk.run("--yes").stderr
    desk.out = desk.folder / "other"
    desk.out.write_text("my novel\n")
    assert "scrimp run did not write this" in desk.run("--yes").stderr
    assert desk.out.read_text() == "my novel\n"


def test_what_is_no_file_is_written_down_or_refused(desk: CallFile) -> None:
    """A pipe is read once and asked like a file; results need a file."""
    desk.write(*prompts(2))
    shown = subprocess.run(
        [sys.executable, "-m", "scrimp", "run", "/dev/stdin", "--estimate"],
        env={**os.environ, **desk.env},
        input=desk.file.read_text(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2 lines: 2 to ask." in shown.stdout
    desk.out = Path("/dev/null")
    assert "-o /dev/null is no file" in desk.run("--yes").stderr
    desk.out = desk.folder
    assert "is no file: name one" in " ".join(desk.run("--yes").stderr.split())


def test_what_a_provider_says_does_not_reach_the_terminal_raw(desk: CallFile) -> None:
    """A terminal obeys control characters: they are shown as question marks, OUT has them all."""
    desk.write({"prompt": "Hi", "model": "no\x1b[2Jthing"}, {"prompt": "Hi", "model": MODEL})
    result = desk.run("--yes")
    assert result.exit_code == 1
    assert "\x1b" not in result.output
