"""What is known of one attempt while it is in the air, and its line in the trace when it ends."""

from __future__ import annotations

from math import ceil

from msgspec.structs import replace

from scrimp.calls import (
    FREE_COST,
    NEVER_BILLED,
    UNKNOWN_COST,
    Attempt,
    Call,
    Cost,
    Outcome,
    ReplyFacts,
    Usage,
)
from scrimp.dialects.base import StreamReader
from scrimp.errors import PriceUnknown
from scrimp.pipeline.priced import priced
from scrimp.ports import Clock, Exchange, Pricer
from scrimp.terms import Terms

NO_FACTS = ReplyFacts()
_REQUEST_ID_HEADERS = ("x-request-id", "request-id")


class Kept:
    """Chunks of a stream up to a limit; `whole` is None once the limit was passed."""

    __slots__ = ("_chunks", "_limit", "_size")

    def __init__(self, limit: int) -> None:
        self._chunks: list[bytes] = []
        self._limit = limit
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Keep one more."""
        self._size += len(chunk)
        if self._size <= self._limit:
            self._chunks.append(chunk)

    @property
    def whole(self) -> bytes | None:
        """All of it, or None when it was too much to keep."""
        return b"".join(self._chunks) if self._size <= self._limit else None

    @property
    def seen(self) -> bytes:
        """What was kept."""
        return b"".join(self._chunks)


class Departure:
    """Whether a request has left this machine.

    Holds nothing of its call: a pooled connection remembers the context it was made in, and with it
    would keep the call's body for as long as it lives.
    """

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent = False

    def happened(self) -> None:
        """The first byte is about to leave."""
        self.sent = True


class AttemptLog:
    """What is known of the attempt in the air; `end` puts it in the trace, once."""

    __slots__ = (
        "_at",
        "_call",
        "_clock",
        "_ended",
        "_exchange",
        "_pricer",
        "_start",
        "_timed",
        "_ttft_ms",
        "departure",
        "drained",
        "partial",
        "reader",
    )

    def __init__(self, call: Call, clock: Clock, pricer: Pricer, *, timed: bool = False) -> None:
        self._call = call
        self._timed = timed
        self._clock = clock
        self._pricer = pricer
        self._at = clock.now()
        self._start = clock.monotonic()
        self._exchange: Exchange | None = None
        self._ttft_ms: float | None = None
        self._ended = False
        self.departure = Departure()
        self.drained = False
        self.partial: Kept | None = None
        self.reader: StreamReader | None = None

    def answered(self, exchange: Exchange) -> None:
        """Status and headers are here."""
        self._exchange = exchange

    @property
    def begun(self) -> bool:
        """True once a piece of the body has come."""
        return self._ttft_ms is not None

    @property
    def complete(self) -> bool:
        """True once the dialect's end marker has come: SDKs leave on it, before the provider."""
        return self.reader is not None and self.reader.facts.complete

    @property
    def _redirected(self) -> bool:
        """True for an answer of another place than the provider's: no work was done."""
        return self._exchange is not None and 300 <= self._exchange.status < 400

    def piece(self, chunk: bytes) -> None:
        """A piece of the stream has come."""
        self.first_byte()
        if self.partial is not None:
            self.partial.add(chunk)

    def first_byte(self) -> None:
        """The body has begun; later calls change nothing."""
        if self._ttft_ms is None:
            self._ttft_ms = (self._clock.monotonic() - self._start) * 1000

    def end(self, outcome: Outcome, facts: ReplyFacts | None = None, *, body: bytes = b"") -> None:
        """Put the attempt in the trace; `facts` and `body` default to what the stream told."""
        if self._ended:
            return
        self._ended = True
        if facts is None:
            facts = self.reader.facts if self.reader is not None else NO_FACTS
            body = self.partial.seen if self.partial is not None else b""
        latency_ms = (self._clock.monotonic() - self._start) * 1000
        if self._timed and facts.usage is not None:
            facts = replace(facts, usage=_with_time(facts.usage, latency_ms))
        exchange, call = self._exchange, self._call
        headers = exchange.headers if exchange is not None else ()
        call.trace.attempts.append(
            Attempt(
                target=call.target,
                outcome=outcome,
                status=exchange.status if exchange is not None else 0,
                started_at=self._at,
                latency_ms=latency_ms,
                ttft_ms=self._ttft_ms,
                usage=facts.usage,
                service_tier=facts.service_tier,
                request_id=next((v for k, v in headers if k in _REQUEST_ID_HEADERS), ""),
                reported_model=facts.model,
                partial=b"" if facts.usage is not None else body,
                cost=self._cost(outcome, facts),
            )
        )

    def _cost(self, outcome: Outcome, facts: ReplyFacts) -> Cost:
        """What is known of the cost now; the rest is estimated when the call is settled.

        A provider bills neither what never reached it nor what it refused, and OpenAI's and
        Anthropic's token counting is free (their pricing pages, checked 2026-11-22).
        """
        call = self._call
        if outcome in NEVER_BILLED or call.operation == "count_tokens" or self._redirected:
            return FREE_COST
        if facts.usage is None:
            return UNKNOWN_COST
        try:
            return priced(self._pricer, facts.usage, facts, call.target, self._at)
        except PriceUnknown as error:
            call.trace.note("price", "unknown", {"why": str(error)})
            return UNKNOWN_COST


def _with_time(usage: Usage, latency_ms: float) -> Usage:
    """For models that are priced by the second; a call that took any time took a millisecond."""
    terms = usage.terms or Terms()
    return replace(usage, terms=replace(terms, compute_ms=max(1, ceil(latency_ms))))
