"""The doctor finds what is wrong, says what mends it, and shows no secret."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from scrimp.cli.doctor_checks import ledger, providers, state
from scrimp.cli.doctor_port import Ready, port_findings
from scrimp.cli.finding import Finding
from scrimp.cli.main import cli
from scrimp.settings import Loaded, Settings, parse
from tests.support.cli_ledger import paid, written

SECRET = "sk-very-secret"


def nobody(host: str, port: int) -> Ready | None:
    """No gateway answers."""
    assert host
    assert port >= 0
    return None


def told(health: dict[str, object]) -> Callable[[str, int], Ready | None]:
    """A gateway that says this of its ledger."""
    return lambda _host, _port: {"status": "ok", "ledger": health}


def settings_in(folder: Path) -> Settings:
    """Settings whose state is in this folder."""
    return parse(f'state_dir = "{folder}"'.encode(), source="test")


def only(findings: Iterator[Finding]) -> Finding:
    """The one finding that there is."""
    (finding,) = findings
    return finding


def asked(folder: Path, *args: str, toml: str = "") -> Result:
    """What the doctor says of a settings file."""
    (folder / "scrimp.toml").write_text(f'state_dir = "{folder}/state"\n[server]\nport = 0\n{toml}')
    env = {"SCRIMP_CONFIG": str(folder / "scrimp.toml"), "OPENAI_API_KEY": SECRET}
    return CliRunner().invoke(cli, ["doctor", *args], env=env)


def test_a_sound_installation_passes(tmp_path: Path) -> None:
    """Every line says ok, the exit code is 0, the provider's key is not shown."""
    written(tmp_path / "state", [paid(1)])
    result = asked(tmp_path)
    assert result.exit_code == 0, result.output
    assert "Everything is in order." in result.stdout
    assert "openai: OPENAI_API_KEY is set" in result.stdout
    assert "whole, 1 call, every sum equals its calls" in result.stdout
    assert SECRET not in result.output


def test_json_has_the_same_findings(tmp_path: Path) -> None:
    """For machines: one object with every finding, and the same exit code."""
    result = asked(tmp_path, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert document["ok"] is True
    names = {finding["name"] for finding in document["findings"]}
    assert names == {
        "scrimp", "settings", "providers", "state", "ledger", "cache", "budgets", "address",
        "prices", "vocabulary",
    }  # fmt: skip


def test_a_wrong_file_is_a_finding_not_a_crash(tmp_path: Path) -> None:
    """The field is named, what needs no settings is still checked, the exit code is 1."""
    result = asked(tmp_path, toml="drain_s = -1\n")
    assert result.exit_code == 1
    assert "server.drain_s" in result.stdout
    assert "vocabulary" in result.stdout


def test_a_file_that_names_an_unknown_provider_fails(tmp_path: Path) -> None:
    """What serve would refuse, the doctor refuses."""
    result = asked(tmp_path, toml='[models.m]\nprovider = "nobody"\n')
    assert result.exit_code == 1
    assert "nobody" in result.stdout


def test_providers_without_keys_are_told_apart() -> None:
    """None at all fails, a missing key warns, a provider that needs none is well."""
    assert only(providers(Loaded(Settings(), "test", {}))).status == "fail"
    text = """
    [providers.openai]
    base_url = "http://x/v1"
    dialects = ["openai.chat"]
    key_env = "SOME_KEY"
    [providers.local]
    base_url = "http://y/v1"
    dialects = ["openai.chat"]
    """
    settings = parse(text.encode(), source="test")
    found = list(providers(Loaded(settings, "test", {})))
    assert [(one.status, one.way_out) for one in found] == [
        ("warn", "export SOME_KEY=…"),
        ("ok", ""),
    ]
    assert {one.status for one in providers(Loaded(settings, "test", {"openai": SECRET}))} == {"ok"}


def test_a_state_folder_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    """With the command that closes it."""
    assert only(state(tmp_path / "none")).status == "ok"
    tmp_path.chmod(0o755)
    finding = only(state(tmp_path))
    assert (finding.status, finding.way_out) == ("warn", f"chmod 700 {tmp_path}")
    tmp_path.chmod(0o700)
    assert only(state(tmp_path)).status == "ok"


def test_a_ledger_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    """It says who paid for what, which is nobody else's business."""
    folder = written(tmp_path / "s", [paid(1)])
    (folder / "ledger.sqlite").chmod(0o644)
    first, second = ledger(settings_in(folder))
    assert (first.status, second.status) == ("warn", "ok")


def test_a_damaged_ledger_fails(tmp_path: Path) -> None:
    """A file that is no ledger is said to be none."""
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database at all" * 100)
    (tmp_path / "ledger.sqlite").chmod(0o600)
    assert "fail" in {finding.status for finding in ledger(settings_in(tmp_path))}


def test_sums_that_differ_from_their_calls_fail(tmp_path: Path) -> None:
    """The doctor adds up again."""
    import sqlite3  # noqa: PLC0415 - this test alone breaks a ledger

    folder = written(tmp_path / "s", [paid(1), paid(2)])
    connection = sqlite3.connect(folder / "ledger.sqlite")
    with connection:
        connection.execute("UPDATE rollups SET cost_nanousd = 1 WHERE dimension = 'total'")
    connection.close()
    found = list(ledger(settings_in(folder)))
    assert "rollups differ from calls" in " ".join(
        one.said for one in found if one.status == "fail"
    )


def test_entries_that_wait_are_a_warning(tmp_path: Path) -> None:
    """Spilled entries are counted, with what reads them back."""
    folder = written(tmp_path / "s", [paid(1)])
    line = msgspec.json.encode(paid(2)) + b"\n"
    (folder / "ledger.sqlite.spill.jsonl").write_bytes(line)
    found = [one for one in ledger(settings_in(folder)) if one.status == "warn"]
    assert "1 entries wait" in found[0].said


@pytest.fixture
def taken() -> Iterator[Settings]:
    """Settings whose port is somebody else's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield parse(f"[server]\nport = {port}".encode(), source="test")


def test_a_port_of_somebody_else_fails_and_a_free_one_is_well(taken: Settings) -> None:
    """Free, or taken by what is no Scrimp."""
    finding = only(port_findings(Loaded(taken, "test", {}), nobody))
    assert (finding.status, "--port" in finding.way_out) == ("fail", True)
    free = parse(b"[server]\nport = 0", source="test")
    finding = only(port_findings(Loaded(free, "test", {}), nobody))
    assert (finding.status, "any free port" in finding.said) == ("ok", True)


@pytest.mark.parametrize(
    ("health", "status"),
    [
        ({"ok": True, "pending": 3, "spilled": 0, "dropped": 0}, "ok"),
        ({"ok": False, "pending": 9, "spilled": 4, "dropped": 0, "last_error": "full"}, "warn"),
        ({"ok": False, "pending": 0, "spilled": 0, "dropped": 1}, "fail"),
    ],
)
def test_the_health_of_a_running_gateway_is_told(health: dict[str, object], status: str) -> None:
    """What waits warns, what was dropped fails."""
    loaded = Loaded(Settings(), "test", {})
    assert only(port_findings(loaded, told(health))).status == status


def test_an_open_address_without_keys_fails() -> None:
    """What serve would refuse, before it is tried."""
    loaded = Loaded(parse(b'[server]\nhost = "0.0.0.0"\nport = 0', source="test"), "test", {})
    first, *_ = port_findings(loaded, nobody)
    assert (first.status, "no key is set" in first.said) == ("fail", True)
