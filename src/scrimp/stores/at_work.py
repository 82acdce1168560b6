"""A store that works while something runs beside it, for as long as somebody looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol

from scrimp.errors import Rejected, StoreError

Beside = Callable[[], Coroutine[Any, Any, None]]


class Closes(Protocol):
    """Whatever ends what runs beside it."""

    async def close(self) -> None:
        """Let go of everything."""
        ...


@asynccontextmanager
async def at_work(store: Closes, run: Beside | None) -> AsyncIterator[None]:
    """Errors come out as they are, not in a group of one."""
    failed: StoreError | Rejected | None = None
    async with asyncio.TaskGroup() as group:
        if run is not None:
            group.create_task(run())
        try:
            yield
        except (StoreError, Rejected) as error:
            failed = error
        finally:
            await store.close()
    if failed is not None:
        raise failed
