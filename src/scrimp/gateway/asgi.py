"""The ASGI callable: routes a request, runs its call, delivers what comes back.

One of the two places where a broad `except` is allowed: whatever was not foreseen becomes a 500 in
the client's dialect, and one line in the log without its content.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from scrimp.app import App
from scrimp.calls import Call, Reply, Trace
from scrimp.dialects.base import Dialect
from scrimp.errors import Rejected, ScrimpError, UpstreamError, kind_and_place
from scrimp.gateway.admin import Admin, Knock
from scrimp.gateway.admin_words import PREFIX as ADMIN
from scrimp.gateway.body import ClientGoneError, read_body
from scrimp.gateway.cache_desk import cache_desks
from scrimp.gateway.feedback import FEEDBACK, FeedbackDesk
from scrimp.gateway.jobs_view import JobsView, JobView
from scrimp.gateway.leaving import EXTENSION, Leaving
from scrimp.gateway.metrics import Metrics
from scrimp.gateway.own_links import leading_back
from scrimp.gateway.quotes import desks
from scrimp.gateway.records import RECORDS, Desk, Records
from scrimp.gateway.sink import HttpSink, Receive, Send
from scrimp.gateway.standing import Standing
from scrimp.gateway.views import View, Views
from scrimp.gateway.web_guard import refusal
from scrimp.shell import deliver, wire
from scrimp.shell.intake import Asked, Identity, Intake
from scrimp.shell.refusal import Refusal, refusal_of, unfit, wrong_method
from scrimp.shell.routes import ROUTES, UNREAD
from scrimp.shell.waiting import able_to_wait

log = logging.getLogger("scrimp.gateway")

Scope = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all requests share."""

    app: App
    intake: Intake
    views: Views
    jobs: JobsView
    admin: Admin
    desks: Mapping[str, Desk]
    allowed_hosts: frozenset[str]
    max_body_bytes: int
    write_timeout_s: float


class Gateway:
    """An ASGI application over one `App`."""

    def __init__(
        self,
        app: App,
        *,
        tenant_secret: bytes = b"",
        standing: Standing | None = None,
        events_secret: bytes = b"",
    ) -> None:
        server = app.settings.server
        intake = Intake(app, tenant_secret=tenant_secret)
        self._shared = _Shared(
            app=app,
            intake=intake,
            views=Views(app, intake, standing or Standing(Metrics())),
            jobs=JobsView(app, intake),
            admin=Admin(app),
            desks={
                RECORDS: Records(app, intake),
                FEEDBACK: FeedbackDesk(app, intake),
                **desks(app, intake),
                **cache_desks(app, intake, events_secret),
            },
            allowed_hosts=frozenset(host.lower() for host in server.allowed_hosts),
            max_body_bytes=server.max_body_bytes,
            write_timeout_s=server.write_timeout_s,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            return
        one = _One(self._shared, scope, send)
        try:
            await one.serve(receive)
        except ClientGoneError:
            return
        except asyncio.CancelledError:
            if not (one.sink.stuck or one.leaving.gone):
                raise
        except Exception as error:
            log.error("call %s failed: %s", one.id, kind_and_place(error))  # noqa: TRY400 (its message may hold a prompt)
            if one.sink.begun:
                raise
            text = "Scrimp failed on this call; its log has the reason"
            await one.refuse(Refusal(500, "internal", text, ()))


class _One:
    """One request being served."""

    def __init__(self, shared: _Shared, scope: Scope, send: Send) -> None:
        self._shared = shared
        self.id = shared.app.new_id()
        self._scope = scope
        self._trace = Trace()
        # no bound method: a sink that led back here would be garbage that only the collector frees
        self._route = ROUTES.get(scope["path"], UNREAD)
        headers_of = wire.trace_headers if self._route.dialect else wire.unread_headers
        extra = partial(headers_of, self.id, self._trace)
        self.sink = HttpSink(
            leading_back(scope["path"], send), extra, write_timeout_s=shared.write_timeout_s
        )
        self._raw: list[tuple[bytes, bytes]] = scope["headers"]
        self._headers = dict(self._raw)
        self._dialect = self._error_dialect()
        self.leaving: Leaving = (scope.get("extensions") or {}).get(EXTENSION) or Leaving()

    def _error_dialect(self) -> Dialect:
        """Whose words an error is put in: the route's, else the client's by its headers."""
        dialects = self._shared.app.dialects
        if self._route.dialect:
            return dialects[self._route.dialect]
        spoken = "anthropic.messages" if b"anthropic-version" in self._headers else "openai.chat"
        return dialects[spoken]

    async def serve(self, receive: Receive) -> None:
        answer = await self._answer(receive)
        if isinstance(answer, Refusal):
            await self.refuse(answer)

    async def refuse(self, refused: Refusal) -> None:
        headers = wire.id_headers(self.id)
        await deliver.refuse(self.sink, self._dialect, refused, headers)

    async def _answer(self, receive: Receive) -> Refusal | None:
        shared, scope = self._shared, self._scope
        method: str = scope["method"]
        path: str = scope["path"]
        if reason := refusal(self._headers, shared.allowed_hosts):
            return Refusal(403, "forbidden", reason)
        if path.startswith(ADMIN) and path[len(ADMIN) :][:1] in ("", "/"):
            await self._administer(receive)
            return None
        if (view := shared.views.find(method, path)) is not None:
            return await self._show(view)
        if (jobs := shared.jobs.find(method, path)) is not None:
            return await self._show_job(jobs)
        if (refused := self._misfit(method, path)) is not None:
            return refused
        desk = shared.desks.get(path)
        return await (self._serve_call(receive) if desk is None else self._tell(desk, receive))

    def _misfit(self, method: str, path: str) -> Refusal | None:
        """Why a request is neither a call nor one that is passed on."""
        # the raw path: an encoded slash would join what follows to a provider's host name
        if not self._scope["raw_path"].startswith(b"/v1/"):
            text = f"nothing is served at {path[:80]} (the API is under /v1/)"
            return Refusal(404, "not_found", text)
        if self._route.method and method != self._route.method:
            return wrong_method(method, path, self._route.method)
        return None if self._route.method else unfit(method, path)

    async def _show(self, view: View) -> Refusal | None:
        try:
            shown = await view(self._headers)
        except Rejected as error:
            return refusal_of(error)
        headers = (("content-type", shown.content_type), *wire.id_headers(self.id))
        await self.sink.whole(shown.status, headers, shown.body)
        return None

    async def _show_job(self, view: JobView) -> Refusal | None:
        try:
            told = await view(self._headers)
        except Rejected as error:
            return refusal_of(error)
        headers = (*deliver.JSON, *told.headers, *wire.id_headers(self.id))
        await self.sink.whole(told.status, headers, told.body)
        return None

    async def _administer(self, receive: Receive) -> None:
        """Whatever it is, it is answered here and never passed on."""
        scope = self._scope

        async def read(limit: int) -> bytes | Refusal:
            return await read_body(receive, limit, self._declared())

        client = scope.get("client") or ("", 0)
        knock = Knock(
            method=scope["method"],
            raw_path=scope["raw_path"],
            query=scope["query_string"],
            headers=self._headers,
            peer=client[0],
        )
        told = await self._shared.admin.answer(knock, read)
        kind = deliver.JSON if told.body else ()
        headers = (*kind, *told.headers, ("cache-control", "no-store"), *wire.id_headers(self.id))
        await self.sink.whole(told.status, headers, told.body)

    async def _tell(self, desk: Desk, receive: Receive) -> Refusal | None:
        """What is asked of Scrimp itself; the id of a record in the answer is that call's."""
        if self._scope["method"] != "POST":
            return wrong_method(self._scope["method"], self._scope["path"], "POST")
        try:
            taker = await desk.identify(self._headers)
            own: int | None = getattr(desk, "max_bytes", None)
            most = self._shared.max_body_bytes if own is None else own
            body = await read_body(receive, most, self._declared(), fixed=own is not None)
            shown = body if isinstance(body, Refusal) else await taker(body)
        except Rejected as error:
            return refusal_of(error)
        if isinstance(shown, Refusal):
            return shown
        await self.sink.whole(shown.status, deliver.JSON, shown.body)
        return None

    def _declared(self) -> int | None:
        declared = self._headers.get(b"content-length", b"")
        return int(declared) if declared else None

    async def _serve_call(self, receive: Receive) -> Refusal | None:
        shared = self._shared
        try:
            identity = await shared.intake.identify(self._headers)  # before a stranger's body
        except Rejected as error:
            return refusal_of(error)
        body = await read_body(receive, shared.max_body_bytes, self._declared())
        if isinstance(body, Refusal):
            return body
        if not wire.declares_json(self._headers) and (
            self._route.dialect or b"origin" in self._headers
        ):
            text = "the body must be sent as content-type: application/json"
            return Refusal(415, "invalid_request", text)
        asked = self._asked(identity, body)
        try:
            if self._route.dialect:
                call = shared.intake.call(asked, self._route)
                call = able_to_wait(call, self._headers, shared.app.settings.defer)
            else:
                call = shared.intake.passthrough(asked)
            outcome = await self._run(call)
        except Rejected as error:
            return refusal_of(error)
        return await self._deliver(call, outcome)

    def _asked(self, identity: Identity, body: bytes) -> Asked:
        scope = self._scope
        query: bytes = scope["query_string"]
        path = scope["raw_path"].decode("latin-1")
        return Asked(
            id=self.id,
            identity=identity,
            method=scope["method"],
            path=f"{path}?{query.decode('latin-1')}" if query else path,
            headers=self._headers,
            raw=self._raw,
            body=body,
            sink=self.sink,
            trace=self._trace,
        )

    async def _run(self, call: Call) -> Reply | ScrimpError:
        """The pipeline; cancelled when the client leaves, so that the provider stops producing.

        Errors are values from here on: each kind has its own way to the client.
        """
        if self.leaving.gone:
            raise ClientGoneError
        self.leaving.task = asyncio.current_task()
        try:
            return await self._shared.app.handle(call)
        except ScrimpError as error:
            return error
        finally:
            self.leaving.task = None

    async def _deliver(self, call: Call, outcome: Reply | ScrimpError) -> Refusal | None:
        match outcome:
            case Reply():
                await deliver.deliver(self.sink, self._dialect, outcome, call)
            case UpstreamError() if self.sink.begun:
                if not await deliver.break_off(self.sink, self._dialect, outcome, call):
                    raise outcome
            case UpstreamError():
                await deliver.pass_on(self.sink, self._dialect, outcome, call)
            case Rejected():
                return refusal_of(outcome)
            case _:
                raise outcome
        return None
