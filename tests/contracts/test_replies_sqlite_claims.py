"""Claims beside a cache file: one process at a time, whatever becomes of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scrimp.stores.sqlite_replies import RepliesOptions
from tests.support.sqlite_cache import opened

ROOT = Path(__file__).parents[2]

_OTHER = """
import asyncio, sys
from pathlib import Path
from scrimp.clock import SystemClock
from scrimp.stores.sqlite_replies import RepliesOptions, SqliteReplies

async def main():
    cache = SqliteReplies.open(Path(sys.argv[1]), SystemClock(), RepliesOptions(1 << 20))
    print(await cache.claim(b"k" * 32, lease_s=30), flush=True)
    sys.stdin.readline()
    cache.release(b"k" * 32)
    print("released", flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""


def other_process(path: Path) -> subprocess.Popen[str]:
    """A process that claims a key, and gives it back at a word."""
    return subprocess.Popen(
        [sys.executable, "-c", _OTHER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_a_claim_is_one_process_s(tmp_path: Path) -> None:
    """Until it gives it back; other keys are free all the while."""
    path, key = tmp_path / "cache.sqlite", b"k" * 32
    async with opened(path) as cache:
        with other_process(path) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert other.stdout.readline() == "True\n"
            assert not await cache.replies.claim(key, lease_s=30)
            assert await cache.replies.claim(b"other" * 8, lease_s=30)
            other.stdin.write("\n")
            other.stdin.flush()
            assert other.stdout.readline() == "released\n"
            assert await cache.replies.claim(key, lease_s=30)
            other.kill()


async def test_a_process_that_dies_claims_nothing(tmp_path: Path) -> None:
    """The system gives its claims back at once."""
    path, key = tmp_path / "cache.sqlite", b"k" * 32
    async with opened(path) as cache:
        with other_process(path) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "True\n"
            assert not await cache.replies.claim(key, lease_s=30)
            other.kill()
        assert await cache.replies.claim(key, lease_s=30)


async def test_a_claim_ends_when_others_can_read(tmp_path: Path) -> None:
    """Given back while its reply still waits for the writer, it holds until that is in the file."""
    path, key = tmp_path / "cache.sqlite", b"k" * 32
    async with opened(path, RepliesOptions(1 << 20, linger_ms=60_000)) as cache:
        assert await cache.replies.claim(key, lease_s=30)
        await cache.replies.put(key, cache.stored())
        cache.replies.release(key)
        with other_process(path) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "False\n"
            other.kill()
        await cache.replies.stats()
        with other_process(path) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "True\n"
            other.kill()
