"""Commands under test see settings of the test alone, not those of who runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrimp.providers import DEFAULT_PROVIDERS


@pytest.fixture(autouse=True)
def _settings_of_the_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty settings file, no provider keys, state in a folder of the test."""
    empty = tmp_path / "empty.toml"
    empty.touch()
    monkeypatch.setenv("SCRIMP_CONFIG", str(empty))
    monkeypatch.setenv("SCRIMP_STATE", str(tmp_path / "state"))
    for provider in DEFAULT_PROVIDERS:
        monkeypatch.delenv(provider.key_env, raising=False)
