"""The ports: what levers and shells need from the outside, as small protocols.

Values in and out are words of this floor. Adapters are on floor 4; only `app.py` joins the two.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Protocol

from scrimp.calls import Attempt, Call, Cost, Headers, Reply, Target, TraceLine, Usage
from scrimp.remembered import UNNAMED, About, Chosen
from scrimp.traits import Traits
from scrimp.values import Value

Next = Callable[[Call], Awaitable[Reply]]
"""The rest of the way: give it a call, get the complete reply."""


class Lever(Protocol):
    """One way to spend less, or one guard: answers, changes, or passes a call on.

    `fail_closed` tells the lever guard what to do when the lever itself breaks: skip it (False)
    or let the call fail (True: budgets, keys).
    """

    name: ClassVar[str]
    fail_closed: ClassVar[bool]

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Answer the call, or `await next(call)` for the complete reply from below."""
        ...


class Clock(Protocol):
    """Time as an argument, so that tests and backtests can bring their own."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class CacheScope(NamedTuple):
    """Whose a remembered reply is, and for which task type: what a cache is counted by."""

    tenant: str = ""
    task: str = ""


NO_SCOPE = CacheScope()


class ScopeStats(Value, frozen=True):
    """What a cache knows of one scope: replies that it keeps, look-ups that it answered or not."""

    scope: CacheScope
    hits: int = 0
    misses: int = 0
    entries: int = 0
    size_bytes: int = 0


class StoreStats(Value, frozen=True):
    """What a cache engine says of itself.

    `size_bytes` is what the entries count for, `max_bytes` the limit (0: the engine keeps none of
    its own). `evicted` counts replies that had to make room since this engine was opened. Hits and
    misses are as old as the store: those of a file or a server outlive the process.
    """

    engine: str
    size_bytes: int
    max_bytes: int
    evicted: int
    scopes: tuple[ScopeStats, ...] = ()
    entries: int = 0

    @property
    def hits(self) -> int:
        """Look-ups that were answered."""
        return sum(one.hits for one in self.scopes)

    @property
    def misses(self) -> int:
        """Look-ups that were not."""
        return sum(one.misses for one in self.scopes)


class StoredReply(Value, frozen=True, omit_defaults=True):
    """A remembered reply with the usage that it cost when it was fresh.

    `asked_at` is when it was asked for: what was forgotten since is not put any more. In the last
    `late_s` before `expires_at` it is past its time, and kept for who may serve it even so.
    """

    reply: Reply
    stored_at: datetime
    expires_at: datetime
    scope: CacheScope = NO_SCOPE
    about: About = UNNAMED
    asked_at: datetime | None = None
    late_s: int = 0

    def late_by_s(self, now: datetime) -> float:
        """So long past its time, from 0 on; below 0 it still holds."""
        return (now - self.expires_at).total_seconds() + self.late_s


class ReplyStore(Protocol):
    """Remembered replies by key. A reply past its time is never returned. Raises StoreError."""

    async def get(
        self, key: bytes, scope: CacheScope | None = None, *, max_age_s: int | None = None
    ) -> StoredReply | None:
        """The reply, or None; None, too, when it is `max_age_s` old or older.

        The look-up is counted as a hit or a miss of its scope; without a scope it is not.
        """
        ...

    async def put(self, key: bytes, stored: StoredReply) -> bool:
        """Remember it. False when it is too large, or was asked for before it was forgotten."""
        ...

    async def delete(self, key: bytes) -> bool:
        """Forget it. False when it was not there."""
        ...

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget all that is chosen, answers still in the air too; how many there were.

        With `dry_run` they are counted only. Raises InvalidRequest when nothing is set, and when a
        pattern matches nothing though there are questions, whose texts no store keeps.
        """
        ...

    async def clear(self, tenant: str | None = None, task: str | None = None) -> int:
        """Forget all, or all of a tenant, of a task type, of both; how many there were.

        Counts of hits and misses stay.
        """
        ...

    async def stats(self, tenant: str | None = None) -> StoreStats:
        """What is kept and counted now, in all or for one tenant; may take a while."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


class Claims(Protocol):
    """Which of many processes asks, when all miss the same key at once.

    A process claims a key at most once at a time. A claim ends by `release`, with its lease, or
    with the process, whatever the store can tell first.
    """

    async def claim(self, key: bytes, *, lease_s: float) -> bool:
        """True: this process asks. False: another one does. Raises StoreError."""
        ...

    def release(self, key: bytes) -> None:
        """Give a claim back, if it is held; never waits and never fails, so a `finally` may."""
        ...


class Entry(Value, frozen=True):
    """One call in the ledger: append-only, money in integer nano-dollars, times aware UTC.

    `cost_nanousd` is None when no price is known (never 0). low and high bound the truth; all
    three are equal when the provider's own usage priced every attempt. `baseline_nanousd` is what
    the call would have cost untouched; `baseline - cost = sum(saved)` whenever both are known.
    `content` stays None unless settings ask for it. `untouched` is the attempt that a lever's
    answer stood in for, as far as its price depends on it; `traits` what a paid call is known by.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"request_content", "reply_content"})

    id: str
    at: datetime
    purpose: str
    operation: str
    dialect: str
    provider: str
    model_requested: str
    model: str
    status: int
    outcome: str
    served_by: str
    stream: bool
    usage: Usage
    cost_basis: str
    cost_nanousd: int | None
    cost_low_nanousd: int | None
    cost_high_nanousd: int | None
    baseline_nanousd: int | None
    saved: tuple[tuple[str, int], ...]
    price_version: str
    latency_ms: float
    upstream_ms: float
    ttft_ms: float | None
    tenant: str
    key: str
    team: str
    user: str
    task: str
    task_source: str
    tags: tuple[str, ...]
    session: str
    trace: tuple[TraceLine, ...]
    attempts: tuple[Attempt, ...]
    request_content: str | None = None
    reply_content: str | None = None
    untouched: Attempt | None = None
    traits: Traits | None = None


class LedgerHealth(Value, frozen=True):
    """How the ledger does: entries waiting, entries set aside in a spill file, last failure.

    `dropped` counts entries that could neither be written nor set aside; it should be 0 for ever.
    """

    ok: bool
    pending: int
    spilled: int
    last_error: str = ""
    dropped: int = 0


class Ledger(Protocol):
    """The append-only truth of calls."""

    def append(self, entry: Entry) -> None:
        """Hand an entry over; returns at once, never raises, never blocks on the disk.

        It is acknowledged (committed) within 50 ms while the store is well; `flush` waits for it.
        """
        ...

    async def flush(self) -> None:
        """Wait until everything appended so far is committed or set aside in the spill file."""
        ...

    async def find(self, call_id: str) -> Entry | None:
        """One entry, or None. Raises StoreError."""
        ...

    @property
    def ok(self) -> bool:
        """True while entries are committed as they come; cheap enough for every call."""
        ...

    def health(self) -> LedgerHealth:
        """For readiness, the trace and `scrimp doctor`."""
        ...

    async def close(self) -> None:
        """Commit what is pending and let go of the file."""
        ...


class UpstreamRequest(Value, frozen=True):
    """Bytes for a provider: `path` starts with a slash and is joined to its base URL."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"headers", "body"})

    provider: str
    method: str
    path: str
    headers: Headers
    body: bytes


class Exchange(Protocol):
    """An answer whose status and headers have arrived. Close it exactly once, by either way."""

    @property
    def status(self) -> int:
        """The provider's HTTP status."""
        ...

    @property
    def headers(self) -> Headers:
        """End-to-end headers, names in lower case."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Pieces of the body as they arrive. Raises UpstreamError when it breaks or idles."""
        ...

    def release(self) -> None:
        """The body was read to its end: give the connection back to the pool."""
        ...

    def abort(self) -> None:
        """Close the connection now, so that the provider stops producing. Never waits."""
        ...


class Upstream(Protocol):
    """Sends bytes to providers. Knows base URLs, credentials, pools and time limits."""

    async def open(
        self,
        request: UpstreamRequest,
        *,
        credential: tuple[str, str] | None,
        sending: Callable[[], None],
    ) -> Exchange:
        """Send; returns when status and headers are here.

        `credential` (header name, value) replaces the provider's own. `sending` is called when a
        connection is there and the first byte is about to leave: whoever is cancelled before has
        asked nothing of the provider. Raises UpstreamError, with `sent=False` when the request
        provably never left. Cancelling closes the connection.
        """
        ...

    async def close(self) -> None:
        """Close all pools."""
        ...


class Encoder(Protocol):
    """Tokenizers. Loaded on first use, off the event loop; offline."""

    async def count(self, model: str, texts: tuple[str, ...]) -> Count:
        """Tokens of each text added up, with bounds and the method used."""
        ...

    async def count_request(self, model: str, fields: Mapping[str, Any], dialect: str) -> Count:
        """Prompt tokens of a whole request body: texts, framing, tools, images."""
        ...

    def ready(self, model: str) -> bool:
        """True when counting for this model would load nothing."""
        ...

    async def close(self) -> None:
        """Drop the vocabularies."""
        ...


class Count(Value, frozen=True):
    """A number of tokens. The truth is inside [low, high]; exact when all three are equal."""

    tokens: int
    low: int
    high: int
    method: str


class Settlement(Value, frozen=True):
    """A finished call whose entry still needs work that may wait: counting, pricing a rest."""

    call: Call
    entry: Entry


class Outbox(Protocol):
    """The app's queue of settlements. `put` never waits, so a `finally` may use it."""

    def put(self, settlement: Settlement) -> None:
        """Hand it over; it is drained at shutdown."""
        ...


class Pricer(Protocol):
    """Prices usage that a provider reported."""

    def __call__(self, usage: Usage, target: Target, at: datetime, service_tier: str) -> Cost:
        """The exact cost. Raises PriceUnknown."""
        ...
