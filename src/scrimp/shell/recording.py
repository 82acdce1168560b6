"""Books calls that were made elsewhere: priced by our book at their own time, once per id."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace

from scrimp.app import App
from scrimp.calls import UNKNOWN_COST, Caller, Cost, Target
from scrimp.errors import InvalidRequest, PriceUnknown, ScrimpError
from scrimp.ledger.recorded import (
    Made,
    check_label,
    check_tags,
    check_time,
    entry_of,
    usage_and_tier,
)
from scrimp.money import decimal_usd
from scrimp.ports import Entry
from scrimp.tasks import task_of

MAX_BODY_BYTES = 64 * 1024
_IDS = uuid.UUID("6f0a6f5e-8a0f-5b1c-9a53-7f2c8d1f4b60")
"""The name space of ids that callers choose (UUIDv5, RFC 9562): a call of ours never has one."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger says of a call that was made elsewhere; `again` when it was there already.

    `cost_nanousd` is None when no price is known: never to be read as $0.
    """

    id: str
    provider: str
    model: str
    cost_nanousd: int | None
    price_version: str
    again: bool = False

    @property
    def cost(self) -> Decimal | None:
        """Exact US dollars."""
        return None if self.cost_nanousd is None else Decimal(decimal_usd(self.cost_nanousd))


class Told(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The JSON body of `POST /v1/scrimp/calls`, and the arguments of `Scrimp.record`."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    usage: dict[str, Any]
    provider: str = ""
    at: datetime | None = None
    id: str = ""
    user: str = ""
    task: str = ""
    tags: tuple[str, ...] = ()
    session: str = ""
    service_tier: str = ""
    latency_ms: Annotated[float, msgspec.Meta(ge=0, le=86_400_000)] = 0.0
    stream: bool = False


def read_told(body: bytes) -> Told:
    """Raises InvalidRequest with the field at fault."""
    try:
        return msgspec.json.decode(body, type=Told)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"the call cannot be recorded: {error}") from error


class Recorder:
    """Books what it is told of, through the engine's ledger."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def book(self, told: Told, caller: Caller, *, key_task: str = "") -> Recorded:
        """Raises InvalidRequest, and StoreError when an id cannot be looked up."""
        app = self._app
        now = app.clock.now()
        usage, tier = usage_and_tier(told.usage)
        made = Made(
            model=check_label("model", told.model),
            usage=usage,
            at=now if told.at is None else check_time(told.at, now),
            provider=check_label("provider", told.provider),
            service_tier=check_label("service_tier", told.service_tier or tier),
            latency_ms=told.latency_ms,
            stream=told.stream,
        )
        whose = _labelled(caller, told)
        task = task_of(told.task, {}, key_task, "")
        call_id = app.new_id()
        if told.id:
            call_id = str(uuid.uuid5(_IDS, f"{caller.tenant}\n{check_label('id', told.id)}"))
            if (entry := await app.ledger.find(call_id)) is not None:
                return _recorded(entry, again=True)
        target = self._target(made)
        entry = entry_of(call_id, made, target, self._cost(made, target), (whose, task))
        app.ledger.append(entry)
        return _recorded(entry)

    def _target(self, made: Made) -> Target:
        """Who served it: who is named, else who serves the model here, else whose model it is."""
        app = self._app
        if made.provider:
            return Target(made.provider, made.model, "")
        for dialect in ("openai.chat", "anthropic.messages", "openai.embeddings"):
            try:
                return replace(app.targets.resolve(made.model, dialect), dialect="")
            except ScrimpError:
                continue
        known = app.book.find(made.model)
        return Target(known.provider if known else "", made.model, "")

    def _cost(self, made: Made, target: Target) -> Cost:
        try:
            return self._app.priced(made.usage, target, made.at, made.service_tier)
        except PriceUnknown:
            return UNKNOWN_COST


def _labelled(caller: Caller, told: Told) -> Caller:
    """The key's own user and tags win, as they do for calls that are made here."""
    user = caller.user or caller.reported_user or check_label("user", told.user)
    session = caller.session or check_label("session", told.session)
    return replace(caller, user=user, session=session, tags=check_tags((*caller.tags, *told.tags)))


def _recorded(entry: Entry, *, again: bool = False) -> Recorded:
    return Recorded(
        entry.id, entry.provider, entry.model, entry.cost_nanousd, entry.price_version, again
    )


def shown(recorded: Recorded) -> Mapping[str, Any]:
    """What the gateway answers."""
    nanousd = recorded.cost_nanousd
    return {
        "id": recorded.id,
        "provider": recorded.provider,
        "model": recorded.model,
        "cost_usd": None if nanousd is None else decimal_usd(nanousd),
        "cost_nanousd": nanousd,
        "price_version": recorded.price_version,
        "again": recorded.again,
    }
