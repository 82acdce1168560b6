"""Opens the queue that `scrimp jobs submit` and `collect` work with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from scrimp.app import system_clock
from scrimp.cli.jobs_queue import Queue, opened
from scrimp.cli.jobs_remote import There
from scrimp.cli.run_remote import root_of, session
from scrimp.settings import Loaded


@asynccontextmanager
async def queue_at(
    loaded: Loaded, url: str, max_wait: str, labels: Mapping[bytes, bytes]
) -> AsyncIterator[Queue]:
    """That of a gateway at `url`, else the file of this machine. Raises ConfigError."""
    if url:
        root = root_of(url)
        async with session() as connections:
            yield There(connections, root, max_wait, labels, system_clock())
        return
    async with opened(loaded, max_wait, labels) as here:
        yield here
