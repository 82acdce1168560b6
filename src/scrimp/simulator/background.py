"""Responses in the background: work that goes on while nobody waits for it on the line."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from scrimp.simulator.bill import Delivered, Usage
from scrimp.simulator.delivery import Job, Pace, deliver, server_error
from scrimp.simulator.desk import Desk, Sale
from scrimp.simulator.faults import Fault
from scrimp.simulator.incoming import Incoming
from scrimp.simulator.production import Production
from scrimp.simulator.responses_replies import Asked, Body, ResponsesReply
from scrimp.simulator.responses_requests import Item

_BREAKS: Final = frozenset({"error-event", "failed", "stall"})


@dataclass(slots=True)
class Stored:
    """One response that may be asked for again, as `body` has it now.

    `history` is what was said before `input_items`. `cancel` is there while it runs.
    """

    owner: str
    production: Production
    asked: Asked
    input_items: list[Item]
    history: list[Item]
    body: Body
    fault: Fault | None = None
    began_s: float = field(default_factory=time.monotonic)
    cancel: Callable[[], None] | None = None

    @property
    def id(self) -> str:
        """Such as `resp_0a1b…`."""
        return str(self.body["id"])

    @property
    def items(self) -> list[Item]:
        """All of the talk up to its end."""
        return [*self.history, *self.input_items, *self.body["output"]]


class Background:
    """Begins, follows and cancels background responses."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def begin(self, incoming: Incoming, stored: Stored, completed: Callable[[], None]) -> None:
        """Work from now on. A fault in the middle lets it fail, or never end."""
        fault = incoming.fault
        stored.fault = fault if fault is not None and fault.kind in _BREAKS else None
        production, pace = stored.production, self._pace(stored)
        reply = ResponsesReply(production, stored.asked)
        pieces = production.pieces
        if stored.fault is not None:
            pieces = pieces[: stored.fault.number]

        def book(produced: int | None, delivered: Delivered) -> None:
            usage, model = production.usage(produced), production.question.model
            sale = Sale(model, usage, delivered, stream=production.stream)
            self._desk.book(incoming, sale)

        def end() -> None:
            stored.cancel = None
            if stored.fault is not None:
                book(len(pieces), "broken")
                stored.body = reply.failed(server_error(500))
            else:
                book(None, "complete")
                completed()

        stalls = stored.fault is not None and stored.fault.kind == "stall"
        call_off = None if stalls else self._desk.later(pace.whole_s(pieces), end)

        def cancel() -> None:
            stored.cancel = None
            if call_off is not None:
                call_off()
            book(pace.produced(pieces, time.monotonic() - stored.began_s), "left")
            stored.body = reply.body("cancelled")

        stored.cancel = cancel
        stored.body = reply.body("in_progress" if stalls else "queued")

    def cancel(self, stored: Stored) -> None:
        """Stop; what was produced is billed. Nothing for one that has ended."""
        if stored.cancel is not None:
            stored.cancel()

    async def follow(self, incoming: Incoming, stored: Stored, after: int) -> None:
        """Hand its events over as a stream, those after a number; who leaves stops nothing."""
        running = stored.cancel is not None
        pace = self._pace(stored) if running else Pace(0.0, 0.0)
        renderer = ResponsesReply(stored.production, stored.asked, after=after)
        headers = self._desk.headers(incoming, pace)
        job = Job(_Streamed(stored.production), renderer, headers, pace, incoming.error_body)
        await deliver(incoming.out, job, lambda _usage, _delivered: None)

    def _pace(self, stored: Stored) -> Pace:
        return Pace.of(self._desk.settings, stored.production.question.last_user_text)


class _Streamed:
    """A production that is handed over as a stream, whatever was asked for at first."""

    stream = True

    def __init__(self, production: Production) -> None:
        self._production = production
        self.pieces = production.pieces

    def usage(self, produced: int | None = None) -> Usage:
        """As of the production."""
        return self._production.usage(produced)
