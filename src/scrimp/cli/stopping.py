"""How long work is ended from outside: first gently, then at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Ctrl-C (or SIGTERM) once: what is in the air is waited for. Twice: it ends at once."""

    def __init__(self, told: Callable[[], None]) -> None:
        self.asked = False
        self._told = told

    def __enter__(self) -> Self:
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # no main thread
            for one in _SIGNALS:
                asyncio.get_running_loop().add_signal_handler(one, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def _ask(self) -> None:
        self.asked = True
        self._let_go()
        self._told()

    def _let_go(self) -> None:
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            for one in _SIGNALS:
                asyncio.get_running_loop().remove_signal_handler(one)
