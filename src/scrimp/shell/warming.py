"""Making the caches warm: answers that are given or asked for before anybody asks.

A warmed call is read as a client's own would be, so that it has the same key. What is remembered
already is not asked for again; what is asked for is a call of its own, with the purpose `warm`: it
passes the guards only, and has an entry in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from scrimp.app import App
from scrimp.calls import Call, Cost, Headers, HeldSink, Reply, Trace, Usage
from scrimp.dialects.detect import dialect_of
from scrimp.dialects.json_body import read_object
from scrimp.dialects.made_reply import made_reply
from scrimp.errors import InvalidRequest, StoreError
from scrimp.levers.exact_cache import ExactCache
from scrimp.levers.semantic_cache import SemanticCache
from scrimp.shell.intake import Asked, Identity, Intake
from scrimp.shell.routes import ROUTES

Outcome = Literal["known", "given", "asked", "declined"]
"""Remembered already · the answer that was given is · one was asked for and is · one was, but it
may not be remembered (refused, truncated, too large)."""

_PATHS = {route.dialect: path for path, route in ROUTES.items()}
_VERSION = (("anthropic-version", "2023-06-01"),)  # docs.anthropic.com, API versions
_JSON = (("content-type", "application/json"),)


class WarmForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One call to be warmed. `body` is what an app will send, `answer` what it shall be answered.

    `headers` are those of the app that can change an answer, such as `anthropic-version`. With
    `dry_run` it is only said what would be done.
    """

    body: msgspec.Raw
    answer: str | None = None
    name: Annotated[str, msgspec.Meta(max_length=128)] = ""
    tags: Annotated[tuple[str, ...], msgspec.Meta(max_length=16)] = ()
    task: str = ""
    headers: Annotated[dict[str, str], msgspec.Meta(max_length=8)] = {}
    ttl_s: Annotated[int, msgspec.Meta(ge=1)] | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Warmed:
    """What became of one call, and what asking has cost (None: nobody knows)."""

    outcome: Outcome
    cost_nanousd: int | None = 0
    id: str = ""


class Warming:
    """Warms calls of one engine."""

    def __init__(self, app: App, intake: Intake) -> None:
        self._app = app
        self._intake = intake

    async def warm(self, identity: Identity, form: WarmForm) -> Warmed:
        """One call. Raises Rejected, UpstreamError, StoreError."""
        lever = self._app.levers.get("exact_cache")
        if not isinstance(lever, ExactCache):
            raise InvalidRequest("the exact cache is off (exact_cache.enabled in scrimp.toml)")
        call = self._call(identity, form)
        if await lever.known(call):
            return Warmed("known")
        if form.dry_run:
            return Warmed("asked" if form.answer is None else "given")
        if form.answer is not None:
            reply = await self._given(call, form.answer)
            kept = await lever.keep(call, reply)
            await self._by_meaning(call, reply)
            return Warmed("given" if kept else "declined")
        reply = await self._app.handle(call)
        kept = await lever.keep(call, reply)
        await self._by_meaning(call, reply)
        cost = None if call.trace.booked is None else call.trace.booked.cost
        return Warmed("asked" if kept else "declined", _nanousd(cost), call.id)

    async def _by_meaning(self, call: Call, reply: Reply) -> None:
        """The semantic cache learns it, too; one that is away spoils nothing."""
        lever = self._app.levers.get("semantic_cache")
        if isinstance(lever, SemanticCache):
            with suppress(StoreError):
                await lever.remember(call, reply)

    def _call(self, identity: Identity, form: WarmForm) -> Call:
        body = bytes(form.body)
        dialect = dialect_of(read_object(body))
        path = _PATHS[dialect]
        theirs = dict(_VERSION if dialect == "anthropic.messages" else ())
        theirs |= self._checked(dialect, form.headers)
        words = {
            "x-scrimp-cache-name": form.name,
            "x-scrimp-cache-tags": ",".join(form.tags),
            "x-scrimp-task": form.task,
            "x-scrimp-ttl": "" if form.ttl_s is None else str(form.ttl_s),
        }
        ours = {name.encode(): quote(word).encode() for name, word in words.items() if word}
        raw = [(name.encode(), value.encode()) for name, value in (*_JSON, *theirs.items())]
        asked = Asked(
            id=self._app.new_id(),
            identity=identity,
            method="POST",
            path=path,
            headers={**dict(raw), **ours},
            raw=raw,
            body=body,
            sink=HeldSink(),
            trace=Trace(),
        )
        call = self._intake.call(asked, ROUTES[path])
        return replace(call, purpose="warm", cache=replace(call.cache, mode="refresh"))

    def _checked(self, dialect: str, headers: Mapping[str, str]) -> Headers:
        """Raises InvalidRequest for headers that change no answer, or might be a credential."""
        given = tuple((name.lower(), value) for name, value in headers.items())
        kept = self._app.dialects[dialect].answer_headers(given)
        if others := [name for name, _ in given if name not in dict(kept)]:
            raise InvalidRequest(f"header {others[0][:60]!r} changes no answer of {dialect}")
        if not all(value.isascii() and value.isprintable() for _, value in kept):
            raise InvalidRequest("a header's value holds what no header may")
        return kept

    async def _given(self, call: Call, text: str) -> Reply:
        """The answer as its provider would have sent it; usage is what it would have taken."""
        encoder, target, request = self._app.encoder, call.target, call.request
        came_in = await encoder.count_request(target.model, request.fields, target.dialect)
        came_out = await encoder.count(target.model, (text,))
        usage = Usage(input_tokens=came_in.tokens, output_tokens=came_out.tokens)
        body = made_reply(
            target.dialect,
            text,
            model=target.model,
            usage=usage,
            number=call.id.replace("-", ""),
            at_s=int(call.started_at.timestamp()),
        )
        facts = self._app.dialects[target.dialect].read_reply(body)
        return Reply(200, _JSON, body, "json", facts, cacheable=True)


def _nanousd(cost: Cost | None) -> int | None:
    return None if cost is None else cost.nanousd
