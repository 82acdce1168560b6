"""A provider on loopback that answers each call of a case with that case's bytes.

It knows a call by a mark in its words, which every gateway hands on, and remembers what arrived.
Streams leave in pieces that respect no event; what the case breaks off, it breaks off.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from scrimp.conformance.corpus import PLACE_OF_CALL, Case
from scrimp.dialects.json_body import parse_object
from scrimp.errors import ConfigError

_MARK = re.compile(rb"conformance:([a-z0-9-]+):([0-9a-f]{8})")
_VENDORS = frozenset({"openai", "anthropic"})
_LARGEST_BYTES = 1 << 20
_PIECE_BYTES = 61
_UNKNOWN = "this provider only replays conformance cases, and the request is of none"


def marked(case: Case, call: str) -> bytes:
    """The request of a case as one call's own body; `call` is eight hexadecimal digits.

    The model is asked for with its provider's name before it, where that is not its vendor's own.
    """
    model = case.model if case.provider in _VENDORS else f"{case.provider}/{case.model}"
    request = {**case.request, "model": model}
    mark = f"conformance:{case.id}:{call}"
    return msgspec.json.encode(request).replace(PLACE_OF_CALL.encode(), mark.encode())


class ReplayProvider:
    """Answers by case; `heard` are the requests of each call, as they arrived."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = {case.id: case for case in cases}
        self.heard: dict[str, list[Mapping[str, Any]]] = {}

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[str]:
        """Serve until left; gives the address. Raises ConfigError for one that is taken."""
        application = web.Application(client_max_size=_LARGEST_BYTES)
        application.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            try:
                await site.start()
            except OSError as error:
                why = error.strerror or str(error)
                msg = f"cannot listen on {host}:{port}: {why} (another one: --listen HOST:PORT)"
                raise ConfigError(msg) from error
            taken = runner.addresses[0][1]
            yield f"http://[{host}]:{taken}" if ":" in host else f"http://{host}:{taken}"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        found = _MARK.search(body)
        case = self._cases.get(found[1].decode()) if found else None
        if found is None or case is None:
            told = {"error": {"message": _UNKNOWN, "type": "invalid_request_error", "code": None}}
            return web.json_response(told, status=404)
        fields = parse_object(body) or {}
        self.heard.setdefault(found[2].decode(), []).append(fields)
        return await _sent(request, case, asks_usage=_asks_usage(fields))


def _asks_usage(fields: Mapping[str, Any]) -> bool:
    options = fields.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


async def _sent(request: web.Request, case: Case, *, asks_usage: bool) -> web.StreamResponse:
    reply = case.reply
    headers = {"content-type": case.content_type, "x-request-id": f"req-{case.id}", **reply.headers}
    answer = web.StreamResponse(status=reply.status, headers=headers)
    body = case.body(usage_asked=asks_usage)
    if case.framing == "json":
        whole = b"".join(case.pieces(usage_asked=asks_usage))
        answer.content_length = len(whole)  # also of a document that breaks off
    await answer.prepare(request)
    size = _PIECE_BYTES if case.framing == "sse" else max(len(body), 1)
    for start in range(0, len(body), size):
        await answer.write(body[start : start + size])
    if reply.cut:
        _break(request)
        return answer
    await answer.write_eof()
    return answer


def _break(request: web.Request) -> None:
    """End the connection without ending the answer; what was sent still arrives."""
    if request.transport is not None:
        request.transport.close()
