"""`scrimp.Scrimp` as a name: found lazily, light, with settings in any form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import scrimp
from scrimp.client.face import loaded_of
from scrimp.errors import ConfigError
from scrimp.settings import Loaded, Settings

TABLES = {"providers": {"openai": {"ask_usage": False}}, "retry": {"attempts": 1}}


def test_the_name_is_found_when_it_is_asked_for() -> None:
    """And no other name is."""
    assert "Scrimp" in dir(scrimp)
    assert scrimp.Scrimp.__module__ == "scrimp.client.face"
    with pytest.raises(AttributeError, match="'scrimp' has no attribute 'Scrooge'"):
        _ = scrimp.Scrooge


def test_the_library_imports_no_sdk_and_no_server() -> None:
    """A client brings its own HTTP library; a server is not needed."""
    code = (
        "import sys; import scrimp; quick = set(sys.modules); scrimp.Scrimp;"
        "print(*({'openai', 'anthropic', 'httpx', 'httpx2', 'uvicorn'} & set(sys.modules)),"
        "*({'asyncio', 'threading', 'typing', 'msgspec', 'aiohttp'} & quick))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_settings_come_in_any_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables, a file by path or text, what was read before; each completed by the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    monkeypatch.setenv("SCRIMP_STATE", str(tmp_path))
    file = tmp_path / "my.toml"
    file.write_text("[providers.openai]\nask_usage = false\n[retry]\nattempts = 1\n")
    for given in (TABLES, file, str(file), loaded_of(TABLES).settings, loaded_of(TABLES)):
        loaded = loaded_of(given)
        assert loaded.settings.providers["openai"].ask_usage is False
        assert loaded.settings.retry.attempts == 1
        assert loaded.secrets == {"openai": "sk-mine"}
        assert loaded.settings.state_path == tmp_path


def test_settings_that_cannot_be_used_are_told_in_words(tmp_path: Path) -> None:
    """Where they came from, and what is wrong."""
    with pytest.raises(ConfigError, match="the program: no setting has the name 'retri'"):
        loaded_of({"retri": {}})
    with pytest.raises(ConfigError, match="no such file"):
        loaded_of(tmp_path / "none.toml")


def test_no_key_is_shown() -> None:
    """In a notebook the last value of a cell is shown."""
    shown = repr(scrimp.Scrimp(Loaded(Settings(), "my.toml", {"openai": "sk-secret"})))
    assert shown == "Scrimp('my.toml')"
