"""How much memory this process took while something ran."""

from __future__ import annotations

import threading
from typing import Self

import psutil  # type: ignore[import-untyped]  # it ships no types


class Peak:
    """The most memory that this process held while the block ran, over what it held before."""

    def __enter__(self) -> Self:
        self.grown_bytes = 0
        self._before = psutil.Process().memory_info().rss
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._done.wait(0.005):
            grown = process.memory_info().rss - self._before
            self.grown_bytes = max(self.grown_bytes, grown)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
