"""The provider as an ASGI application: routes, keys, errors, the bill and its witnesses."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

from scrimp.simulator import bill as bills
from scrimp.simulator import breakpoints, mangle
from scrimp.simulator.bill import Bill, BillRow, Vendor
from scrimp.simulator.clock import Clock
from scrimp.simulator.control import Control
from scrimp.simulator.conversation import Question, Refusal
from scrimp.simulator.delivery import (
    JSON,
    Ended,
    Headers,
    Outlet,
    Pace,
    Send,
    server_error,
    typed,
)
from scrimp.simulator.desk import Blocks, Sale
from scrimp.simulator.faults import Fault, Plan, parse
from scrimp.simulator.incoming import Incoming
from scrimp.simulator.limits import Limits, refused_headers, retry_headers
from scrimp.simulator.link import EXTENSION, Link, Links
from scrimp.simulator.prefix import PrefixCache
from scrimp.simulator.records import Recorded
from scrimp.simulator.routes import Routes
from scrimp.simulator.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_ID_HEADERS: Final = ("x-sim-id", "x-scrimp-id")
_RETRY_HEADERS: Final = ("retry-after", "retry-after-ms")
_LIMITED: Final = frozenset(
    {"/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"}
)
HTML: Final = ("content-type", "text/html; charset=utf-8")
_PAGE: Final = b"<!doctype html><html><head><title>Just a moment...</title></head></html>"


class Provider:
    """One simulated provider. Everything it knows is in memory."""

    def __init__(self, settings: Settings, links: Links, base_path: str = "") -> None:
        self.settings = settings
        self.base_path = base_path
        self.links = links
        self.clock = Clock()
        self.plan = Plan(self.clock)
        self.requests: deque[Recorded] = deque(maxlen=settings.kept_requests)
        self.in_flight = 0
        self._rows: list[BillRow] = []
        self.limits = Limits(self.clock, settings)
        self._prefixes = PrefixCache(self.clock)
        self._control = Control(self)
        self._routes = Routes(self)

    @property
    def bill(self) -> Bill:
        """The bill as it stands now."""
        return Bill(tuple(self._rows))

    def reset(self) -> None:
        """Forget bill, requests, faults, ended connections and all that clients have stored."""
        self._routes.forget()  # first: what it calls off is billed
        self._rows.clear()
        self.requests.clear()
        self.plan.clear()
        self.limits.change(self.settings)
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
            incoming.check_key()
            incoming.out.fault = fault = self._fault(headers, path)
            if fault is not None and await self._turned_away(incoming, fault):
                return
            if scope["method"] == "POST" and path in _LIMITED:
                self.limits.admit(vendor, incoming.owner, body)
            await self._routes(incoming)
        except Refusal as refusal:
            await self._refuse(incoming, refusal)

    async def _turned_away(self, incoming: Incoming, fault: Fault) -> bool:
        """What never comes to a model and costs nothing. Raises Refusal."""
        if fault.status and not fault.worked:
            refusal = server_error(fault.status)
            if fault.kind == "rate-limit":
                refusal.headers = retry_headers(incoming.vendor, fault.number)
            raise refusal
        headers = self.headers(incoming, Pace(0, 0))
        if fault.kind == "html-200":
            await incoming.out.reply(200, (HTML, *headers), _PAGE)
        elif fault.kind == "error-200":
            body = incoming.error_body(server_error(500))
            await incoming.out.reply(200, (JSON, *headers), body)
        else:
            return False
        return True

    def _fault(self, headers: Mapping[str, str], path: str) -> Fault | None:
        if text := headers.get("x-sim-fault"):
            try:
                return parse(text)
            except ValueError as error:
                raise Refusal(400, f"x-sim-fault: {error}") from error
        return self.plan.next(path)

    def book(self, incoming: Incoming, sale: Sale) -> None:
        """One more row on the bill."""
        headers, usage = incoming.headers, sale.usage
        price = sale.model.price.halved if sale.batch else sale.model.price
        sent_id = next((headers[name] for name in _ID_HEADERS if name in headers), "")
        row = BillRow(
            request_id=sale.request_id or incoming.recorded.request_id,
            client_id=sale.client_id or sent_id,
            path=sale.path or incoming.path,
            model=sale.model.id,
            usage=usage,
            stream=sale.stream,
            delivered=sale.delivered,
            fault=incoming.fault.text if incoming.fault is not None else "",
            at=datetime.now(UTC),
            exact=bills.exact_usd(usage, price),
            billed_nanousd=bills.billed_nanousd(usage, price),
            batch=sale.batch,
        )
        self._rows.append(row)
        if not sale.batch:
            self.limits.settle(incoming.vendor, incoming.owner, incoming.recorded.body, usage)

    def cached(
        self, incoming: Incoming, question: Question, body: Mapping[str, Any], blocks: Blocks
    ) -> Question:
        """The question with the usage that the prompt cache leaves. Raises Refusal."""
        marked = question.claude and b'"cache_control"' in incoming.recorded.body
        found = blocks() if self.settings.prefix_cache or marked else ()  # wrong marks are refused
        if not question.claude:
            breakpoints.wish_of(body, question.model)
        if not self.settings.prefix_cache:
            return question
        split = self._prefixes.claude if question.claude else self._prefixes.openai
        return split(question, body, found, incoming.owner)

    def later(self, seconds: float, done: Callable[[], None]) -> Callable[[], None]:
        """Call `done` after so long, as a call in flight; what is returned calls it off."""
        self.in_flight += 1
        over = False
        timer: asyncio.TimerHandle

        def end() -> None:
            nonlocal over
            over = True
            try:
                done()
            finally:
                self.in_flight -= 1  # after it, so that who waits for quiet finds it billed

        def call_off() -> None:
            nonlocal over
            if not over:
                over = True
                timer.cancel()
                self.in_flight -= 1

        timer = asyncio.get_running_loop().call_later(seconds, end)
        return call_off

    async def plain(self, incoming: Incoming, body: bytes) -> None:
        """Answer with JSON that is no conversation; the coarse faults apply to it too."""
        out, fault = incoming.out, incoming.fault
        match fault.kind if fault is not None else "":
            case "429" | "500" | "502" | "503" | "529" as status:
                raise server_error(int(status))
            case "timeout" | "stall":
                await out.pause(None)
            case "cut-before-headers":
                await out.hang_up()
            case "slow-first-byte" | "slow-first-token":
                await out.pause(fault.number / 1000 if fault is not None else 0)
            case _:
                pass
        headers = self.headers(incoming, Pace(0, 0))
        await out.reply(200, (typed(fault, JSON), *headers), mangle.body(fault, body))

    async def _refuse(self, incoming: Incoming, refusal: Refusal) -> None:
        headers = list(self.headers(incoming, Pace(0, 0)))
        options = incoming.fault.options if incoming.fault is not None else {}
        headers += [(name, options[name]) for name in _RETRY_HEADERS if name in options]
        headers += refusal.headers
        if refusal.status == 502:
            # Bad gateways speak HTML: the provider's edge answers, not its API.
            page = b"<html><head><title>502 Bad Gateway</title></head><body>502</body></html>"
            await incoming.out.reply(502, (HTML, *headers), page)
            return
        await incoming.out.reply(refusal.status, (JSON, *headers), incoming.error_body(refusal))

    def headers(self, incoming: Incoming, pace: Pace) -> Headers:
        """The headers of every reply."""
        fault, vendor = incoming.fault, incoming.vendor
        if fault is not None and fault.kind == "rate-limit":
            left = refused_headers(vendor, float(fault.number))
        else:
            left = self.limits.headers(vendor, incoming.owner)
        request_id = incoming.recorded.request_id
        if vendor == "anthropic":
            organisation = ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000")
            return (("request-id", request_id), organisation, *left)
        return (
            ("x-request-id", request_id),
            ("openai-organization", "simulated"),
            ("openai-version", "2020-10-01"),
            ("openai-processing-ms", str(int(pace.first_s * 1000) + 1)),
            *left,
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
