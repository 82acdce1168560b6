"""The outbox: what was handed over is booked, whatever happens."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from scrimp.pipeline.outbox import SettlementOutbox
from scrimp.ports import Entry, Settlement
from tests.support.core import call_of
from tests.support.ledger_entries import call_id, entry


def settlement(number: int) -> Settlement:
    """A numbered settlement."""
    return Settlement(replace(call_of(), id=call_id(number)), entry(number))


class Desk:
    """Settles all numbers but those that fail, and waits at those that hang."""

    def __init__(self, *, fails: int = 0, hangs: int = 0) -> None:
        self.settled: list[str] = []
        self.unsettled: list[str] = []
        self._fails = call_id(fails)
        self._hangs = call_id(hangs)
        self.outbox = SettlementOutbox(self.settle, self.fall_back)

    async def settle(self, given: Settlement) -> None:
        """Settle, fail or hang."""
        await asyncio.sleep(0)
        if given.entry.id == self._fails:
            raise ZeroDivisionError
        if given.entry.id == self._hangs:
            await asyncio.Event().wait()
        self.settled.append(given.entry.id)

    def fall_back(self, given: Entry) -> None:
        """Book as it is."""
        self.unsettled.append(given.id)


def ids(*numbers: int) -> list[str]:
    """Their ids."""
    return [call_id(number) for number in numbers]


async def test_all_that_is_queued_is_settled_before_the_end() -> None:
    """`stop` comes behind the queue, not before it."""
    desk = Desk()
    for number in (1, 2, 3):
        desk.outbox.put(settlement(number))
    assert desk.outbox.pending == 3
    desk.outbox.stop()
    await desk.outbox.run()
    assert (desk.settled, desk.unsettled, desk.outbox.pending) == (ids(1, 2, 3), [], 0)


async def test_one_that_fails_is_booked_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    """The next one is settled all the same; the log names the call and nothing of its content."""
    desk = Desk(fails=1)
    desk.outbox.put(settlement(1))
    desk.outbox.put(settlement(2))
    desk.outbox.stop()
    await desk.outbox.run()
    assert (desk.settled, desk.unsettled) == (ids(2), ids(1))
    assert caplog.messages == [f"call {call_id(1)} booked unsettled: ZeroDivisionError"]


async def test_drained_waits_for_the_last() -> None:
    """Including those that fail."""
    desk = Desk(fails=2)
    async with asyncio.TaskGroup() as group:
        group.create_task(desk.outbox.run())
        for number in (1, 2):
            desk.outbox.put(settlement(number))
        await desk.outbox.drained()
        assert (desk.settled, desk.unsettled) == (ids(1), ids(2))
        desk.outbox.stop()


async def test_a_worker_that_is_cancelled_loses_nothing() -> None:
    """The one in work and those behind it are booked unsettled."""
    desk = Desk(hangs=2)
    for number in (1, 2, 3, 4):
        desk.outbox.put(settlement(number))
    running = asyncio.get_running_loop().create_task(desk.outbox.run())
    for _ in range(6):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (desk.settled, desk.unsettled) == (ids(1), ids(2, 3, 4))
    assert desk.outbox.pending == 0


async def test_what_comes_after_the_end_is_booked_too() -> None:
    """A call that outlived the worker still has its entry."""
    desk = Desk()
    desk.outbox.stop()
    desk.outbox.put(settlement(1))
    await desk.outbox.run()
    desk.outbox.put(settlement(2))
    assert desk.unsettled == ids(1, 2)


async def test_too_much_that_waits_is_booked_unsettled() -> None:
    """Every settlement holds its call's body: the queue has an end, and nothing is lost there."""
    desk = Desk()
    for number in range(1, 1003):
        desk.outbox.put(settlement(number))
    assert (desk.outbox.pending, desk.unsettled) == (1000, ids(1001, 1002))
    desk.outbox.stop()
    await desk.outbox.run()
    assert len(desk.settled) == 1000
