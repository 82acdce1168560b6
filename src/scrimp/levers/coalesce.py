"""Let equal calls that are in the air at the same time share one flight.

Equal is stricter than for the exact cache: the same body byte for byte, the same form of delivery,
and the same paying key and budgets, so that no refusal reaches anybody else. What the exact cache
may not answer from memory is not shared either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.choosing import NO_WISH
from scrimp.dialects.base import Dialect
from scrimp.fingerprint import time_to_live_s, why_not
from scrimp.pipeline.background import Spawn
from scrimp.pipeline.flight import Flight, Seat
from scrimp.ports import Clock, Next
from scrimp.tasks import TTL_S

FlightKey = tuple[object, ...]  # flat: it is hashed three times per call


@dataclass(frozen=True, slots=True)
class CoalesceSettings:
    """`max_bytes`: how much of a reply is kept for those who come late or read slowly.

    `ttl_s` and `max_temperature` are those of the exact cache.
    """

    max_bytes: int = 4 * 1024 * 1024
    ttl_s: Mapping[str, int] = field(default_factory=dict)
    max_temperature: float = 1.0


class Coalesce:
    """Boards a call on the flight of an equal one, or begins a flight for it.

    `budgets` gives what pays for a call: those who share a flight must have it in common.
    """

    name: ClassVar[str] = "coalesce"
    fail_closed: ClassVar[bool] = False

    def __init__(
        self,
        spawn: Spawn,
        clock: Clock,
        dialects: Mapping[str, Dialect],
        settings: CoalesceSettings,
        *,
        budgets: Callable[[Call], Hashable] = lambda call: None,  # noqa: ARG005 (everybody's alike)
    ) -> None:
        self._budgets = budgets
        self._spawn = spawn
        self._clock = clock
        self._dialects = dialects
        self._settings = settings
        self._ttl_s = {**TTL_S, **settings.ttl_s}
        self._flights: dict[FlightKey, Flight] = {}

    @property
    def in_the_air(self) -> int:
        """Flights that may still be boarded."""
        return len(self._flights)

    @property
    def aboard(self) -> int:
        """Callers that have boarded them."""
        return sum(flight.boarded for flight in tuple(self._flights.values()))

    async def __call__(self, call: Call, next: Next) -> Reply:
        """The whole reply, from a flight of its own or a shared one."""
        if reason := self._why_alone(call):
            call.trace.note(self.name, "bypass", {"reason": reason})
            return await next(call)
        key = (self._budgets(call), *flight_key(call, self._dialects[call.target.dialect]))
        flight = self._flights.get(key)
        if flight is None:
            flight = self._depart(key, call, next)
        seat = flight.board(call.trace)
        if not seat.leads:
            call.trace.note(self.name, "joined", {"callers": flight.boarded})
            call.trace.served_by = self.name
        since_s = self._clock.monotonic()
        try:
            reply = await flight.follow(seat, call.sink)
        except BaseException:
            await flight.leave(seat)
            call.trace.heard_all = flight.heard_all(seat)
            self._note_end(flight, seat, since_s)
            raise
        first = flight.land(seat)
        self._note_end(flight, seat, since_s)
        if seat.leads and seat.pays and (first or not reply.cacheable):
            return reply
        who = reply.served_by if seat.pays else self.name
        kept = first and reply.cacheable
        return replace(reply, served_by=who, cacheable=kept, asked_at=flight.asked_at)

    def _why_alone(self, call: Call) -> str:
        if call.wait.seconds:
            return "may_wait"  # a job belongs to one call
        if call.cache.mode != "default":
            return call.cache.mode.replace("-", "_")
        ttl_s = time_to_live_s(call, self._ttl_s)
        return why_not(call, ttl_s, max_temperature=self._settings.max_temperature)

    def _depart(self, key: FlightKey, call: Call, next: Next) -> Flight:
        flight = Flight(
            live=call.sink.live,
            max_bytes=self._settings.max_bytes,
            on_closed=partial(self._flights.pop, key),
        )
        flight.depart(call.sent_to(flight, flight.trace), next, self._spawn)
        self._flights[key] = flight
        return flight

    def _note_end(self, flight: Flight, seat: Seat, since_s: float) -> None:
        """Who pays says how many came along; the others were upstream by another's attempt."""
        trace = seat.trace
        if seat.pays:
            verdict = "led" if seat.leads else "took_over"
            trace.note(self.name, verdict, {"callers": flight.boarded})
            return
        trace.upstream_ms = (self._clock.monotonic() - since_s) * 1000
        if seat.leads or seat.lost:
            trace.note(self.name, "lost" if seat.lost else "left", {"callers": flight.boarded})


def flight_key(call: Call, dialect: Dialect) -> FlightKey:
    """Equal only for calls that may share a flight: one payer, one answer, one form of delivery."""
    target, request, caller = call.target, call.request, call.caller
    paying = caller.credential
    return (
        caller.tenant,
        caller.key,
        paying and hashlib.sha256(f"{paying[0]}:{paying[1]}".encode()).digest(),
        target.provider,
        target.model,
        target.dialect,
        call.path,
        dialect.answer_headers(call.headers),
        call.sink.live,
        None if call.wish is NO_WISH else call.wish,
        request.body,
    )
