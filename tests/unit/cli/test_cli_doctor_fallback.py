"""What the doctor says of fallbacks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scrimp.cli.doctor_fallback import fallbacks
from scrimp.cli.finding import Finding
from scrimp.health import WELL, Health
from scrimp.prices.book import load_book
from scrimp.served import targets_of
from scrimp.settings import Loaded, parse
from scrimp.stores.sqlite_health import SqliteHealth

PROVIDERS = """
[providers.openai]
[providers.anthropic]
[providers.azure]
base_url = "https://azure.example/v1"
dialects = ["openai.chat"]
key_env = "AZURE_KEY"
prices_as = "openai"
"""


def found(toml: str, **secrets: str) -> list[Finding]:
    """What is said where `openai` and `anthropic` have keys."""
    settings = parse((toml + PROVIDERS).encode(), source="x")
    loaded = Loaded(settings, "x", {"openai": "k", "anthropic": "k", **secrets})
    return list(fallbacks(loaded, targets_of(settings, load_book())))


def chain(*names: str, model: str = "gpt-4o") -> str:
    """A chain of one model."""
    quoted = ", ".join(f'"{name}"' for name in names)
    return f'[fallback.models]\n"{model}" = [{quoted}]\n'


@pytest.mark.parametrize(
    ("toml", "status", "said", "way_out"),
    [
        (chain("gpt-4o-mini", "claude-haiku-4-5"), "ok", "1 chain, every target is served", ""),
        (chain("gpt-4o-minni"), "fail", "gpt-4o → gpt-4o-minni: model", "mean 'gpt-4o-mini'?"),
        (chain("groq/llama-3.1-8b"), "fail", "is not known to any configured", "name another"),
        (chain("azure/gpt-4o"), "fail", "provider 'azure' has no key", "export AZURE_KEY=…"),
        (chain("gpt-4o-mini", model="gtp-4o"), "warn", "gtp-4o: no call can ask for it", "rename"),
        ('[fallback]\ndefault = ["nobody"]\n', "fail", "default → nobody:", "name another"),
        (
            '[fallback]\nenabled = false\ndefault = ["gpt-4o"]\n',
            "warn",
            "1 chain, switched off",
            "enabled = true",
        ),
    ],
)
def test_the_doctor_says_what_is_of_no_use(toml: str, status: str, said: str, way_out: str) -> None:
    """One line, with the way out where something is wrong."""
    (one,) = found(toml)
    assert (one.status, said in one.said, way_out in one.way_out) == (status, True, True), one


def test_without_chains_there_is_nothing_to_say() -> None:
    """No line at all."""
    assert found("") == []


def test_a_key_is_never_shown() -> None:
    """Only the name of its variable."""
    assert "sk-secret" not in str(found(chain("azure/gpt-4o"), azure="sk-secret"))


def test_many_retries_before_the_first_fallback_are_said() -> None:
    """Somebody waits for all of them."""
    lines = found("[retry]\nattempts = 6\n" + chain("gpt-4o-mini"))
    assert [one.status for one in lines] == ["ok", "warn"]
    assert "6 times" in lines[1].said


def test_keys_that_are_passed_on_go_to_their_own_provider_only() -> None:
    """So a target elsewhere is of no use; one of the same provider needs no key of ours."""
    passed_on = '[auth]\nmode = "passthrough"\n'
    assert [one.status for one in found(passed_on + chain("gpt-4o-mini"))] == ["ok"]
    (one,) = found(passed_on + chain("azure/gpt-4o"))
    assert (one.status, "keys for 'openai' only" in one.said) == ("warn", True)


async def _open(path: Path) -> None:
    health = Health(circuit="open", openings=3, until_s=1e10)
    await SqliteHealth(path).change(lambda _: {"openai": health, "azure": WELL})


def test_open_circuits_are_shown(tmp_path: Path) -> None:
    """As the workers' file says now."""
    toml = f'state_dir = "{tmp_path}"\n[server]\nworkers = 2\n' + chain("gpt-4o-mini")
    assert [one.status for one in found(toml)] == ["ok"]
    asyncio.run(_open(tmp_path / "health.sqlite"))
    warned, _ = found(toml)
    assert "circuit 'openai' is open, 3 times in a row" in warned.said


def test_a_file_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """It breaks no call, but workers know less."""
    toml = f'state_dir = "{tmp_path}"\n[server]\nworkers = 2\n' + chain("gpt-4o-mini")
    (tmp_path / "health.sqlite").write_bytes(b"no database at all, but long enough to be one" * 40)
    warned, _ = found(toml)
    assert (warned.status, "delete the file" in warned.way_out) == ("warn", True)
