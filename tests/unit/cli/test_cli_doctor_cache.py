"""The doctor on the exact cache: each engine, sound and not, and never a password."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from scrimp.cli.doctor_cache import cache
from scrimp.cli.finding import Finding
from scrimp.clock import SystemClock
from scrimp.settings import Loaded, parse
from tests.support.redis_server import RedisServer
from tests.support.reply_stores import open_store


def found(folder: Path, toml: str, url: str = "") -> Finding:
    """The one finding of settings with this table."""
    settings = parse(f'state_dir = "{folder}"\n{toml}'.encode(), source="test")
    (finding,) = cache(Loaded(settings, "test", {}, url))
    return finding


def made(path: Path) -> Path:
    """An empty cache file."""

    async def make() -> None:
        async with AsyncExitStack() as stack:
            await open_store(stack, "sqlite", SystemClock(), (path, ""))

    asyncio.run(make())
    return path


def test_memory_is_in_order_for_one_process(tmp_path: Path) -> None:
    """Several workers have one each, which is worth a look."""
    finding = found(tmp_path, "")
    assert (finding.status, finding.said[:24]) == ("ok", "in memory, up to 256.0 M")
    finding = found(tmp_path, "[server]\nworkers = 4")
    assert finding.status == "warn"
    assert "4 workers" in finding.said
    assert "sqlite" in finding.way_out


def test_a_cache_that_is_off(tmp_path: Path) -> None:
    """Nothing is looked at."""
    assert "switched off" in found(tmp_path, "[exact_cache]\nenabled = false").said


def test_a_file(tmp_path: Path) -> None:
    """Not there yet, sound, open to others, of a newer Scrimp."""
    toml = '[exact_cache]\nengine = "sqlite"'
    assert "not there yet" in found(tmp_path, toml).said
    path = made(tmp_path / "cache.sqlite")
    sound = found(tmp_path, toml)
    assert (sound.status, sound.said.rpartition(": ")[2]) == ("ok", "0 replies, 0 B of 256.0 MiB")
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    finding = found(tmp_path, toml)
    assert finding.status == "warn"
    assert "version 99" in finding.said
    assert "calls go on without it" in finding.said


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        ((), "warn", "has no limit of memory"),
        (("maxmemory 64mb", "maxmemory-policy noeviction"), "warn", "refuses new replies"),
        (("maxmemory 64mb", "maxmemory-policy allkeys-lru"), "ok", "of 64.0 MiB in use"),
    ],
)
def test_a_redis(tmp_path: Path, lines: tuple[str, ...], status: str, words: str) -> None:
    """How it treats a full memory is what matters."""
    with RedisServer("requirepass hush", *lines) as server:
        url = f"redis://:hush@127.0.0.1:{server.port}/0"
        finding = found(tmp_path, '[exact_cache]\nengine = "redis"', url)
    assert finding.status == status
    assert words in finding.said
    assert "hush" not in f"{finding}"


def test_a_redis_that_is_gone_or_not_named(tmp_path: Path) -> None:
    """Gone costs savings; without a URL the gateway does not start."""
    toml = '[exact_cache]\nengine = "redis"'
    gone = found(tmp_path, toml, "redis://127.0.0.1:1/0")
    assert (gone.status, "cannot be reached" in gone.said) == ("warn", True)
    nameless = found(tmp_path, toml)
    assert nameless.status == "fail"
    assert "export SCRIMP_REDIS_URL=" in nameless.way_out
