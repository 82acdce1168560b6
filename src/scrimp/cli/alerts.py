"""`scrimp alerts`: try the notifiers, and see what was told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings

if TYPE_CHECKING:
    from datetime import datetime

    from scrimp.notices import Alert, Notifier, Sent


@click.group(
    name="alerts",
    short_help="Send a test alert, list recent ones.",
    epilog=examples(
        "scrimp alerts test", "scrimp alerts list --limit 50", "scrimp alerts list --json"
    ),
)
def alerts_command() -> None:
    """Send a test alert to everybody who is set up, or list what was told.

    Who is told stands in scrimp.toml: [alerts.webhook], [alerts.slack], [alerts.email].
    """


@alerts_command.command(name="test", short_help="Send a test alert to each notifier.")
@config_option
@json_option
def test_command(config: Path | None, *, as_json: bool) -> int:
    """Send a test alert to each notifier of the settings, now, and say what became of it.

    Nothing is kept, and a failed one is not tried again. Exit code 1 when one fails.
    """
    from scrimp.app import open_notifiers, system_clock
    from scrimp.cli.alerts_view import show_test, test_fields
    from scrimp.cli.console import print_json
    from scrimp.errors import ConfigError

    notifiers = open_notifiers(load_settings(config))
    if not notifiers:
        raise ConfigError(
            "nobody is told of alerts (add [alerts.webhook], [alerts.slack] or [alerts.email] "
            "to scrimp.toml)"
        )
    alert = _test_alert(system_clock().now())
    results = asyncio.run(_send_all(notifiers, alert))
    if as_json:
        print_json(test_fields(alert, results))
    else:
        show_test(results)
    return 0 if all(sent.ok for _, sent in results) else 1


@alerts_command.command(name="list", short_help="Show recent alerts and their deliveries.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)
@config_option
@json_option
def list_command(limit: int, config: Path | None, *, as_json: bool) -> None:
    """Show recent alerts: when, what, and for each notifier whether it was delivered.

    Those of all gateways and programs on the same state folder.
    """
    from scrimp.alerts.tables import is_on
    from scrimp.app import open_alerts
    from scrimp.cli.alerts_view import list_fields, show_list
    from scrimp.cli.console import print_json

    settings = load_settings(config).settings
    found = open_alerts(settings).recent(limit)
    if as_json:
        print_json(list_fields(found))
    else:
        show_list(found, on=is_on(settings.alerts))


def _test_alert(now: datetime) -> Alert:
    from scrimp.alerts.rules import alert_of

    return alert_of(
        "test",
        "info",
        now,
        "test",
        "a test alert",
        text="This is a test of Scrimp's alerts (scrimp alerts test). Nothing has happened.",
    )


async def _send_all(notifiers: tuple[Notifier, ...], alert: Alert) -> list[tuple[Notifier, Sent]]:
    """All at once; each has a time limit of its own."""
    sent = await asyncio.gather(*(notifier.send(alert) for notifier in notifiers))
    return list(zip(notifiers, sent, strict=True))
