"""Doubles and builders for tests of the pipeline: a clock that is set, an upstream by script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from scrimp.calls import (
    Attempt,
    Call,
    Caller,
    Cost,
    Headers,
    Reply,
    ReplyFacts,
    Request,
    Sink,
    Target,
    Task,
    Trace,
    Usage,
)
from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import encode
from scrimp.errors import PriceUnknown, UpstreamError
from scrimp.pipeline.attempt import AttemptSettings, UpstreamAttempt
from scrimp.ports import Count, Entry, Exchange, LedgerHealth, Settlement, UpstreamRequest
from scrimp.remembered import CacheControl

NOON = datetime(2026, 5, 6, 12, 0, tzinfo=UTC)
TARGET = Target("openai", "gpt-4o-mini", "openai.chat")
JSON_HEADERS: Headers = (("content-type", "application/json"), ("x-request-id", "req_1"))
SSE_HEADERS: Headers = (("content-type", "text/event-stream"), ("x-request-id", "req_1"))
USAGE = Usage(input_tokens=9, output_tokens=2)
_USAGE_FIELDS = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


class FakeClock:
    """Time that moves only when it is told to, or when somebody sleeps."""

    def __init__(self) -> None:
        self.at = NOON
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The set time."""
        return self.at

    def monotonic(self) -> float:
        """Seconds since the start."""
        return (self.at - NOON).total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self.slept.append(seconds)
        self.pass_by(seconds)
        await asyncio.sleep(0)

    def pass_by(self, seconds: float) -> None:
        """Move on by hand."""
        self.at += timedelta(seconds=seconds)


class HereSink:
    """A client that takes everything and remembers what it got, and when."""

    live = True

    def __init__(self, *, fails: BaseException | None = None) -> None:
        self.begun = False
        self.status = 0
        self.headers: Headers = ()
        self.chunks: list[bytes] = []
        self._fails = fails

    async def start(self, status: int, headers: Headers) -> None:
        """Remember; starting twice is an error of the caller."""
        assert not self.begun, "started twice"
        self.begun, self.status, self.headers = True, status, headers

    async def write(self, chunk: bytes) -> None:
        """Remember, or fail as asked."""
        assert self.begun, "a chunk before the start"
        if self._fails is not None:
            raise self._fails
        self.chunks.append(chunk)

    @property
    def body(self) -> bytes:
        """Everything that came."""
        return b"".join(self.chunks)


Step = bytes | BaseException | Callable[[], Awaitable[None]]
"""A chunk that arrives, an error that breaks the exchange, or something to wait for."""


class ScriptedExchange:
    """An answer by script; counts how it was closed, and refuses to be read twice."""

    def __init__(self, status: int, headers: Headers, steps: Iterable[Step]) -> None:
        self.status = status
        self.headers = headers
        self.released = 0
        self.aborted = 0
        self.read = 0
        self._steps = list(steps)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Play the script."""
        self.read += 1
        assert self.read == 1, "an answer can be read once"
        for step in self._steps:
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, bytes):
                yield step
            else:
                await step()

    def release(self) -> None:
        """Count."""
        self.released += 1

    def abort(self) -> None:
        """Count."""
        self.aborted += 1

    @property
    def closed(self) -> tuple[int, int]:
        """(released, aborted): exactly one of them must be 1 in the end."""
        return self.released, self.aborted


Opening = ScriptedExchange | BaseException | Callable[[], Awaitable[Exchange]]


class ScriptedUpstream:
    """Answers one opening after the other; the last one again and again."""

    def __init__(self, *openings: Opening) -> None:
        self._openings = list(openings)
        self.requests: list[UpstreamRequest] = []
        self.credentials: list[tuple[str, str] | None] = []
        self.connects = True

    async def open(
        self,
        request: UpstreamRequest,
        *,
        credential: tuple[str, str] | None,
        sending: Callable[[], None],
    ) -> Exchange:
        """The next opening."""
        if self.connects:
            sending()
        self.requests.append(request)
        self.credentials.append(credential)
        opening = self._openings.pop(0) if len(self._openings) > 1 else self._openings[0]
        if isinstance(opening, BaseException):
            raise opening
        return opening if isinstance(opening, ScriptedExchange) else await opening()

    async def close(self) -> None:
        """Nothing is open."""


async def forever() -> None:
    """Wait until somebody cancels."""
    await asyncio.Event().wait()


async def never_opens() -> Exchange:
    """A provider that does not answer."""
    await asyncio.Event().wait()
    raise AssertionError


def flat_price(usage: Usage, target: Target, at: datetime, service_tier: str) -> Cost:
    """A nano-dollar per input token, two per output token; model `unpriced` has no price."""
    assert at.tzinfo is not None
    if target.model == "unpriced" or service_tier == "unpriced":
        raise PriceUnknown("no price here")
    nanousd = usage.total_input_tokens + 2 * usage.total_output_tokens
    return Cost.exact(nanousd, price_version="test", lines=())


def attempt_on(
    upstream: ScriptedUpstream, clock: FakeClock | None = None, **settings: Any
) -> UpstreamAttempt:
    """The end of the way over a script. `settings` are those of AttemptSettings."""
    return UpstreamAttempt(
        upstream, DIALECTS, clock or FakeClock(), flat_price, AttemptSettings(**settings)
    )


def json_exchange(body: bytes, *, status: int = 200, headers: Headers = ()) -> ScriptedExchange:
    """A JSON answer in two pieces."""
    half = len(body) // 2
    return ScriptedExchange(status, (*JSON_HEADERS, *headers), [body[:half], body[half:]])


def chat_fields(text: str = "Say hi", **more: Any) -> dict[str, Any]:
    """Fields of a chat completion request."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}


def call_of(
    fields: Mapping[str, Any] | None = None, *, dialect: str = "openai.chat", **changes: Any
) -> Call:
    """A client's call. `changes` replace fields of the Call."""
    body = encode(fields if fields is not None else chat_fields())
    request: Request = DIALECTS[dialect].read_request(body)
    call = Call(
        id="018f0000-0000-7000-8000-000000000001",
        purpose="client",
        operation="chat",
        method="POST",
        path="/chat/completions",
        headers=(("content-type", "application/json"),),
        request=request,
        target=replace(TARGET, model=request.model, dialect=dialect),
        caller=Caller("local"),
        task=Task("general", "none"),
        cache=CacheControl(),
        started_at=NOON,
        sink=HereSink(),
        trace=Trace(),
    )
    return replace(call, **changes)


def answer_fields(text: str = "Hi there", *, finish: str = "stop", usage: bool = True) -> bytes:
    """A chat completion."""
    message = {"role": "assistant", "content": text, "refusal": None}
    fields: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    return encode({**fields, "usage": _USAGE_FIELDS} if usage else fields)


def stream_events(
    *texts: str, finish: str = "stop", usage: bool = True, done: bool = True
) -> list[bytes]:
    """The events of a streamed chat completion, one per text, then end, usage and [DONE]."""
    head = {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o-mini-2024-07-18"}

    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        return b"data: " + encode({**head, "choices": choices, **more}) + b"\n\n"

    events = [
        event([{"index": 0, "delta": {"content": text}, "finish_reason": None}]) for text in texts
    ]
    events.append(event([{"index": 0, "delta": {}, "finish_reason": finish}]))
    if usage:
        events.append(event([], usage=_USAGE_FIELDS))
    if done:
        events.append(b"data: [DONE]\n\n")
    return events


def reply_of(**changes: Any) -> Reply:
    """A whole, good reply of the upstream."""
    reply = Reply(
        status=200,
        headers=JSON_HEADERS,
        body=answer_fields(),
        framing="json",
        facts=ReplyFacts(usage=USAGE, model="gpt-4o-mini", finish="complete", complete=True),
        cacheable=True,
    )
    return replace(reply, **changes)


def attempt_of(**changes: Any) -> Attempt:
    """A paid attempt."""
    attempt = Attempt(
        target=TARGET,
        outcome="ok",
        status=200,
        started_at=NOON,
        latency_ms=5.0,
        usage=USAGE,
        cost=flat_price(USAGE, TARGET, NOON, ""),
    )
    return replace(attempt, **changes)


def only_attempt(call: Call) -> Attempt:
    """The attempt in the trace: exactly one."""
    assert len(call.trace.attempts) == 1
    return call.trace.attempts[0]


def streaming(**changes: Any) -> Call:
    """A call that asks for a stream."""
    return call_of(chat_fields(stream=True), **changes)


async def failing(call: Call, exchange: ScriptedExchange, **settings: Any) -> UpstreamError:
    """The error that an attempt raises."""
    try:
        await attempt_on(ScriptedUpstream(exchange), **settings)(call)
    except UpstreamError as error:
        return error
    raise AssertionError("the attempt did not fail")


def verdicts(call: Call, lever: str) -> list[str]:
    """What one lever said of a call."""
    return [line.verdict for line in call.trace.lines if line.lever == lever]


def numbers(call: Call, lever: str) -> dict[str, int | float | str]:
    """The numbers of a lever's last line."""
    return dict(next(line.numbers for line in reversed(call.trace.lines) if line.lever == lever))


def sink_of(call: Call) -> HereSink:
    """The sink of a call made by `call_of`."""
    sink: Sink = call.sink
    assert isinstance(sink, HereSink)
    return sink


@dataclass
class ListLedger:
    """A ledger that is a list."""

    entries: list[Entry] = field(default_factory=list)
    ok: bool = True

    def append(self, entry: Entry) -> None:
        """Keep it."""
        self.entries.append(entry)

    async def flush(self) -> None:
        """Nothing waits."""

    async def find(self, call_id: str) -> Entry | None:
        """The entry with this id."""
        return next((entry for entry in self.entries if entry.id == call_id), None)

    def health(self) -> LedgerHealth:
        """Well, or three behind."""
        return LedgerHealth(ok=self.ok, pending=0 if self.ok else 3, spilled=0)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class ListOutbox:
    """An outbox that is a list."""

    settlements: list[Settlement] = field(default_factory=list)

    def put(self, settlement: Settlement) -> None:
        """Keep it."""
        self.settlements.append(settlement)


class LetterEncoder:
    """Counts a token per character, sure to one in ten."""

    async def count(self, model: str, texts: tuple[str, ...]) -> Count:  # noqa: ARG002 (the port's)
        """Characters."""
        tokens = sum(map(len, texts))
        return Count(tokens, tokens - tokens // 10, tokens + tokens // 10, "letters")

    async def count_request(
        self,
        model: str,
        fields: Mapping[str, Any],
        dialect: str,  # noqa: ARG002 (the port's)
    ) -> Count:
        """Characters of the messages."""
        return await self.count(model, (str(fields.get("messages")),))

    async def weigh(self, *_: Any, **__: Any) -> None:
        """Everything is short enough."""

    def ready(self, model: str) -> bool:  # noqa: ARG002 (the port's)
        """Always."""
        return True

    async def close(self) -> None:
        """Nothing is held."""
