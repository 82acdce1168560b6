"""The simulator's own endpoints under `/_sim/`: bill, requests, connections, faults, reset."""

from __future__ import annotations

import base64
from collections import deque
from dataclasses import asdict
from typing import Any, Protocol

import msgspec

from scrimp.simulator.bill import Bill, BillRow
from scrimp.simulator.delivery import JSON, Outlet
from scrimp.simulator.faults import Plan, Rule, parse
from scrimp.simulator.link import Links
from scrimp.simulator.records import Recorded


class Witness(Protocol):
    """What the endpoints read and change."""

    links: Links
    plan: Plan
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
            case "POST", "/_sim/faults":
                return self._plan(body)
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

    def _plan(self, body: bytes) -> tuple[int, Any]:
        try:
            planned = msgspec.json.decode(body, type=PlannedFault)
            fault = parse(planned.fault)
        except (msgspec.DecodeError, ValueError) as error:
            return 400, {"error": str(error)}
        self._witness.plan.add(
            Rule(
                fault,
                planned.count,
                planned.every,
                planned.probability,
                planned.seed,
                planned.path,
            )
        )
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
