"""See calls that repeat, before a cache answers them, and tiers that were billed dearer than asked.

It only leaves lines in the trace, which alerts are made of. Where settings say so, a call that came
too often is refused: a program that asks the same for ever stops here. Each worker counts its own.
"""

from __future__ import annotations

from typing import ClassVar

from scrimp.alerts.entries import LOOP, REFUSED, UPGRADED
from scrimp.alerts.loops import Repeats
from scrimp.alerts.tiers import upgraded
from scrimp.calls import Call, Reply
from scrimp.errors import RateLimited
from scrimp.ports import Clock, Next

_READ = ("chat", "embeddings")
_TIER = "service_tier"
"""The field in which both OpenAI's and Anthropic's clients ask for a tier."""
_USUAL = ("default", "standard", "")


class Watch:
    """A guard: refuses nothing unless `block` is set."""

    name: ClassVar[str] = "watch"  # as `alerts.entries.WATCH` says
    fail_closed: ClassVar[bool] = False

    def __init__(self, clock: Clock, *, times: int, within_s: float, block: bool) -> None:
        self._clock = clock
        self._times = times
        self._repeats = Repeats(within_s)
        self._block = block

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Raises RateLimited for a loop that is to be stopped."""
        if call.purpose == "client" and call.operation in _READ:
            self._count(call)
        try:
            return await next(call)
        finally:
            for attempt in call.trace.attempts:
                if attempt.service_tier not in _USUAL or _TIER in call.request.fields:
                    self._compare(call, attempt.service_tier)

    def _compare(self, call: Call, billed: str) -> None:
        asked = call.request.fields.get(_TIER)
        if upgraded(asked, billed):
            told = {"asked": asked if isinstance(asked, str) else "", "billed": billed}
            call.trace.note(self.name, UPGRADED, told)

    def _count(self, call: Call) -> None:
        caller = call.caller
        who = caller.session or caller.key
        what = hash((caller.tenant, who, call.path, call.request.body))
        now_s = self._clock.monotonic()
        times = self._repeats.seen(what, now_s)
        if times <= self._times:
            return
        numbers = {"times": times, "within_s": self._repeats.within_s}
        if self._block:
            call.trace.note(self.name, REFUSED, numbers)
            raise self._refusal(call, times, self._repeats.rest_s(what, now_s))
        if times == self._times + 1:
            call.trace.note(self.name, LOOP, numbers)

    def _refusal(self, call: Call, times: int, rest_s: float) -> RateLimited:
        caller = call.caller
        who = f"key '{caller.key}'" if caller.key else "callers without a key"
        session = f", session '{caller.session}'" if caller.session else ""
        return RateLimited(
            f"the same call came {times} times within {self._repeats.within_s:g} s from "
            f"{who}{session}; more than {self._times} are taken for a loop (change the call, wait, "
            "or raise it: [alerts.loop] times in scrimp.toml)",
            retry_after_s=rest_s,
        )
