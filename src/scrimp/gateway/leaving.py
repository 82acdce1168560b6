"""How a call learns that its client has closed the connection.

The server's `receive` would tell, to a second task beside every call. Its protocol knows first and
can say so with one method call, which costs a hundredth of that (docs/dev/decisions/0004).
"""

from __future__ import annotations

import asyncio

EXTENSION = "scrimp.leaving"
"""The key in the ASGI scope's `extensions` under which the protocol puts a `Leaving`."""


class Leaving:
    """One request's client: `gone` once it has left; `task` is cancelled then."""

    __slots__ = ("gone", "task")

    def __init__(self) -> None:
        self.gone = False
        self.task: asyncio.Task[object] | None = None

    def happened(self) -> None:
        """The connection is closed."""
        self.gone = True
        if self.task is not None:
            self.task.cancel()
