"""`scrimp prices` shows all that is known of a model, and writes prices without harm."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scrimp import prices
from scrimp.cli.main import cli
from scrimp.cli.price_file import with_prices
from scrimp.errors import ConfigError

MINE = """\
# My own file.
[server]
port = 4242   # not the usual one

[prices."house-model"]  # from the contract
input = "0.10"   # since May
# what they ask for answers
output = "0.40"

# Another table begins.
[prices.plain]
input = "1"
output = "1"
long_context = [
  { above = 1000, input = "2" },
]
"""


def asked(*args: str) -> Result:
    """What a command answers."""
    return CliRunner().invoke(cli, list(args), env={"COLUMNS": "120"})


def test_show_has_every_date_hour_and_source() -> None:
    """A reader sees when which price holds, and who says so."""
    result = asked("prices", "show", "deepseek-v4-pro")
    assert result.exit_code == 0
    for words in (
        "from 2026-08-17",
        "Mon,Tue",
        "06:00-10:00 UTC",
        "$1.32",
        "api-docs.deepseek.com",
    ):
        assert words in result.stdout


def test_show_has_tiers_residency_steps_and_limits() -> None:
    """Nothing that a bill may depend on is hidden."""
    told = json.loads(asked("prices", "show", "claude-opus-4-8", "--json").stdout)
    assert told["residency"] == {"us": "11/10"}
    assert {"batch", "fast"} <= told["tiers"].keys()
    assert told["max_output_tokens"] == 128_000
    assert "above 272,000" in asked("prices", "show", "gpt-5.4").stdout
    assert "file search $0.0025 each" in asked("prices", "show", "gpt-4.1").stdout


def test_scheduled_prices_are_marked() -> None:
    """What was announced, but was not in force when the book was made, says so."""
    result = asked("prices", "show", "gemini-3.6-flash")
    assert "announced, not in force when the book was made" in result.stdout


def test_own_prices_of_days_to_come_are_marked(tmp_path: Path) -> None:
    """A price of one's own that begins later is told from one that holds."""
    path = tmp_path / "scrimp.toml"
    table = '[[prices."mine"]]\ninput = "1"\noutput = "2"\n'
    path.write_text(f"{table}since = 2020-01-01\n{table}since = 2999-01-01\n")
    told = asked("prices", "show", "mine", "--config", str(path)).stdout
    assert "from 2020-01-01: input" in told
    assert "from 2999-01-01 (scheduled: not in force yet): input" in told


def test_set_keeps_comments_and_everything_else(tmp_path: Path) -> None:
    """Only the fields that were named change; a new one joins its table."""
    path = tmp_path / "scrimp.toml"
    path.write_text(MINE)
    path.chmod(0o640)
    fields = ("input=0.15", "cache_read=0.01")
    result = asked("prices", "set", "house-model", *fields, "--config", str(path))
    assert result.exit_code == 0, result.output
    wanted = MINE.replace('input = "0.10"   #', 'input = "0.15"   #')
    wanted = wanted.replace('output = "0.40"\n', 'output = "0.40"\ncache_read = "0.01"\n')
    assert path.read_text() == wanted
    assert path.stat().st_mode & 0o777 == 0o640
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith(".")]
    told = json.loads(asked("price", "house-model", "--config", str(path), "--json").stdout)
    assert {rate["what"]: rate["usd"] for rate in told["rates"]}["input"] == "0.15"


def test_set_makes_a_table_and_a_file(tmp_path: Path) -> None:
    """A model without prices gets a table, a folder without a file gets one of the owner's own."""
    path = tmp_path / "scrimp.toml"
    result = asked("prices", "set", "local/llama3.2", "free=true", "--config", str(path))
    assert result.exit_code == 0, result.output
    assert path.read_text() == '[prices."local/llama3.2"]\nfree = true\n'
    assert path.stat().st_mode & 0o777 == 0o600
    again = asked("prices", "set", "local/llama3.2", "free=true", "--config", str(path))
    assert "says so already" in again.stdout


@pytest.mark.parametrize(
    ("model", "fields", "words"),
    [
        ("house-model", ["input=cheap"], "cheap"),
        ("house-model", ["inptu=1"], "input"),
        ("house-model", ["input"], "KIND=USD"),
        ("new-model", ["input=1"], "'output' is missing"),
        ("house-model", ["free=perhaps"], "true or false"),
        ("house-model", ["long_context=1"], "long_context"),
    ],
)
def test_set_refuses_what_cannot_be_used(
    tmp_path: Path, model: str, fields: list[str], words: str
) -> None:
    """The file stays as it was, and the error is one line."""
    path = tmp_path / "scrimp.toml"
    path.write_text(MINE)
    result = asked("prices", "set", model, *fields, "--config", str(path))
    assert result.exit_code == 2
    assert words in result.output
    assert path.read_text() == MINE


@pytest.mark.parametrize(
    "text",
    [
        '[[prices."m"]]\ninput = "1"\noutput = "1"\n',
        '[prices]\nm = { input = "1", output = "1" }\n',
        '[prices.m]\ninput = """1"""\noutput = "1"\n',
        'prices.m.input = "1"\nprices.m.output = "1"\n',
    ],
)
def test_set_leaves_unusual_files_to_their_owner(text: str) -> None:
    """What cannot be changed safely is not changed."""
    with pytest.raises(ConfigError, match="by hand"):
        with_prices(text, "m", {"input": "2"})


@pytest.mark.parametrize("model", ["m", "a b", 'quo"ted', "back\\slash", "ünï", "x/y:z"])
@pytest.mark.parametrize("text", ["", "# only a remark", MINE, MINE.replace("\n", "\r\n")])
def test_set_says_exactly_this_and_nothing_else(model: str, text: str) -> None:
    """Whatever the model's name and the file's style, only its table differs afterwards."""
    changed = with_prices(text, model, {"input": "2", "output": "3"})
    assert changed.startswith(text)
    wanted = tomllib.loads(text)
    wanted.setdefault("prices", {})[model] = {"input": "2", "output": "3"}
    assert tomllib.loads(changed) == wanted
    twice = with_prices(changed, model, {"input": "4"})
    assert tomllib.loads(twice)["prices"][model] == {"input": "4", "output": "3"}


def test_diff_names_what_came_went_and_changed(tmp_path: Path) -> None:
    """Two books side by side, by provider and model."""
    book = Path(str(prices.__file__)).parent / "book.json"
    data = json.loads(book.read_bytes())
    models = data["providers"]["openai"]["models"]
    gone = models.pop()["id"]
    next(one for one in models if one["id"] == "gpt-4o")["rows"][0]["rates"]["input"] = 1
    models.insert(0, {"id": "extinct", "match": ["=extinct"], "rows": [{"rates": {}}]})
    older = tmp_path / "book.json"
    older.write_text(json.dumps(data))
    told = json.loads(asked("prices", "diff", str(older), "--json").stdout)
    assert told["added"] == [f"openai/{gone}"]
    assert told["removed"] == ["openai/extinct"]
    assert told["changed"] == ["openai/gpt-4o"]
    assert "changed: 1" in asked("prices", "diff", str(older)).stdout
    older.write_text("{}")
    assert asked("prices", "diff", str(older)).exit_code == 2
