"""Bad days of a Redis: gone, slow, full, restarted. Each is said once, costs little, and passes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from scrimp.errors import ConfigError, StoreError
from scrimp.ports import CacheScope, StoredReply
from scrimp.stores.redis_link import LinkOptions
from scrimp.stores.redis_replies import RedisOptions, RedisReplies
from tests.support.core import FakeClock, reply_of
from tests.support.redis_server import RedisServer

CLOCK = FakeClock()
KEY = b"k" * 32
PAUSE_S = 0.2


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own, to be treated badly."""
    with RedisServer() as running:
        yield running


@asynccontextmanager
async def opened(
    url: str, *, timeout_s: float = 5.0, pause_s: float = PAUSE_S, prefix: str = "test"
) -> AsyncIterator[tuple[RedisReplies, list[str]]]:
    """A store at work, and what it says."""
    told: list[str] = []
    options = RedisOptions(prefix, LinkOptions(timeout_s, (pause_s,)))
    replies = RedisReplies.open(url, CLOCK, options, tell=told.append)
    async with asyncio.TaskGroup() as group:
        group.create_task(replies.run())
        try:
            yield replies, told
        finally:
            await replies.close()


def stored(size: int = 100) -> StoredReply:
    """A reply for an hour."""
    now = CLOCK.now()
    body = random.Random(size).randbytes(size)  # noqa: S311 - not a secret
    return StoredReply(reply_of(body=body), now, now + timedelta(hours=1), CacheScope("t", "x"))


async def refusal(asked: Awaitable[object]) -> str:
    """What is said; fails when nothing is."""
    with pytest.raises(StoreError) as said:
        await asked
    return str(said.value)


async def until_back(replies: RedisReplies) -> None:
    """Wait until it answers again, as calls would find out."""
    end_s = time.monotonic() + 10
    while True:
        try:
            await replies.get(b"any")
        except StoreError:
            assert time.monotonic() < end_s
            await asyncio.sleep(0.01)
        else:
            return


async def test_a_server_that_is_not_there(server: RedisServer) -> None:
    """Each use says so, one line is logged, and once it is there it serves, without a restart."""
    server.kill()
    async with opened(server.url) as (replies, told):
        assert "cannot be reached" in await refusal(replies.get(KEY))
        assert "cannot be reached" in await refusal(replies.put(KEY, stored()))
        assert "cannot be reached" in await refusal(replies.claim(KEY, lease_s=1))
        server.start()
        await until_back(replies)
        assert await replies.put(KEY, stored())
        assert await replies.get(KEY) == stored()
    assert [f"127.0.0.1:{server.port}" in line for line in told] == [True, True]
    assert "calls go on without it" in told[0]
    assert "in use again" in told[1]


async def test_a_restarted_server_costs_nothing_but_what_it_forgot(server: RedisServer) -> None:
    """A connection that died while nobody looked is made anew within the same call."""
    async with opened(server.url) as (replies, told):
        await replies.put(KEY, stored())
        server.kill()
        server.start()
        assert await replies.get(KEY) is None
        assert told == []


async def test_a_server_that_does_not_answer_costs_one_limit(server: RedisServer) -> None:
    """One call waits for the time limit; all others are refused at once until it is back."""
    async with opened(server.url, timeout_s=0.3, pause_s=60) as (replies, told):
        await replies.put(KEY, stored())
        server.stall()
        began_s = time.monotonic()
        assert "does not answer in time" in await refusal(replies.get(KEY))
        assert 0.25 < time.monotonic() - began_s < 5
        began_s = time.monotonic()
        for _ in range(1000):
            await refusal(replies.get(KEY))
        assert time.monotonic() - began_s < 0.3 * 10
        assert len(told) == 1


async def test_one_probe_at_a_time(server: RedisServer) -> None:
    """When a pause is over, one trip tries; who comes while it is under way is refused at once."""
    async with opened(server.url, timeout_s=0.5, pause_s=0.01) as (replies, told):
        await replies.put(KEY, stored())
        server.stall()
        await refusal(replies.get(KEY))
        await asyncio.sleep(0.02)
        loop = asyncio.get_running_loop()
        probe = loop.create_task(refusal(replies.get(KEY)))
        for _ in range(5):
            await asyncio.sleep(0)
        await refusal(replies.get(KEY))
        assert not probe.done()
        await probe
        server.go_on()
        await until_back(replies)
        assert await replies.get(KEY) == stored()
        assert "in use again" in told[-1]


async def test_a_slow_server_is_not_a_dead_one(server: RedisServer) -> None:
    """It answers late but in time: nothing is refused."""
    async with opened(server.url, timeout_s=10) as (replies, told):
        await replies.put(KEY, stored())
        server.stall()
        loop = asyncio.get_running_loop()
        asked = [loop.create_task(replies.get(KEY)) for _ in range(10)]
        await asyncio.sleep(0.2)
        server.go_on()
        assert await asyncio.gather(*asked) == [stored()] * 10
        assert told == []


async def test_a_full_server_serves_what_it_has() -> None:
    """Where its policy keeps all, new replies are refused, each saying so; hits go on."""
    with RedisServer("maxmemory 8mb", "maxmemory-policy noeviction") as server:
        async with opened(server.url) as (replies, told):
            await replies.put(KEY, stored())
            said = ""
            for number in range(1000):
                try:
                    await replies.put(b"%d" % number, stored(100_000))
                except StoreError as error:
                    said = str(error)
                    break
            assert "it is full" in said
            assert await replies.get(KEY) == stored()
            assert await replies.clear() > 10
            assert await replies.put(KEY, stored())
            assert told == []


async def test_a_server_that_evicts_takes_all(server: RedisServer) -> None:
    """With `allkeys-lru` nothing is refused; the server lets the oldest go."""
    server.ask("CONFIG", "SET", "maxmemory", "8mb")
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    async with opened(server.url) as (replies, _):
        for number in range(400):
            assert await replies.put(b"%d" % number, stored(100_000))
        assert 0 < (await replies.stats()).entries < 400


async def test_a_password_is_never_said() -> None:
    """A wrong one is refused by name of the server; neither message nor log line holds it."""
    with RedisServer("requirepass right-secret") as server:
        host = f"127.0.0.1:{server.port}"
        async with opened(f"redis://:right-secret@{host}/0") as (replies, _):
            assert await replies.put(KEY, stored())
        async with opened(f"redis://:wrong-secret@{host}/0") as (replies, told):
            said = await refusal(replies.get(KEY))
            assert "password" in said
            assert host in said
            assert "secret" not in f"{said} {told} {replies!r}"
        async with opened(server.url) as (replies, told):
            assert "password" in await refusal(replies.get(KEY))


@pytest.mark.parametrize("url", ["http://:hush@host/0", "redis://:hush@host:port/0", "hush"])
def test_a_url_that_cannot_be_read(url: str) -> None:
    """Is an error of the settings that does not quote it."""
    with pytest.raises(ConfigError) as said:
        RedisReplies.open(url, CLOCK)
    assert "hush" not in str(said.value)
    assert said.value.__cause__ is None


async def test_claims_end_with_their_lease(server: RedisServer) -> None:
    """A process that ended without a word is forgotten; its late word then releases nothing."""
    async with opened(server.url) as (one, _), opened(server.url) as (other, _):
        assert await one.claim(KEY, lease_s=0.05)
        assert not await other.claim(KEY, lease_s=30)
        end_s = time.monotonic() + 10
        while not await other.claim(KEY, lease_s=30):
            assert time.monotonic() < end_s
            await asyncio.sleep(0.01)
        one.release(KEY)
        await one.get(b"any")
        assert not await one.claim(KEY, lease_s=30)
        other.release(KEY)
        await other.get(b"any")
        assert await one.claim(KEY, lease_s=30)


async def test_a_claim_that_nobody_waited_for_is_given_back(server: RedisServer) -> None:
    """A client that leaves while its claim is on the way holds nobody up."""
    async with opened(server.url) as (one, _), opened(server.url) as (other, _):
        await one.get(b"any")
        claiming = asyncio.get_running_loop().create_task(one.claim(KEY, lease_s=30))
        await asyncio.sleep(0)
        claiming.cancel()
        await asyncio.wait([claiming])
        await one.get(b"any")
        assert await other.claim(KEY, lease_s=30)


async def test_prefixes_keep_caches_apart(server: RedisServer) -> None:
    """Two Scrimps and other people's keys on one server: each clears its own only."""
    server.ask("SET", "scrimp:1:other", "precious")
    async with opened(server.url, prefix="a*") as (one, _), opened(server.url, prefix="ab") as two:
        other, _ = two
        await one.put(KEY, stored())
        await other.put(KEY, stored())
        assert await one.clear() == 1
        assert await other.get(KEY) == stored()
        assert await one.get(KEY) is None
    assert b"precious" in server.ask("GET", "scrimp:1:other")


async def test_bytes_of_others_are_a_miss(server: RedisServer) -> None:
    """What is no reply of ours under our name answers nobody, and figures go round it."""
    async with opened(server.url) as (replies, _):
        await replies.put(b"good", stored())
        for words in ("", "nonsense", "x" * 2000):
            server.ask("SET", f"test:1:r:{KEY.hex()}", f'"{words}"')
            assert await replies.get(KEY) is None
            assert (await replies.stats()).entries == 1
        server.ask("DEL", f"test:1:r:{KEY.hex()}")
        server.ask("LPUSH", f"test:1:r:{KEY.hex()}", "a-list")
        assert "refuses a command" in await refusal(replies.get(KEY))
        assert await replies.get(b"good") == stored()


async def test_ten_thousand_at_once(server: RedisServer) -> None:
    """A burst goes in few trips over one connection, and each gets its own answer."""
    async with opened(server.url, timeout_s=10) as (replies, told):
        for number in range(100):
            await replies.put(b"%d" % number, stored(number))
        answers = await asyncio.gather(*(replies.get(b"%d" % (n % 100)) for n in range(5000)))
        assert all(answer == stored(n % 100) for n, answer in enumerate(answers))
        assert told == []
    assert b"total_connections_received" in server.ask("INFO", "stats")
