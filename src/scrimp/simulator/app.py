"""The provider as an ASGI application: routes, keys, errors, the bill and its witnesses."""

from __future__ import annotations

import itertools
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from scrimp.simulator import anthropic_replies, anthropic_requests, openai_replies, openai_requests
from scrimp.simulator import bill as bills
from scrimp.simulator.anthropic_replies import AnthropicReply
from scrimp.simulator.bill import Bill, BillRow, Delivered, Model, Usage, Vendor
from scrimp.simulator.control import Control
from scrimp.simulator.conversation import Question, Refusal
from scrimp.simulator.delivery import (
    JSON,
    Ended,
    Headers,
    Job,
    Outlet,
    Pace,
    Send,
    deliver,
    server_error,
)
from scrimp.simulator.faults import Fault, Plan, parse
from scrimp.simulator.link import EXTENSION, Link, Links
from scrimp.simulator.openai_replies import OpenAIReply
from scrimp.simulator.others import OTHERS
from scrimp.simulator.prefix import PrefixCache
from scrimp.simulator.production import produce
from scrimp.simulator.records import Recorded
from scrimp.simulator.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_ID_HEADERS: Final = ("x-sim-id", "x-scrimp-id")
_RETRY_HEADERS: Final = ("retry-after", "retry-after-ms")
_LIMIT_REQUESTS: Final = 10_000
_LIMIT_TOKENS: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request to the provider's side, with everything read."""

    recorded: Recorded
    path: str
    headers: Mapping[str, str]
    vendor: Vendor
    out: Outlet

    @property
    def fault(self) -> Fault | None:
        """What goes wrong with it."""
        return self.out.fault


class Provider:
    """One simulated provider. Everything it knows is in memory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.links = Links()
        self.plan = Plan()
        self.requests: deque[Recorded] = deque(maxlen=settings.kept_requests)
        self.in_flight = 0
        self._rows: list[BillRow] = []
        self._numbers = itertools.count(1)
        self._prefixes = PrefixCache()
        self._control = Control(self)

    @property
    def bill(self) -> Bill:
        """The bill as it stands now."""
        return Bill(tuple(self._rows))

    def reset(self) -> None:
        """Forget bill, requests, faults and ended connections."""
        self._rows.clear()
        self.requests.clear()
        self.plan.clear()
        self.links.forget()
        self._prefixes.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            raise ValueError(f"only http is served here, not {scope['type']!r}")
        link: Link = scope["extensions"][EXTENSION]
        body = await _body(receive)
        if body is None:
            return
        link.begin()
        path: str = scope["path"]
        if path.startswith("/_sim/"):
            await self._control(scope["method"], path, body, Outlet(link, send, None))
        else:
            self.in_flight += 1
            try:
                await self._serve(scope, body, link, send)
            except Ended:
                pass  # the client is gone, by its will or by ours, and the bill knows
            finally:
                self.in_flight -= 1
        link.end()

    async def _serve(self, scope: Scope, body: bytes, link: Link, send: Send) -> None:
        recorded = Recorded.of(scope, body, f"req_{uuid.uuid4().hex}")
        self.requests.append(recorded)
        headers = dict(recorded.headers)
        claude = "anthropic-version" in headers or "x-api-key" in headers
        path: str = scope["path"]
        vendor: Vendor = "anthropic" if claude or path.startswith("/v1/messages") else "openai"
        incoming = Incoming(recorded, path, headers, vendor, Outlet(link, send, None))
        try:
            _check_key(vendor, headers)
            incoming.out.fault = fault = self._fault(headers, path)
            if fault is not None and fault.status and not fault.worked:
                raise server_error(fault.status)
            await self._route(incoming)
        except Refusal as refusal:
            await self._refuse(incoming, refusal)

    def _fault(self, headers: Mapping[str, str], path: str) -> Fault | None:
        if text := headers.get("x-sim-fault"):
            try:
                return parse(text)
            except ValueError as error:
                raise Refusal(400, f"x-sim-fault: {error}") from error
        return self.plan.next(path)

    async def _route(self, incoming: Incoming) -> None:
        method, path = incoming.recorded.method, incoming.path
        match method, path:
            case "POST", "/v1/chat/completions":
                await self._reply(incoming, openai_requests.read(_object(incoming)))
            case "POST", "/v1/messages":
                _check_version(incoming.headers)
                await self._reply(incoming, anthropic_requests.read(_object(incoming)))
            case "POST", "/v1/messages/count_tokens":
                _check_version(incoming.headers)
                question = anthropic_requests.read(_object(incoming), count_only=True)
                count = {"input_tokens": question.usage.total_input_tokens}
                await self._plain(incoming, msgspec.json.encode(count))
            case "GET", "/v1/models":
                claude = incoming.vendor == "anthropic"
                replies = anthropic_replies if claude else openai_replies
                await self._plain(incoming, replies.models_body())
            case "GET", _ if path.startswith("/v1/models/"):
                await self._plain(incoming, _model(path.removeprefix("/v1/models/"), incoming))
            case "POST", _ if path in OTHERS:
                body, usage, model = OTHERS[path](_object(incoming), incoming.recorded.request_id)
                if usage is not None and model is not None:
                    self._book(incoming, model, usage, "complete")
                await self._plain(incoming, body)
            case _:
                message = f"Invalid URL ({method} {path})"
                raise Refusal(404, message, kind="not_found")

    async def _reply(self, incoming: Incoming, question: Question) -> None:
        if self.settings.prefix_cache:
            question = self._prefixes.applied(question)
        try:
            production = produce(question)
        except (TypeError, ValueError, AttributeError) as error:
            raise Refusal(400, "A schema in the request is not a valid JSON schema.") from error
        mode = incoming.fault.kind if incoming.fault is not None else ""
        reply_id = incoming.recorded.request_id.removeprefix("req_")
        pace = Pace.of(self.settings, question.last_user_text)
        job = Job(
            production,
            AnthropicReply(production, reply_id, usage_mode=mode)
            if question.claude
            else OpenAIReply(
                production,
                reply_id,
                int(time.time()),
                usage_mode=mode if mode in {"no-usage", "usage-in-choices"} else "",
            ),
            self._headers(incoming, pace),
            pace,
            lambda refusal: _error_body(incoming, refusal),
            anthropic_replies.error_event if question.claude else openai_replies.error_event,
        )

        def book(usage: Usage, delivered: Delivered) -> None:
            self._book(incoming, question.model, usage, delivered, stream=question.stream)

        await deliver(incoming.out, job, book)

    def _book(
        self,
        incoming: Incoming,
        model: Model,
        usage: Usage,
        delivered: Delivered,
        *,
        stream: bool = False,
    ) -> None:
        headers = incoming.headers
        row = BillRow(
            request_id=incoming.recorded.request_id,
            client_id=next((headers[name] for name in _ID_HEADERS if name in headers), ""),
            path=incoming.path,
            model=model.id,
            usage=usage,
            stream=stream,
            delivered=delivered,
            fault=incoming.fault.text if incoming.fault is not None else "",
            at=datetime.now(UTC),
            exact=bills.exact_usd(usage, model.price),
            billed_nanousd=bills.billed_nanousd(usage, model.price),
        )
        self._rows.append(row)

    async def _plain(self, incoming: Incoming, body: bytes) -> None:
        """Answer a request that is no conversation; the coarse faults apply to it too."""
        out, fault = incoming.out, incoming.fault
        match fault.kind if fault is not None else "":
            case "429" | "500" | "502" | "503" | "529" as status:
                raise server_error(int(status))
            case "timeout" | "stall":
                await out.pause(None)
            case "cut-before-headers":
                await out.hang_up()
            case "slow-first-byte":
                await out.pause(fault.number / 1000 if fault is not None else 0)
            case _:
                pass
        await out.reply(200, (JSON, *self._headers(incoming, Pace(0, 0))), body)

    async def _refuse(self, incoming: Incoming, refusal: Refusal) -> None:
        headers = list(self._headers(incoming, Pace(0, 0)))
        options = incoming.fault.options if incoming.fault is not None else {}
        headers += [(name, options[name]) for name in _RETRY_HEADERS if name in options]
        if refusal.status == 502:
            # Bad gateways speak HTML: the provider's edge answers, not its API.
            page = b"<html><head><title>502 Bad Gateway</title></head><body>502</body></html>"
            await incoming.out.reply(502, (("content-type", "text/html"), *headers), page)
            return
        await incoming.out.reply(refusal.status, (JSON, *headers), _error_body(incoming, refusal))

    def _headers(self, incoming: Incoming, pace: Pace) -> Headers:
        left = _LIMIT_REQUESTS - next(self._numbers) % 100
        tokens_left = _LIMIT_TOKENS - len(incoming.recorded.body) // 4
        request_id = incoming.recorded.request_id
        if incoming.vendor == "anthropic":
            return (
                ("request-id", request_id),
                ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),
                ("anthropic-ratelimit-requests-limit", str(_LIMIT_REQUESTS)),
                ("anthropic-ratelimit-requests-remaining", str(left)),
                ("anthropic-ratelimit-tokens-limit", str(_LIMIT_TOKENS)),
                ("anthropic-ratelimit-tokens-remaining", str(tokens_left)),
            )
        return (
            ("x-request-id", request_id),
            ("openai-organization", "simulated"),
            ("openai-version", "2020-10-01"),
            ("openai-processing-ms", str(int(pace.first_s * 1000) + 1)),
            ("x-ratelimit-limit-requests", str(_LIMIT_REQUESTS)),
            ("x-ratelimit-remaining-requests", str(left)),
            ("x-ratelimit-limit-tokens", str(_LIMIT_TOKENS)),
            ("x-ratelimit-remaining-tokens", str(tokens_left)),
        )


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or None when the client left before it was here."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message["body"])
        if not message["more_body"]:
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _object(incoming: Incoming) -> Mapping[str, Any]:
    try:
        body = msgspec.json.decode(incoming.recorded.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, "The body of the request is not valid JSON.") from error
    if not isinstance(body, dict):
        raise Refusal(400, "The body of the request must be a JSON object.")
    return body


def _check_key(vendor: Vendor, headers: Mapping[str, str]) -> None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return
    if vendor == "anthropic" and headers.get("x-api-key"):
        return
    wanted = "x-api-key" if vendor == "anthropic" else "Authorization: Bearer"
    raise Refusal(401, f"No API key was given; send it as {wanted}.", kind="unauthenticated")


def _check_version(headers: Mapping[str, str]) -> None:
    if "anthropic-version" not in headers:
        raise Refusal(400, "anthropic-version: header is required")


def _model(name: str, incoming: Incoming) -> bytes:
    model = bills.MODELS.get(name)
    if model is None or model.vendor != incoming.vendor:
        raise Refusal(404, f"The model `{name}` does not exist.", kind="model_not_found")
    claude = model.vendor == "anthropic"
    return msgspec.json.encode(
        anthropic_replies.model_body(model) if claude else openai_replies.model_body(model, name)
    )


def _error_body(incoming: Incoming, refusal: Refusal) -> bytes:
    if incoming.vendor == "anthropic":
        return anthropic_replies.error_body(refusal, incoming.recorded.request_id)
    return openai_replies.error_body(refusal)
