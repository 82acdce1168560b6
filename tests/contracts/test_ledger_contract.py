"""What every ledger engine promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.calls import Usage
from scrimp.ports import Ledger
from scrimp.stores.sqlite_ledger import SqliteLedger
from scrimp.traits import Traits
from tests.support.ledger_entries import call_id, entry, kept


@pytest.fixture(params=["sqlite"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    """One ledger per engine; others join by a name here."""
    assert request.param == "sqlite"
    opened = SqliteLedger.open(tmp_path / "ledger.db")
    yield opened
    await opened.close()


async def test_an_entry_comes_back_as_it_was(ledger: Ledger) -> None:
    """Every field survives, but for what had arrived of a broken reply."""
    ledger.append(entry(1))
    assert await ledger.find(call_id(1)) == kept(entry(1))


async def test_an_entry_with_nothing_known_comes_back_as_it_was(ledger: Ledger) -> None:
    """None stays None, never 0, and empty stays empty."""
    bare = replace(
        entry(2),
        cost_nanousd=None,
        cost_low_nanousd=None,
        cost_high_nanousd=None,
        baseline_nanousd=None,
        ttft_ms=None,
        saved=(),
        tags=(),
        trace=(),
        attempts=(replace(entry(2).attempts[0], usage=None),),
        usage=Usage(),
    )
    ledger.append(bare)
    assert await ledger.find(call_id(2)) == kept(bare)


async def test_traits_come_back_as_they_were(ledger: Ledger) -> None:
    """Digests of either sign, and those that a call has none of."""
    whole = Traits(900, -(2**63), 2**63 - 1, 0, -1, 7, 300, 40, 512, own_marks=True)
    ledger.append(replace(entry(1), traits=whole))
    ledger.append(replace(entry(2), traits=Traits(12)))
    for number, traits in ((1, whole), (2, Traits(12))):
        found = await ledger.find(call_id(number))
        assert found is not None
        assert found.traits == traits


async def test_content_is_kept_only_when_it_is_given(ledger: Ledger) -> None:
    """The ledger adds nothing to what the record lever hands over."""
    ledger.append(entry(1))
    ledger.append(replace(entry(2), request_content="{}", reply_content="naïve \x00 text"))
    without, with_content = await ledger.find(call_id(1)), await ledger.find(call_id(2))
    assert without is not None
    assert (without.request_content, without.reply_content) == (None, None)
    assert with_content is not None
    assert with_content.reply_content == "naïve \x00 text"


async def test_an_unknown_call_is_none(ledger: Ledger) -> None:
    """Also for text that is no id at all."""
    assert await ledger.find(call_id(404)) is None
    assert await ledger.find("no id; DROP TABLE calls") is None


async def test_an_id_is_booked_once(ledger: Ledger) -> None:
    """The first entry with an id stays; append-only means that no later one replaces it."""
    ledger.append(entry(1))
    ledger.append(replace(entry(1), user="late"))
    await ledger.flush()
    ledger.append(replace(entry(1), user="later"))
    found = await ledger.find(call_id(1))
    assert found is not None
    assert found.user == "ana"


async def test_a_flush_leaves_nothing_pending(ledger: Ledger) -> None:
    """After a flush health says that all is well and nothing waits."""
    for number in range(500):
        ledger.append(entry(number))
    await ledger.flush()
    health = ledger.health()
    assert (health.ok, health.pending, health.spilled, health.dropped) == (True, 0, 0, 0)


async def test_flushes_at_once_all_return(ledger: Ledger) -> None:
    """Many may wait for the same commit."""
    ledger.append(entry(1))
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(ledger.flush())
    assert ledger.health().pending == 0


async def test_closing_twice_does_no_harm_and_late_entries_are_counted(ledger: Ledger) -> None:
    """An entry after the end is not kept, and health does not hide it."""
    await ledger.close()
    await ledger.close()
    ledger.append(entry(1))
    assert ledger.health().dropped == 1
    assert ledger.health().ok is False
