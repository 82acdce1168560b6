"""A call in the air that several callers share: it runs once, each caller reads at its own pace.

A flight is a task of the app's, so no caller's leaving ends it but the last one's. Its chunks wait
in one backlog. It goes at the pace of its fastest caller, whose socket is the back-pressure;
nobody waits for a slower one. The backlog keeps everything, for those who board late, until it is
full. From then on it is closed to newcomers, forgets what all have read, and a caller that is
further behind than it holds is told so and loses its seat.

Whoever is aboard first when the flight ends pays: its trace gets the attempts. When all have left,
the last to leave pays. So every attempt is booked once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from scrimp.calls import Call, Headers, Reply, Sink, Trace
from scrimp.errors import Rejected, UpstreamError
from scrimp.pipeline.background import Running, Spawn
from scrimp.pipeline.backlog import Backlog
from scrimp.ports import Next

AHEAD_BYTES = 64 * 1024
"""How far a flight reads ahead of its fastest caller: about what a socket holds anyway."""


class Seat:
    """One caller's place in a flight: how far it has read, and whether the attempts are its own."""

    __slots__ = ("handed", "leads", "lost", "number", "pays", "taken_bytes", "told", "trace")

    def __init__(self, trace: Trace, *, leads: bool) -> None:
        self.trace = trace
        self.leads = leads
        self.pays = False
        self.lost = False
        self.number = self.handed = 0
        self.taken_bytes = 0
        self.told = 0


class Flight:
    """One run of the way below for all who board. Implements `calls.Sink` for the call it makes.

    `on_closed` is called once, when nobody may board any more.
    """

    __slots__ = (
        "_ahead_bytes",
        "_backlog",
        "_error",
        "_fastest_bytes",
        "_flying",
        "_headers",
        "_landed",
        "_max_bytes",
        "_on_closed",
        "_open",
        "_reply",
        "_room",
        "_seats",
        "_status",
        "_task",
        "_waiting",
        "asked_at",
        "begun",
        "boarded",
        "ended",
        "live",
        "trace",
    )

    def __init__(self, *, live: bool, max_bytes: int, on_closed: Callable[[], object]) -> None:
        self.live = live
        self.begun = self.ended = False
        self.boarded = 0
        self.trace = Trace()
        self._max_bytes = max_bytes
        self._ahead_bytes = min(AHEAD_BYTES, max_bytes // 2)
        self._on_closed = on_closed
        self._open = True
        self._flying = self._landed = False
        self._seats: dict[Seat, None] = {}  # in the order of boarding
        self._backlog = Backlog()
        self._fastest_bytes = self._status = 0
        self._headers: Headers = ()
        self._waiting: list[asyncio.Future[None]] = []
        self._room: asyncio.Future[None] | None = None
        self._reply: Reply | None = None
        self._error: Exception | None = None
        self._task: Running | None = None
        self.asked_at: datetime | None = None

    def depart(self, call: Call, next: Next, spawn: Spawn) -> None:
        """Begin; `call` has the flight for its sink and the flight's trace."""
        self.asked_at = call.started_at
        work = self._fly(call, next)
        try:
            self._task = spawn(work)
        except BaseException:
            work.close()
            raise

    def board(self, trace: Trace) -> Seat:
        """Take a seat. Whatever was said so far will be heard from its start."""
        seat = Seat(trace, leads=not self.boarded)
        self._seats[seat] = None
        self.boarded += 1
        return seat

    async def follow(self, seat: Seat, sink: Sink) -> Reply:
        """The whole reply, once its chunks have gone to the caller's own sink.

        Raises what the flight ended with, in a form that belongs to this caller alone.
        """
        while not seat.lost:
            if seat.number < self._backlog.end:
                await self._hand_on(seat, sink)
            elif self.ended:
                break
            else:
                await self._news()
        if seat.lost:
            raise self._too_slow(seat)
        if self._reply is None:
            raise _failure(self._error or _stopping(), seat, tried=len(self.trace.attempts))
        if self.begun and not sink.begun:  # an answer without a body
            await sink.start(self._status, self._headers)
        return self._reply

    def heard_all(self, seat: Seat) -> bool:
        """Whether the caller was given the last piece: SDKs leave on the end marker in it."""
        return self._reply is not None and seat.handed == self._backlog.end

    def land(self, seat: Seat) -> bool:
        """The caller has all of it. True for the first one, whose reply may be remembered."""
        first, self._landed = not self._landed, True
        self._seats.pop(seat, None)
        self._close()  # not before: until somebody can remember the answer, it is still in the air
        return first

    async def leave(self, seat: Seat) -> None:
        """The caller goes before it has all of it. The last one ends the flight and pays for it."""
        self._seats.pop(seat, None)
        if self._seats or seat.lost:
            return
        self._close()
        if not self.ended:
            await self._stop()
            self._charge(seat)
        self._error = None  # its traceback leads back here: nobody is left to be told

    async def _stop(self) -> None:
        """End the task, and wait for it as a task group does: cancelled again, it still waits."""
        if self._task is not None:
            self._task.cancel()
        if not self._flying:  # a task that has not begun will not
            self._end()
        while not self.ended:
            with suppress(asyncio.CancelledError):
                await self._news()

    async def start(self, status: int, headers: Headers) -> None:
        """The way below has the provider's status."""
        self.begun = True
        self._status, self._headers = status, headers

    async def write(self, chunk: bytes) -> None:
        """One more chunk for all; waits while even the fastest caller is behind."""
        backlog = self._backlog
        backlog.add(chunk)
        self._wake()
        if backlog.written_bytes > self._max_bytes:
            self._make_room()
        while backlog.written_bytes - self._fastest_bytes > self._ahead_bytes:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    async def _fly(self, call: Call, next: Next) -> None:
        self._flying = True
        try:
            self._reply = await next(call)
        except Exception as error:  # noqa: BLE001 (handed on to every caller, as it would be without a flight)
            self._error = error
        finally:
            self._end()

    def _end(self) -> None:
        self.ended = True
        if self._reply is None or not self._reply.cacheable:
            self._close()
        if self._seats:
            self._charge(next(iter(self._seats)))
        self._wake()

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._on_closed()

    def _charge(self, seat: Seat) -> None:
        seat.pays = True
        self._tell(seat)
        seat.trace.attempts += self.trace.attempts

    def _tell(self, seat: Seat) -> None:
        """What the levers below have said since the seat was told last."""
        lines = self.trace.lines
        seat.trace.lines += lines[seat.told :]
        seat.trace.headers |= self.trace.headers
        seat.told = len(lines)

    async def _hand_on(self, seat: Seat, sink: Sink) -> None:
        if not sink.begun:
            if seat.leads:
                self._tell(seat)
            await sink.start(self._status, self._headers)
            if seat.lost:
                return
        piece, seat.handed = self._backlog.piece(seat.number)
        await sink.write(piece)
        seat.number = seat.handed
        seat.taken_bytes += len(piece)
        if seat.taken_bytes > self._fastest_bytes:
            self._fastest_bytes = seat.taken_bytes
            if self._room is not None and not self._room.done():
                self._room.set_result(None)

    def _news(self) -> asyncio.Future[None]:
        """To be awaited by one caller: more chunks, the end, or its seat is lost."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        return waiter

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _make_room(self) -> None:
        """The backlog is full: keep what is not yet read by those who are not too far behind."""
        self._close()
        backlog = self._backlog
        fastest = max((seat.taken_bytes for seat in self._seats), default=0)
        oldest = min(backlog.written_bytes - self._max_bytes, fastest)
        for seat in [seat for seat in self._seats if seat.taken_bytes < oldest]:
            seat.lost = True
            del self._seats[seat]
        backlog.forget(min((seat.number for seat in self._seats), default=0))

    def _too_slow(self, seat: Seat) -> UpstreamError:
        behind = self._backlog.written_bytes - seat.taken_bytes
        return UpstreamError(
            f"this client is {behind} bytes behind others that share its answer, of which "
            f"{self._max_bytes} are kept (read faster, or raise coalesce.max_bytes)",
            status=504,
        )


def _stopping() -> UpstreamError:
    return UpstreamError("Scrimp is stopping, and ends what is in the air", status=502)


def _failure(error: Exception, seat: Seat, *, tried: int) -> Exception:
    """What the flight ended with. Only the first caller gets the error itself.

    After repeated attempts the others' SDKs are told not to repeat on top of that.
    """
    if seat.leads or isinstance(error, Rejected):
        return error
    if not isinstance(error, UpstreamError):
        broken = UpstreamError("the call that shared its answer broke in Scrimp", status=502)
        broken.__cause__ = error
        return broken
    headers = error.headers
    if tried > 1:
        kept = (pair for pair in headers if pair[0] != "x-should-retry")
        headers = (*kept, ("x-should-retry", "false"))
    return UpstreamError(
        str(error), status=error.status, headers=headers, body=error.body, sent=error.sent
    )
