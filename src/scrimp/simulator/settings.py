"""How the simulated provider behaves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Times of 0 are for tests; `BELIEVABLE` is for people who watch.

    `jitter` is the share by which times vary from call to call, a function of the conversation.
    `prefix_cache`: discount repeated prompt beginnings as the vendors do. Then usage depends on
    the calls before, which is why it is off for tests.
    `batch_item_ms` is what each request of a batch takes.
    The limits per minute hold for each key; None never refuses.
    """

    first_token_ms: float = 0.0
    per_token_ms: float = 0.0
    jitter: float = 0.0
    kept_requests: int = 1000
    prefix_cache: bool = False
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    output_tokens_per_minute: int | None = None
    batch_item_ms: float = 0.0


BELIEVABLE = Settings(first_token_ms=250.0, per_token_ms=8.0, jitter=0.2, prefix_cache=True)
