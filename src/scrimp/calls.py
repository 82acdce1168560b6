"""The words of a call: what a client asked, what was tried, what came back, what it cost.

Values are frozen; a lever that changes a call passes on `msgspec.structs.replace(call, ...)`. Two
things are shared by every version of one call on purpose: its `trace` and its `sink`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from scrimp.choosing import NO_WISH, Wish
from scrimp.limits import Purse
from scrimp.money import PICO_PER_NANO
from scrimp.remembered import CacheControl
from scrimp.terms import Terms
from scrimp.values import Value
from scrimp.waiting import NO_WAIT, Wait

Headers = tuple[tuple[str, str], ...]
"""Header names in lower case, in the order they came; a name may stand twice."""

Purpose = Literal["client", "audit", "shadow", "warm", "embed", "summary"]
Operation = Literal["chat", "embeddings", "count_tokens", "passthrough"]
Framing = Literal["json", "sse"]
Finish = Literal["complete", "tool_calls", "truncated", "refused", "unknown"]
Outcome = Literal["ok", "rejected", "failed", "cut", "cancelled", "unsent"]
"""ok: a whole 2xx reply · rejected: the provider refused (4xx, 503, 529) · failed: nothing usable ·
cut: broke after the first byte · cancelled: the client left · unsent: never left this machine."""

NEVER_BILLED: tuple[Outcome, ...] = ("unsent", "rejected")
"""Outcomes that no provider bills: it never saw the request, or refused it."""
OVERLOADED = (503, 529)  # said before the work; after another 5xx the provider may bill it


def is_refusal(status: int) -> bool:
    """True when a provider that answers with this error status has refused, and bills nothing."""
    return status < 500 or status in OVERLOADED


CostBasis = Literal["usage", "reported", "assumed", "estimate", "unknown", "free"]


class Usage(Value, frozen=True, omit_defaults=True):
    """Tokens of one attempt in disjoint buckets: no token stands in two of them.

    `input_tokens` is fresh text input (neither cached nor audio), `output_tokens` is visible text
    (neither reasoning nor audio). `cache_write_5m_tokens` also takes the write of a provider
    that has one kind only. `suspect` holds both numbers when the provider's own total does not
    add up; nothing is ever clamped. `terms` is None when tokens are all that was told.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    cache_read_audio_tokens: int = 0
    output_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    web_search_requests: int = 0
    suspect: str = ""
    terms: Terms | None = None

    @property
    def total_input_tokens(self) -> int:
        """All tokens that went in, cached ones and cache writes included."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
            + self.input_audio_tokens
            + self.cache_read_audio_tokens
            + self.input_image_tokens
        )

    @property
    def total_output_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return (
            self.output_tokens
            + self.reasoning_tokens
            + self.output_audio_tokens
            + self.output_image_tokens
        )


COUNTERS = tuple(name for name in Usage.__struct_fields__ if name not in ("suspect", "terms"))


class Line(Value, frozen=True):
    """One line item of a price: what, how many units, at how many pico-dollars each."""

    what: str
    quantity: int
    pico_per_unit: int
    nanousd: int


class Cost(Value, frozen=True, omit_defaults=True):
    """What an attempt cost, in nano-dollars.

    `basis` says how it is known: `usage` (priced exactly: low = high = nanousd), `reported` (the
    provider's own figure), `assumed` (at the price that settings state for models without one),
    `estimate` (the truth is inside [low, high]), `free` (the provider does not charge for it),
    `unknown` (all three are None: never to be read as $0). `place` is the one that it was priced
    for, `counted` the tokens behind an estimate: input and output, each expected, low, high.
    """

    nanousd: int | None
    low_nanousd: int | None
    high_nanousd: int | None
    basis: CostBasis
    price_version: str = ""
    lines: tuple[Line, ...] = ()
    place: str = ""
    counted: tuple[int, ...] = ()

    @classmethod
    def exact(cls, nanousd: int, *, price_version: str, lines: tuple[Line, ...]) -> Cost:
        """A cost computed from the usage that the provider itself reported."""
        return cls(nanousd, nanousd, nanousd, "usage", price_version, lines)

    @classmethod
    def reported(cls, nanousd: int) -> Cost:
        """A cost that the provider itself told."""
        line = Line("reported", 1, nanousd * PICO_PER_NANO, nanousd)
        return cls(nanousd, nanousd, nanousd, "reported", "", (line,))


UNKNOWN_COST = Cost(None, None, None, "unknown")
FREE_COST = Cost(0, 0, 0, "free")


class Target(Value, frozen=True):
    """Where a call goes: a configured provider and the model id that it is sent there."""

    provider: str
    model: str
    dialect: str


class Attempt(Value, frozen=True, omit_defaults=True):
    """One try upstream, paid or not.

    `status` is the provider's HTTP status, 0 when none arrived. `usage` is None when the provider
    did not say. `partial` is what had arrived of a broken reply, kept only until it is priced.
    """

    target: Target
    outcome: Outcome
    status: int
    started_at: datetime
    latency_ms: float
    ttft_ms: float | None = None
    usage: Usage | None = None
    service_tier: str = ""
    request_id: str = ""
    reported_model: str = ""
    partial: bytes = b""
    cost: Cost = UNKNOWN_COST


class TraceLine(Value, frozen=True):
    """What one lever did with one call: its verdict in one word, and the numbers behind it."""

    lever: str
    verdict: str
    numbers: tuple[tuple[str, int | float | str], ...] = ()


class Booked(Value, frozen=True):
    """What the ledger says of one call: cost, baseline (None: unknown), savings by lever.

    `baseline - cost = sum(saved)` to the nano-dollar whenever both are known.
    """

    cost: Cost
    baseline_nanousd: int | None
    saved: tuple[tuple[str, int], ...] = ()


class Trace(msgspec.Struct, eq=False):
    """The log of one call, shared by all its versions: lines of levers, attempts upstream.

    `booked` is set once, by the record lever; `headers` tell the client what levers did. Where its
    attempts may stand in another's trace: `served_by` is who answers, as far as is known while
    chunks leave; `upstream_ms` how long others' attempts made it wait; `heard_all` whether it had
    the last chunk when it left (None: its own last attempt tells).
    """

    lines: list[TraceLine] = msgspec.field(default_factory=list)
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    booked: Booked | None = None
    served_by: str = "upstream"
    upstream_ms: float = 0.0
    heard_all: bool | None = None

    def note(
        self, lever: str, verdict: str, numbers: Mapping[str, int | float | str] | None = None
    ) -> None:
        """Leave one line."""
        self.lines.append(TraceLine(lever, verdict, tuple(numbers.items()) if numbers else ()))


class Sink(Protocol):
    """Where live chunks go. `begun` is the commit point: afterwards nobody calls `next` again."""

    @property
    def live(self) -> bool:
        """False for a draft that must be held back: the reply is only returned."""
        ...

    @property
    def begun(self) -> bool:
        """True once bytes have left for the client."""
        ...

    async def start(self, status: int, headers: Headers) -> None:
        """Send the status and the provider's headers. Called once, before the first chunk."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Send one piece of the body; waits while the client's socket is full."""
        ...


class HeldSink:
    """A sink that nobody listens to: drafts, audits, background calls."""

    live = begun = False

    async def start(self, status: int, headers: Headers) -> None:
        """Do nothing."""

    async def write(self, chunk: bytes) -> None:
        """Do nothing."""


class Task(Value, frozen=True):
    """The task type of a call and who said so: header, metadata, key, or classifier."""

    name: str
    source: Literal["header", "metadata", "key", "classifier", "none"]


class Caller(Value, frozen=True):
    """On whose behalf a call is made. `end_user` is believed, `reported_user` only written down.

    `tenant` separates what must never be shared. `credential` is what the client brought: sent on
    where settings allow it, never logged, stored or compared but by its HMAC. `purses` pay, too.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"credential", "purses"})

    tenant: str
    key: str = ""
    team: str = ""
    user: str = ""
    tags: tuple[str, ...] = ()
    session: str = ""
    org: str = ""
    end_user: str = ""
    reported_user: str = ""
    models: tuple[str, ...] = ()
    credential: tuple[str, str] | None = None
    purses: tuple[Purse, ...] = ()


class Request(Value, frozen=True):
    """What a dialect read from a client's body.

    `fields` is the whole JSON object, unknown fields included: read it, never change it. `stateful`
    marks calls whose answer depends on state at the provider, `side_effects` those that answer for
    tool results or ask it to act. `max_output_tokens` is None when the client set no limit.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"body", "fields", "metadata"})

    body: bytes
    fields: Mapping[str, Any]
    model: str
    stream: bool = False
    include_usage: bool = False
    max_output_tokens: int | None = None
    n: int = 1
    stateful: bool = False
    side_effects: bool = False
    user: str = ""
    metadata: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Call(Value, frozen=True):
    """One client request on its way through the levers.

    `headers` are the client's end-to-end headers without its credentials and without ours. With
    `over_soft` it may pass soft budgets: a rung of the ladder has made it cheaper. `wish` is what
    it asks of the choice of its model, `wait` how long its answer may take.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"headers", "sink", "trace"})

    id: str
    purpose: Purpose
    operation: Operation
    method: str
    path: str
    headers: Headers
    request: Request
    target: Target
    caller: Caller
    task: Task
    cache: CacheControl
    started_at: datetime
    sink: Sink
    trace: Trace
    over_soft: bool = False
    wish: Wish = NO_WISH
    wait: Wait = NO_WAIT

    def sent_to(self, sink: Sink, trace: Trace) -> Call:
        """The same call with its chunks and its log going elsewhere (`replace` takes 4 µs)."""
        return Call(
            self.id,
            self.purpose,
            self.operation,
            self.method,
            self.path,
            self.headers,
            self.request,
            self.target,
            self.caller,
            self.task,
            self.cache,
            self.started_at,
            sink,
            trace,
            self.over_soft,
            self.wish,
            self.wait,
        )


class ReplyFacts(Value, frozen=True):
    """What a dialect can tell about a whole reply, or about as much of a stream as it has seen.

    `complete` is true once the dialect's own end marker was seen and no error event. `error` is
    the provider's in-stream error message, empty when there was none.
    """

    usage: Usage | None = None
    model: str = ""
    finish: Finish = "unknown"
    complete: bool = False
    service_tier: str = ""
    error: str = ""


class Reply(Value, frozen=True):
    """A whole answer, whether or not its chunks have already gone to the client.

    `body` is as the provider sent it: a JSON document or an event stream, as `framing` says. It is
    None when the reply was too large to keep (it has then streamed on). `served_by` names the
    lever that answered, or `upstream`. `asked_at` is set where it was asked for before this call.
    `by` is the model that answered, as `provider/model`; empty where that is not known.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"headers", "body"})

    status: int
    headers: Headers
    body: bytes | None
    framing: Framing
    facts: ReplyFacts
    cacheable: bool
    served_by: str = "upstream"
    asked_at: datetime | None = None
    by: str = ""
