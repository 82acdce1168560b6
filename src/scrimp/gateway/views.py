"""What the gateway tells of itself: models, one call's entry, health."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from scrimp.app import App
from scrimp.calls import Attempt, Usage
from scrimp.dialects.models_list import anthropic_list, anthropic_one, openai_list, openai_one
from scrimp.errors import StoreError, UnknownModel
from scrimp.gateway.intake import Identity, Intake
from scrimp.ports import Entry

RequestHeaders = Mapping[bytes, bytes]
View = Callable[[RequestHeaders], Awaitable[tuple[int, bytes]]]
_MODEL = "/v1/models/"
_CALL = "/v1/scrimp/calls/"
_SETTLING_S = 2.0
"""How long a look at a call waits for what is still being settled."""


class Views:
    """Finds the view of a path; views answer with a status and a JSON body."""

    def __init__(self, app: App, intake: Intake) -> None:
        self._app = app
        self._intake = intake
        self._views: dict[str, View] = {
            "/healthz": self._alive,
            "/readyz": self._ready,
            "/v1/models": self._models,
        }

    def find(self, method: str, path: str) -> View | None:
        """The view that answers this request, if it is one of ours."""
        if method != "GET":
            return None
        if (view := self._views.get(path)) is not None:
            return view
        if path.startswith(_MODEL):
            return lambda headers: self._model(headers, path[len(_MODEL) :])
        if path.startswith(_CALL):
            return lambda headers: self._call(headers, path[len(_CALL) :])
        return None

    async def _alive(self, _: RequestHeaders) -> tuple[int, bytes]:
        return 200, b'{"status":"ok"}'

    async def _ready(self, _: RequestHeaders) -> tuple[int, bytes]:
        """Calls are served even while the ledger is behind; then the status says `degraded`."""
        health = self._app.ledger.health()
        status = "ok" if health.ok else "degraded"
        body = {"status": status, "ledger": health, "settling": self._app.outbox.pending}
        return 200, msgspec.json.encode(body)

    async def _models(self, headers: RequestHeaders) -> tuple[int, bytes]:
        await self._intake.identify(headers)
        listed = self._app.targets.listed()
        return 200, anthropic_list(listed) if _anthropic(headers) else openai_list(listed)

    async def _model(self, headers: RequestHeaders, name: str) -> tuple[int, bytes]:
        await self._intake.identify(headers)
        spoken = "anthropic.messages" if _anthropic(headers) else "openai.chat"
        target = self._app.targets.resolve(name, spoken)
        one = (name, target.provider)
        return 200, anthropic_one(one) if _anthropic(headers) else openai_one(one)

    async def _call(self, headers: RequestHeaders, call_id: str) -> tuple[int, bytes]:
        """The entry of a finished call, as far as the asker may see it."""
        identity = await self._intake.identify(headers)
        try:
            async with asyncio.timeout(_SETTLING_S):
                await self._app.outbox.drained()
        except TimeoutError:
            pass  # under a flood of broken calls it may never be empty: this one may be there
        try:
            entry = await self._app.ledger.find(call_id)
        except StoreError as error:
            body = {"error": {"type": "store_error", "message": str(error)}}
            return 503, msgspec.json.encode(body)
        if entry is None or not _may_see(identity, entry):
            raise UnknownModel(f"no call {call_id[:60]!r} here")
        return 200, msgspec.json.encode(call_view(entry))


def call_view(entry: Entry) -> dict[str, Any]:
    """An entry for machines: ids, money in nano-dollars, the trace. Content is left out."""
    view = {
        field: getattr(entry, field)
        for field in Entry.__dataclass_fields__
        if field not in ("request_content", "reply_content", "trace", "attempts", "saved", "usage")
    }
    view["usage"] = _usage(entry.usage)
    view["saved_nanousd"] = dict(entry.saved)
    view["trace"] = [
        {"lever": line.lever, "verdict": line.verdict, **dict(line.numbers)} for line in entry.trace
    ]
    view["attempts"] = [_attempt(attempt) for attempt in entry.attempts]
    return view


def _attempt(attempt: Attempt) -> dict[str, Any]:
    cost = attempt.cost
    return {
        "provider": attempt.target.provider,
        "model": attempt.target.model,
        "outcome": attempt.outcome,
        "status": attempt.status,
        "latency_ms": attempt.latency_ms,
        "ttft_ms": attempt.ttft_ms,
        "usage": _usage(attempt.usage) if attempt.usage is not None else None,
        "request_id": attempt.request_id,
        "cost_nanousd": cost.nanousd,
        "cost_basis": cost.basis,
        "lines": [
            {"what": line.what, "quantity": line.quantity, "nanousd": line.nanousd}
            for line in cost.lines
        ],
    }


def _usage(usage: Usage) -> dict[str, Any]:
    fields = ((name, getattr(usage, name)) for name in Usage.__dataclass_fields__)
    return {name: value for name, value in fields if value}


def _may_see(identity: Identity, entry: Entry) -> bool:
    return identity.tenant == entry.tenant


def _anthropic(headers: RequestHeaders) -> bool:
    return b"anthropic-version" in headers
