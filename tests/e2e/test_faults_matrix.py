"""Every fault of the simulator, for both SDKs, stream and JSON: a true error or a true answer.

The table says what the client gets and what the ledger books. Beside it hold, for every cell: no
half answer looks whole, the bill lies between the ledger's bounds (and is its cost to the
nano-dollar where usage was told), no upstream connection and no task is left behind.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from scrimp.ports import Entry
from scrimp.simulator import Simulator
from tests.support.faults import ASK, PROVIDERS, RETRY, ROWS, Form, Row, check_money, is_right_class
from tests.support.gateway import RunningGateway, gateway
from tests.support.sdk import VENDORS, Clients, Said, Vendor, clients

SETTINGS = f"[exact_cache]\nenabled = false\n{RETRY}"
PASSING = ("429", "500", "503", "timeout", "cut=60", "reset=60", "hangup", "stall")


@dataclass(frozen=True, slots=True)
class Stage:
    """A simulator, a gateway in front of it, both SDKs in front of that."""

    sim: Simulator
    gateway: RunningGateway
    clients: Clients

    def call(self, vendor: Vendor, form: Form, fault: str, count: int | None) -> tuple[Said, Entry]:
        """One call whose attempts meet a fault; what was said, and the entry of it."""
        before = len(self.gateway.entries())
        self.sim.reset()
        if fault:
            self.sim.fault(fault, count=count)
        said = self.clients.ask(vendor, ASK, stream=form == "stream")
        self.sim.quiet()
        entries = self.gateway.entries()
        assert len(entries) == before + 1
        return said, entries[-1]

    def nothing_left(self, tasks_before: int) -> None:
        """No connection to the provider is in the middle of a call, no task stays."""
        end_s = time.monotonic() + 2
        while self.gateway.tasks() > tasks_before and time.monotonic() < end_s:
            time.sleep(0.002)
        assert self.gateway.tasks() <= tasks_before
        assert [one for one in self.sim.connections if one.closed_s is None and one.in_flight] == []


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One for all cells: a fault must not disturb the call after it either."""
    with (
        Simulator() as sim,
        gateway(sim.url, more=SETTINGS, providers=PROVIDERS.format(url=sim.url)) as running,
        clients(running.url) as made,
    ):
        yield Stage(sim, running, made)


@pytest.fixture(scope="module")
def truth(stage: Stage) -> dict[tuple[Vendor, Form], Said]:
    """What is said when nothing goes wrong."""
    return {
        (vendor, form): stage.call(vendor, form, "", None)[0]
        for vendor in VENDORS
        for form in ("json", "stream")
    }


def _check_money(stage: Stage, entry: Entry) -> None:
    check_money(stage.sim.bill.total_nanousd, [entry])
    assert entry.baseline_nanousd is not None


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.fault}-{row.form}")
def test_a_fault_that_stays(
    stage: Stage, truth: dict[tuple[Vendor, Form], Said], vendor: Vendor, row: Row
) -> None:
    """As the table says: the SDK's own error or the whole answer, and the right entry."""
    tasks = stage.gateway.tasks()
    said, entry = stage.call(vendor, row.form, row.fault, None)
    whole = truth[vendor, row.form]
    if row.client == "answer":
        assert said == whole
    else:
        assert is_right_class(vendor, said, row.client), repr(said)
        assert whole.text.startswith(said.text)
    assert (entry.status, entry.outcome) == (row.status, row.outcome)
    assert tuple(attempt.outcome for attempt in entry.attempts) == row.attempts
    assert entry.cost_basis == row.basis
    assert entry.stream is (row.form == "stream")
    _check_money(stage, entry)
    stage.nothing_left(tasks)


@pytest.mark.parametrize("form", ["json", "stream"])
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_not_seen(
    stage: Stage,
    truth: dict[tuple[Vendor, Form], Said],
    vendor: Vendor,
    form: Form,
    fault: str,
) -> None:
    """The first attempt fails before a byte has left, the second answers; both are booked."""
    if fault == "stall" and form == "stream":
        fault = "slow-first-byte=9000"  # a stream that has begun is never tried again
    tasks = stage.gateway.tasks()
    said, entry = stage.call(vendor, form, fault, 1)
    assert said == truth[vendor, form]
    assert (entry.status, entry.outcome, len(entry.attempts)) == (200, "ok", 2)
    assert entry.attempts[1].outcome == "ok"
    assert ("retry", "again") in [(line.lever, line.verdict) for line in entry.trace]
    last = stage.sim.bill.rows[-1].billed_nanousd
    assert entry.attempts[1].cost.nanousd == last == entry.baseline_nanousd
    _check_money(stage, entry)
    stage.nothing_left(tasks)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_stream_cut_at_any_event_never_looks_whole(
    stage: Stage, truth: dict[tuple[Vendor, Form], Said], vendor: Vendor
) -> None:
    """Cut at many places, its last bytes too: an error each time, unless nothing is missing."""
    whole = truth[vendor, "stream"]
    sizes = range(100, 6000, 290)
    broken = 0
    for size in sizes:
        said, entry = stage.call(vendor, "stream", f"cut={size}", None)
        if stage.sim.bill.rows[-1].delivered == "complete":
            assert said == whole
            continue
        broken += 1
        assert said.error is not None
        assert whole.text.startswith(said.text)
        assert entry.outcome in ("cut", "failed")
        _check_money(stage, entry)
    assert broken > 3


@pytest.mark.parametrize("form", ["json", "stream"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_reply_without_usage_is_estimated_from_its_words(
    stage: Stage, vendor: Vendor, form: Form
) -> None:
    """Near the bill: within a quarter, as the simulator's tokens are not quite the vendors'."""
    _, entry = stage.call(vendor, form, "no-usage", None)
    owed = stage.sim.bill.total_nanousd
    assert entry.cost_nanousd is not None
    assert abs(entry.cost_nanousd - owed) * 4 <= owed
