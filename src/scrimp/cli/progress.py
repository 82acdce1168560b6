"""How far long work is: a live line on a terminal, a plain one now and then elsewhere.

Both on standard error.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PLAIN_EVERY_S = 15.0
_LIVE_EVERY_S = 0.1

Show = Callable[[int, Callable[[], str]], None]
"""Takes how much is done, and what makes the line; the line is made only when it is shown."""


@contextmanager
def bar(total: int, begin: str, *, quiet: bool) -> Iterator[Show]:
    """Shows the line `begin` at first on a terminal."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, emoji=False)
    if quiet or not total:
        yield lambda done, line: None  # noqa: ARG005 (nobody looks)
    elif console.is_terminal and not console.is_dumb_terminal:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as live:
            task = live.add_task("", total=total, figures=begin)

            def show(done: int, line: Callable[[], str]) -> None:
                live.update(task, completed=done, figures=line())

            yield _every(_LIVE_EVERY_S, show)
    else:
        yield _every(_PLAIN_EVERY_S, lambda done, line: _plain(line()))  # noqa: ARG005 (it is in the line)


def _every(seconds: float, show: Show) -> Show:
    last_s = time.monotonic()

    def tell(done: int, line: Callable[[], str]) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s >= seconds:
            last_s = now_s
            show(done, line)

    return tell


def _plain(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
