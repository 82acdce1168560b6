"""Levers in a row, each behind the guard that keeps a broken saver from breaking a call.

`chain` folds levers, first to last, around the attempt at the end. The guard is one of the two
places where a broad `except` is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence

from scrimp.calls import Call, Reply
from scrimp.errors import Rejected, ScrimpError, UpstreamError
from scrimp.ports import Lever, Next


def chain(levers: Sequence[Lever], end: Next) -> Next:
    """The way of a call: `levers[0]` sees it first, `end` makes the attempt."""
    way = end
    for lever in reversed(levers):
        way = Guard(lever, way)
    return way


class Guard:
    """Runs one lever; when it breaks where breaking is not its job, the call goes on without it.

    A refusal (`Rejected`), the provider's own error, and a cancellation are a lever's job and
    pass. So does everything when the lever fails closed. Otherwise the trace says `skipped`, and
    the call continues below the lever, or keeps the reply that had already come from there. Once
    bytes have left for the client nothing is started below again.
    """

    def __init__(self, lever: Lever, below: Next) -> None:
        self._lever = lever
        self._below = below

    async def __call__(self, call: Call) -> Reply:
        """Run the lever."""
        passage = _Passage(self._below)
        lever = self._lever
        try:
            return await lever(call, passage)
        except (Rejected, UpstreamError):
            raise
        except Exception as error:
            if lever.fail_closed or error is passage.error:
                raise
            call.trace.note(lever.name, "skipped", {"error": _describe(error)})
            if passage.reply is not None:
                return passage.reply
            if passage.error is not None:
                raise passage.error from error
            if call.sink.begun:
                raise
            return await self._below(call)


class _Passage:
    """`next` as one lever sees it; remembers the last thing that came back from below."""

    __slots__ = ("_below", "error", "reply")

    def __init__(self, below: Next) -> None:
        self._below = below
        self.reply: Reply | None = None
        self.error: Exception | None = None

    async def __call__(self, call: Call) -> Reply:
        self.reply = self.error = None
        try:
            self.reply = await self._below(call)
        except Exception as error:
            self.error = error
            raise
        return self.reply


def _describe(error: Exception) -> str:
    """The kind of an error, and its words only when they are ours (foreign ones may leak)."""
    kind = type(error).__name__
    return f"{kind}: {error}" if isinstance(error, ScrimpError) else kind
