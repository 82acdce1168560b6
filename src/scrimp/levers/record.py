"""Write one ledger entry per call, whatever happened below.

Never awaits on the way out: an entry goes to the ledger's queue, or, when its cost needs
counting first, to the outbox.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from msgspec.structs import replace

from scrimp.budgets.words import DEGRADED
from scrimp.calls import (
    FREE_COST,
    UNKNOWN_COST,
    Call,
    Cost,
    Reply,
)
from scrimp.errors import PriceUnknown
from scrimp.ledger.booking import Ending, booked, entry_of, is_plain, named, needs_estimate
from scrimp.ledger.joined import savings_of_parts
from scrimp.ledger.marked import savings_of_marks
from scrimp.ledger.prefixes import WRITTEN, premium_of, written
from scrimp.ledger.smaller import SMALLER, savings_of
from scrimp.ledger.steps import (
    ESTIMATED,
    UNESTIMATED,
    estimated,
    moves_to,
    same_place,
    served_of,
)
from scrimp.ledger.waited import DEFER, SAVED, promised, saving_of_waiting, unwaited
from scrimp.pipeline.priced import priced
from scrimp.ports import Clock, Ledger, Next, Outbox, Pricer, Settlement
from scrimp.terms import unsaid
from scrimp.traits import Traits

TraitsOf = Callable[[Call], Traits | None]
"""What a call is known by, without a word of it."""


class Record:
    """The outermost lever: sees everything, decides nothing."""

    name: ClassVar[str] = "record"
    fail_closed: ClassVar[bool] = True

    def __init__(
        self,
        ledger: Ledger,
        outbox: Outbox,
        clock: Clock,
        pricer: Pricer,
        *,
        keep_content: bool,
        traits_of: TraitsOf | None = None,
    ) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._clock = clock
        self._pricer = pricer
        self._keep_content = keep_content
        self._traits_of = traits_of

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Pass the call on; book it however it ends."""
        started = self._clock.monotonic()
        reply: Reply | None = None
        failure: BaseException | None = None
        try:
            reply = await next(call)
        except BaseException as error:
            failure = error
            raise
        finally:
            latency_ms = (self._clock.monotonic() - started) * 1000
            self._book(call, Ending(reply, failure, latency_ms, self._untouched(call, reply)))
            # its traceback leads back here: a ring that only the collector frees
            failure = None
        return reply

    def _book(self, call: Call, ending: Ending) -> None:
        trace = call.trace
        if ending.reply is not None and promised(ending.reply):
            return  # booked when its answer is here
        if trace.attempts and not is_plain(trace.attempts, trace.lines):
            self._note_savings(call)
        if (premium := premium_of(trace.attempts, self._pricer)) is not None:
            trace.note(self.name, WRITTEN, written(premium))
        trace.booked = booked(ending.reply, trace.attempts, ending.untouched, trace.lines)
        if DEGRADED in trace.headers and trace.attempts:
            trace.booked = named("degrade", trace.booked)
        if not self._ledger.ok:
            trace.note(self.name, "ledger_behind", {"pending": self._ledger.health().pending})
        keep, traits = self._keep_content, self._traits(call, ending.reply)
        entry = entry_of(call, ending, keep_content=keep, traits=traits)
        if any(needs_estimate(attempt, call) for attempt in trace.attempts):
            self._outbox.put(Settlement(call, entry))
        else:
            self._ledger.append(entry)

    def _note_savings(self, call: Call) -> None:
        """What levers saved, or cost, by what they did to a call that was sent."""
        trace = call.trace
        if waited := saving_of_waiting(trace, self._pricer):
            trace.note(DEFER, SAVED, waited)
        self._price_as_asked(call)
        for saving in savings_of(trace, self._pricer):
            trace.note(self.name, SMALLER, saving)
        for saving in savings_of_parts(trace, self._pricer):
            trace.note(self.name, SMALLER, saving)
        for verdict, saving in savings_of_marks(trace, self._pricer):
            trace.note(self.name, verdict, saving)

    def _traits(self, call: Call, reply: Reply | None) -> Traits | None:
        """Of a client's call that was paid for; what a lever answered could not cost less.

        A reply that no cache would keep answers no other call.
        """
        read = self._traits_of
        if read is None or call.purpose != "client" or not call.trace.attempts:
            return None
        if call.operation not in ("chat", "embeddings"):
            return None
        try:
            found = read(call)
        except (ValueError, TypeError, RecursionError):  # an odd body is no reason not to book
            return None
        if found is None or (reply is not None and reply.cacheable):
            return found
        return replace(found, prompt=None, stamped=None, loose=None)

    def _price_as_asked(self, call: Call) -> None:
        """Note what the models would have cost, for the same tokens, that levers have left."""
        trace = call.trace
        served = served_of(trace.attempts, trace.lines)
        served = None if served is None else unwaited(served, trace.lines)
        if served is None or same_place(served.target, call.target):
            return
        if served.usage is None or not served.usage.total_input_tokens:
            return
        usage = replace(served.usage, terms=unsaid(served.usage.terms))  # the other's bill
        for move in moves_to(served.target, call.target, trace.lines):
            try:
                asked = self._pricer(usage, move.before, served.started_at, served.service_tier)
            except PriceUnknown as error:
                trace.note(self.name, UNESTIMATED, {"model": move.before.model, "why": str(error)})
                return
            if asked.nanousd is not None:
                trace.note(self.name, ESTIMATED, estimated(move, asked.nanousd))

    def _untouched(self, call: Call, reply: Reply | None) -> Cost:
        """What a reply that a lever gave would cost fresh, at today's price."""
        if reply is None or call.trace.attempts:
            return FREE_COST
        if reply.facts.usage is None:
            return FREE_COST if reply.served_by == "upstream" else UNKNOWN_COST
        facts, usage = reply.facts, reply.facts.usage
        try:
            return priced(self._pricer, usage, facts, call.target, call.started_at)
        except PriceUnknown as error:
            call.trace.note(self.name, "price_unknown", {"why": str(error)})
            return UNKNOWN_COST
