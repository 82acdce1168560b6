"""What `scrimp doctor` says of alerts: who is told, and who cannot be as it is set up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from scrimp.alerts.tables import EmailTable, is_on
from scrimp.app import open_alerts, open_notifiers
from scrimp.cli.finding import Finding
from scrimp.errors import StoreError
from scrimp.settings import Loaded

_NAME = "alerts"
_LOOKED_AT = 50


def alerts(loaded: Loaded) -> Iterator[Finding]:
    """Nothing where alerts are not set up. No notifier is asked (scrimp alerts test does)."""
    section = loaded.settings.alerts
    if not is_on(section):
        if section.tells_somebody:
            yield Finding("ok", _NAME, "switched off ([alerts] enabled = false)")
        return
    for notifier in open_notifiers(loaded):
        if why := getattr(notifier, "why", ""):
            yield Finding(
                "fail",
                _NAME,
                f"{notifier.name}: {why}",
                "mend it where Scrimp is started; alerts wait until then",
            )
        else:
            yield Finding("ok", _NAME, f"{notifier.name} is set up (try it: scrimp alerts test)")
    if section.email is not None:
        yield from _mail(section.email)
    if not section.tells_somebody:
        yield Finding("ok", _NAME, "nobody is told; they stand in scrimp alerts list")
    yield from _undelivered(loaded)


def _mail(email: EmailTable) -> Iterator[Finding]:
    if email.ca_file and not os.access(email.ca_file, os.R_OK):
        name = Path(email.ca_file).name
        yield Finding(
            "fail", _NAME, f"email: ca_file {name} cannot be read", "alerts.email.ca_file"
        )
    if email.tls == "none":
        yield Finding("warn", _NAME, "email goes unencrypted", 'alerts.email.tls = "starttls"')


def _undelivered(loaded: Loaded) -> Iterator[Finding]:
    try:
        found = open_alerts(loaded.settings).recent(_LOOKED_AT)
    except StoreError as error:
        yield Finding("fail", _NAME, str(error), "delete it: alerts that wait are lost")
        return
    failed = sum(
        one.state == "given_up" or (one.state == "waiting" and one.tries > 0)
        for told in found
        for one in told.deliveries
    )
    if failed:
        said = f"{failed} of the newest deliveries have failed so far"
        yield Finding("warn", _NAME, said, "see why: scrimp alerts list")
