"""What leaves: signed, escaped, on one line, and never to where nobody pointed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable
from datetime import UTC, datetime

import msgspec
import pytest

from scrimp.alerts.rules import alert_of
from scrimp.alerts.tables import AlertsSection
from scrimp.notices import Alert, Notifier, OnAlert, Sent
from scrimp.notifiers import email, slack, webhook
from scrimp.notifiers.callback import Callback
from scrimp.notifiers.opened import notifiers_of

NOW = datetime(2026, 5, 8, 15, 30, tzinfo=UTC)
HOSTILE = "x\r\nBcc: all@example.com\r\n\r\n<!channel> <https://evil.example|click> & more"


def alert(title: str = "75 % of budget 'ci' used", **more: object) -> Alert:
    """An alert."""
    fields = {"text": f"text {title}", "facts": (("scope", title), ("spent", 12))} | more
    return alert_of("budget", "warning", NOW, "topic", title, **fields)


def test_a_receiver_can_check_the_signature() -> None:
    """HMAC-SHA256 over timestamp, dot, body; another body, time or secret has another one."""
    body = webhook.body_of(alert())
    own = hmac.new(b"secret", b"1780000000." + body, hashlib.sha256).hexdigest()
    assert webhook.signature(b"secret", "1780000000", body) == own
    others = {
        webhook.signature(b"secret", "1780000001", body),
        webhook.signature(b"other", "1780000000", body),
        webhook.signature(b"secret", "1780000000", body + b" "),
    }
    assert own not in others
    assert len(others) == 3


def test_the_body_of_a_webhook_has_text_and_numbers() -> None:
    """Facts are an object; times are ISO."""
    told = msgspec.json.decode(webhook.body_of(alert()))
    assert told["facts"] == {"scope": "75 % of budget 'ci' used", "spent": 12}
    assert told["at"] == "2026-05-08T15:30:00Z"
    assert told["kind"] == "budget"
    assert told["id"] == alert().id


def test_slack_reads_no_markup_out_of_a_name() -> None:
    """The text is plain text, its short form has no angle bracket left."""
    told = msgspec.json.decode(slack.body_of(alert(HOSTILE)))
    assert told["blocks"][0]["text"]["type"] == "plain_text"
    assert "<" not in told["text"]
    assert "&lt;!channel&gt;" in told["text"]
    assert "&amp; more" in told["text"]
    assert told["unfurl_links"] is False
    long = msgspec.json.decode(slack.body_of(alert(text="x" * 9000)))
    assert len(long["blocks"][0]["text"]["text"]) <= 3000


def test_a_name_adds_no_header_to_a_mail() -> None:
    """Whatever breaks a line in a title is gone before it is a subject."""
    message = email.message_of(alert(HOSTILE), "scrimp@example.com", ("ops@example.com",))
    raw = message.as_bytes()
    head, _, _ = raw.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1].strip()]
    assert b"Bcc" not in names
    assert message["To"] == "ops@example.com"
    assert message["Message-ID"] == f"<{alert(HOSTILE).id}@scrimp>"
    assert message["Auto-Submitted"] == "auto-generated"


async def test_a_function_of_the_program_may_be_sync_or_async() -> None:
    """A plain one runs in a thread: the event loop goes on while it takes its time."""
    got: list[Alert] = []

    async def later(one: Alert) -> None:
        await asyncio.sleep(0)
        got.append(one)

    def slowly(one: Alert) -> None:
        time.sleep(0)
        got.append(one)

    def handed_on(one: Alert) -> Awaitable[None]:
        return later(one)

    told: tuple[OnAlert, ...] = (later, slowly, handed_on)
    for function in told:
        assert await Callback(function).send(alert()) == Sent(ok=True)
    assert got == [alert()] * 3


def opened(secrets: dict[str, str], **tables: object) -> dict[str, Notifier]:
    """Notifiers of settings, by name."""
    section = msgspec.convert(tables, AlertsSection)
    return {one.name: one for one in notifiers_of(section, secrets, lambda: NOW)}


MAIL = {"host": "localhost", "sender": "a@example.com", "to": ["b@example.com"], "user": "u"}


async def test_what_lacks_its_secret_is_there_and_says_so() -> None:
    """The variable is named; nothing is sent unsigned or unencrypted instead."""
    found = opened({}, webhook={"url": "https://example.com/x"}, slack={}, email=MAIL)
    said = {name: (await one.send(alert())).said for name, one in found.items()}
    assert said == {
        "webhook": "SCRIMP_WEBHOOK_SECRET is not set, so it cannot be signed",
        "slack": "SCRIMP_SLACK_URL is not set",
        "email": "SCRIMP_SMTP_PASSWORD is not set",
    }


async def test_an_address_that_is_none_is_said_without_showing_it() -> None:
    """It may be a secret that was put into the wrong variable."""
    found = opened({"SCRIMP_SLACK_URL": "file:///secret"}, slack={})
    assert (await found["slack"].send(alert())).said == "SCRIMP_SLACK_URL holds no http(s) address"


def test_secrets_show_in_no_repr() -> None:
    """A log line of a mail server holds no password."""
    server = email.MailServer("localhost", 25, "none", "u", "very secret")
    assert "very secret" not in repr(server)
    found = opened({"SCRIMP_SMTP_PASSWORD": "very secret"}, email=MAIL)
    assert "very secret" not in repr(found)


@pytest.mark.parametrize("severity", ["info", "warning", "critical"])
def test_every_severity_has_a_sign(severity: str) -> None:
    """In Slack's list of messages one sees at once how bad it is."""
    one = msgspec.structs.replace(alert(), severity=severity)  # type: ignore[type-var, unused-ignore]
    assert msgspec.json.decode(slack.body_of(one))["text"][1] == " "
