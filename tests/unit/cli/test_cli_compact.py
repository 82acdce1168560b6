"""`scrimp compact`: a prompt in fewer tokens, shown before it is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli

PROMPT = "In order to sort,   do this due to the fact that it helps.\nTake your time.\n"
ROWS = json.dumps([{"alpha": n, "beta": n} for n in range(9)])


def compact(*args: str, given: str = "") -> Result:
    """What the command answers."""
    return CliRunner().invoke(cli, ["compact", *args], input=given, env={"COLUMNS": "120"})


def test_a_preview_shows_both_numbers_and_the_lines(tmp_path: Path) -> None:
    """Nothing is written anywhere."""
    file = tmp_path / "prompt.txt"
    file.write_text(PROMPT)
    shown = compact(str(file), "--lossy", "--preview")
    assert shown.exit_code == 0, shown.output
    assert "tokens before" in shown.stdout.splitlines()[0]
    assert "something may be lost" in shown.stdout
    assert "+To sort, do this because it helps." in shown.stdout
    assert file.read_text() == PROMPT


def test_without_lossy_only_white_space_goes() -> None:
    """To standard output, so that it can go on to somewhere."""
    shown = compact("-", given=PROMPT)
    assert shown.stdout.split() == PROMPT.split()
    assert "sort, do" in shown.stdout


def test_a_mark_of_byte_order_is_no_character(tmp_path: Path) -> None:
    """JSON that an editor of Windows wrote is JSON."""
    file = tmp_path / "rows.json"
    file.write_bytes(b"\xef\xbb\xbf" + ROWS.encode())
    assert compact(str(file)).stdout.startswith('{"columns":["alpha","beta"]')


def test_a_request_stays_a_request() -> None:
    """With its messages in fewer tokens, and for machines both numbers."""
    called = {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": ROWS},
    ]
    request = {"model": "gpt-4o", "messages": messages, "seed": 7}
    new = json.loads(compact("-", given=json.dumps(request)).stdout)
    assert new["messages"][2]["content"].startswith('{"columns"')
    assert {**new, "messages": messages} == request
    told = json.loads(compact("-", "--json", given=json.dumps(messages)).stdout)
    assert told["before_tokens"] - told["after_tokens"] == told["saved_tokens"] > 0
    assert told["lossy"] is False
    assert told["after"][:2] == messages[:2]


@pytest.mark.parametrize("given", [ROWS, '{"input": [1, 2, 3], "more": "x"}', "[]", "7", ""])
def test_other_json_is_a_text(given: str) -> None:
    """Whatever it holds, it reads back equal or stays as it was."""
    shown = compact("-", given=given)
    assert shown.exit_code == 0, shown.output
    if given == ROWS:
        assert shown.stdout.startswith('{"columns"')
    else:
        assert shown.stdout == f"{given}\n"


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """With the place."""
    file = tmp_path / "image.png"
    file.write_bytes(b"ab\xff\xfe")
    refused = compact(str(file))
    assert refused.exit_code == 1
    assert "image.png is not UTF-8 at byte 2" in refused.stderr
    assert "no-such" in compact(str(tmp_path / "no-such")).stderr
