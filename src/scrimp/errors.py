"""Every error that Scrimp raises on purpose: one root, two levels, no more.

Only the gateway turns these into HTTP, in the dialect that the client speaks. A message says
what was wrong, with both numbers where there are two, and the way out; it never holds a prompt
or a provider's key.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import ClassVar


class ScrimpError(Exception):
    """Root of everything that Scrimp raises on purpose."""


class ConfigError(ScrimpError):
    """The settings cannot be used. Shells print it in one line and end with exit code 2."""


class Rejected(ScrimpError):
    """Scrimp itself refuses the call; nothing was sent to a provider."""

    status: ClassVar[int] = 400


class InvalidRequest(Rejected):
    """The request cannot be read, or asks for something that cannot be done."""

    status: ClassVar[int] = 400


class Unauthenticated(Rejected):
    """No key, or one that Scrimp does not know."""

    status: ClassVar[int] = 401


class UnknownModel(Rejected):
    """No configured provider serves the model that the call names."""

    status: ClassVar[int] = 404


class NotThere(Rejected):
    """A key, team, budget or the like that is asked for by name does not exist."""

    status: ClassVar[int] = 404


class Conflict(Rejected):
    """What is asked for stands against what is there already."""

    status: ClassVar[int] = 409


@dataclass(frozen=True, slots=True)
class Breach:
    """The limit that stands in the way of a call; amounts in `unit` (`usd`: nano-dollars).

    `limit` is 0 where it is no limit that does. `resets_at` is None for what never resets.
    """

    budget: str = ""
    unit: str = "usd"
    limit: int = 0
    used: int = 0
    held: int = 0
    needed: int = 0
    scope: str = ""
    window: str = ""
    resets_at: datetime | None = None

    @property
    def remaining(self) -> int:
        """What is left of the limit."""
        return max(0, self.limit - self.used - self.held)


class BudgetExceeded(Rejected):
    """The call may cost more than a budget has left. `soft` breaches may be degraded instead.

    `breach` has the numbers: limit, used, held, needed, scope, window and when it resets.
    """

    status: ClassVar[int] = 429

    def __init__(self, message: str, *, soft: bool = False, breach: Breach | None = None) -> None:
        super().__init__(message)
        self.soft = soft
        self.breach = breach or Breach()


class RateLimited(Rejected):
    """Too many requests or tokens in the window. `headers` say so as the provider would."""

    status: ClassVar[int] = 429

    def __init__(
        self, message: str, *, retry_after_s: float, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.headers = headers


class Unavailable(Rejected):
    """What must be checked before a call is paid for cannot be checked now."""

    status: ClassVar[int] = 503


class UpstreamError(ScrimpError):
    """The provider failed or refused. Its status, headers and body are preserved.

    `status` is the provider's own, or 502 (no usable answer) or 504 (too late) when it gave none.
    `body` is the provider's own, or empty when the gateway has to word the error itself.
    `sent` is false only when the request provably never left (nothing can have been billed).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        sent: bool = True,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.body = body
        self.sent = sent


class StoreError(ScrimpError):
    """A store (cache, ledger, keys) cannot do its work now."""


class PriceUnknown(ScrimpError):
    """No price is known for this model, usage or time. Never treated as $0."""


def place_of(error: BaseException) -> str:
    """The file and line that raised it, such as `http.py:12`; empty when it was never raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def kind_and_place(error: BaseException) -> str:
    """What may be logged of an error that nobody foresaw: its own words may hold a prompt."""
    kind, place = type(error).__name__, place_of(error)
    return f"{kind} at {place}" if place else kind
