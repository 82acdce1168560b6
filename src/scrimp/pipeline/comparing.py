"""A call's twin: what the other model answers, and which of the two answers is better.

Nobody waits for it. The twin is a call of its own with a purpose of its own: it passes the money
guards and no cache, stands under no budget of the client's, and is never served. What is too long
to be judged is not compared, nor what is kept at the provider; callers who would have to pay for a
twin are asked first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol

from msgspec.structs import replace

from scrimp.calls import Call, Caller, HeldSink, Reply, Target, Trace
from scrimp.choosing import ITSELF
from scrimp.errors import ScrimpError, UpstreamError
from scrimp.ledger.steps import same_place, served_of
from scrimp.ports import Clock, Next
from scrimp.remembered import CacheControl
from scrimp.values import Value

TAG = "scrimp-shadow"
"""Of all twins: budgets and reports may name it."""
MOST_CHARS = 16_000
"""Of a question, and of an answer: longer ones cost too much to compare, and cannot be judged."""
_MOST_BYTES = 256 * 1024
"""Of a request: hundreds may wait to be compared."""
_PASSING = (401, 402, 404, 408, 409, 425, 429)
_WHOLE = ("complete", "tool_calls")


class Comparison(Value, frozen=True):
    """How much better the reference's answer is, in [-1, 1]; None where nobody can tell.

    `unmade`: for a reason that has nothing to do with the answers (the judge is down).
    """

    loss: float | None
    cost_nanousd: int = 0
    unmade: bool = False


class Comparer(Protocol):
    """Compares two answers to one call. Raises ScrimpError where it cannot be asked."""

    async def __call__(
        self, call: Call, reference: Reply, cheap: Reply, models: tuple[str, str]
    ) -> Comparison:
        """`models` are those behind the two, as their providers call them."""
        ...


Label = float | Literal["lost", "unmade"]


class Outcome(Value, frozen=True):
    """What a comparison came to.

    `label` is a loss, `lost` (the answers were there, or should have been, and nobody can tell) or
    `unmade` (for a reason that has nothing to do with the answers). `model` is the other's, as its
    provider calls it.
    """

    label: Label
    cost_nanousd: int = 0
    model: str = ""


@dataclass(frozen=True, slots=True)
class ShadowRules:
    """`most_nanousd` is what twins and judges may cost a day; None: no limit.

    `on_their_account`: callers with a provider's key of their own pay for twins and judges, too.
    A twin and a judge may take `limit_s` each.
    """

    clock: Clock
    new_id: Callable[[], str]
    most_nanousd: int | None
    on_their_account: bool = False
    limit_s: float = 50.0


class Shadows:
    """Asks twins and has them compared. `ask` is the app's own way."""

    def __init__(self, ask: Next, comparer: Comparer, rules: ShadowRules) -> None:
        self._ask = ask
        self._comparer = comparer
        self._rules = rules
        self._day = date.min
        self._spent_nanousd = 0
        self.spent_ever_nanousd = 0

    @property
    def may_spend(self) -> bool:
        """Whether there is money left for today."""
        today = self._rules.clock.now().date()
        if today != self._day:
            self._day, self._spent_nanousd = today, 0
        most = self._rules.most_nanousd
        return most is None or self._spent_nanousd < most

    async def compare(
        self, call: Call, reply: Reply, other: Target, *, cheap_served: bool
    ) -> Outcome:
        """The served reply against that of the other model."""
        if not self._may_compare(call):
            return Outcome("unmade")
        if not _is_whole(reply):
            return Outcome("lost")
        twin = self._twin(call, other)
        answered = await self._answer(twin)
        cost = self._paid(twin)
        if not isinstance(answered, Reply):
            return Outcome(answered, cost)
        reference, cheap = (answered, reply) if cheap_served else (reply, answered)
        found = await self._judged(call, reference, cheap)
        return Outcome(found.label, cost + found.cost_nanousd, answered.facts.model)

    async def judge(self, call: Call, reference: Reply, cheap: Reply) -> Outcome:
        """Two answers that are both there: nobody but the judge is asked."""
        if not self._may_compare(call):
            return Outcome("unmade")
        if not (_is_whole(reference) and _is_whole(cheap)):
            return Outcome("lost")
        found = await self._judged(call, reference, cheap)
        return Outcome(found.label, found.cost_nanousd, reference.facts.model)

    def _may_compare(self, call: Call) -> bool:
        own = call.caller.credential is not None
        return self.may_spend and (self._rules.on_their_account or not own)

    async def _judged(self, call: Call, reference: Reply, cheap: Reply) -> Outcome:
        models = (reference.facts.model, cheap.facts.model)
        try:
            async with asyncio.timeout(self._rules.limit_s):
                found = await self._comparer(call, reference, cheap, models)
        except (ScrimpError, TimeoutError):
            return Outcome("unmade")
        self.book(found.cost_nanousd)
        if found.unmade:
            return Outcome("unmade", found.cost_nanousd)
        return Outcome("lost" if found.loss is None else found.loss, found.cost_nanousd)

    async def _answer(self, twin: Call) -> Reply | Literal["lost", "unmade"]:
        """The twin's reply, or why there is none. A failing provider says nothing of answers."""
        try:
            async with asyncio.timeout(self._rules.limit_s):
                answered = await self._ask(twin)
        except TimeoutError:
            return "lost"  # long answers take long: that is of the answer
        except ScrimpError as error:
            return "unmade" if says_nothing(error) else "lost"
        served = served_of(twin.trace.attempts, twin.trace.lines)
        if served is None or not same_place(served.target, twin.target):
            return "unmade"  # another model stood in for it
        return answered if _is_whole(answered) else "lost"

    def _twin(self, call: Call, other: Target) -> Call:
        own = call.caller.credential if other.provider == call.target.provider else None
        return replace(
            call,
            id=self._rules.new_id(),
            purpose="shadow",
            target=other,
            caller=Caller(tenant=call.caller.tenant, tags=(TAG,), credential=own),
            cache=CacheControl("no-store"),
            started_at=self._rules.clock.now(),
            sink=HeldSink(),
            trace=Trace(),
            over_soft=False,
            wish=ITSELF,
        )

    def _paid(self, twin: Call) -> int:
        booked = twin.trace.booked
        cost = (booked.cost.high_nanousd or 0) if booked is not None else 0
        self.book(cost)
        return cost

    def book(self, nanousd: int) -> None:
        """So much was spent so that something may be compared."""
        self._spent_nanousd += nanousd
        self.spent_ever_nanousd += nanousd


def says_nothing(error: ScrimpError) -> bool:
    """Whether an error has nothing to do with what was asked: who refuses it, may mean it."""
    if not isinstance(error, UpstreamError):
        return True
    return not 400 <= error.status < 500 or error.status in _PASSING


def why_not_compared(call: Call, text: str) -> str:
    """Why a call must not have a twin, by what is known before it is answered; empty when it may.

    It then goes to the reference: what is never compared is never served by a model that a proof
    says nothing of.
    """
    if call.request.stateful:  # a twin would add to what is kept at the provider
        return "stateful"
    too_long = len(text) > MOST_CHARS or len(call.request.body) > _MOST_BYTES
    return "too_long_to_compare" if too_long else ""


def _is_whole(reply: Reply) -> bool:
    """An answer that was cut off or refused is never scored as wrong or right."""
    facts = reply.facts
    return reply.body is not None and facts.complete and facts.finish in _WHOLE
