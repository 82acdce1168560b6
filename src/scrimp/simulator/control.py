"""The simulator's own endpoints under `/_sim/`: what it saw, and what it shall do."""

from __future__ import annotations

import base64
from collections import deque
from dataclasses import asdict
from typing import Annotated, Any, Protocol

import msgspec

from scrimp.simulator.bill import Bill, BillRow
from scrimp.simulator.clock import Clock
from scrimp.simulator.delivery import JSON, Outlet
from scrimp.simulator.faults import Plan, Rule, parse
from scrimp.simulator.limits import Limits
from scrimp.simulator.link import Links
from scrimp.simulator.records import Recorded
from scrimp.simulator.settings import Settings


class Witness(Protocol):
    """What the endpoints read and change."""

    links: Links
    plan: Plan
    limits: Limits
    clock: Clock
    requests: deque[Recorded]

    @property
    def bill(self) -> Bill:
        """The bill as it stands now."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...


class PlannedFault(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /_sim/faults`; see `faults.Rule`."""

    fault: str
    count: int | None = None
    every: int | None = None
    probability: float | None = None
    seed: int = 0
    path: str = ""
    after: int = 0
    for_s: float | None = None


_AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class NewLimits(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /_sim/limits`; see `Settings`. What is missing is not limited."""

    requests_per_minute: _AtLeastOne | None = None
    tokens_per_minute: _AtLeastOne | None = None
    output_tokens_per_minute: _AtLeastOne | None = None


class Forward(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /_sim/clock`."""

    advance_s: float


class Control:
    """Answers `/_sim/` requests. No key is asked for, nothing is billed or recorded."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def __call__(self, method: str, path: str, body: bytes, out: Outlet) -> None:
        """Serve one request."""
        status, answer = self._answer(method, path, body)
        await out.reply(status, (JSON,), msgspec.json.encode(answer))

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        match method, path:
            case "GET", _:
                return self._shown(path)
            case "POST", "/_sim/reset":
                self._witness.reset()
            case "POST", "/_sim/faults" | "/_sim/limits" | "/_sim/clock":
                return self._changed(path, body)
            case "DELETE", "/_sim/faults":
                self._witness.plan.clear()
            case _:
                return 404, {"error": f"no such endpoint: {method} {path}"}
        return 200, {"ok": True}

    def _shown(self, path: str) -> tuple[int, Any]:
        match path:
            case "/_sim/bill":
                return 200, bill_body(self._witness.bill)
            case "/_sim/requests":
                return 200, {"requests": [_request(one) for one in self._witness.requests]}
            case "/_sim/connections":
                seen = self._witness.links.seen()
                return 200, {"connections": [asdict(connection) for connection in seen]}
            case _:
                return 404, {"error": f"no such endpoint: GET {path}"}

    def _changed(self, path: str, body: bytes) -> tuple[int, Any]:
        witness = self._witness
        try:
            match path:
                case "/_sim/limits":
                    limits = msgspec.json.decode(body, type=NewLimits)
                    witness.limits.change(Settings(**msgspec.structs.asdict(limits)))
                case "/_sim/clock":
                    witness.clock.advance(msgspec.json.decode(body, type=Forward).advance_s)
                case _:
                    planned = msgspec.json.decode(body, type=PlannedFault)
                    given = msgspec.structs.asdict(planned)
                    witness.plan.add(Rule(**(given | {"fault": parse(planned.fault)})))
        except (msgspec.DecodeError, ValueError) as error:
            return 400, {"error": str(error)}
        return 200, {"ok": True}


def _request(recorded: Recorded) -> dict[str, Any]:
    return {
        "request_id": recorded.request_id,
        "method": recorded.method,
        "path": recorded.path,
        "headers": recorded.headers,
        "body": base64.b64encode(recorded.body).decode(),
        "at_s": recorded.at_s,
    }


def bill_body(bill: Bill) -> dict[str, Any]:
    """The bill as JSON: amounts as integers of nano-dollars and as exact fractions."""
    return {
        "total_nanousd": bill.total_nanousd,
        "exact_usd": str(bill.exact),
        "rows": [_row(row) for row in bill.rows],
    }


def _row(row: BillRow) -> dict[str, Any]:
    return asdict(row) | {"exact": str(row.exact), "at": row.at.isoformat()}
