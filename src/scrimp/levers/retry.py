"""Try the same target again after a passing failure.

Full jitter: a uniform share of an exponentially growing wait (AWS Architecture Blog, "Exponential
Backoff And Jitter", 2015); a provider's `Retry-After` (RFC 9110, section 10.2.3) is the least
that is waited. Once bytes have reached the client nothing is tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from scrimp.calls import Call, Reply
from scrimp.errors import UpstreamError
from scrimp.ports import Clock, Next
from scrimp.routing.failing import retry_after_s

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_OUT_OF_MONEY = b"insufficient_quota"  # OpenAI words an empty account as 429: waiting is no use


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """`attempts` counts the first one.

    A `Retry-After` longer than `max_retry_after_s` is the client's to wait for.
    """

    attempts: int = 3
    base_s: float = 0.25
    max_wait_s: float = 8.0
    max_retry_after_s: float = 20.0


class Retry:
    """Repeats an attempt that failed in passing.

    `patience` says of a call how long a wait is worth it, in seconds (None: any).
    """

    name: ClassVar[str] = "retry"
    fail_closed: ClassVar[bool] = False

    def __init__(
        self,
        clock: Clock,
        random: Callable[[], float],
        settings: RetrySettings,
        patience: Callable[[Call], float | None] = lambda call: None,  # noqa: ARG005 (any wait)
    ) -> None:
        self._clock = clock
        self._random = random
        self._settings = settings
        self._patience = patience

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Raises the last UpstreamError when every attempt failed."""
        tried = 1
        while True:
            try:
                return await next(call)
            except UpstreamError as error:
                if call.sink.begun or not may_repeat(call, error):
                    raise
                wait_s = self._wait_s(call, error, tried)
                if wait_s is None:
                    if tried > 1:
                        call.trace.note(self.name, "gave_up", {"attempts": tried})
                    raise
                call.trace.note(
                    self.name, "again", {"status": error.status, "wait_ms": round(wait_s * 1000)}
                )
            await self._clock.sleep(wait_s)
            tried += 1

    def _wait_s(self, call: Call, error: UpstreamError, tried: int) -> float | None:
        """None to give up."""
        share, now = self._random(), self._clock.now()
        wait_s = decide(error, tried, self._settings, share=share, now=now)
        most_s = None if wait_s is None else self._patience(call)
        if wait_s is None or most_s is None or wait_s <= most_s:
            return wait_s
        numbers = {"wait_ms": round(wait_s * 1000), "most_ms": round(most_s * 1000)}
        call.trace.note(self.name, "too_long", numbers)
        return None


def decide(
    error: UpstreamError, tried: int, settings: RetrySettings, *, share: float, now: datetime
) -> float | None:
    """Seconds to wait before trying again, or None to give up.

    `share` is uniform in [0, 1): the jitter. `tried` is how many attempts have been made.
    """
    if tried >= settings.attempts or not is_passing(error):
        return None
    jitter_s = share * min(settings.max_wait_s, settings.base_s * 2.0 ** (tried - 1))
    asked_s = retry_after_s(error.headers, now)
    if asked_s is None:
        return jitter_s
    return None if asked_s > settings.max_retry_after_s else asked_s + share * settings.base_s


def may_repeat(call: Call, error: UpstreamError) -> bool:
    """False for a call that Scrimp does not read and that may have been carried out already.

    A chat asked twice costs twice; a batch or a file made twice is there twice.
    """
    if call.operation != "passthrough" or call.method in ("GET", "HEAD"):
        return True
    return not error.sent or error.status == 429


def is_passing(error: UpstreamError) -> bool:
    """True when the same request may well succeed in a moment."""
    told = next((value for name, value in error.headers if name == "x-should-retry"), "")
    if told in ("true", "false"):
        return told == "true"
    return error.status in PASSING and _OUT_OF_MONEY not in error.body
