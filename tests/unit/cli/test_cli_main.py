"""The command itself: quick help, one-line errors, exit codes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scrimp import __version__
from scrimp.cli import main as cli_main
from scrimp.cli.console import this_command
from scrimp.cli.main import COMMANDS, Lazy, cli, load
from scrimp.cli.options import moment
from scrimp.errors import ConfigError, StoreError

BUILT = list(COMMANDS)
NOW = datetime(2026, 11, 23, 15, 4, 5, 6, tzinfo=UTC)
HEAVY = {"asyncio", "msgspec", "rich", "sqlite3", "tiktoken", "uvicorn", "aiohttp"}


def test_help_loads_no_command() -> None:
    """`scrimp --help` is quick: it names the commands and imports none of what they need."""
    code = (
        "import sys\nfrom scrimp.cli.main import cli\n"
        "try: cli(['--help'])\nexcept SystemExit: print(*sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    loaded = told.splitlines()[-1].split()
    assert set(COMMANDS) <= set(told.split())
    assert set(loaded) & HEAVY == set()
    assert [name for name in loaded if name.startswith("scrimp.cli.")] == ["scrimp.cli.main"]


@pytest.mark.parametrize("name", BUILT)
def test_every_command_says_what_it_does_with_examples(name: str) -> None:
    """Help of each command opens with the line of the list and ends with examples."""
    command = load(COMMANDS[name])
    assert command.short_help == COMMANDS[name].summary
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"scrimp {name}" in result.stdout.partition("Examples:")[2]
    assert "\N{BROKEN BAR}" not in result.stdout


def test_version_is_one_line() -> None:
    """Name and version."""
    result = CliRunner().invoke(cli, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"scrimp {__version__}\n")


def test_no_word_at_all_asks_for_help() -> None:
    """The list of commands, readable, and no error."""
    result = CliRunner().invoke(cli, [])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == CliRunner().invoke(cli, ["--help"]).stdout


def test_a_typo_names_the_nearest_command() -> None:
    """One line, as for all wrong usage."""
    result = CliRunner().invoke(cli, ["serv"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: No such command 'serv', did you mean 'serve'?")


@pytest.mark.parametrize(
    ("typed", "found", "said"),
    [
        (".venv/bin/scrimp", None, ".venv/bin/scrimp"),
        ("/somewhere/bin/scrimp", "/somewhere/bin/scrimp", "scrimp"),
        ("/lib/scrimp/__main__.py", None, "scrimp"),
    ],
)
def test_what_comes_next_can_be_pasted(
    monkeypatch: pytest.MonkeyPatch, typed: str, found: str | None, said: str
) -> None:
    """Where the shell would not find the command, its path is named."""
    monkeypatch.setattr("sys.argv", [typed])
    monkeypatch.setattr("shutil.which", lambda _: found)
    assert this_command() == said


@pytest.mark.parametrize(
    "asked", [["nope"], ["price"], ["serve", "--port", "many"], ["report", "--nope"]]
)
def test_wrong_usage_is_one_line_and_exit_code_2(asked: list[str]) -> None:
    """The line names the command whose help helps."""
    result = CliRunner().invoke(cli, asked)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert "--help" in line


def raising(error: Exception) -> click.Command:
    """A command that fails."""

    def fail() -> None:
        raise error

    return click.Command("fails", callback=fail)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("a.toml: server.port:\nexpected int"), 2, "a.toml: server.port: expected int"),
        (StoreError("the ledger is away"), 1, "the ledger is away"),
        (PermissionError(13, "Permission denied", "/x"), 1, "/x: Permission denied"),
    ],
)
def test_a_failure_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, line: str
) -> None:
    """Settings end with 2, all else with 1; no traceback."""
    loaded: Callable[[Lazy], click.Command] = lambda _: raising(error)  # noqa: E731 - one expression
    monkeypatch.setattr(cli_main, "load", loaded)
    result = CliRunner().invoke(cli, ["doctor"])
    assert (result.exit_code, result.stderr) == (code, f"error: {line}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("today", datetime(2026, 11, 23, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 22, tzinfo=UTC)),
        ("36h", datetime(2026, 11, 22, 3, 4, 5, 6, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 16, 15, 4, 5, 6, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T12:00+02:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01T12:00", datetime(2026, 11, 1, 12, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected: datetime) -> None:
    """Words, spans back from now, dates, and ISO times; all UTC."""
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "7w", "2026-13-01", "99999d x"])
def test_what_is_no_time_is_refused_with_a_pattern_to_follow(text: str) -> None:
    """The error shows how to write it."""
    with pytest.raises(click.BadParameter, match="2026-11-01"):
        moment(text, NOW)


def test_the_documentation_has_a_section_for_every_command() -> None:
    """docs/cli.md and the list of commands name the same ones."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
    titles = [line for line in page.splitlines() if line.startswith("## ")]
    assert sorted(titles) == sorted(f"## `scrimp {name}`" for name in COMMANDS)
