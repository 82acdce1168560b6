"""What a provider's error says: may another target help, who is to blame, when to come back.

Pure. Statuses and words are those of OpenAI's and Anthropic's pages on errors (checked 2026-11-22).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from scrimp.calls import Attempt, Headers
from scrimp.errors import UpstreamError

Way = Literal["elsewhere", "larger", "nowhere"]
"""Any other target may answer · one with a larger window may · the call itself is at fault."""
Blame = Literal["", "model", "provider"]
"""Nobody · this model at this provider · the provider, whatever the model."""

_PASSING = frozenset({402, 408, 409, 425, 429})
_TOO_LONG = (
    b"context_length_exceeded",
    b"maximum context length",
    b"prompt is too long",
    b"exceed context limit",
    b"context window",
)
_OUT_OF_MONEY = b"credit balance is too low"  # Anthropic words an empty account as 400
_OF_MODEL = frozenset({429, 500, 503, 529})
"""Limits, crashes and overload come by model; a gateway's 502 or a silence concern all of them."""


def way_of(error: UpstreamError, also_on: Collection[int] = ()) -> Way:
    """Where to go with a call that has met this error."""
    status, body = error.status, error.body
    if status in _PASSING or status >= 500 or status in also_on:
        return "elsewhere"
    if status == 413:
        return "larger"
    if status in (404, 410) and b"model" in body:  # withdrawn, or not for this account
        return "elsewhere"
    if status in (400, 422):
        said = body.lower()
        if _OUT_OF_MONEY in said:
            return "elsewhere"
        if any(sign in said for sign in _TOO_LONG):
            return "larger"
    return "nowhere"


def blame_of(attempt: Attempt, *, own_key: bool) -> Blame:
    """Who is to blame for how an attempt ended; a limit of the client's own key is nobody's fault.

    A reply that broke off is put down to the model: some are cut for what they write.
    """
    status, outcome = attempt.status, attempt.outcome
    if outcome in ("ok", "cancelled"):
        return ""
    if status == 429 and not own_key:
        return ""
    if status in _OF_MODEL or outcome == "cut":
        return "model"
    if status >= 500 or status == 408 or status < 400:
        return "provider"
    return ""


def retry_after_s(headers: Headers, now: datetime) -> float | None:
    """Seconds that a provider asks to wait (`retry-after-ms`, `Retry-After`); None when mute.

    RFC 9110, section 10.2.3.
    """
    said = dict(headers)
    try:
        if "retry-after-ms" in said:
            return max(0.0, float(said["retry-after-ms"]) / 1000)
        value = said.get("retry-after")
        if value is None:
            return None
        if value.strip().replace(".", "", 1).isdigit():
            return float(value)
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:  # without a zone, or with -0000: UTC (RFC 5322, section 3.3)
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, OverflowError):
        return None
