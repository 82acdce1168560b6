"""What SIGHUP means: a terminal that was closed, or somebody who wants the settings read anew."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger("scrimp.workers")


class Terminal:
    """The terminal that a process was started on, if it was."""

    def __init__(self) -> None:
        self._there = _on_terminal()

    def closed(self) -> bool:
        """True once it is gone: whoever sat there meant the process to end."""
        return self._there and not _on_terminal()


def _on_terminal() -> bool:
    try:
        return os.isatty(sys.stdin.fileno())
    except (AttributeError, ValueError, OSError):  # no standard input at all
        return False


@contextmanager
def ignored_hang_ups() -> Iterator[None]:
    """A process without workers: SIGHUP must not kill it, and cannot make it anew."""
    terminal = Terminal()

    def hang_up(_: int, __: FrameType | None) -> None:
        if terminal.closed():
            signal.raise_signal(signal.SIGTERM)
        else:
            log.warning(
                "SIGHUP changes nothing here: settings are read anew by restarting workers in turn "
                "(server.workers = 2 or more)"
            )

    before = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
