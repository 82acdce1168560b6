"""The control store on its bad days: what cannot be read lets nobody in."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scrimp.errors import StoreError
from scrimp.limits import Allowance, Budget, Window
from scrimp.stores.sqlite_control import SqliteControl, was_ever_guarded
from tests.support.control import Desk, digest, record, secret
from tests.support.core import FakeClock

BY = "cli:ann"
CI = Budget("ci", "team", "ci", (Allowance("usd", 5 * 10**9, Window("day")),))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Two stores on one file that is not there yet."""
    both = Desk(tmp_path / "state" / "control.sqlite")
    yield both
    await both.here.close()
    await both.there.close()


async def test_a_file_that_is_gone_fails_closed_until_it_is_back(desk: Desk) -> None:
    """Nobody gets in because the list of keys was deleted."""
    here = desk.here
    await here.add_key(record("ci"), secret("k"), by=BY)
    await here.close()
    kept = here.path.read_bytes()
    desk.later()
    assert await desk.there.any()
    here.path.rename(here.path.with_suffix(".away"))
    desk.later()
    for ask in (desk.there.any, desk.there.rules, desk.there.keys):
        with pytest.raises(StoreError, match="is gone"):
            await ask()
    with pytest.raises(StoreError, match="is gone"):
        await desk.there.add_key(record("new"), secret("n"), by=BY)
    here.path.write_bytes(kept)
    desk.later()
    assert await desk.there.find(digest("k")) is not None


async def test_a_row_that_makes_no_sense_fails_closed(desk: Desk) -> None:
    """A budget that cannot be read must not be a budget that does not hold."""
    await desk.here.put_budget(CI, by=BY)
    with sqlite3.connect(desk.here.path) as other:
        other.execute("UPDATE budgets SET body = '{}'")
    other.close()
    desk.later()
    for store in (desk.here, desk.there):
        with pytest.raises(StoreError, match="cannot be read"):
            await store.rules()
        with pytest.raises(StoreError, match="cannot be read"):
            await store.any()
    with pytest.raises(StoreError):
        was_ever_guarded(desk.here.path)


async def test_a_damaged_file_fails_closed(tmp_path: Path) -> None:
    """At the start and later; the error names the file."""
    path = tmp_path / "control.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"control\.sqlite"):
        SqliteControl.open(path, FakeClock())


async def test_another_kind_of_file_is_left_alone(tmp_path: Path) -> None:
    """A ledger is no control store."""
    path = tmp_path / "control.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(StoreError, match="not a control store"):
        SqliteControl.open(path, FakeClock())
