"""Rows of the control store as words, and back: all that is read from its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from scrimp.identity import AuditLine, KeyRecord, Member, MemberKind, VirtualKey
from scrimp.limits import Budget, Rules, Tier

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)

_SECRETS = """
SELECT s.sha256, s.ends_us, k.name, k.org, k.team, k.user, k.task, k.tags, k.models, k.trusted,
  k.admin, k.expires_us, k.revoked_us
FROM secrets AS s JOIN keys AS k ON k.name = s.key
"""
_RECORDS = """
SELECT k.name, s.suffix, k.created_us, k.org, k.team, k.user, k.task, k.tags, k.models, k.trusted,
  k.admin, k.expires_us, k.revoked_us,
  (SELECT max(o.ends_us) FROM secrets AS o WHERE o.key = k.name AND o.ends_us IS NOT NULL)
FROM keys AS k JOIN secrets AS s ON s.key = k.name AND s.ends_us IS NULL
"""
_RULE_VERSION = "SELECT coalesce(max(id), 0) FROM audit WHERE kind IN ('budget', 'tier')"
_AUDIT = "SELECT id, at_us, by, action, kind, name, before, after FROM audit"

_NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that calls need of the file, at one moment. `guarded`: there was a key at least once."""

    keys: Mapping[str, VirtualKey] = field(default_factory=dict)
    admins: Mapping[str, VirtualKey] = field(default_factory=dict)
    guarded: bool = False
    rules: Rules = _NO_RULES


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICRO


def moment(us: int | None) -> datetime | None:
    """The same as a time."""
    return None if us is None else _EPOCH + us * _MICRO


def texts(values: tuple[str, ...]) -> str:
    """Names as a column."""
    return msgspec.json.encode(values).decode()


def snapshot(connection: sqlite3.Connection) -> Snapshot:
    """What holds now, read in one transaction."""
    connection.execute("BEGIN")
    try:
        keys: dict[str, VirtualKey] = {}
        admins: dict[str, VirtualKey] = {}
        belongs = _belonging(connection)
        for row in connection.execute(_SECRETS):
            (admins if row[10] else keys)[row[0]] = _virtual(row, belongs)
        found = Rules(
            version=str(connection.execute(_RULE_VERSION).fetchone()[0]),
            budgets=budgets(connection),
            tiers=tiers(connection),
        )
        return Snapshot(keys, admins, bool(keys), found)
    finally:
        connection.execute("ROLLBACK")


def budgets(connection: sqlite3.Connection) -> tuple[Budget, ...]:
    """All budgets, by name."""
    rows = connection.execute("SELECT body FROM budgets ORDER BY name")
    return tuple(msgspec.json.decode(body, type=Budget) for (body,) in rows)


def tiers(connection: sqlite3.Connection) -> tuple[Tier, ...]:
    """All tiers, by name."""
    rows = connection.execute("SELECT body FROM tiers ORDER BY name")
    return tuple(msgspec.json.decode(body, type=Tier) for (body,) in rows)


def budget(connection: sqlite3.Connection, name: str) -> Budget | None:
    """One budget."""
    row = connection.execute("SELECT body FROM budgets WHERE name = ?", (name,)).fetchone()
    return None if row is None else msgspec.json.decode(row[0], type=Budget)


def tier(connection: sqlite3.Connection, name: str) -> Tier | None:
    """One tier."""
    row = connection.execute("SELECT body FROM tiers WHERE name = ?", (name,)).fetchone()
    return None if row is None else msgspec.json.decode(row[0], type=Tier)


def key_records(connection: sqlite3.Connection, *, after: str, limit: int) -> tuple[KeyRecord, ...]:
    """Keys as they are managed, by name."""
    rows = connection.execute(
        f"{_RECORDS} WHERE k.name > ? ORDER BY k.name LIMIT ?", (after, limit)
    )
    return tuple(_record(row) for row in rows)


def key_record(connection: sqlite3.Connection, name: str) -> KeyRecord | None:
    """One of them."""
    row = connection.execute(f"{_RECORDS} WHERE k.name = ?", (name,)).fetchone()
    return None if row is None else _record(row)


def members(
    connection: sqlite3.Connection, kind: MemberKind, *, after: str, limit: int
) -> tuple[Member, ...]:
    """Organisations, teams or users, by name."""
    query = (
        "SELECT kind, name, org, team FROM members WHERE kind = ? AND name > ? "
        "ORDER BY name LIMIT ?"
    )
    return tuple(Member(*row) for row in connection.execute(query, (kind, after, limit)))


def member(connection: sqlite3.Connection, kind: MemberKind, name: str) -> Member | None:
    """One of them."""
    query = "SELECT kind, name, org, team FROM members WHERE kind = ? AND name = ?"
    row = connection.execute(query, (kind, name)).fetchone()
    return None if row is None else Member(*row)


def audit_lines(
    connection: sqlite3.Connection, *, before: int, limit: int
) -> tuple[AuditLine, ...]:
    """Changes, newest first."""
    where = "WHERE id < ?" if before else "WHERE ? = 0"
    rows = connection.execute(f"{_AUDIT} {where} ORDER BY id DESC LIMIT ?", (before, limit))
    return tuple(AuditLine(row[0], _EPOCH + row[1] * _MICRO, *row[2:]) for row in rows)


_Belonging = Mapping[tuple[str, str], tuple[str, str]]


def _belonging(connection: sqlite3.Connection) -> _Belonging:
    """Organisation and team of each team and user."""
    found = connection.execute("SELECT kind, name, org, team FROM members WHERE kind <> 'org'")
    return {(kind, name): (org, team) for kind, name, org, team in found}


def _virtual(row: tuple[Any, ...], belongs: _Belonging) -> VirtualKey:
    """What a key does not say itself, its user and its team say."""
    ends = [us for us in (row[1], row[11]) if us is not None]
    of_user = belongs.get(("user", row[5]), ("", ""))
    team = row[4] or of_user[1]
    of_team = belongs.get(("team", team), ("", ""))
    return VirtualKey(
        name=row[2],
        sha256=row[0],
        org=row[3] or of_team[0] or of_user[0],
        team=team,
        user=row[5],
        task=row[6],
        tags=_names(row[7]),
        models=_names(row[8]),
        trusted=bool(row[9]),
        ends_at=moment(min(ends)) if ends else None,
        revoked=row[12] is not None,
    )


def _record(row: tuple[Any, ...]) -> KeyRecord:
    return KeyRecord(
        name=row[0],
        suffix=row[1],
        created_at=_EPOCH + row[2] * _MICRO,
        org=row[3],
        team=row[4],
        user=row[5],
        task=row[6],
        tags=_names(row[7]),
        models=_names(row[8]),
        trusted=bool(row[9]),
        admin=bool(row[10]),
        expires_at=moment(row[11]),
        revoked_at=moment(row[12]),
        old_ends_at=moment(row[13]),
    )


def _names(text: str) -> tuple[str, ...]:
    found: tuple[str, ...] = msgspec.json.decode(text, type=tuple[str, ...])
    return found
