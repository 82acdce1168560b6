"""From the settings to an engine: what is opened, what is refused, and in which words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scrimp.cached_replies import cache_plan
from scrimp.errors import ConfigError
from scrimp.remembered import Chosen
from scrimp.settings import complete, parse
from scrimp.stores.replies import CachePlan, forget, look, open_cache
from scrimp.stores.sqlite_replies import SqliteReplies
from scrimp.stores.tiered_replies import TieredReplies
from tests.support.core import FakeClock

CLOCK = FakeClock()
URL = "redis://:hush@127.0.0.1:6379/3"


async def test_memory_needs_nothing(tmp_path: Path) -> None:
    """No claims: calls of one process share a flight. No file."""
    cache = open_cache(CachePlan("memory", tmp_path / "cache.sqlite", 1000), CLOCK)
    assert (cache.claims, cache.run) == (None, None)
    assert (await cache.replies.stats()).engine == "memory"
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - blocks for microseconds


@pytest.mark.parametrize(("memory_bytes", "kind"), [(0, SqliteReplies), (1000, TieredReplies)])
async def test_memory_in_front_is_a_choice(tmp_path: Path, memory_bytes: int, kind: type) -> None:
    """Of a file, and of a Redis alike; claims are those of what lies behind."""
    plan = CachePlan("sqlite", tmp_path / "cache.sqlite", 1000, memory_bytes)
    cache = open_cache(plan, CLOCK)
    assert type(cache.replies) is kind
    assert isinstance(cache.claims, SqliteReplies)
    await cache.replies.close()
    plan = CachePlan("redis", tmp_path, 1000, memory_bytes, url=URL)
    server = open_cache(plan, CLOCK)
    assert isinstance(server.replies, TieredReplies) is bool(memory_bytes)
    assert server.run is not None


def test_a_redis_whose_client_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says what to install."""
    monkeypatch.setitem(sys.modules, "scrimp.stores.redis_link", None)
    with pytest.raises(ConfigError, match=r"pip install 'scrimp\[redis\]'"):
        open_cache(CachePlan("redis", tmp_path, 1000, url=URL), CLOCK)


def test_the_url_comes_from_the_environment_and_is_shown_nowhere() -> None:
    """Named by `url_env`; what it holds is in no repr."""
    settings = parse(
        b'state_dir = "/s"\n[exact_cache]\nengine = "redis"\nurl_env = "OURS"\nmax_bytes = 7',
        source="test",
    )
    loaded = complete(settings, {"OURS": URL}, source="test")
    plan = cache_plan(loaded)
    assert (plan.url, plan.engine, plan.max_bytes) == (URL, "redis", 7)
    assert plan.path == Path("/s/cache.sqlite")
    assert "hush" not in f"{plan!r} {loaded!r}"


async def test_there_is_nothing_to_look_at_in_another_process(tmp_path: Path) -> None:
    """A cache in memory belongs to its process: looking from outside is an error, with a way."""
    plan = CachePlan("memory", tmp_path, 1000)
    for asked in (look(plan, CLOCK), forget(plan, CLOCK, Chosen(), dry_run=False)):
        with pytest.raises(ConfigError, match="live in the process of a gateway"):
            await asked
