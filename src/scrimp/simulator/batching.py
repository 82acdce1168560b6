"""Batches, whichever vendor's: lines that are answered later, at half the price.

Half of all rates, cache reads and writes too: https://platform.openai.com/docs/guides/batch and
https://platform.claude.com/docs/en/build-with-claude/batch-processing, checked 2026-11-22.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from scrimp.simulator.bill import Model, Usage
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.delivery import server_error
from scrimp.simulator.desk import Desk, Sale
from scrimp.simulator.faults import Fault
from scrimp.simulator.incoming import Incoming

Kind = Literal["succeeded", "errored", "expired", "canceled"]
State = Literal["running", "ended", "expired", "canceled"]


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a batch."""

    custom_id: str
    url: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """What one line brought: the vendor's JSON, and what it costs."""

    body: bytes
    model: Model
    usage: Usage


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one line. `refusal` is there for `errored`, `answered` for `succeeded`."""

    custom_id: str
    kind: Kind
    request_id: str
    answered: Answered | None = None
    refusal: Refusal | None = None


Answer = Callable[[Incoming, Line, str], Answered]


@dataclass(slots=True)
class Run:
    """One batch on its way. `fault` strikes its work; `call_off` is there while it runs."""

    id: str
    incoming: Incoming
    lines: Sequence[Line]
    fault: Fault | None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    began_s: float = field(default_factory=time.monotonic)
    state: State = "running"
    ended: datetime | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    call_off: Callable[[], None] | None = None

    @property
    def vanished(self) -> bool:
        """True for one that its vendor has lost."""
        return self.fault is not None and self.fault.kind == "vanished"

    def count(self, kind: Kind) -> int:
        """How many lines became that."""
        return sum(outcome.kind == kind for outcome in self.outcomes)


class Runner:
    """Runs batches by the simulator's time: `batch_item_ms` for each line."""

    def __init__(self, desk: Desk, answer: Answer) -> None:
        self._desk = desk
        self._answer = answer

    def begin(self, incoming: Incoming, batch_id: str, lines: Sequence[Line]) -> Run:
        """Begin. `stall` never ends it, `expired` ends it half done, `item-errors` hurts lines.

        A run that has `vanished` is not begun, and whoever keeps runs does not keep it.
        """
        fault = incoming.fault
        run = Run(batch_id, incoming, lines, fault)
        if run.vanished or (fault is not None and fault.kind == "stall"):
            return run
        expires = fault is not None and fault.kind == "expired"
        done = len(lines) // 2 if expires else len(lines)
        seconds = self._desk.settings.batch_item_ms * done / 1000

        def end() -> None:
            self._end(run, done, "expired" if expires else "ended")

        run.call_off = self._desk.later(seconds, end)
        return run

    def cancel(self, run: Run) -> None:
        """Stop; lines that are done stay done and billed. Nothing for one that has ended."""
        if run.state != "running":
            return
        if run.call_off is not None:
            run.call_off()
            per_line_s = self._desk.settings.batch_item_ms / 1000
            elapsed_s = time.monotonic() - run.began_s
            done = int(elapsed_s / per_line_s) if per_line_s else 0
        else:
            done = run.fault.number if run.fault is not None else 0
        self._end(run, min(done, len(run.lines)), "canceled")

    def _end(self, run: Run, done: int, state: State) -> None:
        rest: Kind = "canceled" if state == "canceled" else "expired"
        for number, line in enumerate(run.lines, 1):
            request_id = f"req_{uuid.uuid4().hex}"
            if number > done:
                run.outcomes.append(Outcome(line.custom_id, rest, request_id))
            else:
                run.outcomes.append(self._one(run, number, line, request_id))
        run.state, run.ended, run.call_off = state, datetime.now(UTC), None

    def _one(self, run: Run, number: int, line: Line, request_id: str) -> Outcome:
        fault = run.fault
        try:
            if fault is not None and fault.kind == "item-errors" and number % fault.number == 0:
                raise server_error(500)
            answered = self._answer(run.incoming, line, request_id.removeprefix("req_"))
        except Refusal as refusal:
            return Outcome(line.custom_id, "errored", request_id, refusal=refusal)
        sale = Sale(
            answered.model,
            answered.usage,
            "complete",
            batch=run.id,
            path=line.url,
            request_id=request_id,
            client_id=line.custom_id,
        )
        self._desk.book(run.incoming, sale)
        return Outcome(line.custom_id, "succeeded", request_id, answered=answered)
