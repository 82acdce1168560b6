"""What a provider's answer says of how much more it would take: the headers of rate limits. Pure.

OpenAI: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, resets as durations (`6m0s`).
https://platform.openai.com/docs/guides/rate-limits, checked 2026-11-22.
Anthropic: `anthropic-ratelimit-{requests,input-tokens,output-tokens}-{limit,remaining,reset}`,
resets as RFC 3339 times. https://platform.claude.com/docs/en/api/rate-limits, checked 2026-11-22.
Both refill all the time; a reset is when all is there again. What cannot be read is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from scrimp.calls import Headers
from scrimp.values import Value

_OPENAI = ("requests", "tokens")
_CLAUDE = ("requests", "input-tokens", "output-tokens")
_DURATION = re.compile(
    r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?"
)
_MILLISECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)ms")
_NUMBER = re.compile(r"\d{1,15}")


class Size(Value, frozen=True):
    """What a call takes of a limit, by its length, as nobody has counted yet."""

    input_tokens: int = 0
    output_tokens: int = 0

    def of(self, what: str) -> int:
        """Its part of a limit. Output counts when it is produced: it is no reason to wait."""
        match what:
            case "requests":
                return 1
            case "input-tokens":
                return self.input_tokens
            case "output-tokens":
                return 0
            case _:
                return max(self.input_tokens, self.output_tokens)


class Left(Value, frozen=True):
    """What is left of one limit. `limit` and `reset_s` are None where nobody says them."""

    what: str
    left: int
    limit: int | None = None
    reset_s: float | None = None

    def calls(self, size: Size) -> int | None:
        """How many more such calls there is room for now; None where it does not matter."""
        need = size.of(self.what)
        return self.left // need if need else None

    def wait_s(self, size: Size, begun: int = 0) -> float:
        """How long until there is room for one such call, at the rate at which it refills.

        `begun` calls like it are on their way, and were not counted when this was said.
        """
        need = size.of(self.what) * (begun + 1) if self.what != "output-tokens" else 1
        missing = need - self.left
        if missing <= 0 or not self.reset_s:
            return 0.0
        if self.limit is None or self.limit <= self.left:
            return self.reset_s
        return min(1.0, missing / (self.limit - self.left)) * self.reset_s


Room = tuple[Left, ...]


def room_in(headers: Headers, now: datetime) -> Room:
    """What the headers of an answer tell, in the words of either vendor; whatever they hold."""
    said = dict(headers)
    found = [_left(what, said, f"x-ratelimit-{{}}-{what}", now) for what in _OPENAI]
    found += [_left(what, said, f"anthropic-ratelimit-{what}-{{}}", now) for what in _CLAUDE]
    return tuple(one for one in found if one is not None)


def _left(what: str, said: Mapping[str, str], name: str, now: datetime) -> Left | None:
    left = _number(said.get(name.format("remaining")))
    if left is None:
        return None
    reset = said.get(name.format("reset"))
    limit = _number(said.get(name.format("limit")))
    return Left(what, left, limit, None if reset is None else _reset_s(reset, now))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text) and text.isascii() else None


def _reset_s(text: str, now: datetime) -> float | None:
    """A duration such as `6m0s`, `120ms` or `12`, or a time; 0 for one that is past."""
    text = text.strip()
    if not text or not text.isascii():
        return None
    if found := _MILLISECONDS.fullmatch(text):
        return float(found[1]) / 1000
    if found := _DURATION.fullmatch(text):
        days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
