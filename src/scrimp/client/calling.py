"""One call of many through the engine: what came of it, and whether it is asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from scrimp.app import App
from scrimp.calls import Call, HeldSink, Reply, Trace, is_refusal
from scrimp.client.lanes import Came, Turn
from scrimp.errors import BudgetExceeded, RateLimited, Rejected, Unavailable, UpstreamError
from scrimp.ledger.booking import total_usage
from scrimp.ledger.steps import served_of
from scrimp.levers.retry import is_passing
from scrimp.many.asked import Item
from scrimp.many.pace import MOST_WAIT_S
from scrimp.many.rates import Room, room_in
from scrimp.many.results import Result
from scrimp.routing.failing import retry_after_s
from scrimp.semantics.answers import text_of
from scrimp.shell.deliver import present
from scrimp.shell.intake import Asked, Identity, Intake
from scrimp.shell.refusal import refusal_of
from scrimp.shell.routes import ROUTES

Headers = Mapping[bytes, bytes]
_JSON: Headers = {b"content-type": b"application/json"}
_VERSION: Headers = {b"anthropic-version": b"2023-06-01"}  # docs.anthropic.com, API versions
_MUTE = (401, 403, 404)
"""Said of a key or a model, as a rule, and not of one call."""


class Book(Protocol):
    """Who writes down what is begun, so that it is known after an end without a word."""

    def begun(self, item: Item, call_id: str) -> None:
        """A call is about to be made."""
        ...

    def put_off(self, item: Item, call_id: str, high_nanousd: int | None) -> None:
        """It was pushed back, and will be another call; so much it may have cost."""
        ...

    def most_of(self, call_id: str) -> int | None:
        """What a call may have cost at most, where nobody knows what it did cost."""
        ...


class NoBook:
    """Nobody does."""

    def begun(self, item: Item, call_id: str) -> None:
        """Do nothing."""

    def put_off(self, item: Item, call_id: str, high_nanousd: int | None) -> None:
        """Do nothing."""

    def most_of(self, call_id: str) -> int | None:  # noqa: ARG002 (nobody knows)
        """Nobody knows."""
        return None


_NO_BOOK = NoBook()


@dataclass(frozen=True, slots=True)
class Way:
    """How calls are made. `labels` are headers of ours; `pay` says which budgets pay."""

    app: App
    intake: Intake
    labels: Headers
    pay: Callable[[Call], Call]
    book: Book = _NO_BOOK

    async def __call__(self, item: Item) -> Turn[Result]:
        """Ask once. Raises nothing that a call can be at fault for."""
        call_id = self.app.new_id()
        try:
            call = self.pay(self._call(item, call_id))
        except Rejected as error:
            return self._refused(None, call_id, error)
        self.book.begun(item, call_id)
        try:
            turn = self._answered(call, await self.app.handle(call))
        except Rejected as error:
            turn = self._refused(call, call_id, error)
        except UpstreamError as error:
            turn = self._failed(call, error)
        if turn.result is None:
            self.book.put_off(item, call_id, self._most(call))
        return turn

    def check(self, item: Item) -> None:
        """Raises Rejected for what cannot be asked."""
        self._call(item, "")

    def _call(self, item: Item, call_id: str) -> Call:
        headers = call_headers(item, self.labels)
        asked = Asked(
            id=call_id,
            identity=Identity(),
            method="POST",
            path=item.path,
            headers=headers,
            raw=list(headers.items()),
            body=item.body,
            sink=HeldSink(),
            trace=Trace(),
        )
        return self.intake.call(asked, ROUTES[item.path])

    def _answered(self, call: Call, reply: Reply) -> Turn[Result]:
        dialect = self.app.dialects[call.target.dialect]
        room, refused = self._room(call, reply)
        if reply.body is None or not reply.facts.complete:
            error = UpstreamError("the provider's reply is no whole answer", status=502)
            return Turn("broken", self._lost(call, error), refused, why=str(error))
        _, body = present(dialect, reply, call)
        result = self._result(
            call,
            status=reply.status,
            body=body,
            text=text_of(reply, dialect),
            source=reply.served_by,
            finish=reply.facts.finish,
        )
        return Turn("answered", result, refused, room=room)

    def _refused(self, call: Call | None, call_id: str, error: Rejected) -> Turn[Result]:
        """By Scrimp itself: nothing was sent, or no attempt has brought an answer."""
        match error:
            case BudgetExceeded():
                return Turn("no_room", why=str(error))
            case RateLimited(retry_after_s=wait_s) if wait_s <= MOST_WAIT_S:
                return Turn("later", refused=True, wait_s=wait_s, why=str(error))
            case _:
                refusal = refusal_of(error)
        status, text = refusal.status, str(error)
        came: Came = "broken" if isinstance(error, Unavailable) else "failed"
        if call is None:
            return Turn(came, Result(call_id, status, error=text, kind=refusal.kind), why=text)
        return Turn(came, self._result(call, status, error=text, kind=refusal.kind), why=text)

    def _failed(self, call: Call, error: UpstreamError) -> Turn[Result]:
        """By the provider, after retries."""
        refused, status = _pushed_back(call), error.status
        room = room_in(error.headers, self.app.clock.now())
        if error.sent and is_refusal(status) and status in (429, 503, 529) and is_passing(error):
            wait_s = retry_after_s(error.headers, self.app.clock.now())
            return Turn("later", refused=True, wait_s=wait_s, room=room, why=str(error))
        broken = status in _MUTE or status >= 500 or status == 429 or not error.sent
        came: Came = "broken" if broken else "failed"
        return Turn(came, self._lost(call, error), refused, room=room, why=str(error))

    def _lost(self, call: Call, error: UpstreamError) -> Result:
        said = error.body[:2000].decode("utf-8", "replace").strip()
        text = f"{error}: {said}" if said else str(error)
        return self._result(call, error.status, error=text, kind="upstream")

    def _result(self, call: Call, status: int, *, body: bytes = b"", **more: str) -> Result:
        trace, booked = call.trace, call.trace.booked
        served = served_of(trace.attempts, trace.lines)
        target = call.target if served is None else served.target
        cost = booked.cost.nanousd if booked is not None else 0
        known = booked is not None and booked.baseline_nanousd is not None
        return Result(
            id=call.id,
            status=status,
            body=body,
            model=target.model,
            provider=target.provider,
            tokens=total_usage(trace.attempts),
            cost_nanousd=cost,
            high_nanousd=self._most(call),
            saved=booked.saved if booked is not None and known else (),
            **more,
        )

    def _most(self, call: Call) -> int | None:
        booked = call.trace.booked
        high = booked.cost.high_nanousd if booked is not None else 0
        return self.book.most_of(call.id) if high is None else high

    def _room(self, call: Call, reply: Reply) -> tuple[Room, bool]:
        """What the provider says that it has room for, if it was the call's own that answered."""
        attempts = call.trace.attempts
        own = bool(attempts) and attempts[-1].target.provider == call.target.provider
        room = room_in(reply.headers, self.app.clock.now()) if own else ()
        return room, _pushed_back(call)


def call_headers(item: Item, labels: Headers) -> dict[bytes, bytes]:
    """What is sent with a call, as SDKs send it, and what it is booked under."""
    claude = item.dialect == "anthropic.messages"
    return {**_JSON, **labels, **(_VERSION if claude else {})}


def _pushed_back(call: Call) -> bool:
    """Whether the call's own provider has refused one of its attempts for lack of room."""
    return any(
        attempt.status in (429, 503, 529) and attempt.target.provider == call.target.provider
        for attempt in call.trace.attempts
    )
