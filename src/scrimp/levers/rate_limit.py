"""Requests and tokens per minute, and parallel calls: refuse before any work is done.

Counted once per call of a client, however it is answered. Tokens are held by estimate and settled
by use; a call that costs nothing uses none. What is left is told in the headers of the provider's
own API, in which SDKs look for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from scrimp.budgets import words
from scrimp.budgets.resolve import CurrentRules
from scrimp.budgets.worst import EXPECTED_OUTPUT_TOKENS
from scrimp.calls import NEVER_BILLED, Call, Reply
from scrimp.errors import RateLimited, StoreError, Unavailable
from scrimp.limits import Amounts, BudgetStore, Limit, Standing, Unit, Verdict
from scrimp.ports import Clock, Next

_READ = ("chat", "embeddings")
_BYTES_PER_TOKEN = 4
_SOON_S = 1.0
_NEVER_S = 86_400.0
_NAMES: tuple[tuple[Unit, str], ...] = (("calls", "requests"), ("tokens", "tokens"))


class RateLimit:
    """A guard: limits of `CurrentRules` that are rates, in a store that all workers share."""

    name: ClassVar[str] = "rate_limit"
    fail_closed: ClassVar[bool] = True

    def __init__(
        self, rules: CurrentRules, store: BudgetStore, clock: Clock, *, lease_s: float
    ) -> None:
        self._rules = rules
        self._store = store
        self._clock = clock
        self._lease_s = lease_s
        self.denied = 0

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Raises RateLimited, and Unavailable where nobody can tell."""
        try:
            book = await self._rules.book()
            rates = () if book.empty else book.met(call.caller, call.target).rates
        except StoreError as error:
            raise _cannot_tell("the rules of limits cannot be read") from error
        if not rates:
            return await next(call)
        expected = Amounts(0, expected_tokens(call), 1)
        hold_id = f"{call.id}/rate"
        if not await self._hold(call, hold_id, rates, expected):
            return await next(call)
        try:
            return await next(call)
        finally:
            self._store.settle(hold_id, Amounts(0, _used(call, expected.tokens), 1))

    async def _hold(
        self, call: Call, hold_id: str, rates: tuple[Limit, ...], expected: Amounts
    ) -> bool:
        """False where it passes unheld."""
        hold, lease_s = self._store.hold, self._lease_s
        try:
            verdict = await hold(hold_id, rates, expected, lease_s=lease_s)
            denied = verdict.denied_by
            if denied is not None and not denied.limit.hard:
                call.trace.note(self.name, "over_soft", {"limit": denied.limit.name})
                verdict = await hold(hold_id, rates, expected, lease_s=lease_s, over_soft=True)
        except StoreError as error:
            if any(limit.hard for limit in rates):
                raise _cannot_tell("what limits have used cannot be read") from error
            call.trace.note(self.name, "unheld", {"error": str(error)})
            return False
        told = rate_headers(verdict, call.target.dialect, self._clock.now())
        call.trace.headers |= told
        if verdict.denied_by is not None:
            raise self._limited(call, verdict, verdict.denied_by, told)
        return True

    def _limited(
        self, call: Call, verdict: Verdict, denied: Standing, told: dict[str, str]
    ) -> RateLimited:
        self.denied += 1
        limit = denied.limit
        call.trace.note(self.name, "denied", {"limit": limit.name, "needed": verdict.needed})
        fixed = limit.name in self._rules.fixed_names
        return RateLimited(
            words.limited(denied, verdict.needed, fixed=fixed),
            retry_after_s=self._wait_s(denied, verdict.needed),
            headers=tuple(told.items()),
        )

    def _wait_s(self, denied: Standing, needed: int) -> float:
        if needed > denied.limit.amount:
            return _NEVER_S
        if denied.resets_at is None:
            return _SOON_S
        return max(0.0, (denied.resets_at - self._clock.now()).total_seconds())


def expected_tokens(call: Call) -> int:
    """What a call is expected to use: a quarter of its bytes, and a usual answer at most."""
    if call.operation not in _READ:
        return 0
    request = call.request
    answer = 0
    if call.operation == "chat":
        most = request.max_output_tokens
        answer = EXPECTED_OUTPUT_TOKENS if most is None else min(most, EXPECTED_OUTPUT_TOKENS)
    return len(request.body) // _BYTES_PER_TOKEN + answer * request.n


def rate_headers(verdict: Verdict, dialect: str, now: datetime) -> dict[str, str]:
    """The tightest limit of requests and of tokens, as the provider of the dialect words it.

    OpenAI's guide on rate limits, Anthropic's page on them; checked 2026-11.
    """
    found: dict[str, str] = {}
    for unit, name in _NAMES:
        standings = [
            one
            for one in verdict.standings
            if one.limit.unit == unit and one.limit.window.kind != "open"
        ]
        if not standings:
            continue
        tightest = min(standings, key=lambda one: one.remaining)
        resets = tightest.resets_at or now
        limit, left = str(tightest.limit.amount), str(tightest.remaining)
        if dialect.startswith("anthropic."):
            found[f"anthropic-ratelimit-{name}-limit"] = limit
            found[f"anthropic-ratelimit-{name}-remaining"] = left
            found[f"anthropic-ratelimit-{name}-reset"] = f"{resets:%Y-%m-%dT%H:%M:%SZ}"
        else:
            found[f"x-ratelimit-limit-{name}"] = limit
            found[f"x-ratelimit-remaining-{name}"] = left
            found[f"x-ratelimit-reset-{name}"] = _duration(resets - now)
    return found


def _duration(wait: timedelta) -> str:
    """As OpenAI writes it: `6m0s`, `12s`, `17ms`."""
    ms = max(0, round(wait / timedelta(milliseconds=1)))
    if ms < 1000:
        return f"{ms}ms"
    minutes, seconds = divmod(-(-ms // 1000), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _used(call: Call, expected: int) -> int:
    """Tokens of all attempts; of one that the provider did not tell about, what was expected."""
    total = 0
    for attempt in call.trace.attempts:
        usage = attempt.usage
        if usage is not None:
            total += usage.total_input_tokens + usage.total_output_tokens
        elif attempt.outcome not in NEVER_BILLED:
            total += expected
    return total


def _cannot_tell(what: str) -> Unavailable:
    return Unavailable(f"{what} now, so no call is let in (the log of Scrimp says why)")
