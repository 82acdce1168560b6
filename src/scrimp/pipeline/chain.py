"""Levers in a row, each behind the guard that keeps a broken saver from breaking a call.

`chain` folds levers, first to last, around the attempt at the end. The guard is one of the two
places where a broad `except` is allowed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from scrimp.calls import Call, Reply
from scrimp.errors import Rejected, ScrimpError, UpstreamError, kind_and_place
from scrimp.ports import Lever, Next

log = logging.getLogger(__name__)


def chain(levers: Sequence[Lever], end: Next) -> Next:
    """The way of a call: `levers[0]` sees it first, `end` makes the attempt."""
    way = end
    for lever in reversed(levers):
        way = Guard(lever, way)
    return way


class Guard:
    """Runs one lever; when it breaks where breaking is not its job, the call goes on without it.

    A refusal (`Rejected`), the provider's own error, and a cancellation are a lever's job and
    pass. So does everything when the lever fails closed and nothing has come from below yet.
    Otherwise the trace says `skipped`, and the call continues below the lever, or keeps the reply
    or the error that had already come from there: a reply is paid for, and a guard that breaks
    after it (its part is then lost: an entry, a settlement) is an error in the log. Once bytes have
    left for the client nothing is started below again.
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
            over = passage.reply is not None or passage.error is not None
            if error is passage.error or (lever.fail_closed and not over):
                raise
            call.trace.note(lever.name, "skipped", {"error": _describe(error)})
            if lever.fail_closed:
                log.error(  # noqa: TRY400 (a traceback ends with the message, which may hold a prompt)
                    "call %s: %s broke after the answer: %s",
                    call.id,
                    lever.name,
                    kind_and_place(error),
                )
            if passage.reply is not None:
                return passage.reply
            if passage.error is not None:
                raise passage.error from error
            if call.sink.begun:
                raise
            return await self._below(call)
        finally:
            # its traceback leads back here: a ring that only the collector frees
            passage.error = None


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
