"""Hands one reply to a client, in its own time, and breaks it where a fault says so."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from scrimp.simulator import mangle
from scrimp.simulator.bill import Delivered, Usage
from scrimp.simulator.conversation import Dice, Refusal
from scrimp.simulator.faults import Fault
from scrimp.simulator.link import Link
from scrimp.simulator.production import Piece
from scrimp.simulator.settings import Settings

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Book = Callable[[Usage, Delivered], None]
Headers = tuple[tuple[str, str], ...]
JSON: Final = ("content-type", "application/json")
EVENTS: Final = ("content-type", "text/event-stream; charset=utf-8")
_ENDS: Final = frozenset({"stall", "error-event", "failed", "early-end"})


class Ended(Exception):
    """The connection ended before the reply did."""

    def __init__(self, how: Literal["broken", "left"]) -> None:
        super().__init__(how)
        self.how: Literal["broken", "left"] = how


class Renderer(Protocol):
    """A vendor's way of writing one production."""

    def whole(self) -> bytes:
        """The JSON reply."""
        ...

    def head(self) -> bytes:
        """How a stream begins."""
        ...

    def piece(self, piece: Piece) -> bytes:
        """The events of one piece, may be empty."""
        ...

    def tail(self) -> bytes:
        """How a stream ends."""
        ...

    def error_event(self, refusal: Refusal) -> bytes:
        """An error in the middle of a stream."""
        ...


class Work(Protocol):
    """What is produced for one call, token by token."""

    @property
    def stream(self) -> bool:
        """True when it is handed over as it is produced."""
        ...

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """In the order in which they come."""
        ...

    def usage(self, produced: int | None = None) -> Usage:
        """What is billed once the first `produced` pieces exist (None: all of them)."""
        ...


class Outlet:
    """The way to one client. Counts the bytes of the body, ends it where a fault wants it."""

    def __init__(self, link: Link, send: Send, fault: Fault | None) -> None:
        self.link = link
        self.fault = fault
        self._send = send
        self._sent_bytes = 0

    def breaks_within(self, size: int) -> bool:
        """True when a fault ends the connection before `size` more bytes are out."""
        fault = self.fault
        if fault is None or fault.kind not in {"cut", "reset"}:
            return False
        return self._sent_bytes + size > fault.number

    async def pause(self, seconds: float | None) -> None:
        """Wait. Raises Ended when the client leaves meanwhile."""
        if not await self.link.pause(seconds):
            raise Ended("left")

    async def hang_up(self) -> None:
        """End the connection here. Always raises Ended."""
        if self.fault is not None and self.fault.kind == "reset":
            await self.link.reset()
        else:
            await self.link.close()
        raise Ended("broken")

    async def start(self, status: int, headers: Headers, *, length: int | None = None) -> None:
        """Send status and headers."""
        raw = [(name.encode(), value.encode()) for name, value in headers]
        if length is not None:
            raw.append((b"content-length", str(length).encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send a piece of the body. Raises Ended when the connection has ended."""
        if self.link.gone:
            raise Ended("left")
        if self.fault is not None and self.fault.kind == "drip":
            await self._drip(self.fault, data, last=last)
            return
        if self.breaks_within(len(data)):
            room = self.fault.number - self._sent_bytes if self.fault is not None else 0
            await self._body(data[:room], more=True)
            await self.hang_up()
        await self._body(data, more=not last)

    async def _drip(self, fault: Fault, data: bytes, *, last: bool) -> None:
        for part in mangle.portions(fault, data):
            await self.pause(fault.number / 1000)
            await self._body(part, more=True)
        await self._body(b"", more=not last)

    async def _body(self, data: bytes, *, more: bool) -> None:
        self._sent_bytes += len(data)
        if data or not more:
            await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def reply(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole reply."""
        await self.start(status, headers, length=len(body))
        await self.write(body, last=True)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take for one conversation."""

    first_s: float
    per_token_s: float

    @classmethod
    def of(cls, settings: Settings, text: str) -> Pace:
        """The same conversation always takes the same time."""
        if not settings.first_token_ms and not settings.per_token_ms:
            return cls(0.0, 0.0)
        factor = 1 + settings.jitter * (Dice([text]).below(2001) - 1000) / 1000
        return cls(settings.first_token_ms * factor / 1000, settings.per_token_ms * factor / 1000)

    def whole_s(self, pieces: tuple[Piece, ...]) -> float:
        """How long all of it takes."""
        return self.first_s + sum(piece.raw_tokens for piece in pieces) * self.per_token_s

    def produced(self, pieces: tuple[Piece, ...], elapsed_s: float) -> int:
        """How many pieces exist after so long."""
        left_s = elapsed_s - self.first_s
        for number, piece in enumerate(pieces):
            left_s -= piece.raw_tokens * self.per_token_s
            if left_s < 0:
                return number
        return len(pieces)


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that the delivery of one reply needs."""

    production: Work
    renderer: Renderer
    headers: Headers
    pace: Pace
    error: Callable[[Refusal], bytes]


async def deliver(out: Outlet, job: Job, book: Book) -> None:
    """Deliver as asked, stream or JSON, and book exactly once what was produced."""
    if out.fault is not None and out.fault.kind == "slow-first-byte":
        await _or_book(out.pause(out.fault.number / 1000), job, book)
    if out.fault is not None and out.fault.kind == "timeout":
        await _or_book(out.pause(None), job, book)
    if job.production.stream and not (out.fault is not None and out.fault.status):
        await _stream(out, job, book)
    else:
        await _whole(out, job, book)


async def _or_book(waiting: Awaitable[None], job: Job, book: Book) -> None:
    """Wait before anything is produced; the input is billed if the client leaves."""
    try:
        await waiting
    except Ended as ended:
        book(job.production.usage(0), ended.how)
        raise


async def _whole(out: Outlet, job: Job, book: Book) -> None:
    await _work(out, job, book)
    usage = job.production.usage()
    fault = out.fault
    if fault is not None and (fault.status or fault.kind in {"error-event", "failed"}):
        book(usage, "broken")
        refusal = server_error(fault.status or 500)
        await out.reply(refusal.status, (JSON, *job.headers), job.error(refusal))
        return
    if fault is not None and fault.kind == "cut-before-headers":
        book(usage, "broken")
        await out.hang_up()
    body = mangle.body(fault, job.renderer.whole())
    stalls = fault is not None and fault.kind == "stall"
    book(usage, "broken" if stalls or out.breaks_within(len(body)) else "complete")
    await out.start(200, (typed(fault, JSON), *job.headers), length=len(body))
    await _first_late(out)
    if stalls:
        await out.write(body[: len(body) // 2])
        await out.pause(None)
    await out.write(body, last=True)


async def _work(out: Outlet, job: Job, book: Book) -> None:
    """Produce everything; a client that leaves meanwhile pays for what there was."""
    pieces = job.production.pieces
    seconds = job.pace.whole_s(pieces)
    if not seconds:
        return
    began_s = time.monotonic()
    try:
        await out.pause(seconds)
    except Ended as ended:
        produced = job.pace.produced(pieces, time.monotonic() - began_s)
        book(job.production.usage(produced), ended.how)
        raise


async def _stream(out: Outlet, job: Job, book: Book) -> None:
    fault = out.fault
    produced = shown = 0
    try:
        if job.pace.first_s:
            await out.pause(job.pace.first_s)
        if fault is not None and fault.kind == "cut-before-headers":
            await out.hang_up()
        more = (typed(fault, EVENTS), ("cache-control", "no-cache"), *job.headers)
        await out.start(200, more)
        await out.write(_framed(fault, job.renderer.head()))
        await _first_late(out)
        for piece in job.production.pieces:
            await out.pause(piece.raw_tokens * job.pace.per_token_s)
            if _interrupted(fault, produced):
                break
            produced += 1
            if events := job.renderer.piece(piece):
                shown += 1
                await out.write(mangle.mangled(fault, events, shown))
        if _interrupted(fault, produced):
            await _interrupt(out, job)
        tail = _framed(fault, job.renderer.tail())
        if out.breaks_within(len(tail)):
            await out.write(tail)
    except Ended as ended:
        book(job.production.usage(produced), ended.how)
        raise
    # Booked before the last bytes leave, so that whoever has the whole reply finds it billed.
    book(job.production.usage(), "complete")
    await out.write(tail, last=True)


async def _first_late(out: Outlet) -> None:
    """`slow-first-token`: the headers are there, nothing else is."""
    if out.fault is not None and out.fault.kind == "slow-first-token":
        await out.pause(out.fault.number / 1000)


def _interrupted(fault: Fault | None, produced: int) -> bool:
    return fault is not None and fault.kind in _ENDS and produced >= fault.number


def _framed(fault: Fault | None, events: bytes) -> bytes:
    """Of the faults of framing only `crlf` touches the first and last events."""
    return (
        mangle.mangled(fault, events, 0) if fault is not None and fault.kind == "crlf" else events
    )


def typed(fault: Fault | None, true: tuple[str, str]) -> tuple[str, str]:
    """The content type, as the fault has it."""
    if fault is None or fault.kind != "wrong-type":
        return true
    usual = "application/json" if true is EVENTS else "text/plain; charset=utf-8"
    return "content-type", fault.options.get("type", usual)


async def _interrupt(out: Outlet, job: Job) -> None:
    """Stop in the middle: silent until the client goes, with an error, or as if whole.

    Raises Ended.
    """
    if out.fault is not None and out.fault.kind != "stall":
        refusal = Refusal(529, "The service is overloaded at the moment.", kind="overloaded")
        ends = out.fault.kind == "early-end"
        await out.write(b"" if ends else job.renderer.error_event(refusal), last=True)
        raise Ended("broken")
    await out.pause(None)


def server_error(status: int) -> Refusal:
    """The error that a status fault answers with."""
    match status:
        case 429:
            return Refusal(429, "Rate limit reached. Please slow down.", kind="rate_limited")
        case 503 | 529:
            return Refusal(status, "The service is overloaded at the moment.", kind="overloaded")
        case _:
            return Refusal(status, "The server had an error with your request.", kind="server")
