"""The end of the way: one attempt upstream, live chunks to the sink, the complete reply back.

Each attempt leaves an `Attempt` in the trace, however it ends. A connection that is not read to
its end is closed at once, so that the provider stops producing. Nothing is sent to the client
before the provider's first byte is here: until then a retry is still possible.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from scrimp.calls import Call, Framing, Headers, Outcome, Reply, ReplyFacts, Sink, is_refusal
from scrimp.dialects.base import Dialect, StreamReader
from scrimp.errors import InvalidRequest, UpstreamError
from scrimp.ledger.steps import place_name
from scrimp.pipeline.attempt_log import NO_FACTS, AttemptLog, Kept
from scrimp.ports import Clock, Exchange, Pricer, Upstream, UpstreamRequest

_ERROR_BODY_BYTES = 1 << 20
_END_GRACE_S = 0.05
"""How long the end of a stream is waited for after its end marker."""
_STREAM_SUBTYPE = "text/event-stream"
_OUR_ROOT = "/v1"  # where the API stands with us; a provider's base URL brings its own
_OWN_FRAMING = ("content-length", "transfer-encoding")


@dataclass(frozen=True, slots=True)
class AttemptSettings:
    """`max_kept_bytes`: a larger reply streams on to the client and is not kept whole.

    `ask_usage`: providers that are asked for usage at the end of a stream when the client did not.
    `timed_models`: models that are priced by the time that a call takes.
    """

    max_kept_bytes: int = 16 * 1024 * 1024
    ask_usage: AbstractSet[str] = frozenset()
    timed_models: AbstractSet[str] = frozenset()


class UpstreamAttempt:
    """Sends a call to its target. Implements `ports.Next`."""

    def __init__(
        self,
        upstream: Upstream,
        dialects: Mapping[str, Dialect],
        clock: Clock,
        pricer: Pricer,
        settings: AttemptSettings,
    ) -> None:
        self._upstream = upstream
        self._dialects = dialects
        self._clock = clock
        self._pricer = pricer
        self._settings = settings

    async def __call__(self, call: Call) -> Reply:
        """Make one attempt. Raises UpstreamError with the provider's status, headers and body.

        Raises InvalidRequest when the call forbids a new answer: a cache that would have said so
        may be switched off, or skipped because it broke.
        """
        if call.cache.mode == "only":
            msg = "no remembered answer for this call, and x-scrimp-cache: only forbids a new one"
            raise InvalidRequest(msg)
        request = self._request(call)
        by_time = self._settings.timed_models
        timed = bool(by_time) and call.target.model.lower() in by_time
        log = AttemptLog(call, self._clock, self._pricer, timed=timed)
        try:
            exchange = await self._upstream.open(
                request, credential=call.caller.credential, sending=log.departure.happened
            )
        except BaseException as error:
            log.end(_unanswered(error, log))
            raise
        log.answered(exchange)
        try:
            return await self._read(call, exchange, log)
        except BaseException as error:
            log.end(_broken(error, exchange.status, log))
            raise
        finally:
            if log.drained:
                exchange.release()
            else:
                exchange.abort()

    def _request(self, call: Call) -> UpstreamRequest:
        target, body = call.target, call.request.body
        if call.operation != "passthrough":
            want_usage = call.request.stream and target.provider in self._settings.ask_usage
            body = self._dialects[target.dialect].upstream_body(
                call.request, model=target.model, want_usage=want_usage
            )
        path = call.path.removeprefix(_OUR_ROOT)
        return UpstreamRequest(target.provider, call.method, path, call.headers, body)

    async def _read(self, call: Call, exchange: Exchange, log: AttemptLog) -> Reply:
        if exchange.status >= 400:
            raise await _refusal(exchange, log)
        if call.operation == "passthrough":
            return await self._pass(call, exchange, log)
        if _STREAM_SUBTYPE in _header(exchange.headers, "content-type").lower():
            return await self._stream(call, exchange, log)
        return await self._whole(call, exchange, log)

    async def _whole(self, call: Call, exchange: Exchange, log: AttemptLog) -> Reply:
        """A reply that is one document: kept back until it is here, unless it is too large."""
        body = await self._keep_or_pass(call, exchange, log)
        facts = NO_FACTS if body is None else self._dialects[call.target.dialect].read_reply(body)
        log.end("ok", facts, body=body or b"")
        return _reply(call, exchange, body, facts)

    async def _pass(self, call: Call, exchange: Exchange, log: AttemptLog) -> Reply:
        """A reply that Scrimp does not read: bytes go on as they come."""
        await _pipe(call.sink, exchange, exchange.chunks(), log)
        log.end("ok")
        return _reply(call, exchange, None, NO_FACTS)

    async def _keep_or_pass(self, call: Call, exchange: Exchange, log: AttemptLog) -> bytes | None:
        kept = bytearray()
        chunks = exchange.chunks()
        async for chunk in chunks:
            log.first_byte()
            kept += chunk
            if len(kept) > self._settings.max_kept_bytes:
                if not call.sink.live:
                    raise self._too_large()
                await call.sink.start(exchange.status, exchange.headers)
                await call.sink.write(bytes(kept))
                await _pipe(call.sink, exchange, chunks, log)
                return None
        log.drained = True
        return bytes(kept)

    async def _stream(self, call: Call, exchange: Exchange, log: AttemptLog) -> Reply:
        """An event stream: whole events go to the sink while they arrive, and are kept.

        A client that asked for a document gets none of it live: its reply is made from the whole.
        """
        dialect = self._dialects[call.target.dialect]
        log.reader = reader = dialect.stream_reader(hide_usage=not call.request.include_usage)
        log.partial = kept = Kept(self._settings.max_kept_bytes)
        sink = call.sink if call.sink.live and call.request.stream else None
        await _forward(sink, exchange, log, reader)
        facts = reader.facts
        if not facts.complete and (sink is None or not facts.error):
            why = facts.error or "the provider ended the stream before its end marker"
            raise UpstreamError(why, status=502)
        if sink is None and kept.whole is None:
            raise self._too_large()
        log.end("ok" if facts.complete else "cut")
        return _reply(call, exchange, kept.whole, facts, framing="sse")

    def _too_large(self) -> UpstreamError:
        msg = f"reply over {self._settings.max_kept_bytes} bytes cannot be held back"
        return UpstreamError(msg, status=502)


def _unanswered(error: BaseException, log: AttemptLog) -> Outcome:
    """How an attempt ended that got no status."""
    if isinstance(error, UpstreamError):
        return "failed" if error.sent else "unsent"
    if isinstance(error, Exception):
        return "failed"
    return "cancelled" if log.departure.sent else "unsent"


def _broken(error: BaseException, status: int, log: AttemptLog) -> Outcome:
    """How an attempt ended that got a status, but no reply for the levers."""
    if status >= 400:
        return "rejected" if is_refusal(status) else "failed"
    if not isinstance(error, Exception):
        return "ok" if log.complete else "cancelled"
    return "cut" if log.begun else "failed"


async def _refusal(exchange: Exchange, log: AttemptLog) -> UpstreamError:
    """The provider's own error, read as far as it is reasonable.

    When its body breaks off, status and headers still say what is wrong and how long to wait.
    """
    body = bytearray()
    try:
        async for chunk in exchange.chunks():
            body += chunk
            if len(body) > _ERROR_BODY_BYTES:
                break
        else:
            log.drained = True
    except UpstreamError:
        body.clear()
    return UpstreamError(
        f"the provider answered {exchange.status}",
        status=exchange.status,
        headers=exchange.headers,
        body=bytes(body),
    )


async def _forward(
    sink: Sink | None, exchange: Exchange, log: AttemptLog, reader: StreamReader
) -> None:
    """Read an event stream to its end; whole events go to the sink at once.

    The end marker is held back until the provider has ended the stream, for a moment at most: SDKs
    leave on it, and would cancel what still has to be done with a whole answer.
    """
    chunks = exchange.chunks()
    last = b""
    async for chunk in chunks:
        log.piece(chunk)
        ready = reader.feed(chunk)
        if reader.complete:
            last = ready + await _rest(chunks, log, reader)
            break
        if sink is not None and ready:
            if not sink.begun:
                await sink.start(exchange.status, _without_length(exchange.headers))
            await sink.write(ready)
    else:
        log.drained = True
    if sink is None or not reader.complete:
        return
    if not sink.begun:
        await sink.start(exchange.status, _without_length(exchange.headers))
    await sink.write(last)


async def _rest(chunks: AsyncIterator[bytes], log: AttemptLog, reader: StreamReader) -> bytes:
    """What follows the end marker: nothing, as a rule, and at once."""
    ready = b""
    try:
        async with asyncio.timeout(_END_GRACE_S):
            async for chunk in chunks:
                log.piece(chunk)
                ready += reader.feed(chunk)
            log.drained = True
    except (TimeoutError, UpstreamError):
        pass  # what breaks after the dialect's own end marker has broken nothing
    return ready + reader.close()


async def _pipe(
    sink: Sink, exchange: Exchange, chunks: AsyncIterator[bytes], log: AttemptLog
) -> None:
    """Pass the rest of an answer on as it comes; an answer without a body begins at its end."""
    async for chunk in chunks:
        log.first_byte()
        if not sink.begun:
            await sink.start(exchange.status, exchange.headers)
        await sink.write(chunk)
    log.drained = True
    if not sink.begun:
        await sink.start(exchange.status, exchange.headers)


def _reply(
    call: Call,
    exchange: Exchange,
    body: bytes | None,
    facts: ReplyFacts,
    *,
    framing: Framing = "json",
) -> Reply:
    whole = body is not None and facts.complete and facts.finish in ("complete", "tool_calls")
    return Reply(
        status=exchange.status,
        headers=_without_length(exchange.headers),
        body=body,
        framing=framing,
        facts=facts,
        cacheable=whole and exchange.status == 200 and facts.usage is not None,
        by=place_name(call.target),
    )


def _header(headers: Headers, name: str) -> str:
    return next((value for key, value in headers if key == name), "")


def _without_length(headers: Headers) -> Headers:
    return tuple(pair for pair in headers if pair[0] not in _OWN_FRAMING)
