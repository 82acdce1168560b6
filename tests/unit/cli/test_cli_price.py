"""Prices and counts on the command line are exact, or say how far they may be off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from scrimp.prices import load_book

CONFIG = """
[providers.corp]
base_url = "http://127.0.0.1:1/v1"
dialects = ["openai.chat"]
prices_as = "openai"

[models.fast]
provider = "corp"
model = "gpt-4o-mini"

[models.mine]
provider = "corp"
model = "qwen3:8b"

[aliases]
quick = "fast"
own = "mine"

[prices.own]
input = "0.10"
output = "0.40"

[prices."house-model"]
input = "0.10"
output = "0.3"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file with a model, an alias and a price of its own."""
    path = tmp_path / "scrimp.toml"
    path.write_text(CONFIG)
    return path


def asked(*args: str, stdin: bytes | None = None) -> Result:
    """What a command answers, wide enough that nothing wraps."""
    return CliRunner().invoke(cli, list(args), input=stdin, env={"COLUMNS": "120"})


def test_a_bill_adds_up_line_by_line() -> None:
    """Each line is quantity times rate, rounded up once; the sum is the sum of the lines."""
    used = ["--input", "1201", "--cached", "333", "--output", "7", "--reasoning", "5"]
    told = json.loads(asked("price", "gpt-4o-mini", "--at", "2026-03-01", *used, "--json").stdout)
    lines = told["bill"]["lines"]
    assert [(line["what"], line["quantity"]) for line in lines] == [
        ("input", 1201),
        ("cache_read", 333),
        ("output", 7),
        ("reasoning", 5),
    ]
    for line in lines:
        assert line["nanousd"] == -(-line["quantity"] * line["picousd_per_unit"] // 1000)
    assert told["bill"]["cost_nanousd"] == sum(line["nanousd"] for line in lines)
    assert told["price_version"] == load_book().version


def test_people_see_rates_bill_and_source() -> None:
    """Rates per million tokens, the bill, where the price comes from."""
    told = asked("price", "gpt-4o-mini", "--input", "1000000").stdout
    assert "gpt-4o-mini at openai" in told
    assert "1M tokens" in told
    assert "The bill" in told
    assert load_book().source in told
    assert load_book().version in told


def test_long_prompts_have_a_column_of_their_own() -> None:
    """A model that is dearer above a size shows both prices and the size."""
    told = asked("price", "gemini-2.5-pro").stdout
    assert "prompt over 200,000" in told


def test_an_unknown_model_is_an_error_with_the_nearest_name() -> None:
    """One line on stderr, exit code 1, never $0."""
    result = asked("price", "gpt-4o-minn", "--input", "5")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no price for model 'gpt-4o-minn' (did you mean gpt-4o-")


def test_an_unknown_provider_is_named() -> None:
    """The provider is what is wrong, not the model."""
    result = asked("price", "gpt-4o", "--provider", "nobody")
    assert result.exit_code == 1
    assert "no provider 'nobody'" in result.stderr


def test_a_tier_has_its_own_price() -> None:
    """Batch costs less than the standard price; a strange tier is refused."""
    standard = json.loads(asked("price", "gpt-4o", "--json").stdout)["rates"][0]
    batch = json.loads(asked("price", "gpt-4o", "--tier", "batch", "--json").stdout)["rates"][0]
    assert batch["picousd_per_unit"] < standard["picousd_per_unit"]
    assert asked("price", "gpt-4o", "--tier", "golden").exit_code == 1


@pytest.mark.parametrize("name", ["fast", "quick"])
def test_names_of_the_settings_are_priced_as_the_gateway_prices_them(
    config: Path, name: str
) -> None:
    """A configured model or alias shows the price of what it stands for."""
    told = json.loads(asked("price", name, "--config", str(config), "--json").stdout)
    assert (told["model"], told["provider"]) == ("gpt-4o-mini", "openai")


def test_prices_of_the_settings_win_and_say_so(config: Path) -> None:
    """The source is the user's own file."""
    told = json.loads(
        asked("price", "house-model", "--config", str(config), "--output", "10", "--json").stdout
    )
    assert told["bill"]["cost_usd"] == "0.000003"
    assert told["source"] == "your own settings"


def test_openai_counts_are_exact_and_others_have_bounds() -> None:
    """One number where the tokenizer is known, a range around it elsewhere."""
    exact = json.loads(asked("count", "Hello, world!", "--json").stdout)
    assert (exact["tokens"], exact["low"], exact["high"]) == (4, 4, 4)
    assert exact["method"] == "o200k_base"
    other = json.loads(
        asked("count", "Hello, world!", "--model", "claude-opus-4-1", "--json").stdout
    )
    assert other["low"] <= other["tokens"] <= other["high"]
    assert other["low"] < other["high"]
    assert asked("count", "Hello, world!").stdout == "4 tokens for gpt-4o (o200k_base)\n"


def test_text_comes_from_the_argument_standard_input_or_a_file(tmp_path: Path) -> None:
    """All three count the same text."""
    path = tmp_path / "prompt.txt"
    path.write_text("Grüße aus Köln")
    ways = [("Grüße aus Köln",), ("-",), ("--file", str(path))]
    told = {asked("count", *way, stdin="Grüße aus Köln".encode()).stdout for way in ways}
    assert len(told) == 1
    assert told.pop().endswith(" tokens for gpt-4o (o200k_base)\n")


def test_count_refuses_two_texts_none_and_what_is_no_text(tmp_path: Path) -> None:
    """Usage errors end with 2, unreadable bytes with 1 and their place."""
    path = tmp_path / "x.bin"
    path.write_bytes(b"abc\xff")
    assert asked("count").exit_code == 2
    assert asked("count", "a", "--file", str(path)).exit_code == 2
    broken = asked("count", "--file", str(path))
    assert broken.exit_code == 1
    assert "not UTF-8 at byte 3" in broken.stderr


@pytest.mark.parametrize("name", ["own", "mine"])
def test_a_price_may_be_given_under_the_name_that_clients_use(config: Path, name: str) -> None:
    """It holds for the model behind the name, which is what the ledger prices."""
    told = asked("price", name, "--config", str(config), "--output", "10", "--json")
    assert told.exit_code == 0, told.stderr
    assert json.loads(told.stdout)["bill"]["cost_usd"] == "0.000004"


def test_fees_stand_beside_the_rates(tmp_path: Path) -> None:
    """Hosted tools, requests and time are shown with what there is one of."""
    path = tmp_path / "scrimp.toml"
    path.write_text('[prices.m]\nper_second = "0.0004"\nper_request = "0.005"\ninput = "1"\n')
    told = json.loads(asked("price", "m", "--config", str(path), "--json").stdout)
    assert {fee["what"]: fee["usd"] for fee in told["fees"]} == {
        "request": "0.005",
        "time": "0.0004",
    }
    shown = asked("price", "m", "--config", str(path)).stdout
    assert "1 request" in shown
    assert "1 second" in shown
    assert "1 call" in asked("price", "gpt-4.1").stdout


def test_a_price_by_the_second_wants_the_seconds(tmp_path: Path) -> None:
    """They are said, and never taken for none; the way out is the option, not another price."""
    config = tmp_path / "scrimp.toml"
    config.write_text('[prices."local/mine"]\nper_second = "0.0004"\n')
    asked = ["price", "local/mine", "--config", str(config)]
    untold = CliRunner().invoke(cli, [*asked, "--input", "5"])
    assert untold.exit_code == 1
    assert "priced by the second" in untold.stderr
    assert "add a [prices" not in untold.stderr
    told = CliRunner().invoke(cli, [*asked, "--seconds", "2.5", "--json"])
    assert json.loads(told.stdout)["bill"]["cost_nanousd"] == 1_000_000
