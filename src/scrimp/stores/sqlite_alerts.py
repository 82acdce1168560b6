"""The outbox of alerts in a small SQLite file that all processes of a machine share.

What was taken here is delivered though processes end: a delivery belongs to a worker for the time
of a lease. Each notifier is told of a topic once, whoever comes first; processes need not have the
same ones. The file is opened for each piece of work and closed again: alerts are rare.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from scrimp.budgets.windows import ENDLESS_US, micros, moment
from scrimp.notices import Alert, Delivery, Due, Sent, Told
from scrimp.ports import Clock
from scrimp.stores.sqlite_brief import Brief
from scrimp.stores.sqlite_schema import Schema

APPLICATION_ID = 0x53435241
"""`SCRA` in the file's header: this database is an outbox of Scrimp's alerts."""

SCHEMA = Schema("file of alerts", "alerts_", APPLICATION_ID)
MOST_ALERTS = 10_000
MOST_TOPICS = 100_000
_BUSY_S = 5.0
_HOUR_US = 3600 * 1_000_000
_NOBODY = ""
_NOBODY_US = 7 * 86400 * 1_000_000
_TOLD = 200
_UNREAD = "a newer Scrimp has written it"

_TAKE = """
INSERT INTO said (topic, until_us) VALUES (?, ?)
ON CONFLICT (topic) DO UPDATE SET until_us = excluded.until_us WHERE until_us <= ?
"""
_COVER = """
INSERT INTO said (topic, until_us) VALUES (?, ?)
ON CONFLICT (topic) DO UPDATE SET until_us = max(until_us, excluded.until_us)
"""
_CLAIM = """
UPDATE deliveries SET owner = ?, next_us = ? WHERE (alert_id, notifier) = (
  SELECT alert_id, notifier FROM deliveries
  WHERE notifier = ? AND state = 'waiting' AND next_us <= ? ORDER BY next_us, alert_id LIMIT 1
) RETURNING alert_id, tries
"""
_DELIVERED = """
UPDATE deliveries SET state = 'delivered', tries = tries + 1, tried_us = ?, said = '', owner = ''
WHERE alert_id = ? AND notifier = ?
"""
_FAILED = """
UPDATE deliveries SET state = ?, tries = tries + 1, tried_us = ?, next_us = ?, said = ?, owner = ''
WHERE alert_id = ? AND notifier = ? AND owner = ? AND state = 'waiting'
"""
_OLD_TOPICS = "DELETE FROM said WHERE until_us <= ?"
_MANY_TOPICS = """
DELETE FROM said WHERE topic IN
  (SELECT topic FROM said ORDER BY until_us DESC LIMIT -1 OFFSET ?)
"""
_MANY_ALERTS = """
DELETE FROM alerts WHERE id IN (SELECT id FROM alerts ORDER BY at_us DESC LIMIT -1 OFFSET ?)
"""
_ABANDONED = """
UPDATE deliveries SET state = 'given_up', said = 'nobody who could deliver it was there'
WHERE state = 'waiting' AND next_us <= ?
"""


class SqliteAlerts:
    """Implements `notices.AlertBox`. Of one kind at most `most_per_hour` are sent in an hour."""

    def __init__(self, path: Path, clock: Clock, *, most_per_hour: int = 60) -> None:
        self._now = clock.now
        self._most_per_hour = most_per_hour
        self._file = Brief(path, SCHEMA, "the outbox of alerts", busy_s=_BUSY_S)

    def offer(self, alerts: Sequence[Alert], notifiers: Sequence[str]) -> int:
        """Keep those that are new; how many those are. Raises StoreError."""
        now_us = micros(self._now())
        with self._file.writing() as connection:
            taken = 0
            for alert in alerts:
                if whom := _new_to(connection, alert, notifiers or (_NOBODY,), now_us):
                    self._keep(connection, alert, whom, now_us)
                    taken += 1
            if taken:
                _tidy(connection, now_us)
            return taken

    def claim(self, notifier: str, owner: str, *, lease_s: float) -> Due | None:
        """The delivery that is due longest. Raises StoreError."""
        if not self._file.exists:
            return None
        now_us = micros(self._now())
        until_us = now_us + round(lease_s * 1_000_000)
        query = "SELECT body FROM alerts WHERE id = ?"
        with self._file.writing() as connection:
            while True:
                row = connection.execute(_CLAIM, (owner, until_us, notifier, now_us)).fetchone()
                if row is None:
                    return None
                alert_id, tries = row
                (body,) = connection.execute(query, (alert_id,)).fetchone()
                if (alert := _alert(body)) is not None:
                    return Due(alert, notifier, tries)
                unread = ("given_up", now_us, now_us, _UNREAD, alert_id, notifier, owner)
                connection.execute(_FAILED, unread)

    def settle(self, due: Due, owner: str, sent: Sent, *, retry_at: datetime | None) -> None:
        """How a try ended. Raises StoreError.

        A failure counts only while the delivery is still its owner's; that it arrived always does.
        """
        now_us, where = micros(self._now()), (due.alert.id, due.notifier)
        with self._file.writing() as connection:
            if sent.ok:
                connection.execute(_DELIVERED, (now_us, *where))
                return
            state = "given_up" if retry_at is None else "waiting"
            next_us = now_us if retry_at is None else micros(retry_at)
            row = (state, now_us, next_us, sent.said[:_TOLD], *where, owner)
            connection.execute(_FAILED, row)

    def next_due(self, notifier: str) -> datetime | None:
        """When there is something to deliver again. Raises StoreError."""
        query = "SELECT min(next_us) FROM deliveries WHERE notifier = ? AND state = 'waiting'"
        with self._file.reading() as connection:
            if connection is None:
                return None
            (next_us,) = connection.execute(query, (notifier,)).fetchone()
        return None if next_us is None else moment(next_us)

    def turn(self, topic: str, *, every_s: float) -> bool:
        """True for one of all who ask, each `every_s`. Raises StoreError."""
        now_us = micros(self._now())
        with self._file.writing() as connection:
            row = (f"turn|{topic}", now_us + round(every_s * 1_000_000), now_us)
            return bool(connection.execute(_TAKE, row).rowcount)

    def recent(self, limit: int) -> tuple[Told, ...]:
        """The newest first. Raises StoreError."""
        with self._file.reading() as connection:
            if connection is None:
                return ()
            query = "SELECT id, body FROM alerts ORDER BY at_us DESC, id LIMIT ?"
            rows = connection.execute(query, (limit,)).fetchall()
            return tuple(
                Told(alert, _deliveries(connection, one))
                for one, body in rows
                if (alert := _alert(body)) is not None
            )

    def _keep(
        self, connection: sqlite3.Connection, alert: Alert, notifiers: Sequence[str], now_us: int
    ) -> None:
        query = "SELECT count(*) FROM alerts WHERE kind = ? AND at_us > ?"
        (so_far,) = connection.execute(query, (alert.kind, now_us - _HOUR_US)).fetchone()
        state = "waiting" if so_far < self._most_per_hour else "held_back"
        body = msgspec.json.encode(alert).decode()
        row = (alert.id, micros(alert.at), alert.kind, body)
        connection.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?)", row)
        connection.executemany(
            "INSERT INTO deliveries (alert_id, notifier, state, next_us) VALUES (?, ?, ?, ?)",
            [(alert.id, name, state, now_us) for name in notifiers if name != _NOBODY],
        )


def _new_to(
    connection: sqlite3.Connection, alert: Alert, notifiers: Sequence[str], now_us: int
) -> list[str]:
    """Those of the notifiers that nobody has told yet; from now on they count as told."""
    until_us = ENDLESS_US if alert.until is None else micros(alert.until)
    since_us = now_us if alert.again else -1
    found = []
    for name in notifiers:
        row = (_topic(alert.topic, name), until_us, since_us)
        if connection.execute(_TAKE, row).rowcount:
            covered = [(_topic(topic, name), until_us) for topic in alert.covers]
            connection.executemany(_COVER, covered)
            found.append(name)
    return found


def _topic(topic: str, notifier: str) -> str:
    return f"{notifier}|{topic}"


def _tidy(connection: sqlite3.Connection, now_us: int) -> None:
    """Keep it small; give up what waits for a notifier that nobody has any more."""
    connection.execute(_OLD_TOPICS, (now_us,))
    connection.execute(_MANY_TOPICS, (MOST_TOPICS,))
    connection.execute(_MANY_ALERTS, (MOST_ALERTS,))
    connection.execute(_ABANDONED, (now_us - _NOBODY_US,))


def _deliveries(connection: sqlite3.Connection, alert_id: str) -> tuple[Delivery, ...]:
    query = (
        "SELECT notifier, state, tries, tried_us, next_us, said FROM deliveries "
        "WHERE alert_id = ? ORDER BY notifier"
    )
    return tuple(
        Delivery(
            notifier,
            state,
            tries,
            None if tried_us is None else moment(tried_us),
            moment(next_us) if state == "waiting" else None,
            said,
        )
        for notifier, state, tries, tried_us, next_us, said in connection.execute(
            query, (alert_id,)
        )
    )


def _alert(body: str) -> Alert | None:
    """None for what a newer Scrimp has written and this one does not know."""
    try:
        return msgspec.json.decode(body, type=Alert)
    except msgspec.MsgspecError:
        return None
