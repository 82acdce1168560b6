"""The file that `scrimp init` writes cannot drift from what the settings accept."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from scrimp.budgets.tables import BudgetSection, BudgetTable
from scrimp.cli.init import document
from scrimp.cli.main import cli
from scrimp.limits import SCOPE_KINDS
from scrimp.prices.own import PriceSettings, UnpricedSection
from scrimp.sections import ModelSettings
from scrimp.settings import (
    KeySettings,
    ProviderSettings,
    Settings,
    parse,
    ttl_seconds,
)
from scrimp.tasks import TTL_S

SECRET = "sk-never-in-a-file"


def uncommented(text: str) -> str:
    """The file with every commented setting switched on."""
    return re.sub(r"^#(?=[^\s#])", "", text, flags=re.MULTILINE)


def switched_on() -> tuple[Settings, dict[str, Any]]:
    """Settings from the file with everything switched on, and the same as plain TOML."""
    text = uncommented(document({}))
    return parse(text.encode(), source="init"), tomllib.loads(text)


def fields(kind: type[msgspec.Struct]) -> set[str]:
    """Names of a table's fields."""
    return {field.name for field in msgspec.structs.fields(kind)}


def test_the_file_as_written_changes_nothing() -> None:
    """Everything is commented out: the settings are the defaults."""
    assert parse(document({}).encode(), source="init") == Settings()


def test_every_commented_setting_can_be_switched_on() -> None:
    """With each `#` taken away, the file is still one that Scrimp accepts."""
    settings, plain = switched_on()
    assert set(plain) == fields(Settings)
    assert settings.providers["openai"].base_url == "https://api.openai.com/v1"


def test_the_sections_show_every_setting_at_its_default() -> None:
    """No section lacks a setting, and none shows another value than the one in force."""
    settings, plain = switched_on()
    defaults = Settings()
    for section in ("server", "auth", "admin", "coalesce", "retry", "ledger", "metrics", "degrade"):
        assert getattr(settings, section) == getattr(defaults, section)
        assert set(plain[section]) == fields(type(getattr(defaults, section)))
    cache = msgspec.structs.replace(settings.exact_cache, ttl={})
    assert cache == defaults.exact_cache
    assert set(plain["exact_cache"]) == fields(type(cache))
    assert {task: ttl_seconds(text) for task, text in settings.exact_cache.ttl.items()} == TTL_S


def test_the_example_tables_show_every_field() -> None:
    """A provider, a model, a price and a key each show all that they may say."""
    settings, plain = switched_on()
    assert set(plain["providers"]["openai"]) == fields(ProviderSettings)
    assert set(plain["models"]["house-model"]) == fields(ModelSettings)
    assert set(plain["prices"]["house-model"]) == fields(PriceSettings)
    assert set(plain["unpriced"]) == fields(UnpricedSection) - {"price"}
    assert set(plain["keys"][0]) == fields(KeySettings)
    rates = set(plain["limits"]["each-key"]) - {"key"}
    assert set(plain["budgets"]["ci"]) | rates | {*SCOPE_KINDS} == fields(BudgetTable)
    assert set(plain["budget"]) == fields(BudgetSection)
    assert msgspec.structs.replace(settings.budget, paths={}) == BudgetSection()
    shown, bare = settings.providers["openai"], ProviderSettings(base_url="", dialects=())
    assert (shown.any_model, shown.ask_usage, shown.timeouts) == (
        bare.any_model,
        bare.ask_usage,
        bare.timeouts,
    )


def test_providers_of_the_environment_are_named_without_their_keys() -> None:
    """Names of providers and variables go into the file, values never."""
    text = document({"OPENAI_API_KEY": SECRET, "GROQ_API_KEY": SECRET})
    assert "openai (OPENAI_API_KEY), groq (GROQ_API_KEY)" in text
    assert SECRET not in text


def test_init_writes_a_private_file_and_says_what_comes_next(tmp_path: Path) -> None:
    """The file is the owner's own, the output names it."""
    path = tmp_path / "new" / "scrimp.toml"
    result = CliRunner().invoke(cli, ["init", "--path", str(path)], env={"OPENAI_API_KEY": SECRET})
    assert result.exit_code == 0
    assert str(path) in result.stdout
    assert "openai (OPENAI_API_KEY)" in result.stdout
    assert SECRET not in result.output + path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    parse(path.read_bytes(), source=str(path))


@pytest.mark.parametrize("force", [False, True])
def test_init_overwrites_only_when_told_to(tmp_path: Path, *, force: bool) -> None:
    """A file that is there stays as it is, with one line and exit code 2; --force replaces it."""
    path = tmp_path / "scrimp.toml"
    path.write_text("# mine\n" * 1000)
    asked = ["init", "--path", str(path), *(["--force"] if force else [])]
    result = CliRunner().invoke(cli, asked)
    assert result.exit_code == (0 if force else 2)
    assert ("# mine" in path.read_text()) is not force
    assert len(result.stderr.splitlines()) == (0 if force else 1)
