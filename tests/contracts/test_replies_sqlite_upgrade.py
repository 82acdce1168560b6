"""A cache file from before answers had names: its answers live on, and can be forgotten."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from scrimp.calls import ReplyFacts
from scrimp.ports import CacheScope, StoredReply
from scrimp.remembered import Chosen
from scrimp.stores.reply_codec import pack
from scrimp.stores.sqlite_replies import RepliesOptions, SqliteReplies
from scrimp.stores.sqlite_replies_file import SCHEMA
from scrimp.stores.sqlite_replies_forget import micros
from scrimp.stores.sqlite_schema import schema_version
from tests.support.core import NOON, FakeClock, answer_fields, reply_of

SCOPE = CacheScope("key:ana", "general")


def old_file(path: Path) -> StoredReply:
    """Schema version 1 with one answer, as its version wrote it."""
    facts = ReplyFacts(reply_of().facts.usage, "gpt-4o-mini-2024-07-18")
    reply = reply_of(body=answer_fields("We open at nine."), facts=facts)
    stored = StoredReply(reply, NOON, NOON + timedelta(hours=1), SCOPE)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(SCHEMA.scripts()[0])
    connection.execute("PRAGMA user_version = 1")
    connection.execute(f"PRAGMA application_id = {SCHEMA.application_id:d}")
    connection.execute("INSERT INTO scopes (tenant, task) VALUES (?, ?)", SCOPE)
    data = pack(stored)
    row = (b"a", micros(stored.expires_at), len(data) + 256, data)
    connection.execute(
        "INSERT INTO replies (key, scope, expires_us, used, size_bytes, reply) "
        "VALUES (?, 1, ?, 1, ?, ?)",
        row,
    )
    connection.close()
    path.chmod(0o600)
    return stored


@pytest.mark.parametrize(
    ("chosen", "gone"),
    [
        (Chosen(model="gpt-4o-mini-2024-07-18"), 1),
        (Chosen(model="gpt-4o"), 0),
        (Chosen(tag="shop"), 0),
        (Chosen(stored_before=NOON), 0),
        (Chosen(stored_before=NOON + timedelta(seconds=1)), 1),
        (Chosen(pattern="*nine*"), 1),
        (Chosen(tenant="key:ana", task="general"), 1),
        (Chosen(tenant="key:ben"), 0),
    ],
)
async def test_an_old_file_is_brought_up_to_date(tmp_path: Path, chosen: Chosen, gone: int) -> None:
    """Its answer is served, and found by what stands in the answer itself."""
    path, clock = tmp_path / "cache.sqlite", FakeClock()
    stored = old_file(path)
    clock.pass_by(10)
    store = SqliteReplies.open(path, clock, RepliesOptions(1 << 20))
    try:
        assert await store.get(b"a") == stored
        assert await store.invalidate(chosen) == gone
        assert (await store.get(b"a") is None) == bool(gone)
    finally:
        await store.close()
    connection = sqlite3.connect(path)
    assert schema_version(connection) == len(SCHEMA.scripts()) > 1
    connection.close()
