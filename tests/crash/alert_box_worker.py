"""One of several processes on one outbox: offers the same alerts as all, delivers what it can get.

Prints a line for each alert that it has taken or delivered. With `die` it claims one and waits for
its end.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from scrimp.alerts.rules import alert_of
from scrimp.clock import SystemClock
from scrimp.notices import Sent
from scrimp.stores.sqlite_alerts import SqliteAlerts

AT = datetime(2026, 5, 6, 12, 0, tzinfo=UTC)
ALERTS = 40
LEASE_S = 2.0


def work(path: Path, name: str, *, dies: bool) -> None:
    """Offer all, deliver until nothing is left."""
    box = SqliteAlerts(path, SystemClock(), most_per_hour=1000)
    for number in range(ALERTS):
        one = alert_of("budget", "info", AT, str(number), f"alert {number}", text="text")
        if box.offer([one], ("webhook",)):
            tell("taken", number)
    while (due := box.claim("webhook", name, lease_s=LEASE_S)) is not None:
        if dies:
            tell("claimed", due.alert.title)
            time.sleep(600)
        tell("delivered", due.alert.title)
        box.settle(due, name, Sent(ok=True), retry_at=None)


def tell(what: str, which: object) -> None:
    """At once: this process may be killed."""
    sys.stdout.write(f"{what} {which}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2], dies=len(sys.argv) > 3)
