"""Tenants beyond those that are counted one by one: what is theirs is found and forgotten."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from scrimp.ports import CacheScope, StoredReply
from scrimp.remembered import Chosen
from tests.support.core import FakeClock, reply_of
from tests.support.reply_stores import open_store as open_replies
from tests.support.semantic_stores import ENGINES, answered, known, open_store, vector

COUNTED, BEN = CacheScope("key:ana", "general"), CacheScope("key:ben", "general")
REVIEWS, CID = CacheScope("key:ben", "code_review"), CacheScope("key:cid", "general")


@pytest.fixture(autouse=True)
def _one_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the others are counted together."""
    for rows in ("postgres_semantic", "sqlite_semantic", "redis_semantic", "sqlite_replies"):
        monkeypatch.setattr(f"scrimp.stores.{rows}_rows.MAX_SCOPES", 1)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_tenant_is_forgotten_by_meaning(
    stack: AsyncExitStack, clock: FakeClock, tmp_path: Path, engine: str
) -> None:
    """Its groups and nobody else's; by task type and with a pattern, too."""
    store = await open_store(stack, engine, clock, tmp_path / "semantic.sqlite")
    groups = dict[CacheScope, int | None]()
    for number, scope in enumerate((COUNTED, BEN, REVIEWS, CID)):
        question = known(number / 10, text=f"Question {number}")
        groups[scope] = await store.add_root(b"scope", question, answered(clock, scope=scope))

    async def left() -> set[int]:
        return {one.group for one in await store.nearest(b"scope", vector(0), 9)}

    assert await store.invalidate(Chosen(tenant="key:dan", pattern="question*")) == 0
    assert await store.invalidate(Chosen(tenant="key:ben", task="code_review"), dry_run=True) == 1
    assert await store.invalidate(Chosen(tenant="key:ben", pattern="*2")) == 1
    assert await left() == {groups[COUNTED], groups[BEN], groups[CID]}
    assert await store.invalidate(Chosen(tenant="key:ben")) == 1
    assert await left() == {groups[COUNTED], groups[CID]}
    assert await store.invalidate(Chosen(task="general")) == 2
    assert await left() == set()


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
async def test_a_tenant_is_forgotten_by_word(
    stack: AsyncExitStack, clock: FakeClock, tmp_path: Path, engine: str
) -> None:
    """The same of answers to equal words."""
    store = await open_replies(stack, engine, clock, (tmp_path / "cache.sqlite", ""))
    scopes = {b"a": COUNTED, b"b": BEN, b"r": REVIEWS, b"c": CID}
    now = clock.now()
    for key, scope in scopes.items():
        await store.put(key, StoredReply(reply_of(), now, now + timedelta(hours=1), scope))

    async def left() -> bytes:
        return b"".join([key for key in scopes if await store.get(key) is not None])

    assert await store.invalidate(Chosen(tenant="key:ben", task="code_review")) == 1
    assert await left() == b"abc"
    assert await store.clear("key:ben") == 1
    assert await left() == b"ac"
    assert await store.clear(None, "general") == 2
    assert await left() == b""
