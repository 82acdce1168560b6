"""What the gateway itself refuses before there is a call: a status, a kind, the way out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from urllib.parse import quote

from scrimp.calls import Headers
from scrimp.dialects.base import ErrorKind
from scrimp.errors import (
    Breach,
    BudgetExceeded,
    InvalidRequest,
    NotThere,
    RateLimited,
    Rejected,
    Unauthenticated,
    Unavailable,
    UnknownModel,
)
from scrimp.money import decimal_usd

_NEVER: Headers = (("x-should-retry", "false"),)
_SOON_S = 60.0
_STORE_BACK_S = 1.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP error of ours. SDKs are told not to repeat it."""

    status: int
    kind: ErrorKind
    message: str
    headers: Headers = _NEVER


def refusal_of(error: Rejected) -> Refusal:
    """A refusal of the pipeline, as HTTP."""
    kind: ErrorKind
    match error:
        case InvalidRequest():
            kind = "invalid_request"
        case Unauthenticated():
            kind = "unauthenticated"
        case UnknownModel():
            kind = "unknown_model"
        case NotThere():
            kind = "not_found"
        case BudgetExceeded(breach=breach):
            return Refusal(error.status, "budget_exceeded", str(error), _numbers(breach))
        case RateLimited(retry_after_s=wait_s, headers=told):
            return Refusal(error.status, "rate_limited", str(error), (*_again(wait_s), *told))
        case Unavailable():
            return Refusal(error.status, "upstream", str(error), _again(_STORE_BACK_S))
        case _:
            kind = "invalid_request"
    return Refusal(error.status, kind, str(error))


def _again(wait_s: float) -> Headers:
    """SDKs wait as long as they are told and try again, where that is not long (60 s)."""
    soon = wait_s <= _SOON_S
    retry = ("x-should-retry", "true" if soon else "false")
    return (retry, ("retry-after", str(max(1, math.ceil(wait_s)))))


def _numbers(breach: Breach) -> Headers:
    """What a program wants to know of the limit in its way. SDKs do not repeat such a call."""
    if not breach.limit:
        return _NEVER
    unit = breach.unit
    found = [
        *_NEVER,
        ("x-scrimp-budget", quote(breach.budget)),
        (f"x-scrimp-budget-limit-{unit}", _amount(unit, breach.limit)),
        (f"x-scrimp-budget-remaining-{unit}", _amount(unit, breach.remaining)),
        (f"x-scrimp-budget-needed-{unit}", _amount(unit, breach.needed)),
    ]
    if breach.resets_at is not None:
        found.append(("x-scrimp-budget-resets-at", f"{breach.resets_at:%Y-%m-%dT%H:%M:%SZ}"))
    return tuple(found)


def _amount(unit: str, amount: int) -> str:
    return decimal_usd(amount) if unit == "usd" else str(amount)


def too_large(size: int | None, limit: int, *, fixed: bool = False) -> Refusal:
    """The body is over the limit, which is `fixed` where no setting raises it."""
    given = f"{size} bytes" if size is not None else f"more than {limit} bytes"
    way_out = "send less at once" if fixed else "raise it: server.max_body_bytes"
    text = f"the body has {given}, the limit is {limit} ({way_out})"
    return Refusal(413, "too_large", text)


PASSED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""Of requests that are passed on unread: TRACE would echo the provider's key."""


def unfit(method: str, path: str) -> Refusal | None:
    """Why a request must not be passed on unread; `path` is decoded.

    Servers differ in what they make of dots and empty parts: such a path could leave a base URL.
    """
    if method not in PASSED_METHODS:
        return wrong_method(method, path[:80], ", ".join(PASSED_METHODS))
    parts = path[1:].split("/")
    if "." in parts or ".." in parts or "" in parts[:-1] or "\\" in path or not path.isprintable():
        text = "the path has empty parts, dots for parts, backslashes or control characters"
        return Refusal(400, "invalid_request", text)
    return None


def wrong_method(method: str, path: str, allowed: str) -> Refusal:
    """A path that exists, by another method."""
    headers = (("allow", allowed), ("x-should-retry", "false"))
    return Refusal(405, "invalid_request", f"{path} takes {allowed}, not {method}", headers)
