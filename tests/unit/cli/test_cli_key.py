"""A key is shown once; the settings get its digest, in a table that they accept."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from scrimp.cli.key import KeyOptions, stanza
from scrimp.cli.main import cli
from scrimp.settings import KeySettings, parse
from scrimp.shell.new_keys import new_key

DIGEST = "a" * 64
KEY = re.compile(r"sk-scrimp-[0-9A-Za-z]{43}")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def test_the_stanza_can_be_pasted_and_lets_the_key_in() -> None:
    """What is printed parses, and its digest is the key's."""
    asked = ["key", "ci", "--team", "platform", "--tag", "a", "--tag", "b", "--model", "gpt-4o"]
    told = json.loads(CliRunner().invoke(cli, [*asked, "--json"]).stdout)
    assert KEY.fullmatch(told["key"])
    digest = hashlib.sha256(told["key"].encode()).hexdigest()
    expected = KeySettings(
        name="ci", sha256=digest, team="platform", tags=("a", "b"), models=("gpt-4o",)
    )
    assert parse(told["stanza"].encode(), source="test").keys == (expected,)


def test_in_a_pipe_the_stanza_goes_to_the_file_and_the_key_to_the_person() -> None:
    """`scrimp key ci >> scrimp.toml` must not write the key into the file."""
    result = CliRunner().invoke(cli, ["key", "ci"])
    assert KEY.search(result.stderr)
    assert not KEY.search(result.stdout)
    assert parse(result.stdout.encode(), source="test").keys[0].name == "ci"


def test_each_key_is_new() -> None:
    """No two keys are alike."""
    assert len({new_key() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("asked", [["no spaces"], ["ci", "--task", "juggling"], ["-"]])
def test_what_the_settings_would_refuse_is_refused_at_once(asked: list[str]) -> None:
    """One line and exit code 2, and no key is shown."""
    result = CliRunner().invoke(cli, ["key", *asked])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert not KEY.search(result.output)


@given(team=TEXT, tags=st.lists(TEXT, max_size=3))
def test_any_text_survives_the_stanza(team: str, tags: list[str]) -> None:
    """Quotes, backslashes, control characters and emoji come back as they were given."""
    options = KeyOptions(team=team, user="", task="", tags=tuple(tags), models=(), as_json=False)
    (key,) = parse(stanza("ci", DIGEST, options).encode(), source="test").keys
    assert (key.team, key.tags) == (team, tuple(tags))
