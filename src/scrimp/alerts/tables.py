"""The table [alerts] of scrimp.toml, and the rules that it becomes. Pure.

Addresses that are secrets themselves, passwords and signing keys stand in the environment; the file
names the variables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from scrimp.alerts.rules import AlertRules
from scrimp.budgets.tables import Usd, nanousd_of, seconds_of
from scrimp.notices import AlertKind

_Percent = Annotated[int, Meta(ge=1, le=1000)]
_Seconds = Annotated[float, Meta(gt=0, le=60)]
_Port = Annotated[int, Meta(ge=1, le=65535)]


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A field that Scrimp does not know is an error."""


class LoopTable(_Table, frozen=True):
    """More than `times` equal calls of one session or key `within` a time are a loop."""

    times: Annotated[int, Meta(ge=2, le=1_000_000)] = 30
    within: str = "10m"
    block: bool = False


class WebhookTable(_Table, frozen=True):
    """POST to `url`, or to the address in `url_env`; signed with what `secret_env` holds."""

    url: str = ""
    url_env: str = "SCRIMP_WEBHOOK_URL"
    secret_env: str = "SCRIMP_WEBHOOK_SECRET"  # noqa: S105 (the name of a variable)
    timeout_s: _Seconds = 10.0


class SlackTable(_Table, frozen=True):
    """An incoming webhook of Slack's; whoever knows its address can post, so it is a secret."""

    url_env: str = "SCRIMP_SLACK_URL"
    timeout_s: _Seconds = 10.0


class EmailTable(_Table, frozen=True):
    """A mail server. `starttls` and `tls` check its certificate, by `ca_file` if one is named."""

    host: str
    sender: str
    to: tuple[str, ...]
    port: _Port = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password_env: str = "SCRIMP_SMTP_PASSWORD"  # noqa: S105 (the same)
    ca_file: str = ""
    timeout_s: _Seconds = 10.0


class AlertsSection(_Table, frozen=True):
    """What is told, and to whom. `auto`: where there is somebody to tell, or a loop to block."""

    enabled: bool | Literal["auto"] = "auto"
    levels: tuple[_Percent, ...] = (50, 75, 90, 100)
    budgets: tuple[str, ...] = ()
    mute: tuple[AlertKind, ...] = ()
    forecast_after_percent: Annotated[int, Meta(ge=1, le=99)] = 10
    tag_over_percent: _Percent = 50
    tag_from_usd: Usd = 1
    hit_rate_drop_percent: Annotated[int, Meta(ge=1, le=99)] = 50
    hit_rate_from_calls: Annotated[int, Meta(ge=1)] = 200
    most_per_hour: Annotated[int, Meta(ge=1)] = 60
    give_up: str = "3d"
    loop: LoopTable = LoopTable()
    webhook: WebhookTable | None = None
    slack: SlackTable | None = None
    email: EmailTable | None = None

    @property
    def tells_somebody(self) -> bool:
        """True where a notifier is set up."""
        return not (self.webhook is None and self.slack is None and self.email is None)


SECTIONS = (AlertsSection, LoopTable, WebhookTable, SlackTable, EmailTable)
"""What the names of settings are looked up in."""


class Tables(Protocol):
    """The part of the settings that is about alerts."""

    @property
    def alerts(self) -> AlertsSection:
        """`[alerts]`."""
        ...


def check_tables(tables: Tables) -> None:
    """Raises ValueError that begins with the field at fault."""
    rules_of(tables.alerts)
    within_s(tables.alerts)
    give_up_s(tables.alerts)
    webhook, email = tables.alerts.webhook, tables.alerts.email
    if webhook is not None and webhook.url and not is_address(webhook.url):
        msg = "alerts.webhook.url must be an http(s) address"
        raise ValueError(msg)
    if email is not None:
        _check_email(email)


def is_address(url: str) -> bool:
    """Whether a webhook may be sent there at all."""
    return url.startswith(("https://", "http://")) and url.isprintable() and " " not in url


def rules_of(section: AlertsSection) -> AlertRules:
    """The rules that the table states. Raises ValueError."""
    return AlertRules(
        levels=tuple(sorted(set(section.levels))),
        budgets=section.budgets,
        mute=section.mute,
        forecast_after_percent=section.forecast_after_percent,
        tag_over_percent=section.tag_over_percent,
        tag_from_nanousd=nanousd_of("alerts.tag_from_usd", section.tag_from_usd),
        hit_rate_drop_percent=section.hit_rate_drop_percent,
        hit_rate_from_calls=section.hit_rate_from_calls,
    )


def is_on(section: AlertsSection) -> bool:
    """Whether anything is watched at all."""
    if section.enabled == "auto":
        return section.tells_somebody or section.loop.block
    return section.enabled


def within_s(section: AlertsSection) -> int:
    """The time in which equal calls are a loop. Raises ValueError."""
    return seconds_of("alerts.loop.within", section.loop.within)


def give_up_s(section: AlertsSection) -> int:
    """How long a delivery is tried. Raises ValueError."""
    return seconds_of("alerts.give_up", section.give_up)


def variables(section: AlertsSection) -> Iterator[str]:
    """Names of the environment's variables that hold what the file must not."""
    if section.webhook is not None:
        yield from (section.webhook.url_env, section.webhook.secret_env)
    if section.slack is not None:
        yield section.slack.url_env
    if section.email is not None and section.email.user:
        yield section.email.password_env


def _check_email(email: EmailTable) -> None:
    if not email.to:
        msg = "alerts.email.to is empty (name who gets the mail)"
        raise ValueError(msg)
    for field, address in (("sender", email.sender), *(("to", one) for one in email.to)):
        name, at, domain = address.rpartition("@")
        whole = name and at and domain and address.isascii() and address.isprintable()
        if not whole or any(one in address for one in ' ,;<>"'):
            msg = (
                f"alerts.email.{field}: {address[:80]!r} is no mail address such as ops@example.com"
            )
            raise ValueError(msg)
    if not email.host or not email.host.isprintable() or " " in email.host:
        msg = "alerts.email.host is no name of a server"
        raise ValueError(msg)
    if email.user and email.tls == "none" and email.host not in ("127.0.0.1", "::1", "localhost"):
        msg = (
            "alerts.email.tls: a password is not sent unencrypted "
            '(tls = "starttls" or "tls", or no user)'
        )
        raise ValueError(msg)
