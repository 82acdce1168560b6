"""One prompt with several models, and one call before it is sent, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli

CALL = {
    "model": "gpt-4o",
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "Write a haiku about the sea."}],
}


def asked(*args: str, stdin: str | None = None) -> Result:
    """What a command answers, wide enough that nothing wraps."""
    return CliRunner().invoke(cli, list(args), input=stdin, env={"COLUMNS": "120"})


def document(*args: str) -> dict[str, Any]:
    """What it answers to machines."""
    result = asked(*args, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def prompt(tmp_path: Path) -> str:
    """A text."""
    path = tmp_path / "prompt.txt"
    path.write_text("Write a haiku about the sea.")
    return str(path)


@pytest.fixture
def body(tmp_path: Path) -> str:
    """A request body."""
    path = tmp_path / "call.json"
    path.write_text(json.dumps(CALL))
    return str(path)


@pytest.fixture
def files(tmp_path: Path, prompt: str, body: str) -> dict[str, str]:
    """Both, and three that cannot be read."""
    (tmp_path / "empty").touch()
    (tmp_path / "bytes").write_bytes(b"a\xff")
    places = {name: str(tmp_path / name) for name in ("none", "empty", "bytes")}
    return {"prompt": prompt, "body": body, **places}


def test_each_model_and_the_factor_between(prompt: str) -> None:
    """Cheapest first; GPT-4o costs 16.67 times as much as GPT-4o mini, token for token."""
    found = document("price", "--compare", "gpt-4o,gpt-4o-mini", prompt, "--output", "500")
    mini, strong = found["models"]
    assert (mini["model"], strong["model"]) == ("gpt-4o-mini", "gpt-4o")
    assert (mini["factor"], round(strong["factor"], 2)) == (1, 16.67)
    assert strong["cost_nanousd"] == strong["input"]["tokens"] * 2500 + 500 * 10_000
    assert (found["output_tokens"], found["output_tokens_assumed"]) == (500, False)
    told = asked("price", "--compare", "gpt-4o,gpt-4o-mini", prompt, "--output", "500").stdout
    assert "16.67" in told
    assert "500 tokens for each (as you said)" in told


def test_the_same_output_is_assumed_for_all(prompt: str) -> None:
    """Two thirds of the first model's input; it is said, with the way to say otherwise."""
    found = document("price", "--compare", "gpt-4o,claude-sonnet-5", prompt)
    first = next(one for one in found["models"] if one["model"] == "gpt-4o")
    assert found["output_tokens"] == -(-first["input"]["tokens"] * 2 // 3)
    assert {one["output"]["tokens"] for one in found["models"]} == {found["output_tokens"]}
    told = asked("price", "--compare", "gpt-4o,claude-sonnet-5", prompt).stdout
    assert "(assumed; --output N says otherwise)" in told
    assert "~ is an estimate" in told


def test_a_request_body_is_a_prompt_too(body: str) -> None:
    """Its limit bounds the most; a dash reads standard input."""
    found = document("price", "--compare", "gpt-4o,gpt-4o-mini", body)
    assert found["prompt"] == "a request body"
    assert {one["output"]["high"] for one in found["models"]} == {300}
    piped = asked("price", "--compare", "gpt-4o", "-", stdin=json.dumps(CALL))
    assert piped.exit_code == 0
    assert "a request body" in piped.stdout


def test_a_free_model_has_no_factor(tmp_path: Path, prompt: str) -> None:
    """Nothing is a multiple of nothing."""
    config = tmp_path / "scrimp.toml"
    config.write_text('[prices."house"]\nfree = true\n')
    found = document("price", "--compare", "gpt-4o,house", prompt, "--config", str(config))
    assert [(one["model"], one["factor"]) for one in found["models"]] == [
        ("house", None),
        ("gpt-4o", None),
    ]


def test_a_call_before_it_is_sent(body: str) -> None:
    """Expected, at least, at most, with what was assumed."""
    found = document("estimate", body)
    assert found["low_nanousd"] < found["cost_nanousd"] < found["upper_nanousd"]
    assert found["upper_nanousd"] == sum(line["nanousd"] for line in found["upper_lines"])
    told = asked("estimate", body, "--output", "200").stdout
    assert "gpt-4o at openai, openai.chat, standard tier" in told
    assert "at most" in told
    assert "Assumed" not in told
    assert "Assumed: an output of" in asked("estimate", body).stdout
    other = document("estimate", body, "--model", "claude-haiku-4-5", "--tier", "batch")
    assert (other["model"], other["service_tier"]) == ("claude-haiku-4-5", "batch")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("price", "--compare", "gpt-4o,gpt-4o-minn", "{prompt}"), 1, "did you mean gpt-4o-mini?"),
        (("price", "--compare", "gpt-4o", "{prompt}", "--input", "4"), 2, "leave out --input"),
        (("price", "--compare", ",", "{prompt}"), 2, "models with commas between"),
        (("price", "--compare", "gpt-4o"), 2, "--compare MODELS FILE"),
        (("price", "--compare", "gpt-4o", "{none}"), 1, "No such file"),
        (("price", "--compare", "gpt-4o", "{empty}"), 1, "is empty"),
        (("price", "--compare", "gpt-4o", "{bytes}"), 1, "not UTF-8 at byte 1"),
        (("estimate", "{prompt}"), 1, "the request body is not JSON"),
        (("estimate", "{none}"), 1, "No such file"),
        (("estimate", "{body}", "--model", "nope"), 1, "no price for model 'nope'"),
        (("estimate", "{body}", "--users", "4"), 2, "--users is for a month"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    files: dict[str, str], args: tuple[str, ...], code: int, said: str
) -> None:
    """With the way out."""
    result = asked(*(arg.format(**files) for arg in args))
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in " ".join(result.stderr.split())


def test_the_rough_rule_says_what_it_is() -> None:
    """Words times 1.3, with bounds that every tokenizer keeps."""
    found = document("count", "--rough", "one two three four five")
    assert (found["tokens"], found["low"], found["high"]) == (7, 1, 23)
    assert found["method"] == "words x 1.3 (rough)"
    told = asked("count", "--rough", "one two three four five").stdout
    assert told == "about 7 tokens for any model, between 1 and 23 (words x 1.3 (rough))\n"
    assert document("count", "--rough", "")["tokens"] == 0


def test_prices_of_ones_own_are_shown_without_a_seller(tmp_path: Path, body: str) -> None:
    """Nobody sells a model of one's own; a factor of one is no news; time has no expected cost."""
    config = tmp_path / "scrimp.toml"
    config.write_text('[prices.box]\nper_second = "0.0004"\n')
    shown = asked("prices", "show", "box", "--config", str(config)).stdout
    assert shown.startswith("box\n")
    assert "run in" not in shown
    told = asked("estimate", body, "--model", "box", "--config", str(config)).stdout
    assert told.startswith("box, openai.chat")
    assert "nobody knows how long it will take" in told
