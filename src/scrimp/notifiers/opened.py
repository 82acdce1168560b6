"""The notifiers that the settings name. One whose secret is missing is there, and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from scrimp.alerts.tables import AlertsSection, EmailTable, WebhookTable, is_address
from scrimp.notices import Alert, Notifier, OnAlert, Sent
from scrimp.notifiers.callback import Callback
from scrimp.notifiers.email import Email, MailServer
from scrimp.notifiers.slack import Slack
from scrimp.notifiers.webhook import Webhook


class Unfit:
    """A notifier that cannot work as it is set up. Its alerts wait until that is mended."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.why = why

    async def send(self, alert: Alert) -> Sent:  # noqa: ARG002 (the port's)
        """Say why not."""
        return Sent(ok=False, said=self.why)


def notifiers_of(
    section: AlertsSection,
    secrets: Mapping[str, str],
    now: Callable[[], datetime],
    on_alert: OnAlert | None = None,
) -> tuple[Notifier, ...]:
    """All of them. `secrets` are values of the variables that the section names."""
    return tuple(_each(section, secrets, now, on_alert))


def _each(
    section: AlertsSection,
    secrets: Mapping[str, str],
    now: Callable[[], datetime],
    on_alert: OnAlert | None,
) -> Iterator[Notifier]:
    if section.webhook is not None:
        yield _webhook(section.webhook, secrets, now)
    if (slack := section.slack) is not None:
        url = secrets.get(slack.url_env, "")
        wrong = _wrong_address(url, slack.url_env)
        yield Unfit("slack", wrong) if wrong else Slack(url, timeout_s=slack.timeout_s)
    if section.email is not None:
        yield _email(section.email, secrets)
    if on_alert is not None:
        yield Callback(on_alert)


def _webhook(
    table: WebhookTable, secrets: Mapping[str, str], now: Callable[[], datetime]
) -> Notifier:
    url = table.url or secrets.get(table.url_env, "")
    if wrong := _wrong_address(url, table.url_env):
        return Unfit("webhook", wrong)
    secret = secrets.get(table.secret_env, "")
    if not secret:
        return Unfit("webhook", f"{table.secret_env} is not set, so it cannot be signed")
    return Webhook(url, secret.encode(), now, timeout_s=table.timeout_s)


def _wrong_address(url: str, variable: str) -> str:
    """Never the address itself."""
    if not url:
        return f"{variable} is not set"
    return "" if is_address(url) else f"{variable} holds no http(s) address"


def _email(table: EmailTable, secrets: Mapping[str, str]) -> Notifier:
    password = secrets.get(table.password_env, "") if table.user else ""
    if table.user and not password:
        return Unfit("email", f"{table.password_env} is not set")
    server = MailServer(
        host=table.host,
        port=table.port,
        tls=table.tls,
        user=table.user,
        password=password,
        ca_file=table.ca_file,
        timeout_s=table.timeout_s,
    )
    return Email(server, table.sender, table.to)
