"""What contracts share: a clock that stands until it is told to go, and what they open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.support.core import FakeClock
from tests.support.redis_server import RedisServer


@pytest.fixture
def clock() -> FakeClock:
    """Time by hand."""
    return FakeClock()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Closes what a test opens."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """One server for all tests of a file; each has a prefix of its own."""
    with RedisServer() as running:
        yield running
