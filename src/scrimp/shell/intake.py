"""From an HTTP request to a `Call`: who asks, in which dialect, for which target."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import msgspec
from msgspec.structs import replace

from scrimp.calls import Call, Caller, Operation, Request, Sink, Target, Task, Trace
from scrimp.choosing import NO_WISH, Wish
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import read_object
from scrimp.errors import (
    InvalidRequest,
    Rejected,
    StoreError,
    Unauthenticated,
    Unavailable,
    UnknownModel,
)
from scrimp.identity import KeyStore, VirtualKey
from scrimp.ports import Clock
from scrimp.settings import Settings
from scrimp.shell import wire
from scrimp.shell.choice import headed_for, wish_of
from scrimp.shell.reading import Reading, Readings
from scrimp.shell.routes import Route
from scrimp.targets import nearest
from scrimp.tasks import task_said
from scrimp.values import Value

_NO_TASK = Task("general", "none")
_EMBEDDING = Task("embedding", "none")
_MAX_NAME = 256
_MODEL_PEEK_BYTES = 1 << 20
_SPENT_BY_MODEL = frozenset(
    f"/v1/{name}"
    for name in (
        *("responses/compact", "responses/input_tokens", "completions", "moderations", "rerank"),
        *("images/generations", "audio/speech"),
    )
)
"""Paths that Scrimp does not read where all that is done is done by the model in the JSON body."""
_OF_RESPONSES = ("/v1/responses/", "/v1/conversations")


class Identity(Value, frozen=True):
    """Who asks: a virtual key, a provider credential of its own, or this machine's user."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"credential"})

    key: VirtualKey | None = None
    credential: tuple[str, str] | None = None
    tenant: str = "local"


class Asked(Value, frozen=True):
    """One HTTP request, read. `headers` has each name once, for look-ups; `raw` has them all."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"headers", "raw", "body"})

    id: str
    identity: Identity
    method: str
    path: str
    headers: Mapping[bytes, bytes]
    raw: list[tuple[bytes, bytes]]
    body: bytes
    sink: Sink
    trace: Trace


class Places(Protocol):
    """Where calls may go: what the settings name, or the one place that a client itself names."""

    def resolve(self, model: str, dialect: str, *, native_only: bool = False) -> Target:
        """Where the call goes. Raises UnknownModel, or InvalidRequest for the wrong dialect."""
        ...

    def default_provider(self, dialect: str) -> str:
        """Who gets what is not read. Raises InvalidRequest when there is nobody."""
        ...

    def has(self, provider: str) -> bool:
        """True when this provider may be asked for by name."""
        ...

    def named(self, model: str, provider: str) -> bool:
        """True when somebody, and no price list, sends the model there."""
        ...

    def speaks(self, dialect: str) -> bool:
        """True when somebody speaks it."""
        ...


class Front(Protocol):
    """What an intake needs of an engine."""

    @property
    def settings(self) -> Settings:
        """How callers are known."""
        ...

    @property
    def dialects(self) -> Mapping[str, Dialect]:
        """What is read."""
        ...

    @property
    def targets(self) -> Places:
        """Where calls may go."""
        ...

    @property
    def keys(self) -> KeyStore:
        """Virtual keys."""
        ...

    @property
    def clock(self) -> Clock:
        """What time it is."""
        ...


class Intake:
    """Builds calls. Raises Rejected for whatever must not go further."""

    def __init__(self, app: Front, *, tenant_secret: bytes) -> None:
        self._app = app
        self._passthrough = app.settings.auth.mode == "passthrough"
        self._tenant_secret = tenant_secret
        self._readings = Readings()

    async def identify(self, headers: Mapping[bytes, bytes]) -> Identity:
        """Check the key, where keys are in use. Raises Unauthenticated, Unavailable."""
        given = wire.credential(headers)
        if self._passthrough:
            if given is None:
                raise Unauthenticated("bring your provider's key: this gateway passes it on")
            # of another scheme than Bearer all of it, or everybody who uses it were one tenant
            secret = wire.secret_of(given) or given[1]
            mac = hmac.new(self._tenant_secret, secret.encode(), hashlib.sha256)
            return Identity(credential=given, tenant=f"credential:{mac.hexdigest()[:32]}")
        try:
            if not await self._app.keys.any():
                return Identity()
            secret = wire.secret_of(given)
            if not secret:
                raise Unauthenticated("no key (send yours as Authorization: Bearer … or x-api-key)")
            key = await self._app.keys.find(wire.sha256_hex(secret))
        except StoreError as error:
            raise Unavailable(
                "keys cannot be checked now, so no call is let in (the gateway's log says why)"
            ) from error
        if key is None:
            raise Unauthenticated("this key is not known here (scrimp keys create makes one)")
        check_holds(key, self._app.clock)
        return Identity(key=key, tenant=f"key:{key.name}")

    def call(self, asked: Asked, route: Route) -> Call:
        """A call in a dialect that Scrimp reads."""
        identity = asked.identity
        dialect = self._app.dialects[route.dialect]
        reading = self._readings.read(dialect, asked.body)
        request = reading.request
        _check_model_name(request.model)
        wish = wish_of(asked.headers, request.model)
        target = self._headed_for(identity, request.model, wish, route.dialect)
        _check_no_others(identity.key, request)
        who = self._caller(asked, identity, request.user)
        asks = route.operation in ("chat", "embeddings")
        task = _task(asked, identity, reading) if asks else _NO_TASK
        if route.operation == "embeddings" and task.source == "none":
            task = _EMBEDDING
        call = self._build(asked, route.operation, request, target, who, task=task)
        return call if wish is NO_WISH else replace(call, wish=wish)

    def _headed_for(self, identity: Identity, model: str, wish: Wish, dialect: str) -> Target:
        """The first place that the caller may use. Raises UnknownModel, InvalidRequest."""
        app = self._app
        failure: Rejected | None = None
        for name, target in headed_for(model, wish, app.settings.route, app.targets, dialect):
            try:
                said = name in (model, wish.required, *wish.models)
                self._check_credential(identity, name, target, said=said)
                _check_allowed(identity.key, name, target)
            except Rejected as error:
                failure = failure or error
            else:
                return target
        assert failure is not None  # noqa: S101 - there is one at least
        raise failure

    def passthrough(self, asked: Asked) -> Call:
        """A call that Scrimp does not read: its bytes go on, its cost stays unknown."""
        identity = asked.identity
        held = identity.key if identity.key and identity.key.models else None
        model = _certain_model(asked) if held else _peek_model(asked)
        target = self._passthrough_target(asked, model)
        if held and not (model and model in held.models and model == target.model):
            raise UnknownModel(_held(held))  # an alias too: its body goes on as it is
        request = Request(body=asked.body, fields={}, model=model)
        who = self._caller(asked, identity, "")
        return self._build(asked, "passthrough", request, target, who, task=_NO_TASK)

    def _build(
        self,
        asked: Asked,
        operation: Operation,
        request: Request,
        target: Target,
        who: Caller,
        *,
        task: Task,
    ) -> Call:
        return Call(
            id=asked.id,
            purpose="client",
            operation=operation,
            method=asked.method,
            path=asked.path,
            headers=wire.forwarded(asked.raw),
            request=request,
            target=target,
            caller=who,
            task=task,
            cache=wire.cache_control(asked.headers),
            started_at=self._app.clock.now(),
            sink=asked.sink,
            trace=asked.trace,
        )

    def _caller(self, asked: Asked, identity: Identity, body_user: str) -> Caller:
        who = wire.caller(asked.headers, identity.key, body_user)
        if identity.credential is None:
            return who
        return replace(unnamed(who), tenant=identity.tenant, credential=identity.credential)

    def _passthrough_target(self, asked: Asked, model: str) -> Target:
        """The provider of an unknown path: by header, by the model, by the client's dialect."""
        targets = self._app.targets
        spoken = _spoken(asked, targets)
        named = asked.headers.get(b"x-scrimp-provider", b"").decode("latin-1")
        if named:
            if not targets.has(named):
                raise InvalidRequest(f"x-scrimp-provider {named[:40]!r} is not configured")
            return Target(named, model, spoken)
        if model:
            try:
                target = targets.resolve(model, spoken, native_only=True)
            except UnknownModel:
                pass
            else:
                self._check_credential(asked.identity, model, target, said=True)
                return target
        return Target(targets.default_provider(spoken), model, spoken)

    def _check_credential(self, who: Identity, model: str, to: Target, *, said: bool) -> None:
        """A provider's key goes to another provider only where the call named that one's model.

        Raises InvalidRequest where a price list, or a choice that is not `said`, would send it.
        """
        if who.credential is None:
            return
        targets, provider = self._app.targets, to.provider
        own = targets.default_provider(nearest(to.dialect, targets.speaks))
        if provider == own or (said and targets.named(model, provider)):
            return
        raise InvalidRequest(
            f"model '{model}' is served by provider '{provider}', and a key that is passed on goes "
            f"to '{own}' unless you say otherwise (ask for '{provider}/{model}')"
        )


def _task(asked: Asked, identity: Identity, reading: Reading) -> Task:
    header, default = wire.task_header(asked.headers), identity.key.task if identity.key else ""
    return task_said(header, reading.request.metadata, default) or reading.task


def check_holds(key: VirtualKey, clock: Clock) -> None:
    """Raises Unauthenticated for a key that is revoked or at its end."""
    if key.revoked:
        raise Unauthenticated(f"key '{key.name}' is revoked (scrimp keys create makes another)")
    if key.ends_at is not None and clock.now() >= key.ends_at:
        raise Unauthenticated(
            f"key '{key.name}' ended at {key.ends_at:%Y-%m-%dT%H:%M:%SZ} "
            "(scrimp keys rotate makes a new one)"
        )


def unnamed(who: Caller) -> Caller:
    """Of a stranger with a credential of its own: the name that it gives is only written down."""
    return replace(who, user="", end_user="") if who.reported_user else who


def _check_model_name(model: str) -> None:
    if len(model) > _MAX_NAME or not model.isprintable():
        raise InvalidRequest(
            f"'model' has {len(model)} characters or unprintable ones; at most {_MAX_NAME}"
        )


def _check_allowed(key: VirtualKey | None, model: str, target: Target) -> None:
    """Raises UnknownModel when the key may not use the model."""
    if key is None or not key.models or model in key.models or target.model in key.models:
        return
    raise UnknownModel(
        f"key '{key.name}' may not use model '{model}' (allowed: {', '.join(key.models)})"
    )


def _check_no_others(key: VirtualKey | None, request: Request) -> None:
    """Raises UnknownModel when a key with a list of models lets the provider choose another."""
    if key is None or not key.models:
        return
    if request.fields.get("models"):
        raise UnknownModel(
            f"key '{key.name}' is held to the models of its list: leave 'models' out"
        )
    for tool in _tools(request.fields):
        if (other := _model_of_tool(tool)) and other not in key.models:
            raise UnknownModel(
                f"key '{key.name}' is held to the models of its list: a tool of this call would "
                f"use {other}"
            )


def _tools(fields: Mapping[str, Any]) -> list[Any]:
    """Every tool of a call; those of responses may come along in its input."""
    given = fields.get("input")
    places = (fields, *(given if isinstance(given, list) else ()))
    found = [place.get("tools") for place in places if isinstance(place, dict)]
    return [tool for tools in found if isinstance(tools, list) for tool in tools]


def _model_of_tool(tool: object) -> str:
    """The other model that a tool would use; images are always made by another one."""
    if not isinstance(tool, dict):
        return ""
    model = tool.get("model")
    if isinstance(model, str) and model and model.isprintable():
        return model[:_MAX_NAME]
    return "an image model" if tool.get("type") == "image_generation" else ""


def _spoken(asked: Asked, targets: Places) -> str:
    """The dialect of a path that is not read: what belongs to responses stays where they are."""
    if b"anthropic-version" in asked.headers:
        return "anthropic.messages"
    responses = "openai.responses"
    if asked.path.startswith(_OF_RESPONSES) and targets.speaks(responses):
        return responses
    return "openai.chat"


def _held(key: VirtualKey) -> str:
    paths = ", ".join(sorted(_SPENT_BY_MODEL))
    return (
        f"key '{key.name}' is held to the models {', '.join(key.models)}: of the paths that Scrimp "
        f"passes on unread, it may POST JSON with one of these names to {paths}"
    )


class _Peek(msgspec.Struct):
    model: str = ""


def _peek_model(asked: Asked) -> str:
    """The model of a JSON body that is otherwise not read; empty when there is none."""
    if not asked.body or len(asked.body) > _MODEL_PEEK_BYTES:
        return ""
    try:
        peek: Any = msgspec.json.decode(asked.body, type=_Peek)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    name: str = peek.model
    return name if len(name) <= _MAX_NAME and name.isprintable() else ""


def _certain_model(asked: Asked) -> str:
    """The model that a body names beyond doubt; empty when something else may decide."""
    path = asked.path.partition("?")[0]
    if (
        asked.method != "POST"
        or path not in _SPENT_BY_MODEL
        or not wire.declares_json(asked.headers)
    ):
        return ""
    try:
        fields = read_object(asked.body)
    except InvalidRequest:
        return ""
    model = fields.get("model")
    return model if isinstance(model, str) and not fields.get("models") else ""
