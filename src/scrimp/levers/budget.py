"""Hold the worst case of every paid attempt against the budgets that it meets, then settle it.

Nothing is sent that a hard budget could not pay for at full price. A `finally` never awaits: the
store settles at once and writes later. What an attempt cost is only known at its end; where nobody
knows it then, the hold stays until the outbox has an estimate, and its high end is charged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

from scrimp.budgets import words
from scrimp.budgets.resolve import Cap, CurrentRules, Met, with_purses
from scrimp.budgets.unbound import why_unbound, why_unpriced
from scrimp.budgets.unread import is_batch, unknown, unread_nanousd
from scrimp.budgets.worst import EXPECTED_OUTPUT_TOKENS, Worst, WorstCase, asked, quick_count
from scrimp.calls import NEVER_BILLED, Attempt, Call, Reply
from scrimp.errors import (
    BudgetExceeded,
    InvalidRequest,
    PriceUnknown,
    Rejected,
    StoreError,
    Unavailable,
)
from scrimp.ledger.booking import needs_estimate
from scrimp.limits import Amounts, BudgetStore, Unit, Verdict
from scrimp.pipeline.holds import Holds, Wanted
from scrimp.ports import Clock, Count, Encoder, Next
from scrimp.prices.bound import NO_LIMIT_TOKENS, Ask

log = logging.getLogger(__name__)

_ONE = Amounts()
_FREE = Amounts(0, 0, 1)


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """`paths` is the most that a call of an unread path costs, in nano-dollars.

    `lease_s` must be longer than any attempt. The rest says what soft limits do where nobody can
    tell: let the call pass unheld, or refuse it.
    """

    lease_s: float = 1860.0
    paths: Mapping[str, int] = field(default_factory=dict)
    batches: bool = False
    soft_unpriced: bool = True
    soft_store_down: bool = True


@dataclass(slots=True)
class BudgetCounts:
    """What one process has held and denied; `held_nanousd` is in the air now."""

    holds: int = 0
    denied_hard: int = 0
    denied_soft: int = 0
    breaches: int = 0
    unheld: int = 0
    held_nanousd: int = 0


@dataclass(frozen=True, slots=True)
class Measure:
    """How the worst case of a call is found, which is that of the call as its provider gets it."""

    worst_case: WorstCase
    encoder: Encoder
    clock: Clock
    as_sent: Callable[[Call], Call] = lambda call: call


class Held(NamedTuple):
    """A hold in the air. `number` is that of its attempt in the trace, `left` what it leaves."""

    id: str
    worst: Amounts
    met: Met
    number: int
    left: tuple[tuple[Unit, int], ...]


class Budget:
    """The innermost lever: each attempt, a repeated one too, is held on its own."""

    name: ClassVar[str] = "budget"
    fail_closed: ClassVar[bool] = True

    def __init__(
        self,
        rules: CurrentRules,
        store: BudgetStore | Holds,
        measure: Measure,
        settings: BudgetSettings,
    ) -> None:
        self._rules = rules
        self._holds = store if isinstance(store, Holds) else Holds(store)
        self._worst_case = measure.worst_case
        self._encoder = measure.encoder
        self._clock = measure.clock
        self._as_sent = measure.as_sent
        self._settings = settings
        self.counts = BudgetCounts()

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Raises BudgetExceeded, InvalidRequest for what has no known worst case, Unavailable."""
        met = await self._met(call)
        if met is None:
            return await next(call)
        held = await self._hold(call, met)
        if held is None:
            return await next(call)
        never_left = False
        try:
            return await next(call)
        except Rejected:
            never_left = True
            raise
        finally:
            self._end(call, held, never_left=never_left)

    async def _met(self, call: Call) -> Met | None:
        try:
            book = await self._rules.book()
            purses = call.caller.purses
            if book.empty and not purses:
                return None
            met = book.met(call.caller, call.target)
        except StoreError as error:
            raise _cannot_tell("the rules of budgets cannot be read") from error
        if purses:
            met = with_purses(met, purses)
        return met if met.limits or met.caps else None

    async def _hold(self, call: Call, met: Met) -> Held | None:
        """None where the call passes unheld. The quick bound first, the exact one if that fails."""
        call = self._as_sent(call)
        quick = self._quick(call)
        refusal: BudgetExceeded | None = None
        if quick is not None:
            worst, refusal = await self._try(call, met, quick)
            if refusal is None:
                return worst
        if quick is None or quick.method == "bytes":
            count = await self._counted(call, quick)
            worst, refusal = await self._try(call, met, count)
            if refusal is None:
                return worst
        assert refusal is not None  # noqa: S101 - told to the type checker
        self._note_denied(call, refusal)
        raise refusal

    def _quick(self, call: Call) -> Count | None:
        """A bound of the input that costs nothing to get; exact for what is not read at all."""
        if call.operation in ("passthrough", "count_tokens"):
            return Count(0, 0, 0, "unread")
        return quick_count(call.request, call.target.dialect)

    async def _counted(self, call: Call, quick: Count | None) -> Count:
        """What the prompt counts at most, by its own tokenizer or by its size."""
        target = call.target
        count = await self._encoder.count_request(target.model, call.request.fields, target.dialect)
        high = count.high if quick is None else min(count.high, quick.high)
        return Count(count.tokens, count.low, high, count.method)

    async def _try(
        self, call: Call, met: Met, count: Count
    ) -> tuple[Held | None, BudgetExceeded | None]:
        """What is held, or why it is not. Neither: it passes unheld."""
        worst = self._worst(call, met, count)
        for cap in met.caps:
            if (refusal := self._over_cap(cap, worst, count)) is not None:
                return None, refusal
        if not met.limits:
            return None, None
        number = len(call.trace.attempts)
        hold_id = f"{call.id}/{number}"
        try:
            wanted = Wanted(hold_id, worst, self._settings.lease_s, call.over_soft)
            verdict = await self._holds.hold(met.of_rules, call.caller.purses, wanted)
        except StoreError as error:
            self._pass_unheld(call, met, error)
            return None, None
        if verdict.denied_by is not None:
            return None, self._denied(call, verdict, worst)
        self.counts.holds += 1
        self.counts.held_nanousd += worst.usd_nanousd
        left = _left(verdict)
        _tell(call, left)
        return Held(hold_id, worst, met, number, left), None

    def _worst(self, call: Call, met: Met, count: Count) -> Amounts:
        """The most that the attempt may use, of each unit that matters.

        Where only soft limits ask, it is what an attempt is expected to use: a person's allowance
        is not blocked by what models could write and hardly ever do. Raises InvalidRequest.
        """
        match call.operation:
            case "count_tokens":
                return _FREE
            case "passthrough":
                return self._unread(call, met)
            case _:
                pass
        if not (met.usd or met.tokens):
            return _ONE
        ask = asked(call.request, call.target.dialect, count)
        most = min(EXPECTED_OUTPUT_TOKENS, ask.max_output_tokens or EXPECTED_OUTPUT_TOKENS)
        nanousd, tokens = 0, count.tokens + most * ask.n
        price, target, now = self._worst_case, call.target, self._clock.now()
        try:
            if "hard" in (met.usd, met.tokens):
                worst = price(ask, target, now)
                _check_bound(call, met, ask, worst)
                nanousd = worst.nanousd
                if met.tokens == "hard":
                    tokens = worst.input_tokens + worst.output_tokens
            if met.usd == "soft":
                inputs = Count(count.tokens, count.tokens, count.tokens, count.method)
                expected = replace(ask, inputs=inputs, max_output_tokens=most)
                nanousd = price(expected, target, now).nanousd
        except PriceUnknown as error:
            self._refuse_unpriced(met, ask, error)
            if met.tokens == "hard":
                tokens = count.high + (ask.max_output_tokens or NO_LIMIT_TOKENS) * ask.n
        return Amounts(nanousd, tokens, 1)

    def _refuse_unpriced(self, met: Met, ask: Ask, error: PriceUnknown) -> None:
        unbound = met.tokens == "hard" and (ask.uses or ask.unseen_input)
        if met.usd == "hard" or unbound or (met.usd and not self._settings.soft_unpriced):
            raise InvalidRequest(
                f"{error}; budget '{_named(met)}' cannot hold what has no price (give the model "
                'one, or state one for all such models: [unpriced] policy = "assume")'
            ) from None

    def _unread(self, call: Call, met: Met) -> Amounts:
        settings = self._settings
        nanousd = unread_nanousd(call.method, call.path, settings.paths)
        if nanousd is None and settings.batches and is_batch(call.method, call.path):
            nanousd = 0
        if nanousd is None:
            if (
                met.tokens == "hard"
                or met.usd == "hard"
                or (met.usd and not settings.soft_unpriced)
            ):
                raise unknown(call.method, call.path, _named(met))
            nanousd = 0
        return Amounts(nanousd, 0, 1)

    def _over_cap(self, cap: Cap, worst: Amounts, count: Count) -> BudgetExceeded | None:
        fixed = cap.name in self._rules.fixed_names
        caps = cap.caps
        if caps.usd_nanousd is not None and worst.usd_nanousd > caps.usd_nanousd:
            return words.over_cap(cap, "usd", worst.usd_nanousd, fixed=fixed)
        if caps.input_tokens is not None and count.high > caps.input_tokens:
            return words.over_cap(cap, "tokens", count.high, fixed=fixed)
        return None

    def _denied(self, call: Call, verdict: Verdict, worst: Amounts) -> BudgetExceeded:
        standing = verdict.denied_by
        assert standing is not None  # noqa: S101 - told to the type checker
        limit = standing.limit
        return words.exceeded(
            standing,
            verdict.needed or worst.of(limit.unit),
            fixed=limit.name in self._rules.fixed_names,
            hint=""
            if call.request.max_output_tokens is not None or call.operation == "passthrough"
            else "it sets no limit of output, and a lower one would hold less",
        )

    def _note_denied(self, call: Call, refusal: BudgetExceeded) -> None:
        if refusal.soft:
            self.counts.denied_soft += 1
        else:
            self.counts.denied_hard += 1
        breach = refusal.breach
        call.trace.note(
            self.name,
            "denied_soft" if refusal.soft else "denied",
            {
                "budget": breach.budget,
                "unit": breach.unit,
                "needed": breach.needed,
                "left": breach.remaining,
            },
        )

    def _pass_unheld(self, call: Call, met: Met, error: StoreError) -> None:
        """Where the store is down, hard limits refuse; soft ones as the settings say."""
        hard = any(limit.hard for limit in met.limits)
        if hard or not self._settings.soft_store_down:
            raise _cannot_tell("what budgets have used cannot be read") from error
        self.counts.unheld += 1
        call.trace.note(self.name, "unheld", {"error": str(error)})

    def _end(self, call: Call, held: Held, *, never_left: bool) -> None:
        """Settle what is known, release what never left, leave open what nobody knows yet.

        An attempt that broke without a trace of it may have left: it is charged as it was held.
        """
        self.counts.held_nanousd -= held.worst.usd_nanousd
        attempts = call.trace.attempts
        attempt = attempts[-1] if len(attempts) > held.number else None
        if attempt is None and not never_left:
            self._holds.settle(held.id, held.worst)
            self._note_settled(call, held, held.worst)
            return
        if attempt is None or attempt.outcome == "unsent":
            self._holds.release(held.id)
            call.trace.note(self.name, "released", {"held_nanousd": held.worst.usd_nanousd})
            return
        if needs_estimate(attempt, call) and _can_be_estimated(call):
            call.trace.note(self.name, words.OPEN, {"hold": held.id, "attempt": held.number})
            return
        actual = _used(attempt, held.worst)
        self._holds.settle(held.id, actual)
        self._note_settled(call, held, actual)

    def _note_settled(self, call: Call, held: Held, actual: Amounts) -> None:
        worst = held.worst
        call.trace.note(
            self.name,
            "settled",
            {"held_nanousd": worst.usd_nanousd, "nanousd": actual.usd_nanousd},
        )
        _tell(call, [(unit, n + worst.of(unit) - actual.of(unit)) for unit, n in held.left])
        if held.met.usd == "hard" and actual.usd_nanousd > worst.usd_nanousd:
            self.counts.breaches += 1
            log.error(
                "call %s cost more than the most that was held for it: %d over %d nano-dollars",
                call.id,
                actual.usd_nanousd,
                worst.usd_nanousd,
            )


def _check_bound(call: Call, met: Met, ask: Ask, worst: Worst) -> None:
    """Raises InvalidRequest for a call that may cost more than the worst that is known."""
    target = call.target
    why = why_unbound(call.request, target.dialect, ask)
    if met.usd == "hard":
        why = why or why_unpriced(worst.unpriced, target.model)
    if why:
        raise InvalidRequest(f"{why}; budget '{_named(met)}' is hard")


def _can_be_estimated(call: Call) -> bool:
    """False where the provider may add to a call what no estimate sees: then all is charged."""
    ask = asked(call.request, call.target.dialect, Count(0, 0, 0, ""))
    return not (ask.uses or ask.unseen_input)


def _used(attempt: Attempt, worst: Amounts) -> Amounts:
    """What is charged for an attempt that has ended: the high end of what is known of it."""
    if attempt.outcome in NEVER_BILLED or attempt.cost.basis == "free":
        return _FREE
    usage, high = attempt.usage, attempt.cost.high_nanousd
    if usage is None or high is None:
        tokens, high = worst.tokens, worst.usd_nanousd if high is None else high
    else:
        tokens = usage.total_input_tokens + usage.total_output_tokens
    if usage is not None and usage.suspect:  # its own numbers do not agree: it may be more
        tokens, high = max(tokens, worst.tokens), max(high, worst.usd_nanousd)
    return Amounts(high, tokens, 1)


def _left(verdict: Verdict) -> tuple[tuple[Unit, int], ...]:
    """What is left of the tightest limit of each unit."""
    left: dict[Unit, int] = {}
    for one in verdict.standings:
        unit, remaining = one.limit.unit, one.limit.amount - one.used - one.held
        if unit not in left or remaining < left[unit]:
            left[unit] = remaining
    return tuple(left.items())


def _tell(call: Call, left: Iterable[tuple[Unit, int]]) -> None:
    for unit, amount in left:
        name = f"x-scrimp-budget-remaining-{unit}"
        call.trace.headers[name] = words.plain_amount(unit, max(0, amount))


def _named(met: Met) -> str:
    """The budget that a refusal names: a hard one, if there is one."""
    hard = next((limit for limit in met.limits if limit.hard), None)
    if hard is not None:
        return hard.name
    return met.caps[0].name if met.caps else met.limits[0].name


def _cannot_tell(what: str) -> Unavailable:
    return Unavailable(f"{what} now, so no call is paid for (the log of Scrimp says why)")
