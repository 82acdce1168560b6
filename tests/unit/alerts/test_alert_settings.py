"""`[alerts]`: what it may say, what is said of a mistake, and when anything is watched at all."""

from __future__ import annotations

import re
import tomllib

import msgspec
import pytest

from scrimp.alerts.tables import (
    AlertsSection,
    EmailTable,
    LoopTable,
    SlackTable,
    WebhookTable,
    is_on,
    rules_of,
)
from scrimp.cli.init_text import TEMPLATE
from scrimp.errors import ConfigError
from scrimp.settings import Loaded, Settings, complete, parse, with_alerts

MAIL = '[alerts.email]\nhost = "mx"\nsender = "a@example.com"\nto = ["b@example.com"]\n'


def section(text: str) -> AlertsSection:
    """The table of a file."""
    return parse(text.encode(), source="my.toml").alerts


def refused(text: str) -> str:
    """Why a file is refused."""
    with pytest.raises(ConfigError) as caught:
        section(text)
    return str(caught.value).removeprefix("my.toml: ")


def test_nothing_is_watched_where_nobody_is_told() -> None:
    """A notifier, a loop that is to be blocked, or plain words switch it on; plain words off."""
    assert not is_on(section(""))
    assert is_on(section("[alerts.slack]\n"))
    assert is_on(section(MAIL))
    assert is_on(section("[alerts.loop]\nblock = true\n"))
    assert not is_on(section("[alerts.loop]\ntimes = 5\n"))
    assert is_on(section("[alerts]\nenabled = true\n"))
    assert not is_on(section("[alerts]\nenabled = false\n[alerts.slack]\n"))


def test_a_program_that_listens_switches_it_on_unless_it_is_off() -> None:
    """`on_alert` is somebody to tell."""

    def on(text: str) -> bool:
        loaded = Loaded(parse(text.encode(), source="x"), "x", {})
        return is_on(with_alerts(loaded).settings.alerts)

    assert on("")
    assert not on("[alerts]\nenabled = false\n")


def test_levels_are_rising_and_told_once() -> None:
    """In whatever order they are written; dollars are exact."""
    rules = rules_of(section("[alerts]\nlevels = [90, 10, 90]\ntag_from_usd = 0.1\n"))
    assert rules.levels == (10, 90)
    assert rules.tag_from_nanousd == 100_000_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[alerts.webhook]\nurl = "ftp://x"\n', "alerts.webhook.url must be an http(s) address"),
        ("[alerts]\nlevels = [0]\n", "alerts.levels[0]: expected `int` >= 1"),
        ("[alerts]\ntag_from_usd = -1\n", "alerts.tag_from_usd: $-1 is out of range"),
        ('[alerts]\ngive_up = "soon"\n', "alerts.give_up: 'soon' is not a time"),
        ('[alerts.loop]\nwithin = "x"\n', "alerts.loop.within: 'x' is not a time"),
        ("[alerts]\nlevel = [50]\n", "alerts: no setting has the name 'level'"),
        ('[alerts]\nmute = ["noise"]\n', "any of budget, refused, forecast"),
        ("[alerts.email]\n", "alerts.email: 'host' is missing"),
        (MAIL.replace('["b@example.com"]', "[]"), "alerts.email.to is empty"),
        (MAIL.replace("b@example.com", "b@x.com\\r\\nBcc: c@x.com"), "alerts.email.to:"),
        (MAIL.replace("a@example.com", "nobody"), "alerts.email.sender: 'nobody' is no mail"),
        (f'{MAIL}tls = "none"\nuser = "u"\n', "a password is not sent unencrypted"),
        (f'{MAIL}tls = "ssl"\n', "one of starttls, tls, none"),
    ],
)
def test_a_mistake_is_named_with_its_field(text: str, said: str) -> None:
    """In one line."""
    assert said in refused(text)


def test_secrets_come_from_the_environment_and_show_in_no_repr() -> None:
    """Only those that the tables name."""
    settings = parse(f"[alerts.slack]\n{MAIL}user = 'u'\n".encode(), source="x")
    environ = {"SCRIMP_SLACK_URL": "https://s", "SCRIMP_SMTP_PASSWORD": "pw", "OTHER": "no"}
    loaded = complete(settings, environ, source="x")
    assert loaded.alert_secrets == {
        "SCRIMP_SLACK_URL": "https://s",
        "SCRIMP_SMTP_PASSWORD": "pw",
    }
    assert "https://s" not in repr(loaded)
    assert "pw" not in repr(loaded)


def test_a_new_file_shows_every_setting_at_its_default() -> None:
    """With each `#` taken away from `scrimp init`'s tables of alerts."""
    shown = TEMPLATE[TEMPLATE.index("#[alerts]") : TEMPLATE.index("# Who reads /metrics")]
    text = re.sub(r"^#(?=[^\s#])", "", shown, flags=re.MULTILINE)
    found = section(text)
    assert msgspec.structs.replace(found, webhook=None, slack=None, email=None) == AlertsSection()
    assert (found.webhook, found.slack) == (WebhookTable(), SlackTable())
    mail = found.email
    assert mail is not None
    assert mail == EmailTable(host=mail.host, sender=mail.sender, to=mail.to)
    plain = tomllib.loads(text)["alerts"]
    kinds: dict[str, type[msgspec.Struct]] = {
        "loop": LoopTable,
        "webhook": WebhookTable,
        "slack": SlackTable,
        "email": EmailTable,
    }
    assert set(plain) == _fields(AlertsSection)
    for name, kind in kinds.items():
        assert set(plain[name]) == _fields(kind)


def _fields(kind: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind)}


def test_workers_get_the_secrets_with_the_settings() -> None:
    """A parent hands its workers all that it has read."""
    loaded = Loaded(Settings(), "x", {}, "", {"SCRIMP_SLACK_URL": "https://s"})
    again = msgspec.json.decode(msgspec.json.encode(loaded), type=Loaded)
    assert again.alert_secrets == loaded.alert_secrets
