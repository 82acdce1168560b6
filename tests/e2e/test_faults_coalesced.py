"""Every fault of the table, met by equal calls that share a flight: each gets what one would get.

For every cell: all callers get the SDK's own error or the whole answer, as a call by itself does;
one entry has the attempts, the others cost nothing; the bill lies within the ledger's bounds; no
upstream connection, no task and no flight is left behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from scrimp.ports import Entry
from scrimp.simulator import Simulator
from tests.support.faults import ASK, PROVIDERS, RETRY, ROWS, Form, Row, check_money, is_right_class
from tests.support.gateway import RunningGateway, gateway
from tests.support.held_flights import coalesce_of, crowd, hold_flights
from tests.support.sdk import VENDORS, Clients, Said, Vendor, clients
from tests.support.stage import until

CALLERS = 3
SETTINGS = f"[exact_cache]\nenabled = false\n[coalesce]\nenabled = true\n{RETRY}"


@dataclass(frozen=True, slots=True)
class Stage:
    """A simulator, a gateway whose flights wait for all callers, the SDKs in front of that."""

    sim: Simulator
    gateway: RunningGateway
    clients: Clients
    threads: ThreadPoolExecutor

    def calls(self, vendor: Vendor, form: Form, fault: str) -> tuple[list[Said], list[Entry]]:
        """Equal calls at the same time; what was said to each, and the entries."""
        before = len(self.gateway.entries())
        self.sim.reset()
        if fault:
            self.sim.fault(fault)
        asked = [
            self.threads.submit(self.clients.ask, vendor, ASK, stream=form == "stream")
            for _ in range(CALLERS)
        ]
        said = [one.result() for one in asked]
        self.sim.quiet()
        entries = self.gateway.entries()[before:]
        assert len(entries) == CALLERS
        return said, entries

    def nothing_left(self, tasks_before: int) -> None:
        """No connection to the provider is in the middle of a call, no task and no flight stays."""
        until(lambda: self.gateway.tasks() <= tasks_before, limit_s=2)
        assert coalesce_of(self.gateway).in_the_air == 0
        assert [one for one in self.sim.connections if one.closed_s is None and one.in_flight] == []


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One for all cells: a fault must not disturb the flight after it either."""
    with (
        Simulator() as sim,
        gateway(sim.url, more=SETTINGS, providers=PROVIDERS.format(url=sim.url)) as running,
        clients(running.url) as made,
        crowd(CALLERS) as threads,
    ):
        hold_flights(running, callers=CALLERS)
        yield Stage(sim, running, made, threads)


@pytest.fixture(scope="module")
def truth(stage: Stage) -> dict[tuple[Vendor, Form], Said]:
    """What is said when nothing goes wrong: to all the same."""
    heard: dict[tuple[Vendor, Form], Said] = {}
    for vendor in VENDORS:
        for form in ("json", "stream"):
            said, _ = stage.calls(vendor, form, "")
            assert said == [said[0]] * CALLERS
            heard[vendor, form] = said[0]
    return heard


def _is_served(row: Row) -> bool:
    """A reply came, even if it holds the provider's own error event."""
    return row.client == "answer" or (row.form == "stream" and row.fault.startswith("error-event"))


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.fault}-{row.form}")
def test_a_fault_meets_all_who_share_the_flight(
    stage: Stage, truth: dict[tuple[Vendor, Form], Said], vendor: Vendor, row: Row
) -> None:
    """As the table says for one call, three times over, for the price of one."""
    tasks = stage.gateway.tasks()
    said, entries = stage.calls(vendor, row.form, row.fault)
    whole = truth[vendor, row.form]
    for one in said:
        if row.client == "answer":
            assert one == whole
        else:
            assert is_right_class(vendor, one, row.client), repr(one)
            assert whole.text.startswith(one.text)
    (payer,) = [entry for entry in entries if entry.attempts]
    assert tuple(attempt.outcome for attempt in payer.attempts) == row.attempts
    assert payer.cost_basis == row.basis
    for entry in entries:
        assert (entry.status, entry.outcome) == (row.status, row.outcome)
        assert entry.stream is (row.form == "stream")
        if entry is not payer:
            assert (entry.cost_nanousd, entry.cost_basis) == (0, "free")
            assert entry.served_by == ("coalesce" if _is_served(row) else "none")
    check_money(stage.sim.bill.total_nanousd, entries)
    stage.nothing_left(tasks)
