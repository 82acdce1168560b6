"""`POST /v1/scrimp/calls`: calls that were made without the gateway are told of, and booked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
from msgspec.structs import replace

from scrimp.app import App
from scrimp.errors import StoreError
from scrimp.shell import wire
from scrimp.shell.intake import Identity, Intake, unnamed
from scrimp.shell.recording import Recorder, read_told, shown
from scrimp.shell.refusal import Refusal

RECORDS = "/v1/scrimp/calls"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer: 201 for what is new, 200 for an id that was there already."""

    status: int
    body: bytes


Booker = Callable[[bytes], Awaitable[Receipt | Refusal]]


class Desk(Protocol):
    """Answers what is asked of Scrimp itself by POST."""

    async def identify(self, headers: Mapping[bytes, bytes]) -> Booker:
        """What takes the body; asked before it is read. Raises Rejected."""
        ...


class Records:
    """Who tells is known as for any other call; their key's labels hold."""

    def __init__(self, app: App, intake: Intake) -> None:
        self._intake = intake
        self._recorder = Recorder(app)

    async def identify(self, headers: Mapping[bytes, bytes]) -> Booker:
        """What takes the body; asked before it is read. Raises Unauthenticated."""
        identity = await self._intake.identify(headers)

        async def book(body: bytes) -> Receipt | Refusal:
            return await self._book(headers, identity, body)

        return book

    async def _book(
        self, headers: Mapping[bytes, bytes], identity: Identity, body: bytes
    ) -> Receipt | Refusal:
        if not wire.declares_json(headers):
            text = "the body must be sent as content-type: application/json"
            return Refusal(415, "invalid_request", text)
        told = read_told(body)
        who = wire.caller(headers, identity.key, "")
        if identity.credential is not None:
            who = unnamed(who)
        caller = replace(who, tenant=identity.tenant)
        key_task = wire.task_header(headers) or (identity.key.task if identity.key else "")
        try:
            recorded = await self._recorder.book(told, caller, key_task=key_task)
        except StoreError as error:
            return Refusal(503, "internal", str(error), ())
        return Receipt(200 if recorded.again else 201, msgspec.json.encode(shown(recorded)))
