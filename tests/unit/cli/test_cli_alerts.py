"""`scrimp alerts` and what the doctor says of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scrimp.alerts.rules import alert_of
from scrimp.app import open_alerts
from scrimp.cli.doctor_alerts import alerts
from scrimp.cli.main import cli
from scrimp.notices import Sent
from scrimp.settings import Loaded, Settings, parse

AT = datetime(2026, 5, 6, 12, 0, tzinfo=UTC)


def asked(folder: Path, *args: str, toml: str = "") -> Result:
    """What the command says with these settings."""
    config = folder / "scrimp.toml"
    config.write_text(f'state_dir = "{folder}/state"\n{toml}')
    return CliRunner().invoke(cli, ["alerts", *args, "--config", str(config)])


def settings_of(folder: Path, toml: str = "") -> Settings:
    """Settings whose state is in this folder."""
    return parse(f'state_dir = "{folder}/state"\n{toml}'.encode(), source="test")


def filled(folder: Path) -> None:
    """Two alerts: one delivered by one notifier and not yet by the other, one for nobody."""
    box = open_alerts(settings_of(folder))
    first = alert_of("budget", "warning", AT, "a", "90 % of budget 'ci' used", text="the text")
    box.offer([first], ("slack", "webhook"))
    for name, sent in (
        ("webhook", Sent(ok=True)),
        ("slack", Sent(ok=False, said="it answered 404")),
    ):
        due = box.claim(name, "me", lease_s=60)
        assert due is not None
        box.settle(due, "me", sent, retry_at=datetime.now(UTC) + timedelta(seconds=5))
    later = AT + timedelta(hours=1)
    box.offer([alert_of("loop", "critical", later, "b", "[bold]a loop", text="text")], ())


def test_an_empty_list_says_whether_anybody_would_be_told(tmp_path: Path) -> None:
    """Looking makes no file."""
    said = asked(tmp_path, "list").stdout
    assert "No alert yet." in said
    assert "Alerts are off" in said
    assert "Alerts are off" not in asked(tmp_path, "list", toml="[alerts.slack]\n").stdout
    assert not (tmp_path / "state").exists()


def test_the_list_shows_what_and_what_became_of_it(tmp_path: Path) -> None:
    """The newest first; names are no markup."""
    filled(tmp_path)
    lines = asked(tmp_path, "list").stdout.splitlines()
    assert lines[0] == "2026-05-06 13:00:00Z  critical [bold]a loop"
    assert lines[2] == "  nobody was set up to be told"
    assert lines[3] == "2026-05-06 12:00:00Z  warning  90 % of budget 'ci' used"
    assert lines[4] == "  the text"
    assert lines[5].startswith("  → slack waiting ")
    assert lines[5].endswith(": it answered 404")
    assert ", 1 try, again " in lines[5]
    assert lines[6].startswith("  → webhook delivered ")
    assert len(asked(tmp_path, "list", "--limit", "1").stdout.splitlines()) == 3


def test_machines_get_the_same(tmp_path: Path) -> None:
    """With every state by name."""
    filled(tmp_path)
    told = json.loads(asked(tmp_path, "list", "--json").stdout)
    assert [one["kind"] for one in told] == ["loop", "budget"]
    assert [(one["notifier"], one["state"]) for one in told[1]["deliveries"]] == [
        ("slack", "waiting"),
        ("webhook", "delivered"),
    ]


def test_a_test_without_anybody_to_tell_says_how_to_set_one_up(tmp_path: Path) -> None:
    """Exit code 2, as for other settings."""
    result = asked(tmp_path, "test")
    assert result.exit_code == 2
    assert "nobody is told of alerts" in result.output


def test_a_test_of_one_that_lacks_its_secret_fails_and_says_which(tmp_path: Path) -> None:
    """Nothing is sent unsigned."""
    hook = '[alerts.webhook]\nurl = "http://127.0.0.1:9/x"\n'
    result = asked(tmp_path, "test", toml=hook)
    assert "SCRIMP_WEBHOOK_SECRET is not set, so it cannot be signed" in result.stdout
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("toml", "secrets", "findings"),
    [
        ("", {}, []),
        ("[alerts]\nenabled = false\n[alerts.slack]\n", {}, [("ok", "switched off")]),
        ("[alerts.slack]\n", {}, [("fail", "slack: SCRIMP_SLACK_URL is not set")]),
        (
            "[alerts.slack]\n",
            {"SCRIMP_SLACK_URL": "https://hooks.example/very-secret"},
            [("ok", "slack is set up")],
        ),
        (
            '[alerts.email]\nhost = "mx"\nsender = "a@x.com"\nto = ["b@x.com"]\ntls = "none"\n',
            {},
            [("ok", "email is set up"), ("warn", "email goes unencrypted")],
        ),
        (
            '[alerts.email]\nhost = "mx"\nsender = "a@x.com"\nto = ["b@x.com"]\nca_file = "/no"\n',
            {},
            [("ok", "email is set up"), ("fail", "email: ca_file no cannot be read")],
        ),
    ],
)
def test_the_doctor_names_what_is_amiss(
    tmp_path: Path, toml: str, secrets: dict[str, str], findings: list[tuple[str, str]]
) -> None:
    """Nobody is asked, and no address is shown."""
    found = list(alerts(Loaded(settings_of(tmp_path, toml), "x", {}, "", secrets)))
    assert [one.status for one in found] == [status for status, _ in findings]
    for one, (_, said) in zip(found, findings, strict=True):
        assert said in one.said
        assert "very-secret" not in one.said


def test_the_doctor_sees_deliveries_that_fail(tmp_path: Path) -> None:
    """And where to see why."""
    filled(tmp_path)
    secrets = {"SCRIMP_SLACK_URL": "https://hooks.example/x"}
    loaded = Loaded(settings_of(tmp_path, "[alerts.slack]\n"), "x", {}, "", secrets)
    *_, last = alerts(loaded)
    assert (last.status, last.said) == ("warn", "1 of the newest deliveries have failed so far")
