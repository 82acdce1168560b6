"""Books what stands in results of batches that clients began themselves, as the lines pass by.

The bytes go on as they come. Each answered line becomes an entry of its own, at the batch price,
whose id follows from the line: who collects the same results twice changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec.structs import replace

from scrimp.batches.results import OWN, Item, dialect_of, is_results, read_line, tier_of
from scrimp.calls import (
    UNKNOWN_COST,
    Attempt,
    Call,
    Cost,
    Headers,
    Reply,
    Sink,
    Target,
    TraceLine,
    Usage,
)
from scrimp.dialects.base import Dialect
from scrimp.errors import PriceUnknown
from scrimp.pipeline.priced import priced
from scrimp.ports import Clock, Entry, Ledger, Next, Pricer

_NAMESPACE = uuid.UUID("6f6e6365-2062-6f6f-8b65-642062617463")
_MOST_LINE_BYTES = 16 * 1024 * 1024
_NOTHING = Usage()


class BatchResults:
    """Implements `ports.Next` around the end of the way."""

    def __init__(
        self,
        end: Next,
        ledger: Ledger,
        pricer: Pricer,
        clock: Clock,
        dialects: Mapping[str, Dialect],
    ) -> None:
        self._end = end
        self._ledger = ledger
        self._pricer = pricer
        self._clock = clock
        self._dialects = dialects

    async def __call__(self, call: Call) -> Reply:
        """Pass the call on; of results, read the lines along the way."""
        if call.operation != "passthrough" or not is_results(call.method, call.path):
            return await self._end(call)
        reading = _Reading(call.sink, lambda line: self._line(call, line))
        try:
            return await self._end(replace(call, sink=reading))
        finally:
            reading.last()

    def _line(self, call: Call, line: bytes) -> bool:
        """Book a line. False when this is no file of results."""
        item = read_line(line)
        if item is None:
            return False
        if item.became == "answered" and not item.custom_id.startswith(OWN):
            entry = self._entry(call, item)
            if entry is not None:
                self._ledger.append(entry)
        return True

    def _entry(self, call: Call, item: Item) -> Entry | None:
        """None for an answer that nobody can tell from another, or that is in no known dialect."""
        name = dialect_of(item.body)
        if not name or not item.id:
            return None
        facts = self._dialects[name].read_reply(item.body)
        facts = replace(facts, service_tier=tier_of(facts.service_tier))
        now, provider = self._clock.now(), call.target.provider
        target = Target(provider, facts.model, name)
        cost = UNKNOWN_COST
        if facts.usage is not None:
            try:
                cost = priced(self._pricer, facts.usage, facts, target, now)
            except PriceUnknown:
                cost = UNKNOWN_COST
        attempt = Attempt(
            target=target,
            outcome="ok",
            status=item.status,
            started_at=now,
            latency_ms=0.0,
            usage=facts.usage,
            service_tier=facts.service_tier,
            request_id=item.id,
            reported_model=facts.model,
            cost=cost,
        )
        return _entry(call, attempt, now, cost)


def _entry(call: Call, attempt: Attempt, now: datetime, cost: Cost) -> Entry:
    target, caller = attempt.target, call.caller
    of_line = f"{target.provider}\n{attempt.request_id}"
    return Entry(
        id=str(uuid.uuid5(_NAMESPACE, of_line)),
        at=now,
        purpose=call.purpose,
        operation="embeddings" if target.dialect == "openai.embeddings" else "chat",
        dialect=target.dialect,
        provider=target.provider,
        model_requested=target.model,
        model=target.model,
        status=attempt.status,
        outcome="ok",
        served_by="upstream",
        stream=False,
        usage=attempt.usage or _NOTHING,
        cost_basis=cost.basis,
        cost_nanousd=cost.nanousd,
        cost_low_nanousd=cost.low_nanousd,
        cost_high_nanousd=cost.high_nanousd,
        baseline_nanousd=cost.nanousd,
        saved=(),
        price_version=cost.price_version,
        latency_ms=0.0,
        upstream_ms=0.0,
        ttft_ms=None,
        tenant=caller.tenant,
        key=caller.key,
        team=caller.team,
        user=caller.user or caller.reported_user,
        task="general",
        task_source="none",
        tags=caller.tags,
        session=caller.session,
        trace=(TraceLine("batch_results", "collected", (("by", call.id),)),),
        attempts=(attempt,),
    )


class _Reading:
    """A sink that shows each line on its way to the client."""

    def __init__(self, sink: Sink, line: Callable[[bytes], bool]) -> None:
        self._sink = sink
        self._line = line
        self._rest = b""
        self._reads = True

    @property
    def live(self) -> bool:
        return self._sink.live

    @property
    def begun(self) -> bool:
        return self._sink.begun

    async def start(self, status: int, headers: Headers) -> None:
        self._reads = status == 200
        await self._sink.start(status, headers)

    async def write(self, chunk: bytes) -> None:
        await self._sink.write(chunk)
        if self._reads:
            self._feed(chunk)

    def last(self) -> None:
        """The end has come: a last line needs no line feed."""
        rest, self._rest = self._rest, b""
        if self._reads and rest.strip():
            self._line(rest)

    def _feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if line.strip() and not self._line(line):
                self._stop()
                return
        if len(self._rest) > _MOST_LINE_BYTES:
            self._stop()

    def _stop(self) -> None:
        """Some other file: nothing more of it is looked at."""
        self._reads, self._rest = False, b""
