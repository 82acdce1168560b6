"""A process that puts replies into a cache file and says which are in it, until it is killed."""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import timedelta
from pathlib import Path

from scrimp.clock import SystemClock
from scrimp.ports import CacheScope, StoredReply
from scrimp.stores.sqlite_replies import RepliesOptions, SqliteReplies
from tests.support.core import reply_of

MAX_BYTES = 2_000_000


def body_of(key: bytes) -> bytes:
    """What is kept under a key: nothing else ever is."""
    return random.Random(key).randbytes(1500)  # noqa: S311 - not a secret


async def main(path: Path, number: int) -> None:
    """Put in small groups for ever; a line on stdout says that a group is in the file."""
    clock = SystemClock()
    cache = SqliteReplies.open(path, clock, RepliesOptions(MAX_BYTES, linger_ms=1))
    while True:
        for _ in range(10):
            key = number.to_bytes(32, "big")
            now = clock.now()
            reply = reply_of(body=body_of(key))
            scope = CacheScope(f"key:{number % 3}", "general")
            await cache.put(key, StoredReply(reply, now, now + timedelta(hours=1), scope))
            await cache.get((number - 5).to_bytes(32, "big"), scope)
            number += 1
        await cache.stats()
        sys.stdout.write(f"{number - 1}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
