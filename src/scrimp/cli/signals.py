"""Ctrl-C and SIGTERM for commands that serve: a clean end, exit code 0, no traceback.

uvicorn drains on both signals and then raises them once more for whoever started it, while the
ledger still has to be closed. By default the second one would kill the process right there.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Handlers around a server: a signal before it serves ends the block, afterwards it may drain.

    The server's own handlers stand in between; these get what it raises again.
    """

    def __init__(self) -> None:
        self._serving = False
        self._before: dict[signal.Signals, signal.Handlers] = {}

    def served(self) -> None:
        """From now on the server takes the signals, and ends by itself."""
        self._serving = True

    def _handle(self, number: int, _: FrameType | None) -> None:
        if not self._serving:
            raise KeyboardInterrupt(number)

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._handle)  # type: ignore[assignment]  # what it gives, it takes
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        for number, handler in self._before.items():
            with suppress(TypeError):  # a handler that was not set from Python
                signal.signal(number, handler)
        return kind is not None and issubclass(kind, KeyboardInterrupt)
