"""What every cache of ours for LangChain is: an engine of its own, cleared, counted and closed."""

from __future__ import annotations

import logging
from abc import abstractmethod
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from langchain_core.caches import BaseCache

from scrimp.client.engine import Engine
from scrimp.errors import ScrimpError

log = logging.getLogger("scrimp.langchain")

Opened = TypeVar("Opened")
Stats = TypeVar("Stats")


class KeptAnswers(BaseCache, Generic[Opened, Stats]):
    """`skipped` counts look-ups and answers that a store could not take."""

    def __init__(self, engine: Engine[Opened], name: str) -> None:
        """`name` is how the log calls it, such as `the cache`."""
        self._engine = engine
        self._name = name
        self.skipped = 0

    def clear(self, **kwargs: Any) -> None:
        """Forget all answers of this tenant. Raises StoreError, and TypeError for any argument."""
        _no_more(kwargs)
        self._engine.call(self._clear)

    async def aclear(self, **kwargs: Any) -> None:
        """The same, awaited."""
        _no_more(kwargs)
        await self._engine.acall(self._clear)

    def stats(self) -> Stats:
        """What this tenant has there, and what came of it. Raises StoreError."""
        return self._engine.call(self._stats)

    async def astats(self) -> Stats:
        """The same, awaited."""
        return await self._engine.acall(self._stats)

    def close(self) -> None:
        """Let go of files and connections; the interpreter's exit does it, too."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    async def _clear(self, opened: Opened) -> None: ...

    @abstractmethod
    async def _stats(self, opened: Opened) -> Stats: ...

    def _skip(self, error: ScrimpError) -> None:
        """On the engine's one thread, so it counts right."""
        if not self.skipped:
            log.warning("%s is skipped until its store is well again: %s", self._name, error)
        self.skipped += 1


def _no_more(given: dict[str, Any]) -> None:
    if given:
        raise TypeError(f"clear takes no arguments and forgets all, got: {', '.join(given)}")
