"""What the doctor says of the semantic cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from scrimp.cli.doctor_semantic import semantic_cache
from scrimp.cli.main import cli
from scrimp.settings import Loaded, parse


@pytest.mark.parametrize(
    ("toml", "status", "said"),
    [
        ('judge_model = "gpt-4o-mini"', "ok", "at most 2.0% wrong per hit"),
        ("threshold = 0.9", "ok", "nothing promised"),
        ("", "warn", "nearness alone"),
        ('judge_model = "nobody-has-it"', "fail", "nobody-has-it"),
        ('embedder = "magic"', "fail", "there is no embedder 'magic'"),
        ('embedder = "fastembed"', "fail", "needs fastembed"),
        ('embedder = "endpoint"', "fail", "embedder_provider"),
    ],
)
def test_the_doctor_says_whether_it_can_be_used(
    toml: str, status: str, said: str, tmp_path: Path
) -> None:
    """One line, with the way out where something is wrong."""
    text = (
        f'state_dir = "{tmp_path}"\n[providers.openai]\nbase_url = "http://127.0.0.1:9/v1"\n'
        f"[semantic_cache]\nenabled = true\n{toml}\n"
    )
    (found,) = semantic_cache(Loaded(parse(text.encode(), source="x"), "x", {}))
    assert (found.status, said in found.said) == (status, True), found
    assert bool(found.way_out) == (status != "ok")
    assert list(tmp_path.glob("*semantic*")) == []


def test_switched_off_there_is_nothing_to_say() -> None:
    """No line at all."""
    assert list(semantic_cache(Loaded(parse(b"", source="x"), "x", {}))) == []


def test_a_long_name_stands_apart_from_what_is_said(tmp_path: Path) -> None:
    """The doctor's columns leave room for the shorter names only."""
    config = tmp_path / "scrimp.toml"
    config.write_text(
        f'state_dir = "{tmp_path}"\n[server]\nport = 1\n'
        '[semantic_cache]\nenabled = true\nengine = "sqlite"\nthreshold = 0.9\n'
    )
    shown = CliRunner().invoke(cli, ["doctor", "--config", str(config)]).stdout
    assert f" semantic cache {tmp_path}/semantic.sqlite; " in shown.replace("~", str(Path.home()))
