"""Changes of the control store: each one a transaction with its line in the audit log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from scrimp.errors import Conflict
from scrimp.identity import KeyRecord, Member, MemberKind, Secret
from scrimp.limits import Budget, Tier
from scrimp.stores.sqlite_control_rows import (
    budget,
    key_record,
    member,
    micros,
    texts,
    tier,
)
from scrimp.stores.sqlite_transaction import one_transaction
from scrimp.values import Value

_T = TypeVar("_T")

_INSERT_KEY = """
INSERT INTO keys (name, org, team, user, task, tags, models, trusted, admin, created_us, expires_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE_KEY = """
UPDATE keys SET org = ?, team = ?, user = ?, task = ?, tags = ?, models = ?, trusted = ?,
  expires_us = ? WHERE name = ?
"""
_INSERT_SECRET = "INSERT INTO secrets (sha256, key, suffix, created_us) VALUES (?, ?, ?, ?)"  # noqa: S105 (no password)
_PUT_BUDGET = (
    "INSERT OR REPLACE INTO budgets (name, kind, scope, tier, body) VALUES (?, ?, ?, ?, ?)"
)
_AUDIT = """
INSERT INTO audit (at_us, by, action, kind, name, before, after) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_IN_USE: tuple[tuple[str, str], ...] = (
    ("team", "SELECT name FROM members WHERE kind = 'team' AND {kind} = ? ORDER BY name LIMIT 3"),
    ("user", "SELECT name FROM members WHERE kind = 'user' AND {kind} = ? ORDER BY name LIMIT 3"),
    ("key", "SELECT name FROM keys WHERE {kind} = ? AND revoked_us IS NULL ORDER BY name LIMIT 3"),
)
_IN_BUDGETS = "SELECT name FROM budgets WHERE kind = ? AND scope = ? ORDER BY name LIMIT 3"


@dataclass(frozen=True, slots=True)
class Pen:
    """Who writes, and when."""

    connection: sqlite3.Connection
    by: str
    now: datetime

    def note(
        self,
        action: str,
        kind: str,
        name: str,
        *,
        before: Value | None = None,
        after: Value | None = None,
    ) -> None:
        """A line of the audit log."""
        row = (micros(self.now), self.by, action, kind, name, _json(before), _json(after))
        self.connection.execute(_AUDIT, row)


def written(connection: sqlite3.Connection, change: Callable[[], _T]) -> _T:
    """What the change returns, when all of it is on the disk; nothing of it otherwise."""
    with one_transaction(connection):
        return change()


def put_member(pen: Pen, one: Member, *, new: bool) -> bool:
    """Add or change an organisation, a team or a user. Raises Conflict."""
    before = member(pen.connection, one.kind, one.name)
    if new and before is not None:
        raise Conflict(f"{one.kind} '{one.name}' is there already")
    if not new and before is None:
        return False
    if before == one:
        return True
    if new:
        query = "INSERT INTO members (org, team, created_us, kind, name) VALUES (?, ?, ?, ?, ?)"
        row: tuple[Any, ...] = (one.org, one.team, micros(pen.now), one.kind, one.name)
    else:
        query = "UPDATE members SET org = ?, team = ? WHERE kind = ? AND name = ?"
        row = (one.org, one.team, one.kind, one.name)
    pen.connection.execute(query, row)
    pen.note("create" if new else "change", one.kind, one.name, before=before, after=one)
    return True


def delete_member(pen: Pen, kind: MemberKind, name: str) -> bool:
    """Take it away, when nothing belongs to it. Raises Conflict."""
    before = member(pen.connection, kind, name)
    if before is None:
        return False
    for what, query in _IN_USE:
        if what == kind or (kind == "user" and what == "team"):
            continue
        _refuse_used(pen, f"{kind} '{name}'", what, (query.format(kind=kind), (name,)))
    _refuse_used(pen, f"{kind} '{name}'", "budget", (_IN_BUDGETS, (kind, name)))
    pen.connection.execute("DELETE FROM members WHERE kind = ? AND name = ?", (kind, name))
    pen.note("delete", kind, name, before=before)
    return True


def add_key(pen: Pen, record: KeyRecord, secret: Secret) -> None:
    """Make a key known. Raises Conflict."""
    if (there := key_record(pen.connection, record.name)) is not None:
        more = "; it is revoked, and its name stays its own" if there.revoked_at else ""
        raise Conflict(f"key '{record.name}' is there already{more} (take another name)")
    row = (
        record.name,
        *_may(record),
        int(record.admin),
        micros(record.created_at),
        None if record.expires_at is None else micros(record.expires_at),
    )
    pen.connection.execute(_INSERT_KEY, row)
    _add_secret(pen, record.name, secret)
    pen.note("create", "key", record.name, after=key_record(pen.connection, record.name))


def change_key(pen: Pen, record: KeyRecord) -> bool:
    """Change what it may. False when it is not there or revoked."""
    before = key_record(pen.connection, record.name)
    if before is None or before.revoked_at is not None:
        return False
    ends_us = None if record.expires_at is None else micros(record.expires_at)
    pen.connection.execute(_UPDATE_KEY, (*_may(record), ends_us, record.name))
    after = key_record(pen.connection, record.name)
    if after != before:
        pen.note("change", "key", record.name, before=before, after=after)
    return True


def rotate_key(pen: Pen, name: str, secret: Secret, old_ends_at: datetime) -> KeyRecord | None:
    """A new secret; the one before the last one ends now at the latest."""
    before = key_record(pen.connection, name)
    if before is None or before.revoked_at is not None:
        return None
    now_us, ends_us = micros(pen.now), micros(old_ends_at)
    older = "UPDATE secrets SET ends_us = min(ends_us, ?) WHERE key = ? AND ends_us IS NOT NULL"
    pen.connection.execute(older, (now_us, name))
    old = "UPDATE secrets SET ends_us = ? WHERE key = ? AND ends_us IS NULL"
    pen.connection.execute(old, (ends_us, name))
    _add_secret(pen, name, secret)
    after = key_record(pen.connection, name)
    pen.note("rotate", "key", name, before=before, after=after)
    return after


def revoke_key(pen: Pen, name: str) -> bool:
    """End it. Repeating it changes nothing."""
    before = key_record(pen.connection, name)
    if before is None:
        return False
    if before.revoked_at is None:
        pen.connection.execute(
            "UPDATE keys SET revoked_us = ? WHERE name = ?", (micros(pen.now), name)
        )
        pen.note("revoke", "key", name, before=before, after=key_record(pen.connection, name))
    return True


def put_budget(pen: Pen, one: Budget) -> None:
    """Add a budget, or put it in the place of the one with its name.

    Its tier may stand in the settings, of which this file knows nothing.
    """
    before = budget(pen.connection, one.name)
    if before == one:
        return
    row = (one.name, one.kind, one.scope, one.tier, _json(one))
    pen.connection.execute(_PUT_BUDGET, row)
    action = "create" if before is None else "change"
    pen.note(action, "budget", one.name, before=before, after=one)


def put_tier(pen: Pen, one: Tier) -> None:
    """Add a tier, or put it in the place of the one with its name."""
    before = tier(pen.connection, one.name)
    if before == one:
        return
    query = "INSERT OR REPLACE INTO tiers (name, body) VALUES (?, ?)"
    pen.connection.execute(query, (one.name, _json(one)))
    pen.note("create" if before is None else "change", "tier", one.name, before=before, after=one)


def delete_budget(pen: Pen, name: str) -> bool:
    """Take it away."""
    if (before := budget(pen.connection, name)) is None:
        return False
    pen.connection.execute("DELETE FROM budgets WHERE name = ?", (name,))
    pen.note("delete", "budget", name, before=before)
    return True


def delete_tier(pen: Pen, name: str) -> bool:
    """Take it away. Raises Conflict while scopes are in it."""
    if (before := tier(pen.connection, name)) is None:
        return False
    query = "SELECT name FROM budgets WHERE tier = ? ORDER BY name LIMIT 3"
    _refuse_used(pen, f"tier '{name}'", "budget", (query, (name,)))
    pen.connection.execute("DELETE FROM tiers WHERE name = ?", (name,))
    pen.note("delete", "tier", name, before=before)
    return True


def _refuse_used(pen: Pen, what: str, by: str, query: tuple[str, tuple[str, ...]]) -> None:
    if used := [found for (found,) in pen.connection.execute(*query)]:
        names = ", ".join(repr(one) for one in used)
        raise Conflict(f"{what} still has {by} {names} (take them away first)")


def _may(record: KeyRecord) -> tuple[Any, ...]:
    return (
        record.org,
        record.team,
        record.user,
        record.task,
        texts(record.tags),
        texts(record.models),
        int(record.trusted),
    )


def _add_secret(pen: Pen, name: str, secret: Secret) -> None:
    row = (secret.sha256, name, secret.suffix, micros(pen.now))
    pen.connection.execute(_INSERT_SECRET, row)


def _json(value: Value | None) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()
