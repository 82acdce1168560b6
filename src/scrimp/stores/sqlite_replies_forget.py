"""Forgetting in the file of remembered replies, and what was forgotten lately."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from scrimp.ports import StoredReply
from scrimp.remembered import Chosen
from scrimp.stores.reply_choice import check_pattern, chooser, meets
from scrimp.stores.reply_codec import unpack
from scrimp.stores.scope_counts import OTHERS
from scrimp.stores.sqlite_forgotten import forgotten_since, micros, write_down

__all__ = ["doomed", "is_forgotten", "micros", "write_down"]

# a row from before names were kept is looked at itself, and one of tenants that are not counted
_CANDIDATES = """
SELECT replies.id, stored_us, {reply} FROM replies JOIN scopes ON scopes.id = replies.scope
WHERE expires_us > :now
  AND (scopes.tenant = :others OR (
    coalesce(scopes.tenant = nullif(:tenant, ''), 1)
    AND coalesce(scopes.task = nullif(:task, ''), 1)))
  AND (stored_us = 0 OR (
    coalesce(name = nullif(:key, ''), 1)
    AND (:model = '' OR model = :model OR served = :model)
    AND coalesce(stored_us < :before, 1)
    AND {tagged}
  ))
"""
_TAGGED = "replies.id IN (SELECT reply FROM tags WHERE tag = :tag)"
_PACKED = "iif(stored_us = 0 OR scopes.tenant = :others, reply, NULL)"


def doomed(connection: sqlite3.Connection, chosen: Chosen, now_us: int) -> list[tuple[int]]:
    """The rows that are chosen. Raises InvalidRequest for a pattern that may mean questions."""
    before = chosen.stored_before
    values = {
        "now": now_us,
        "others": OTHERS.tenant,
        "tenant": chosen.tenant,
        "task": chosen.task,
        "key": chosen.key,
        "model": chosen.model,
        "tag": chosen.tag,
        "before": None if before is None else micros(before),
    }
    statement = _CANDIDATES.format(
        reply="reply" if chosen.pattern else _PACKED, tagged=_TAGGED if chosen.tag else "1"
    )
    rows = connection.execute(statement, values)
    if not chosen.pattern:
        meant = chooser(chosen)
        return [
            (row_id,)
            for row_id, _, data in rows
            if data is None or ((stored := unpack(data)) is not None and meant(stored))
        ]
    return _matching(rows, chosen)


def _matching(rows: Iterable[tuple[int, int, bytes]], chosen: Chosen) -> list[tuple[int]]:
    meant, found, others = chooser(chosen), list[tuple[int]](), 0
    for row_id, _, data in rows:
        stored = unpack(data)
        if stored is None:
            continue
        if meant(stored):
            found.append((row_id,))
        else:
            others += meets(chosen, stored)
    check_pattern(chosen, len(found), others)
    return found


def is_forgotten(connection: sqlite3.Connection, stored: StoredReply, now_us: int) -> bool:
    """It was asked for before something was forgotten that it is part of."""
    since = forgotten_since(connection, stored.asked_at, now_us)
    return since is None or any(chooser(chosen)(stored) for chosen in since)
