"""Calls that become one prompt: they wait a moment for company, fly as one, and part again.

The flight is a task of the app's. Who leaves before it departs takes its item away; who leaves
later takes only its seat: those who stay share the bill, so that nothing of it is lost, and the
last to leave ends the flight and pays for it. A call that stays alone, or whose item has no certain
answer, is told to go by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from msgspec.structs import replace

from scrimp.calls import Attempt, Call, Reply, Trace, TraceLine
from scrimp.errors import Rejected, UpstreamError
from scrimp.ledger.booking import needs_estimate
from scrimp.ledger.parts import Weights, estimated, parts_of, told_to
from scrimp.packing.items import Item
from scrimp.pipeline.background import Running, Spawn
from scrimp.ports import Next, Pricer
from scrimp.values import Value

_OF_THE_PACK = (400, 413, 422)
"""Refusals that may be about what the items are together: each is asked by itself."""


class Timer(Protocol):
    """Something that will happen."""

    def cancel(self) -> None:
        """It will not."""
        ...


Numbers = Mapping[str, int | float | str]
Later = Callable[[float, Callable[[], None]], Timer]
"""Calls a function after so many seconds."""


class Landed(Value, frozen=True):
    """What an item gets: its reply, or an error; or neither, and why its call goes by itself.

    `calls` shared a prompt that was answered, or refused as it was; `saved` are the numbers of its
    saving, where that is known.
    """

    reply: Reply | None = None
    why: str = ""
    failure: UpstreamError | None = None
    calls: int = 0
    saved: Numbers | None = None


class Seat:
    """One call's place. `first` and `past` are its attempts in the flight, once it has landed."""

    __slots__ = ("answer", "call", "first", "item", "number", "past")

    def __init__(self, call: Call, item: Item) -> None:
        self.call = call
        self.item = item
        self.number = 0
        self.first = self.past = 0
        self.answer: asyncio.Future[Landed] = asyncio.get_running_loop().create_future()


class Shares(Value, frozen=True):
    """How a reply is parted: the weights of those aboard, and what each of them gets.

    `landing` is called with a seat's part of the attempt that answered.
    """

    weights: Weights
    landing: Callable[[int, Attempt], Landed]


class Crew(Protocol):
    """What a flight needs to know of prompts and answers."""

    def prompt(self, seats: Sequence[Seat]) -> Call:
        """The one call for all of them."""
        ...

    def worth(self, seats: Sequence[Seat]) -> bool:
        """Whether one prompt for them costs less than one for each."""
        ...

    async def shares(self, asked: Call, reply: Reply, seats: Sequence[Seat]) -> Shares:
        """Who gets what."""
        ...

    def settle(self, lines: Sequence[TraceLine], attempts: Sequence[Attempt]) -> None:
        """Settle what budgets hold for attempts whose cost is estimated now."""
        ...


class Together:
    """One prompt in the making. `on_closed` is called once, when nobody may board any more."""

    __slots__ = (
        "_asked",
        "_crew",
        "_error",
        "_flying",
        "_most",
        "_next",
        "_on_closed",
        "_open",
        "_over",
        "_pricer",
        "_seats",
        "_spawn",
        "_task",
        "_timer",
        "_trace",
    )

    def __init__(
        self,
        crew: Crew,
        next: Next,
        spawn: Spawn,
        pricer: Pricer,
        *,
        most: int,
        on_closed: Callable[[], object],
    ) -> None:
        self._crew = crew
        self._next = next
        self._spawn = spawn
        self._pricer = pricer
        self._most = most
        self._on_closed = on_closed
        self._open = True
        self._seats: dict[Seat, None] = {}
        self._trace = Trace()
        self._asked: Call | None = None
        self._task: Running | None = None
        self._timer: Timer | None = None
        self._flying = False
        self._over: asyncio.Future[None] | None = None

    def wait(self, later: Later, wait_s: float) -> None:
        """Depart after so long at the latest."""
        self._timer = later(wait_s, self._depart)

    def board(self, call: Call, item: Item) -> Seat:
        """Take a seat; the last one there is makes it depart."""
        seat = Seat(call, item)
        self._seats[seat] = None
        if len(self._seats) >= self._most:
            self._depart()
        return seat

    async def leave(self, seat: Seat) -> None:
        """The caller goes. The last one ends the flight, waits for its end, and pays for it."""
        if seat not in self._seats:
            return  # it has landed
        del self._seats[seat]
        if self._seats:
            return
        if self._open:
            self._close()
        if self._task is None:
            return
        self._task.cancel()
        if self._flying:
            self._over = asyncio.get_running_loop().create_future()
            while not self._over.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.shield(self._over)
        self._charge([seat], None)

    def _close(self) -> None:
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._on_closed()

    def _depart(self) -> None:
        if not self._open:
            return
        self._close()
        seats = list(self._seats)
        for number, seat in enumerate(seats, 1):
            seat.number = number
        if len(seats) < 2 or not self._crew.worth(seats):
            why = "no_company" if len(seats) < 2 else "not_worth_it"
            self._tell_all(Landed(why=why))
            return
        work = self._fly(seats)
        try:
            self._task = self._spawn(work)
        except RuntimeError:  # the app is closing
            work.close()
            self._tell_all(Landed(why="closing"))

    async def _fly(self, seats: Sequence[Seat]) -> None:
        self._flying = True
        try:
            await self._ask(seats)
        except UpstreamError as error:
            self._refuse(error)
        except Rejected:  # a budget, a limit: each may still pass by itself
            self._land(None, "refused")
        except Exception as error:  # noqa: BLE001 (nobody may wait for ever; each goes by itself)
            self._land(None, type(error).__name__)
        finally:
            self._end()

    async def _ask(self, seats: Sequence[Seat]) -> None:
        asked = self._crew.prompt(seats)
        self._asked = asked = replace(asked, trace=self._trace)
        reply = await self._next(asked)
        shares = await self._crew.shares(asked, reply, seats)
        self._land(shares, "")

    def _refuse(self, error: UpstreamError) -> None:
        """Each goes by itself where the prompt may be to blame; else all get the error."""
        if error.status in _OF_THE_PACK:
            self._land(None, f"status_{error.status}", asked=True)
            return
        self._charge(self._payers(), None)
        self._tell_all(Landed(failure=anew(error, tried=len(self._trace.attempts))))

    def _land(self, shares: Shares | None, why: str, *, asked: bool = False) -> None:
        parts = self._charge(self._payers(), shares)
        if shares is None:
            self._tell_all(Landed(why=why, calls=len(self._seats) if asked else 0))
            return
        seats, self._seats = self._seats, {}
        for seat in seats:
            if not seat.answer.done():
                seat.answer.set_result(shares.landing(seat.number, parts[seat]))

    def _payers(self) -> list[Seat]:
        """Who still waits; when all are about to leave, one of them."""
        waiting = [seat for seat in self._seats if not seat.answer.done()]
        return waiting or list(self._seats)[:1]

    def _charge(self, seats: Sequence[Seat], shares: Shares | None) -> dict[Seat, Attempt]:
        """Every seat's part of all attempts goes into its own trace; those of the last are told."""
        if not seats:
            return {}
        weights = _weights(shares, seats)
        known = [self._known(one) for one in self._trace.attempts]
        self._crew.settle(self._trace.lines, known)
        columns = [parts_of(one, weights) for one in known]
        for at, seat in enumerate(seats):
            trace = seat.call.trace
            seat.first = len(trace.attempts)
            trace.lines += told_to(self._trace.lines, seat.first)
            trace.headers |= self._trace.headers
            trace.attempts += [column[at] for column in columns]
            seat.past = len(trace.attempts)
        return {seat: columns[-1][at] for at, seat in enumerate(seats)} if columns else {}

    def _known(self, attempt: Attempt) -> Attempt:
        """Where nobody told what was used: bounds, from the size of the prompt."""
        asked = self._asked
        if asked is None or not needs_estimate(attempt, asked):
            return attempt
        most = asked.request.max_output_tokens or 0
        cost = estimated(attempt, len(asked.request.body), most, self._pricer)
        return replace(attempt, cost=cost)

    def _tell_all(self, landed: Landed) -> None:
        seats, self._seats = self._seats, {}
        for seat in seats:
            if not seat.answer.done():
                seat.answer.set_result(landed)

    def _end(self) -> None:
        """However it ended: nobody waits any more."""
        if self._seats:
            self._charge(self._payers(), None)
            stopping = "Scrimp is stopping, and ends what is in the air"
            self._tell_all(Landed(failure=UpstreamError(stopping, status=502)))
        if self._over is not None and not self._over.done():
            self._over.set_result(None)


def _weights(shares: Shares | None, seats: Sequence[Seat]) -> Weights:
    """Those of the seats that are still taken; equal ones where nothing is known."""
    if shares is None:
        even = (1,) * len(seats)
        return Weights(even, even)
    into, out = shares.weights.inputs, shares.weights.outputs
    numbers = [seat.number - 1 for seat in seats]
    return Weights(tuple(into[at] for at in numbers), tuple(out[at] for at in numbers))


def anew(error: UpstreamError, *, tried: int = 1) -> UpstreamError:
    """One of its own for each caller; after repeated attempts SDKs are told not to repeat."""
    headers = error.headers
    if tried > 1:
        kept = (pair for pair in headers if pair[0] != "x-should-retry")
        headers = (*kept, ("x-should-retry", "false"))
    return UpstreamError(
        str(error), status=error.status, headers=headers, body=error.body, sent=error.sent
    )
