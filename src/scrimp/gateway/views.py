"""What the gateway tells of itself: models, one call's entry, health, counts."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from scrimp.app import App
from scrimp.calls import Attempt, Usage
from scrimp.dialects.models_list import anthropic_list, anthropic_one, openai_list, openai_one
from scrimp.errors import InvalidRequest, NotThere, StoreError, Unauthenticated
from scrimp.gateway import budget_view
from scrimp.gateway.metrics_text import CONTENT_TYPE, exposition
from scrimp.gateway.semantic_view import semantic_view
from scrimp.gateway.standing import Standing
from scrimp.pipeline.semantic_parts import SemanticParts
from scrimp.ports import Entry, ReplyStore, StoreStats
from scrimp.remembered import all_of
from scrimp.settings import Settings
from scrimp.shell import wire
from scrimp.shell.choice import shown
from scrimp.shell.intake import Identity, Intake
from scrimp.tasks import TTL_S


@dataclass(frozen=True, slots=True)
class Shown:
    """What a view answers with."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


RequestHeaders = Mapping[bytes, bytes]
View = Callable[[RequestHeaders], Awaitable[Shown]]
_MODEL = "/v1/models/"
_CALL = "/v1/scrimp/calls/"
_CACHE = "/v1/scrimp/cache"
_TOLD_APART = frozenset(
    {"request_content", "reply_content", "trace", "attempts", "saved", "usage", "untouched"}
)
_SETTLING_S = 2.0
"""How long a look at a call waits for what is still being settled."""
_LOOK_AGAIN_S = (0.05, 0.1, 0.2)
"""Pauses between looks for a call that another worker may be about to commit."""


class Views:
    """Finds the view of a path."""

    def __init__(self, app: App, intake: Intake, standing: Standing) -> None:
        self._app = app
        self._intake = intake
        self._standing = standing
        self._views: dict[str, View] = {
            "/healthz": self._alive,
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/v1/models": self._models,
            budget_view.PATH: self._budget,
        }

    def find(self, method: str, path: str) -> View | None:
        """The view that answers this request, if it is one of ours."""
        if path.startswith(_CACHE) and path[len(_CACHE) :][:1] in ("", "/"):
            return self._cache_view(method, path[len(_CACHE) + 1 :] or None)
        if method != "GET":
            return None
        if (view := self._views.get(path)) is not None:
            return view
        if path.startswith(_MODEL):
            return lambda headers: self._model(headers, path[len(_MODEL) :])
        if path.startswith(_CALL):
            return lambda headers: self._call(headers, path[len(_CALL) :])
        return None

    async def _alive(self, _: RequestHeaders) -> Shown:
        return Shown(b'{"status":"ok"}')

    async def _ready(self, _: RequestHeaders) -> Shown:
        """Calls are served even while the ledger is behind; then the status says `degraded`.

        While it drains, nothing new should be sent here: 503.
        """
        health, draining = self._app.ledger.health(), self._standing.draining
        status = "draining" if draining else "ok" if health.ok else "degraded"
        body = {"status": status, "ledger": health, "settling": self._app.outbox.pending}
        return Shown(msgspec.json.encode(body), 503 if draining else 200)

    async def _metrics(self, headers: RequestHeaders) -> Shown:
        """Counts of all workers. They tell what everybody spends: no caller's key reads them."""
        settings = self._app.settings
        if wanted := settings.metrics.sha256:
            given = wire.sha256_hex(wire.secret_of(wire.credential(headers)))
            if not hmac.compare_digest(given, wanted):
                raise Unauthenticated("/metrics needs its own key (metrics.sha256 in scrimp.toml)")
        elif settings.auth.mode == "passthrough" or await self._app.keys.any():
            raise Unauthenticated(
                "/metrics tells what all keys spend: give it a key of its own "
                "(metrics.sha256 in scrimp.toml; scrimp key NAME makes one)"
            )
        try:
            counts = await self._standing.everyone()
        except TimeoutError:  # half of the sums would look like a loss
            body = {"error": {"type": "timeout", "message": "the other workers did not answer"}}
            return Shown(msgspec.json.encode(body), 503)
        return Shown(exposition(counts), content_type=CONTENT_TYPE)

    async def _budget(self, headers: RequestHeaders) -> Shown:
        """How the asker's own budgets and limits stand."""
        identity = await self._intake.identify(headers)
        return await _stored(budget_view.own_standing(self._app, identity, headers))

    async def _models(self, headers: RequestHeaders) -> Shown:
        await self._intake.identify(headers)
        listed = (*shown(self._app.settings.route), *self._app.targets.listed())
        return Shown(anthropic_list(listed) if _anthropic(headers) else openai_list(listed))

    async def _model(self, headers: RequestHeaders, name: str) -> Shown:
        await self._intake.identify(headers)
        spoken = "anthropic.messages" if _anthropic(headers) else "openai.chat"
        target = self._app.targets.resolve(name, spoken)
        one = (name, target.provider)
        return Shown(anthropic_one(one) if _anthropic(headers) else openai_one(one))

    def _cache_view(self, method: str, task: str | None) -> View | None:
        """The asker's own part of both caches: GET shows it, DELETE forgets it."""
        replies = self._app.replies

        async def show(headers: RequestHeaders) -> Shown:
            tenant = (await self._intake.identify(headers)).tenant
            return await _stored(_shown_stats(replies, tenant, self._app.meanings))

        async def clear(headers: RequestHeaders) -> Shown:
            tenant = (await self._intake.identify(headers)).tenant
            check_one_memory(self._app.settings)
            if task is not None and task not in TTL_S:
                names = ", ".join(TTL_S)
                raise NotThere(f"{task[:60]!r} is no task type (one of: {names})")
            return await _stored(self._cleared(tenant, task))

        if method == "DELETE":
            return clear
        return show if method == "GET" and task is None else None

    async def _cleared(self, tenant: str, task: str | None) -> dict[str, Any]:
        app = self._app
        found = {"exact_cache": await app.replies.clear(tenant, task)}
        if app.meanings is not None:
            chosen = all_of(tenant, task or "", app.clock.now())
            found["semantic_cache"] = await app.meanings.store.invalidate(chosen)
        return {"cleared": sum(found.values()), "caches": found}

    async def _call(self, headers: RequestHeaders, call_id: str) -> Shown:
        """The entry of a finished call, as far as the asker may see it."""
        identity = await self._intake.identify(headers)
        try:
            async with asyncio.timeout(_SETTLING_S):
                await self._app.outbox.drained()
        except TimeoutError:
            pass  # under a flood of broken calls it may never be empty: this one may be there
        return await _stored(self._entry(identity, call_id))

    async def _entry(self, identity: Identity, call_id: str) -> dict[str, Any]:
        """Of this worker's call or, a moment later, of another's. Raises StoreError."""
        entry = await self._app.ledger.find(call_id)
        for pause_s in _LOOK_AGAIN_S if self._app.settings.server.workers > 1 else ():
            if entry is not None:
                break
            await asyncio.sleep(pause_s)
            entry = await self._app.ledger.find(call_id)
        if entry is None or not _may_see(identity, entry):
            raise NotThere(f"no call {call_id[:60]!r} here")
        return call_view(entry)


def check_one_memory(settings: Settings) -> None:
    """Nobody must be told that something is forgotten which other workers still know."""
    own = [
        name
        for name, section in (
            ("exact_cache", settings.exact_cache),
            ("semantic_cache", settings.semantic_cache),
        )
        if section.enabled and section.engine == "memory"
    ]
    if settings.server.workers > 1 and own:
        raise InvalidRequest(
            f"each of {settings.server.workers} workers remembers for itself, and this would "
            "reach one of them (SIGHUP to the gateway forgets all; or share a cache: "
            f'{own[0]}.engine = "sqlite")'
        )


async def _stored(told: Awaitable[dict[str, Any]]) -> Shown:
    """What a store tells, as JSON; 503 while it cannot."""
    try:
        return Shown(msgspec.json.encode(await told))
    except StoreError as error:
        body = {"error": {"type": "store_error", "message": str(error)}}
        return Shown(msgspec.json.encode(body), 503)


async def _shown_stats(
    replies: ReplyStore, tenant: str, meanings: SemanticParts | None
) -> dict[str, Any]:
    told = stats_view(await replies.stats(tenant))
    return told if meanings is None else told | {"semantic": await semantic_view(meanings, tenant)}


def stats_view(stats: StoreStats) -> dict[str, Any]:
    """Figures of a cache for machines."""
    return {
        "engine": stats.engine,
        "entries": stats.entries,
        "size_bytes": stats.size_bytes,
        "max_bytes": stats.max_bytes,
        "hits": stats.hits,
        "misses": stats.misses,
        "scopes": [
            {
                "tenant": one.scope.tenant,
                "task": one.scope.task,
                "entries": one.entries,
                "size_bytes": one.size_bytes,
                "hits": one.hits,
                "misses": one.misses,
            }
            for one in stats.scopes
        ],
    }


def call_view(entry: Entry) -> dict[str, Any]:
    """An entry for machines: ids, money in nano-dollars, the trace. Content is left out."""
    view = {
        field: getattr(entry, field)
        for field in Entry.__struct_fields__
        if field not in _TOLD_APART
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
    fields = ((name, getattr(usage, name)) for name in Usage.__struct_fields__)
    return {name: value for name, value in fields if value}


def _may_see(identity: Identity, entry: Entry) -> bool:
    return identity.tenant == entry.tenant


def _anthropic(headers: RequestHeaders) -> bool:
    return b"anthropic-version" in headers
