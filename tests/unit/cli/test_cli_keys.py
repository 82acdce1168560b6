"""Keys, members, budgets and tiers from the command line, on a state folder of their own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli

KEY = re.compile(r"sk-scrimp-[0-9A-Za-z]{43}")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own, and no settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCRIMP_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("SCRIMP_CONFIG", raising=False)
    return tmp_path / "state"


def run(*words: str) -> Result:
    """What a command prints."""
    return CliRunner().invoke(cli, list(words))


def good(*words: str) -> str:
    """Standard output of a command that must work."""
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*words: str) -> Any:
    """The same as JSON."""
    return json.loads(good(*words, "--json"))


def refused(*words: str) -> str:
    """The one line of a command that must not work."""
    result = run(*words)
    assert result.exit_code in (1, 2)
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr


def test_a_key_is_shown_once_and_recognised_by_its_end(state: Path) -> None:
    """In a pipe it is all of standard output; nothing that is kept or shown later has it."""
    result = run("keys", "create", "ci", "--team", "red", "--tag", "env:ci", "--expires", "90d")
    assert KEY.fullmatch(result.stdout.strip())
    assert "team 'red' is new" in result.stderr
    key = result.stdout.strip()
    shown = good("keys", "list") + good("keys", "show", "ci")
    assert f"sk-scrimp-…{key[-4:]}" in shown
    assert key not in shown
    kept = b"".join(path.read_bytes() for path in state.iterdir())
    assert key.encode() not in kept
    view = told("keys", "show", "ci")
    assert (view["team"], view["tags"], view["status"]) == ("red", ["env:ci"], "active")
    assert [one["name"] for one in told("teams", "list")] == ["red"]


def test_rotating_and_revoking(state: Path) -> None:
    """A new secret each time, the name for good."""
    first = told("keys", "create", "ci")["secret"]
    second = told("keys", "rotate", "ci", "--grace", "24h")
    assert second["secret"] != first
    assert second["key"]["old_key_works_until"]
    assert "30d" in refused("keys", "rotate", "ci", "--grace", "31d")
    assert "revoked" in good("keys", "revoke", "ci")
    assert told("keys", "show", "ci")["status"] == "revoked"
    assert "revoked" in refused("keys", "rotate", "ci")
    assert "its name stays its own" in refused("keys", "create", "ci")
    assert (state / "control.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("keys", "create", "no spaces"), "letters"),
        (("keys", "create", "ci", "--task", "juggling"), "juggling"),
        (("keys", "create", "ci", "--expires", "yesterday"), "not in the future"),
        (("keys", "create", "ci", "--expires", "soon"), "90d"),
        (("keys", "show", "nobody"), "there is no key 'nobody' (scrimp keys list shows all)"),
        (("budget", "set", "x", "--per", "day"), "error: per without an amount"),
        (("teams", "delete", "nobody"), "there is no team 'nobody'"),
        (("budget", "set", "x", "--usd", "-3", "--per", "day"), "$9,000,000"),
        (("budget", "set", "x", "--usd", "nan", "--per", "day"), "nan"),
        (("budget", "set", "x", "--tokens", "0", "--per", "day"), "tokens"),
        (("budget", "set", "x", "--usd", "3"), "per is missing"),
        (("budget", "set", "x", "--usd", "3", "--per", "day", "--rolling", "24h"), "two windows"),
        (("budget", "set", "x"), "allows everything"),
        (("budget", "set", "x", "--team", "ci", "--usd", "3", "--per", "day"), "teams create ci"),
        (("budget", "show", "x"), "there is no budget 'x'"),
        (("tier", "set", "x"), "allows everything"),
        (("tier", "assign", "gold", "end-user", "ada"), "there is no tier 'gold'"),
    ],
)
def test_what_cannot_be_is_one_line_with_the_way_out(words: tuple[str, ...], said: str) -> None:
    """And nothing was made."""
    assert said in refused(*words)
    assert told("keys", "list") == []
    assert told("budget", "list") == []


def test_a_budget_is_set_shown_reset_and_deleted() -> None:
    """By the words of the guide."""
    good("teams", "create", "ci")
    said = good("budget", "set", "ci", "--team", "ci", "--usd", "5", "--per", "day")
    assert "$5.00 per day" in said
    shown = told("budget", "show", "ci")
    assert shown["budget"]["usd"] == "5"
    assert shown["standing"][0]["remaining"] == "5"
    assert "$5.00" in good("budget", "show", "ci")
    assert "from 0" in good("budget", "reset", "ci")
    assert "ci" in good("budget", "list")
    good("budget", "delete", "ci")
    assert told("budget", "list") == []


def test_a_budget_for_each_end_user_is_shown_for_one() -> None:
    """Without a name it says how to ask."""
    good("budget", "set", "all", "--end-user", "*", "--tokens", "100", "--rolling", "24h")
    assert "--whose" in good("budget", "show", "all")
    assert told("budget", "show", "all", "--whose", "ada")["standing"][0]["scope"] == "end_user:ada"
    assert "say whose" in refused("budget", "reset", "all")


def test_a_tier_and_who_is_in_it() -> None:
    """In use it stays; out of use it goes."""
    good("tier", "set", "free", "--tokens", "1000", "--per", "day", "--rpm", "5")
    good("tier", "assign", "free", "end-user", "*")
    assert "tier:end_user:*" in refused("tier", "delete", "free")
    assert told("tier", "list")[0]["name"] == "free"
    good("tier", "unassign", "end-user", "*")
    good("tier", "delete", "free")


def test_what_stands_in_the_settings_is_listed_and_left_alone(tmp_path: Path) -> None:
    """With the place where it is changed."""
    key = told("key", "listed")
    (tmp_path / "scrimp.toml").write_text(
        f'{key["stanza"]}\n[budgets.fixed]\nusd = 1\nper = "day"\n'
    )
    assert told("keys", "list")[0]["source"] == "settings"
    for words in (
        ("keys", "revoke", "listed"),
        ("keys", "create", "listed"),
        ("budget", "delete", "fixed"),
        ("budget", "set", "fixed", "--usd", "2", "--per", "day"),
    ):
        assert "scrimp.toml" in refused(*words)


def test_who_changed_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first, with what is different, and never a key."""
    monkeypatch.setenv("LOGNAME", "ann")
    assert "Nothing" in good("audit")
    key = told("keys", "create", "ci")["secret"]
    good("keys", "rotate", "ci", "--grace", "1h")
    shown = good("audit")
    assert "cli:ann" in shown
    assert shown.index("rotate") < shown.index("create")
    assert "old_ends_at null" in shown
    assert key[-10:] not in shown
    newest = told("audit", "--limit", "1")
    assert [one["action"] for one in newest] == ["rotate"]
    assert newest[0]["before"]["old_ends_at"] is None


def test_the_doctor_looks_at_keys(state: Path, tmp_path: Path) -> None:
    """Whole; twice the same name; damaged. Without a file it says nothing."""

    def findings() -> list[tuple[str, str]]:
        found = json.loads(run("doctor", "--json").stdout)["findings"]
        return [(one["status"], one["said"]) for one in found if one["name"] == "keys"]

    assert findings() == []
    good("keys", "create", "ci")
    ((status, said),) = findings()
    assert status == "ok"
    assert "1 for calls" in said
    (tmp_path / "scrimp.toml").write_text(f'[[keys]]\nname = "ci"\nsha256 = "{"a" * 64}"\n')
    assert [status for status, _ in findings()] == ["warn", "ok"]
    (state / "control.sqlite").write_bytes(b"no database at all" * 100)
    assert [status for status, _ in findings()] == ["fail"]


@pytest.mark.usefixtures("state")
def test_the_doctor_counts_budgets_and_says_where_rates_are_counted() -> None:
    """Those that were made on the command line hold like those of the settings."""
    good("budget", "set", "web", "--usd", "5", "--per", "day", "--rpm", "60", "--parallel", "4")
    assert "and 1 by scrimp budget" in run("doctor").stdout
    shown = " ".join(good("budget", "show", "web").split())  # lines end where a terminal does
    assert "the gateway counts: GET /v1/scrimp/admin/budgets/web/standing" in shown
    assert [one["window"] for one in told("budget", "show", "web")["standing"]] == ["day"]
