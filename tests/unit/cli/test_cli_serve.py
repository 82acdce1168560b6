"""What `scrimp serve` prints and logs."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.text import Text

from scrimp.cli.greeting import greeting, paste_url
from scrimp.cli.logs import LineFormatter
from scrimp.cli.main import cli
from scrimp.cli.serve import overridden
from scrimp.cli.signals import Stopping
from scrimp.settings import Loaded, Settings, load, parse

URL = "http://127.0.0.1:4141"
OPEN = "http://0.0.0.0:4141"
SECRET = "sk-very-secret"


def lines(loaded: Loaded, url: str = URL) -> list[str]:
    """The greeting as plain text."""
    return [line.plain if isinstance(line, Text) else line for line in greeting(loaded, url)]


def of(toml: str) -> Loaded:
    """Settings of this text, without any secret."""
    return Loaded(parse(toml.encode(), source="test"), "scrimp.toml", {})


def test_the_first_lines_are_what_to_paste() -> None:
    """Address first, then one line for each SDK, ready to copy."""
    told = lines(of(""))
    assert URL in told[0]
    assert f"  OPENAI_BASE_URL={URL}/v1" in told[:5]
    assert f"  ANTHROPIC_BASE_URL={URL}" in told[:5]


def test_it_names_providers_or_the_way_to_one(tmp_path: Path) -> None:
    """Those of the environment by name; without any, what to export."""
    assert any("none yet: export OPENAI_API_KEY" in line for line in lines(of("")))
    empty = tmp_path / "scrimp.toml"
    empty.touch()
    told = lines(load({"OPENAI_API_KEY": SECRET, "GROQ_API_KEY": SECRET}, empty))
    assert any(line.split() == ["providers", "openai,", "groq"] for line in told)
    assert SECRET not in "\n".join(told)


def test_a_provider_whose_key_is_missing_is_said() -> None:
    """Better at the start than at the first call."""
    told = "\n".join(
        lines(of('[providers.a]\nbase_url="http://x"\ndialects=["openai.chat"]\nkey_env="A_KEY"'))
    )
    assert "a (A_KEY is not set)" in told


def test_all_addresses_are_pasted_as_this_machine() -> None:
    """Nobody can call 0.0.0.0; others need their name allowed, and it says so."""
    assert paste_url(OPEN) == URL
    assert paste_url("http://[::]:1") == "http://[::1]:1"
    told = "\n".join(lines(of(""), OPEN))
    assert f"OPENAI_BASE_URL={URL}/v1" in told
    assert "server.allowed_hosts" in told


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("", "need no key"),
        (f'[[keys]]\nname="a"\nsha256="{"0" * 64}"', "need the key of scrimp.toml"),
        ('[auth]\nmode = "passthrough"', "bring their own"),
    ],
)
def test_it_says_what_clients_need(toml: str, said: str) -> None:
    """No key, one of ours, or the provider's own."""
    assert any(said in line for line in lines(of(toml)))


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("", "4 processes; each remembers answers of its own, up to 256 MiB"),
        ('[exact_cache]\nengine = "sqlite"', "64 MiB of memory before the exact cache"),
        ("[exact_cache]\nenabled = false", "4 processes"),
    ],
)
def test_it_says_what_each_worker_has_for_itself(toml: str, said: str) -> None:
    """What one process remembers, another does not, unless they share a cache."""
    told = lines(of(f"[server]\nworkers = 4\n{toml}"))
    assert any(line.startswith("workers") and said in line for line in told)
    assert not any(line.startswith("workers") for line in lines(of(toml)))


@pytest.mark.parametrize("workers", ["0", "129", "many"])
def test_a_number_of_workers_beyond_reason_is_refused(workers: str) -> None:
    """One line, exit code 2."""
    result = CliRunner().invoke(cli, ["serve", "--workers", workers])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_the_command_line_wins_over_the_file() -> None:
    """Host and port; 0 is a port too."""
    assert overridden(of("[server]\nworkers = 2"), None, None, 4).settings.server.workers == 4
    server = overridden(of("[server]\nport = 5000"), "::1", 0).settings.server
    assert (server.host, server.port) == ("::1", 0)
    assert overridden(of("[server]\nport = 5000"), None, None).settings.server.port == 5000
    assert overridden(of(""), None, None).settings == Settings()


def test_an_open_address_without_keys_is_refused() -> None:
    """One line, exit code 2, and the way out."""
    result = CliRunner().invoke(cli, ["serve", "--host", "0.0.0.0", "--port", "0"])  # noqa: S104 - refused
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "scrimp key" in result.stderr


def record(message: str, *, error: bool = False) -> logging.LogRecord:
    """A log record, with the exception that is being handled when asked for."""
    info = sys.exc_info() if error else None
    return logging.LogRecord("scrimp.x", logging.ERROR, __file__, 1, message, (), info)


def test_a_log_line_is_one_line_without_what_an_exception_says() -> None:
    """Line ends are escaped; of an exception only kind and place, for it may quote a prompt."""
    assert "\n" not in LineFormatter().format(record("two\nlines"))
    try:
        int(SECRET)
    except ValueError:
        line = LineFormatter().format(record("it broke", error=True))
    assert 'level=error logger=scrimp.x message="it broke" error=ValueError place=' in line
    assert SECRET not in line
    assert "\n" not in line


def test_a_signal_before_serving_ends_quietly_and_afterwards_is_the_servers() -> None:
    """No traceback; what the server raises again after draining ends nothing; handlers return."""
    before = signal.getsignal(signal.SIGTERM)
    reached = False
    with Stopping():
        signal.raise_signal(signal.SIGTERM)
        reached = True
    assert not reached
    with Stopping() as stopping:
        stopping.served()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        reached = True
    assert reached
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_state_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    """Exit code 2, with the reason and the way out; no traceback."""
    (tmp_path / "file").write_text("")
    config = tmp_path / "scrimp.toml"
    config.write_text(f"state_dir = '{tmp_path / 'file' / 'state'}'\n[server]\nport = 0\n")
    result = CliRunner().invoke(cli, ["serve", "--config", str(config)])
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert "file/state cannot be used: Not a directory" in line
    assert "state_dir" in line
