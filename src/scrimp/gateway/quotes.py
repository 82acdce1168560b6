"""`POST /v1/scrimp/count` and `/v1/scrimp/estimate`: tokens and dollars before anything is sent.

Bodies are read and counted in threads, a few at a time, so that a huge text holds up no call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import msgspec

from scrimp.app import App
from scrimp.errors import InvalidRequest, PriceUnknown
from scrimp.gateway.records import Receipt
from scrimp.ledger.recorded import check_label
from scrimp.shell import wire
from scrimp.shell.intake import Intake
from scrimp.shell.quoting import (
    Hints,
    Prepared,
    Quoter,
    rough_count,
    shown_count,
    shown_estimate,
)
from scrimp.shell.refusal import Refusal

COUNT = "/v1/scrimp/count"
ESTIMATE = "/v1/scrimp/estimate"
_AT_ONCE = 2
"""Counts in the air: threads are shared with name look-ups and whatever else must not wait."""

Taker = Callable[[bytes], Awaitable[Receipt | Refusal]]


class _CountBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The JSON body of `POST /v1/scrimp/count`."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    text: str
    rough: bool = False


class _EstimateBody(Hints, frozen=True, kw_only=True):
    """The JSON body of `POST /v1/scrimp/estimate`: `call` is what would be sent to the provider."""

    call: msgspec.Raw


class Counts:
    """Counts texts."""

    def __init__(self, app: App, intake: Intake, quoter: Quoter, gate: asyncio.Semaphore) -> None:
        self._encoder = app.encoder
        self._intake = intake
        self._quoter = quoter
        self._gate = gate

    async def identify(self, headers: Mapping[bytes, bytes]) -> Taker:
        """What takes the body; asked before it is read. Raises Unauthenticated."""
        await self._intake.identify(headers)
        return _json_only(headers, self._count)

    async def _count(self, body: bytes) -> Receipt:
        async with self._gate:
            asked = await asyncio.to_thread(_read, body, _CountBody, "counted")
            check_label("model", asked.model)
            if asked.rough:
                count = await asyncio.to_thread(rough_count, asked.text)
            else:
                model = self._quoter.model_of(asked.model)
                count = await self._encoder.count(model, (asked.text,))
        return Receipt(200, msgspec.json.encode(shown_count(asked.model, count)))


class Estimates:
    """Estimates calls."""

    def __init__(self, app: App, intake: Intake, quoter: Quoter, gate: asyncio.Semaphore) -> None:
        self._encoder = app.encoder
        self._clock = app.clock
        self._intake = intake
        self._quoter = quoter
        self._gate = gate

    async def identify(self, headers: Mapping[bytes, bytes]) -> Taker:
        """What takes the body; asked before it is read. Raises Unauthenticated."""
        await self._intake.identify(headers)
        return _json_only(headers, self._estimate)

    async def _estimate(self, body: bytes) -> Receipt | Refusal:
        try:
            async with self._gate:
                prepared = await asyncio.to_thread(self._prepare, body)
                seller, fields = prepared.seller, prepared.request.fields
                inputs = await self._encoder.count_request(seller.model, fields, seller.dialect)
                found = await asyncio.to_thread(self._quoter.estimate, prepared, inputs)
        except PriceUnknown as error:
            return Refusal(404, "unknown_model", str(error))
        return Receipt(200, msgspec.json.encode(shown_estimate(found)))

    def _prepare(self, body: bytes) -> Prepared:
        asked = _read(body, _EstimateBody, "estimated")
        return self._quoter.prepare(bytes(asked.call), asked, self._clock.now())


def desks(app: App, intake: Intake) -> dict[str, Counts | Estimates]:
    """What answers at which path."""
    quoter, gate = Quoter(app.settings, app.book), asyncio.Semaphore(_AT_ONCE)
    return {
        COUNT: Counts(app, intake, quoter, gate),
        ESTIMATE: Estimates(app, intake, quoter, gate),
    }


def _json_only(
    headers: Mapping[bytes, bytes], take: Callable[[bytes], Awaitable[Receipt | Refusal]]
) -> Taker:
    async def taken(body: bytes) -> Receipt | Refusal:
        if not wire.declares_json(headers):
            text = "the body must be sent as content-type: application/json"
            return Refusal(415, "invalid_request", text)
        return await take(body)

    return taken


def _read(body: bytes, kind: Any, done: str) -> Any:
    """Raises InvalidRequest with the field at fault, never with its content."""
    try:
        return msgspec.json.decode(body, type=kind)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: nothing is {done}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"this cannot be {done}: {error}") from error
