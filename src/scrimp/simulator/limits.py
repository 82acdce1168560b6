"""Rate limits as the vendors have them: buckets that refill all the time, and their headers.

OpenAI: requests and tokens per minute; a call counts as its length in characters over four or as
its `max_tokens`, whichever is more; resets are durations such as `6m0s`.
https://platform.openai.com/docs/guides/rate-limits, checked 2026-11-22.
Anthropic: requests, input and output tokens per minute, by the token bucket algorithm; what is read
from the prompt cache is no input here; output counts when it is produced, `max_tokens` does not;
resets are RFC 3339 times, and a 429 says `retry-after` in seconds.
https://platform.claude.com/docs/en/api/rate-limits, checked 2026-11-22.
Here they are per key, whatever the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec

from scrimp.simulator.bill import Usage, Vendor
from scrimp.simulator.clock import Clock
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.settings import Settings

Headers = tuple[tuple[str, str], ...]
What = Literal["requests", "tokens", "input-tokens", "output-tokens"]
GENEROUS: Final[dict[What, int]] = {
    "requests": 10_000,
    "tokens": 2_000_000,
    "input-tokens": 2_000_000,
    "output-tokens": 400_000,
}
_NAMES: Final[dict[Vendor, tuple[What, ...]]] = {
    "openai": ("requests", "tokens"),
    "anthropic": ("requests", "input-tokens", "output-tokens"),
}
_CHARACTERS_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Bucket:
    """So much per minute. It may be overdrawn by what is known only afterwards."""

    per_minute: int
    left: float
    at_s: float

    def at(self, now_s: float) -> Bucket:
        """As it stands later, refilled at an even rate."""
        gained = (now_s - self.at_s) * self.per_minute / 60
        return replace(self, left=min(float(self.per_minute), self.left + gained), at_s=now_s)

    def wait_s(self, amount: float) -> float:
        """How long until so much is there: 0 for now, infinite for more than there ever is."""
        if amount > self.per_minute:
            return math.inf
        return max(0.0, (amount - self.left) * 60 / self.per_minute)

    def without(self, amount: float) -> Bucket:
        """After so much was taken."""
        return replace(self, left=self.left - amount)

    @property
    def reset_s(self) -> float:
        """How long until it is full."""
        return self.wait_s(self.per_minute)


def estimated(vendor: Vendor, body: bytes) -> int:
    """Tokens that a call takes at its beginning, by its length, as nobody has counted yet."""
    by_length = len(body) // _CHARACTERS_PER_TOKEN
    if vendor == "anthropic":
        return by_length
    try:
        asked = msgspec.json.decode(body, type=_Limited)
    except msgspec.DecodeError:
        return by_length
    most = (asked.max_tokens, asked.max_completion_tokens, asked.max_output_tokens)
    return max(by_length, *(limit or 0 for limit in most))


class _Limited(msgspec.Struct):
    """The fields of a request that limit its output."""

    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None


class Limits:
    """The buckets of all keys. What has no limit is shown as generous and never refused."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._limits: dict[What, int] = {}
        self._buckets: dict[tuple[Vendor, str, What], Bucket] = {}
        self.change(settings)

    def change(self, settings: Settings) -> None:
        """Other limits from now on; every key begins with full buckets."""
        tokens = settings.tokens_per_minute
        given: dict[What, int | None] = {
            "requests": settings.requests_per_minute,
            "tokens": tokens,
            "input-tokens": tokens,
            "output-tokens": settings.output_tokens_per_minute,
        }
        self._limits = {what: limit for what, limit in given.items() if limit is not None}
        self._buckets.clear()

    def admit(self, vendor: Vendor, owner: str, body: bytes) -> None:
        """Take what the call needs, or nothing. Raises Refusal (429) when it is not there."""
        if not self._limits:
            return
        amounts: dict[What, int] = {"requests": 1}
        amounts["tokens" if vendor == "openai" else "input-tokens"] = estimated(vendor, body)
        if vendor == "anthropic":
            amounts["output-tokens"] = 1
        for what, amount in amounts.items():
            bucket = self._bucket(vendor, owner, what)
            if what in self._limits and (wait_s := bucket.wait_s(amount)):
                raise refusal(vendor, what, bucket, amount, wait_s)
        for what, amount in amounts.items():
            if what != "output-tokens":
                bucket = self._bucket(vendor, owner, what)
                self._buckets[vendor, owner, what] = bucket.without(amount)

    def settle(self, vendor: Vendor, owner: str, body: bytes, usage: Usage) -> None:
        """Anthropic counts what was really used; OpenAI keeps to its estimate."""
        if not self._limits or vendor == "openai":
            return
        more = usage.total_input_tokens - usage.cache_read_tokens - estimated(vendor, body)
        used: dict[What, int] = {
            "input-tokens": more,
            "output-tokens": usage.total_output_tokens,
        }
        for what, amount in used.items():
            bucket = self._bucket(vendor, owner, what)
            self._buckets[vendor, owner, what] = bucket.without(amount)

    def _bucket(self, vendor: Vendor, owner: str, what: What) -> Bucket:
        now_s = self._clock.now_s()
        known = self._buckets.get((vendor, owner, what))
        if known is not None:
            return known.at(now_s)
        per_minute = self._limits.get(what, GENEROUS[what])
        return Bucket(per_minute, float(per_minute), now_s)

    def headers(self, vendor: Vendor, owner: str) -> Headers:
        """How it stands for one key, in the vendor's own words."""
        buckets = {what: self._bucket(vendor, owner, what) for what in _NAMES[vendor]}
        return openai_headers(buckets) if vendor == "openai" else claude_headers(buckets)


def refused_headers(vendor: Vendor, seconds: float) -> Headers:
    """As `Limits.headers`, of a key that must wait for so long."""
    shown = {what: Bucket(GENEROUS[what], 0.0, 0.0) for what in _NAMES[vendor]}
    if vendor == "openai":
        named = dict(openai_headers(shown))
        resets = {name: duration(seconds) for name in named if "-reset-" in name}
        return tuple((named | resets).items())
    named = dict(claude_headers(shown))
    resets = {name: moment(seconds) for name in named if name.endswith("-reset")}
    return tuple((named | resets).items())


def retry_headers(vendor: Vendor, seconds: float) -> Headers:
    """`retry-after` in whole seconds, never too early; OpenAI adds milliseconds."""
    if math.isinf(seconds):
        return ()
    whole = ("retry-after", str(math.ceil(seconds)))
    if vendor == "anthropic":
        return (whole,)
    return (whole, ("retry-after-ms", str(math.ceil(seconds * 1000))))


def refusal(vendor: Vendor, what: What, bucket: Bucket, amount: int, wait_s: float) -> Refusal:
    """The 429 of a bucket that has too little."""
    unit = {"requests": "requests per min", "tokens": "tokens per min"}.get(
        what, f"{what.replace('-', ' ')} per minute"
    )
    message = (
        f"Rate limit reached on {unit}: limit {bucket.per_minute}, "
        f"left {max(0, math.floor(bucket.left))}, requested {amount}."
    )
    if not math.isinf(wait_s):
        message += f" Please try again in {duration(wait_s)}."
    kind = "tokens_limited" if "tokens" in what else "rate_limited"
    return Refusal(429, message, kind=kind, headers=retry_headers(vendor, wait_s))


def openai_headers(buckets: dict[What, Bucket]) -> Headers:
    """`x-ratelimit-limit-requests` and its five brothers."""
    found: list[tuple[str, str]] = []
    for what, bucket in buckets.items():
        found += [
            (f"x-ratelimit-limit-{what}", str(bucket.per_minute)),
            (f"x-ratelimit-remaining-{what}", str(max(0, math.floor(bucket.left)))),
            (f"x-ratelimit-reset-{what}", duration(bucket.reset_s)),
        ]
    return tuple(found)


def claude_headers(buckets: dict[What, Bucket]) -> Headers:
    """`anthropic-ratelimit-requests-limit` and its brothers; `tokens` are both kinds together."""
    shown: dict[What, Bucket] = dict(buckets)
    both = (buckets["input-tokens"], buckets["output-tokens"])
    shown["tokens"] = Bucket(
        sum(one.per_minute for one in both), sum(max(0.0, one.left) for one in both), 0.0
    )
    found: list[tuple[str, str]] = []
    for what, bucket in shown.items():
        name = f"anthropic-ratelimit-{what}"
        found += [
            (f"{name}-limit", str(bucket.per_minute)),
            (f"{name}-remaining", str(max(0, math.floor(bucket.left)))),
            (f"{name}-reset", moment(bucket.reset_s)),
        ]
    return tuple(found)


def duration(seconds: float) -> str:
    """As OpenAI writes it: `0s`, `120ms`, `1.5s`, `6m0s`, `1h0m30s`; rounded up."""
    ms = math.ceil(seconds * 1000 - 1e-6)
    if 0 < ms < 1000:
        return f"{ms}ms"
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    shown = f"{ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{shown}"
    return f"{minutes}m{shown}" if minutes else shown


def moment(seconds: float) -> str:
    """As Anthropic writes it: the time so far from now, RFC 3339, in whole seconds, rounded up."""
    at = datetime.now(UTC) + timedelta(seconds=seconds + 0.999999)
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z")
