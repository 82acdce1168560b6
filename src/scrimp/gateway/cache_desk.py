"""`POST /v1/scrimp/cache/invalidate`, `/cache/warm` and `/events`: forgetting answers, making them.

Whoever asks with a key reaches the own answers. An event is signed with a secret that the operator
shares with a system which knows that content has changed; it reaches those of all callers.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from scrimp.app import App
from scrimp.errors import (
    InvalidRequest,
    NotThere,
    StoreError,
    Unauthenticated,
    UpstreamError,
)
from scrimp.gateway.records import Booker, Desk, Receipt
from scrimp.gateway.views import check_one_memory
from scrimp.remembered import Chosen
from scrimp.shell import wire
from scrimp.shell.forgetting import Choice, Text, chosen_of, invalidate
from scrimp.shell.intake import Intake
from scrimp.shell.refusal import Refusal
from scrimp.shell.warming import WarmForm, Warming

INVALIDATE = "/v1/scrimp/cache/invalidate"
WARM = "/v1/scrimp/cache/warm"
EVENTS = "/v1/scrimp/events"
_SMALL_BYTES = 64 * 1024
_SEEN = 10_000
_DIGITS = 12
_SCHEME = "v1="


class _Form(Choice, frozen=True, kw_only=True):
    """The JSON body of `POST /v1/scrimp/cache/invalidate`."""

    dry_run: bool = False


class _Event(Choice, frozen=True, kw_only=True):
    """The JSON body of an event. `tags` are several at once, of which any may hold."""

    event: Literal["content.changed"]
    tags: Annotated[tuple[Text, ...], msgspec.Meta(max_length=64)] = ()
    tenant: Text | None = None
    id: Text | None = None
    at: Any = None


class Invalidations:
    """Forgets what the asker chooses of its own answers."""

    max_bytes = _SMALL_BYTES

    def __init__(self, app: App, intake: Intake) -> None:
        self._app = app
        self._intake = intake

    async def identify(self, headers: Mapping[bytes, bytes]) -> Booker:
        """What takes the body; asked before it is read. Raises Unauthenticated."""
        tenant = (await self._intake.identify(headers)).tenant
        check_one_memory(self._app.settings)

        async def take(body: bytes) -> Receipt | Refusal:
            if not wire.declares_json(headers):
                text = "the body must be sent as content-type: application/json"
                return Refusal(415, "invalid_request", text)
            form: _Form = _read(body, _Form)
            chosen = chosen_of(form, tenant, self._app.clock.now())
            return await _told(self._app, (chosen,), dry_run=form.dry_run)

        return take


class Warm:
    """Warms one call of the asker's."""

    def __init__(self, app: App, intake: Intake) -> None:
        self._settings = app.settings
        self._intake = intake
        self._warming = Warming(app, intake)

    async def identify(self, headers: Mapping[bytes, bytes]) -> Booker:
        """What takes the body; asked before it is read. Raises Unauthenticated."""
        identity = await self._intake.identify(headers)
        check_one_memory(self._settings)

        async def take(body: bytes) -> Receipt | Refusal:
            if not wire.declares_json(headers):
                text = "the body must be sent as content-type: application/json"
                return Refusal(415, "invalid_request", text)
            form: WarmForm = _read(body, WarmForm, "warmed")
            try:
                warmed = await self._warming.warm(identity, form)
            except UpstreamError as error:
                return Refusal(error.status, "upstream", f"the provider: {error}")
            except StoreError as error:
                return Refusal(503, "internal", str(error), ())
            return Receipt(200, msgspec.json.encode(warmed))

        return take


class Events:
    """Takes signed events, each once. Without a secret there are none."""

    max_bytes = _SMALL_BYTES

    def __init__(self, app: App, secret: bytes) -> None:
        self._app = app
        self._secret = secret
        self._section = app.settings.events
        self._seen: dict[str, int] = {}

    async def identify(self, headers: Mapping[bytes, bytes]) -> Booker:
        """What takes the body. Raises NotThere, and Unauthenticated for a time that is not now."""
        if not self._secret:
            raise NotThere(
                f"this gateway takes no events (export {self._section.secret_env}=… and start it "
                "anew)"
            )
        timestamp = headers.get(b"x-scrimp-timestamp", b"").decode("latin-1")
        given = headers.get(b"x-scrimp-signature", b"").decode("latin-1")
        sent_s = self._checked(timestamp)

        async def take(body: bytes) -> Receipt | Refusal:
            return await self._take(body, timestamp, given, sent_s)

        return take

    def _checked(self, timestamp: str) -> int:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _DIGITS):
            raise Unauthenticated(
                "an event needs x-scrimp-timestamp (seconds since 1970) and x-scrimp-signature "
                "(v1= and the HMAC-SHA256 of TIMESTAMP.BODY in hex)"
            )
        now_s, limit_s = int(self._app.clock.now().timestamp()), self._section.tolerance_s
        if abs(now_s - int(timestamp)) > limit_s:
            raise Unauthenticated(
                f"x-scrimp-timestamp is {abs(now_s - int(timestamp)):,} s away from now; "
                f"at most {limit_s:,} (events.tolerance_s)"
            )
        return int(timestamp)

    async def _take(
        self, body: bytes, timestamp: str, given: str, sent_s: int
    ) -> Receipt | Refusal:
        signature = hmac.digest(self._secret, timestamp.encode() + b"." + body, "sha256").hex()
        if not hmac.compare_digest(given.encode(), f"{_SCHEME}{signature}".encode()):
            raise Unauthenticated(
                "x-scrimp-signature does not fit this body, this timestamp and the shared secret"
            )
        event: _Event = _read(body, _Event)
        check_one_memory(self._app.settings)
        if signature in self._seen:  # sent again because the answer was lost, or by somebody else
            return Receipt(200, msgspec.json.encode({"invalidated": 0, "again": True}))
        now = self._app.clock.now()
        meant = chosen_of(_with_a_tag(event), event.tenant or "", now)
        tags = dict.fromkeys((*event.tags, *((event.tag,) if event.tag else ())))
        several = tuple(msgspec.structs.replace(meant, tag=tag) for tag in tags) or (meant,)
        told = await _told(self._app, several)
        if isinstance(told, Receipt):
            self._remember(signature, sent_s)
        return told

    def _remember(self, signature: str, sent_s: int) -> None:
        now_s, limit_s = int(self._app.clock.now().timestamp()), self._section.tolerance_s
        self._seen[signature] = sent_s
        while self._seen and (
            len(self._seen) > _SEEN or now_s - next(iter(self._seen.values())) > 2 * limit_s
        ):
            del self._seen[next(iter(self._seen))]


def cache_desks(app: App, intake: Intake, events_secret: bytes) -> dict[str, Desk]:
    """What answers at which path."""
    return {
        INVALIDATE: Invalidations(app, intake),
        WARM: Warm(app, intake),
        EVENTS: Events(app, events_secret),
    }


def _with_a_tag(event: _Event) -> _Event:
    """So that several tags count as a choice."""
    if event.tags and event.tag is None:
        return msgspec.structs.replace(event, tag=event.tags[0])
    return event


async def _told(
    app: App, several: tuple[Chosen, ...], *, dry_run: bool = False
) -> Receipt | Refusal:
    found: dict[str, int] = {}
    try:
        for chosen in several:
            for name, number in (await invalidate(app.caches, chosen, dry_run=dry_run)).items():
                found[name] = found.get(name, 0) + number
    except StoreError as error:
        return Refusal(503, "internal", str(error), ())
    told = {"invalidated": sum(found.values()), "dry_run": dry_run, "caches": found}
    return Receipt(200, msgspec.json.encode(told))


def _read(body: bytes, kind: Any, done: str = "forgotten") -> Any:
    """Raises InvalidRequest with the field at fault, never with its content."""
    try:
        return msgspec.json.decode(body, type=kind)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: nothing is {done}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"nothing is {done}: {error}") from error
