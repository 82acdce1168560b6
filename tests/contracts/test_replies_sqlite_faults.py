"""Bad days of a cache file: calls go on without it, it is said once, and it comes back."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scrimp.errors import StoreError
from scrimp.ports import CacheScope
from scrimp.stores import sqlite_replies_file as cache_file
from scrimp.stores import sqlite_replies_writer as cache_writer
from scrimp.stores.sqlite_ledger import SqliteLedger
from scrimp.stores.sqlite_replies import RepliesOptions, file_stats
from tests.support.sqlite_cache import Opened, opened, until, works


async def test_it_survives_a_restart(tmp_path: Path) -> None:
    """Replies and figures are there again; its files are for their owner only."""
    path = tmp_path / "state" / "cache.sqlite"
    async with opened(path) as cache:
        given = await cache.put(b"a")
        await cache.replies.get(b"a", CacheScope("t", "x"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
        assert set(modes.values()) == {0o600}, modes
        assert path.parent.stat().st_mode & 0o777 == 0o700
    async with opened(path) as cache:
        assert await cache.replies.get(b"a") == given
        stats = await cache.replies.stats()
        assert (stats.hits, stats.entries, cache.told) == (1, 1, [])


async def test_what_is_put_last_is_kept_by_a_clean_end(tmp_path: Path) -> None:
    """Closing commits what waits."""
    path = tmp_path / "cache.sqlite"
    async with opened(path, RepliesOptions(1 << 20, linger_ms=60_000)) as cache:
        given = cache.stored()
        await cache.replies.put(b"a", given)
    async with opened(path) as cache:
        assert await cache.replies.get(b"a") == given


async def test_a_file_of_a_newer_scrimp_is_refused(tmp_path: Path) -> None:
    """With both numbers, and left as it is; calls do without it."""
    path = tmp_path / "cache.sqlite"
    async with opened(path) as cache:
        await cache.put(b"a")
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    async with opened(path) as cache:
        newest = len(cache_file.SCHEMA.scripts())
        for asked in (cache.replies.get(b"a"), cache.replies.put(b"b", cache.stored())):
            with pytest.raises(StoreError, match=rf"version 99, .* up to {newest}"):
                await asked
        with pytest.raises(StoreError, match="version 99"):
            await cache.replies.stats()
        assert len(cache.told) == 1
        assert "calls go on without it" in cache.told[0]
    assert path.read_bytes() == before


async def test_another_database_is_left_alone(tmp_path: Path) -> None:
    """A ledger under the cache's name is no cache, and no harm comes to it."""
    path = tmp_path / "ledger.sqlite"
    await SqliteLedger.open(path).close()
    before = path.read_bytes()
    async with opened(path) as cache:
        with pytest.raises(StoreError, match="not a cache of Scrimp's"):
            await cache.replies.get(b"a")
    assert path.read_bytes() == before


@pytest.mark.parametrize("how", ["words", "torn", "header", "halved"])
async def test_a_damaged_file_is_set_aside_and_made_anew(tmp_path: Path, how: str) -> None:
    """Found at the start: the old one is kept beside, one line says so, and all works."""
    path = tmp_path / "cache.sqlite"
    async with opened(path) as cache:
        for number in range(50):
            await cache.replies.put(b"%d" % number, cache.stored(2000))
    match how:
        case "words":
            path.write_text("this is no database at all, but a letter" * 100)
        case "torn":
            path.write_bytes(path.read_bytes()[:5000])
        case "header":
            path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
        case _:
            with closing(sqlite3.connect(path)) as half:
                half.execute("DROP INDEX replies_by_use")
    async with opened(path) as cache:
        given = await cache.put(b"new")
        assert await cache.replies.get(b"new") == given
        assert len(cache.told) == 1
        assert f"kept as {path}.damaged and made anew" in cache.told[0]
    assert cache_file.damaged_path(path).exists()


async def test_damage_under_way_is_mended(tmp_path: Path) -> None:
    """A page that went bad while the file is in use: look-ups say so, then a new file serves."""
    path = tmp_path / "cache.sqlite"
    async with opened(path) as cache:
        for number in range(200):
            await cache.replies.put(b"%d" % number, cache.stored(3000))
        await cache.replies.stats()
    async with opened(path) as cache:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(16_384)
            file.write(os.urandom(size - 16_384))

        async def mended() -> bool:
            for number in range(200):
                await works(cache.replies.get(b"%d" % number))
            return any("made anew" in line for line in cache.told)

        await until(mended)
        await cache.comes_back()
        given = await cache.put(b"new")
        assert await cache.replies.get(b"new") == given


async def test_one_bad_reply_is_only_a_miss(tmp_path: Path) -> None:
    """Bytes that are no reply, or of a format to come, answer nobody and break nothing."""
    path = tmp_path / "cache.sqlite"
    async with opened(path) as cache:
        for key in (b"a", b"b", b"c"):
            await cache.put(key)
        with closing(sqlite3.connect(path)) as hand, hand:
            hand.execute("UPDATE replies SET reply = x'02ff' WHERE key = ?", (b"a",))
            hand.execute("UPDATE replies SET reply = substr(reply, 1, 40) WHERE key = ?", (b"b",))
        assert await cache.replies.get(b"a") is None
        assert await cache.replies.get(b"b") is None
        assert await cache.replies.get(b"c") is not None


async def test_a_removed_file_is_made_anew(tmp_path: Path) -> None:
    """Somebody deletes it while it is in use: the next replies go into a new one."""
    path = tmp_path / "cache.sqlite"
    async with opened(path) as cache:
        await cache.put(b"a")
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink()
        given = await cache.put(b"b")
        assert path.exists()
        assert await cache.replies.get(b"a") is None
        assert await cache.replies.get(b"b") == given
        assert "removed or replaced" in cache.told[0]


async def test_a_locked_file_is_waited_out(tmp_path: Path) -> None:
    """Another program holds it: hits are served, what is new is given up, and it comes back."""
    path = tmp_path / "cache.sqlite"
    async with opened(path) as cache:
        given = await cache.put(b"a")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await cache.replies.put(b"b", cache.stored())
            await until(lambda: refused(cache, b"b"))
            assert await cache.replies.get(b"a") == given
            other.execute("ROLLBACK")
        await cache.comes_back()
        await cache.put(b"c")
        assert [line.partition(": ")[2][:9] for line in cache.told] == ["the cache", str(path)[:9]]
        assert "in use again" in cache.told[-1]


async def refused(cache: Opened, key: bytes, size: int = 100) -> bool:
    """True once a put says what is wrong."""
    return not await works(cache.replies.put(key, cache.stored(size)))


async def is_gone(cache: Opened, key: bytes) -> bool:
    """True once what could not be written is given up in memory, too."""
    return await cache.replies.get(key) is None


async def test_a_full_disk_costs_only_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there is served; nothing new is kept until there is room."""
    path = tmp_path / "cache.sqlite"
    true_open = cache_file.open_writer
    room = {"pages": 24}

    def open_small(where: Path, *, busy_timeout_ms: int) -> sqlite3.Connection:
        connection = true_open(where, busy_timeout_ms=busy_timeout_ms)
        connection.execute(f"PRAGMA max_page_count = {room['pages']}")
        return connection

    monkeypatch.setattr(cache_writer, "open_writer", open_small)
    async with opened(path) as cache:
        given = await cache.put(b"a")
        await until(lambda: refused(cache, b"big", 500_000))
        assert "full" in cache.told[0]
        assert await cache.replies.get(b"a") == given
        await until(lambda: is_gone(cache, b"big"))
        room["pages"] = 1_000_000
        await until(lambda: works(cache.put(b"big", 500_000)))
        assert "in use again" in cache.told[-1]


async def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is a file, say: opening raises nothing, each use says why, and it recovers."""
    blocked = tmp_path / "blocked"
    blocked.write_text("no folder")
    path = blocked / "cache.sqlite"
    async with opened(path) as cache:
        with pytest.raises(StoreError, match="cannot be used now"):
            await cache.replies.get(b"a")
        with pytest.raises(StoreError, match="cannot be used now"):
            await cache.replies.put(b"a", cache.stored())
        blocked.unlink()
        await cache.comes_back()
        given = await cache.put(b"a")
        assert await cache.replies.get(b"a") == given


async def test_what_waits_is_bounded(tmp_path: Path) -> None:
    """A writer that falls behind costs savings, not memory without end."""
    options = RepliesOptions(1 << 30, linger_ms=60_000, behind_bytes=10_000)
    async with opened(tmp_path / "cache.sqlite", options) as cache:
        await cache.replies.put(b"a", cache.stored(9000))
        with pytest.raises(StoreError, match=r"bytes behind, and 10,000 may wait"):
            await cache.replies.put(b"b", cache.stored(9000))
        assert await cache.replies.put(b"a", cache.stored(100))


async def test_the_file_stays_near_its_limit(tmp_path: Path) -> None:
    """Five times as much put as may be kept: the file on disk is not twice the limit."""
    path, limit = tmp_path / "cache.sqlite", 1_000_000
    async with opened(path, RepliesOptions(limit, linger_ms=1)) as cache:
        for number in range(3000):
            await cache.replies.put(number.to_bytes(32, "big"), cache.stored(1800))
            if number % 200 == 0:
                assert (await cache.replies.stats()).size_bytes <= limit
        stats = await cache.replies.stats()
        assert limit * 0.9 < stats.size_bytes <= limit
        assert stats.evicted == 3000 - stats.entries
    assert path.stat().st_size < 2 * limit


async def test_a_smaller_limit_holds_at_once(tmp_path: Path) -> None:
    """A file that was filled under a larger limit is brought down when it is next written."""
    path = tmp_path / "cache.sqlite"
    async with opened(path) as cache:
        for number in range(100):
            await cache.replies.put(b"%d" % number, cache.stored(2000))
    async with opened(path, RepliesOptions(50_000, linger_ms=1)) as cache:
        assert (await cache.replies.stats()).size_bytes <= 50_000


async def test_what_is_past_its_time_leaves_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Now and then, though there would be room: nothing lies there for ever."""
    monkeypatch.setattr(cache_writer, "_PURGE_S", 0.0)
    path = tmp_path / "cache.sqlite"
    async with opened(path) as cache:
        await cache.put(b"old")
        cache.clock.pass_by(3600)
        await cache.replies.put(b"new", cache.stored())
    with closing(sqlite3.connect(path)) as hand:
        assert hand.execute("SELECT key FROM replies").fetchall() == [(b"new",)]


async def test_looking_makes_no_file(tmp_path: Path) -> None:
    """Figures of a cache that is not there yet: an error, and nothing made."""
    with pytest.raises(StoreError, match="no cache at"):
        file_stats(tmp_path / "cache.sqlite", 100)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - blocks for microseconds


async def test_tenants_without_end_fill_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a number of scopes they are counted together."""
    monkeypatch.setattr("scrimp.stores.sqlite_replies_rows.MAX_SCOPES", 10)
    async with opened(tmp_path / "cache.sqlite") as cache:
        for number in range(50):
            await cache.replies.get(b"x", CacheScope(f"credential:{number}", "general"))
            await cache.put(b"%d" % number)
        stats = await cache.replies.stats()
        assert len(stats.scopes) <= 11
        assert stats.entries == 50
