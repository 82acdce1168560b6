"""Bad days of the SQLite ledger: calls go on, nothing is dropped without a word."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from scrimp.errors import StoreError
from scrimp.stores import sqlite_ledger_file as ledger_file
from scrimp.stores import sqlite_ledger_spill as spill
from scrimp.stores.sqlite_ledger import LedgerOptions, SqliteLedger
from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support.ledger_entries import call_id, entry, kept

QUICK = LedgerOptions(busy_timeout_ms=10, patience_s=0.05, retry_max_s=0.05)


@contextmanager
def lock_on(path: Path) -> Iterator[None]:
    """Another program that holds the write lock."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def until(true: Callable[[], bool]) -> None:
    """Wait for the writer's thread, a minute at most."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what is waited for happens in a thread
            await asyncio.sleep(0.002)


def mode(path: Path) -> int:
    """Permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


async def test_state_files_are_closed_to_others(tmp_path: Path) -> None:
    """0600 for the database and what SQLite puts beside it, 0700 for a folder made for them."""
    path = tmp_path / "state" / "ledger.db"
    ledger = SqliteLedger.open(path)
    ledger.append(entry(1))
    await ledger.flush()
    modes = {f.name: mode(f) for f in path.parent.iterdir()}
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
    assert mode(path.parent) == 0o700
    await ledger.close()


async def test_a_ledger_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    """Loose permissions of an older file are tightened."""
    path = tmp_path / "ledger.db"
    await SqliteLedger.open(path).close()
    path.chmod(0o644)
    await SqliteLedger.open(path).close()
    assert mode(path) == 0o600


async def test_locked_for_a_moment_loses_nothing(tmp_path: Path) -> None:
    """A lock shorter than the writer's patience leaves no trace but a line in the log."""
    path = tmp_path / "ledger.db"
    told: list[str] = []
    ledger = SqliteLedger.open(path, replace(QUICK, patience_s=60), tell=told.append)
    with lock_on(path):
        ledger.append(entry(1))
        await until(lambda: not ledger.health().ok)
        assert ledger.health().pending == 1
        assert "locked" in ledger.health().last_error
    await ledger.flush()
    assert ledger.health().ok is True
    assert not spill.spill_path(path).exists()
    assert [line.rpartition(" ")[2] for line in told] == ["locked", "again"]
    await ledger.close()
    assert LedgerReader(path).check().ok


async def test_locked_for_long_is_set_aside_and_read_back(tmp_path: Path) -> None:
    """A flush returns with the entry in a 0600 file; it can be found; later it is in its place."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger.open(path, QUICK, tell=lambda _: None)
    with lock_on(path):
        ledger.append(entry(1))
        await ledger.flush()
        assert mode(spill.spill_path(path)) == 0o600
        assert (ledger.health().ok, ledger.health().spilled) == (False, 1)
        assert await ledger.find(call_id(1)) == kept(entry(1))
        assert LedgerReader(path).check().spilled == 1
    ledger.append(entry(2))
    await until(lambda: ledger.health().ok)
    assert not spill.spill_path(path).exists()
    await ledger.close()
    assert {e.id for e in LedgerReader(path).recent(9)} == {call_id(1), call_id(2)}
    check = LedgerReader(path).check()
    assert (check.ok, check.calls) == (True, 2)


async def test_what_was_set_aside_is_read_back_at_the_next_start(tmp_path: Path) -> None:
    """Closing while the database is locked keeps all; reading back twice books once."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger.open(path, QUICK, tell=lambda _: None)
    with lock_on(path):
        for number in range(2500):
            ledger.append(entry(number))
        await ledger.close()
    waiting = spill.spill_path(path).read_bytes()
    assert waiting.count(b"\n") == 2500
    assert b"what had arrived" not in waiting
    for _ in range(2):
        spill.spill_path(path).write_bytes(waiting)
        await SqliteLedger.open(path, QUICK, tell=lambda _: None).close()
        check = LedgerReader(path).check()
        assert (check.problems, check.calls, check.spilled) == ((), 2500, 0)


async def test_a_full_disk_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite cannot hold is set aside; when there is room again it is read back."""
    path = tmp_path / "ledger.db"
    true_open = ledger_file.open_writer
    room = {"pages": 12}

    def cramped(where: Path, **options: object) -> sqlite3.Connection:
        connection = true_open(where, **options)  # type: ignore[arg-type]  # passed on as they came
        connection.execute(f"PRAGMA max_page_count = {room['pages']}")
        return connection

    monkeypatch.setattr("scrimp.stores.sqlite_ledger_writer.open_writer", cramped)
    ledger = SqliteLedger.open(path, QUICK, tell=lambda _: None)
    for number in range(300):
        ledger.append(entry(number))
    await ledger.flush()
    health = ledger.health()
    assert (health.ok, health.spilled, health.dropped) == (False, 300, 0)
    assert "full" in health.last_error
    room["pages"] = 1_000_000
    await until(lambda: ledger.health().ok)
    await ledger.close()
    check = LedgerReader(path).check()
    assert (check.ok, check.calls) == (True, 300)


async def test_a_deleted_file_is_made_anew(tmp_path: Path) -> None:
    """Entries do not go into a file without a name."""
    path = tmp_path / "ledger.db"
    told: list[str] = []
    ledger = SqliteLedger.open(path, QUICK, tell=told.append)
    ledger.append(entry(1))
    await ledger.flush()
    shutil.rmtree(tmp_path)
    ledger.append(entry(2))
    await ledger.flush()
    assert any("removed or replaced" in line for line in told)
    await ledger.close()
    check = LedgerReader(path).check()
    assert (check.ok, check.calls) == (True, 1)


async def test_an_unusable_place_is_told_and_counted(tmp_path: Path) -> None:
    """With neither database nor spill file a flush says so, and what is lost is counted."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    told: list[str] = []
    options = replace(QUICK, buffer_entries=3)
    ledger = SqliteLedger.open(blocked / "ledger.db", options, tell=told.append)
    assert ledger.health().ok is False
    for number in range(5):
        ledger.append(entry(number))
    with pytest.raises(StoreError, match="cannot be written"):
        await ledger.flush()
    assert (ledger.health().pending, ledger.health().dropped) == (3, 2)
    await ledger.close()
    assert ledger.health().dropped == 5
    assert any("2 calls are NOT booked" in line for line in told)


async def test_memory_is_bounded_while_the_database_is_away(tmp_path: Path) -> None:
    """More than the buffer holds is set aside before the writer's patience ends."""
    path = tmp_path / "ledger.db"
    options = replace(QUICK, patience_s=3600, buffer_entries=10)
    ledger = SqliteLedger.open(path, options, tell=lambda _: None)
    with lock_on(path):
        for number in range(50):
            ledger.append(entry(number))
        await until(lambda: ledger.health().spilled > 0)
        assert ledger.health().pending <= 40
    await ledger.close()
    assert LedgerReader(path).check().calls == 50


async def test_an_entry_that_no_row_can_hold_does_not_block_the_others(tmp_path: Path) -> None:
    """It is counted and told by its id, without its content."""
    path = tmp_path / "ledger.db"
    told: list[str] = []
    ledger = SqliteLedger.open(path, QUICK, tell=told.append)
    ledger.append(entry(1))
    ledger.append(structs.replace(entry(2), user="\ud800 secret"))
    ledger.append(structs.replace(entry(3), cost_nanousd=2**70))
    ledger.append(entry(4))
    await ledger.flush()
    assert (ledger.health().ok, ledger.health().dropped) == (True, 2)
    assert [call_id(n) in " ".join(told) for n in (1, 2, 3, 4)] == [False, True, True, False]
    assert "secret" not in " ".join(told)
    await ledger.close()
    assert LedgerReader(path).check().calls == 2


async def test_a_torn_line_of_a_spill_file_is_kept_aside(tmp_path: Path) -> None:
    """The whole lines are read back; the torn one is counted, told and not thrown away."""
    path = tmp_path / "ledger.db"
    assert spill.set_aside(path, [entry(1), entry(2)], sync=True) == []
    with spill.spill_path(path).open("ab") as file:
        file.write(b'{"id": "torn')
    ledger = SqliteLedger.open(path, QUICK, tell=lambda _: None)
    assert ledger.health().dropped == 1
    await ledger.close()
    check = LedgerReader(path).check()
    assert check.calls == 2
    assert "unreadable" in check.problems[0]
    assert spill.unreadable_path(path).read_bytes() == b'{"id": "torn'


def test_a_spill_file_that_cannot_grow_is_left_whole(tmp_path: Path) -> None:
    """Half a group of lines is taken back, so that what was set aside before stays readable."""
    path = tmp_path / "ledger.db"
    spill.set_aside(path, [entry(1)], sync=True)
    before = spill.spill_path(path).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            spill.set_aside(path, [entry(2), entry(3)], sync=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert spill.spill_path(path).read_bytes() == before
    assert list(spill.entries_in(path)) == [kept(entry(1))]


async def test_two_processes_may_write_one_file(tmp_path: Path) -> None:
    """Their groups take turns; sums stay equal and no entry is lost or booked twice."""
    path = tmp_path / "ledger.db"
    first, second = SqliteLedger.open(path), SqliteLedger.open(path)
    for number in range(0, 3000, 2):
        first.append(entry(number))
        second.append(entry(number + 1))
        second.append(entry(number))
    await first.close()
    await second.close()
    check = LedgerReader(path).check()
    assert (check.problems, check.calls, check.spilled) == ((), 3000, 0)


async def test_a_ledger_that_is_locked_at_the_start_opens_all_the_same(tmp_path: Path) -> None:
    """A new file that another program holds: calls go on and are booked later."""
    path = tmp_path / "ledger.db"
    sqlite3.connect(path).close()
    with lock_on(path):
        ledger = SqliteLedger.open(path, QUICK, tell=lambda _: None)
        assert ledger.health().ok is False
        ledger.append(entry(1))
    await until(lambda: ledger.health().ok)
    assert await ledger.find(call_id(1)) == kept(entry(1))
    await ledger.close()


def test_a_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Both application ids are in the message."""
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE cats (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"not a ledger.*0x0.*0x53435250"):
        SqliteLedger.open(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """And left as it is."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"dear diary, " * 500)
    with pytest.raises(StoreError, match="not a ledger"):
        SqliteLedger.open(path)
    assert path.read_bytes() == b"dear diary, " * 500


async def test_a_newer_schema_is_refused_with_both_versions(tmp_path: Path) -> None:
    """By the writer and by the reader."""
    path = tmp_path / "ledger.db"
    await SqliteLedger.open(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    newest = len(ledger_file.migrations())
    with pytest.raises(StoreError, match=rf"version 99, .* up to {newest}"):
        SqliteLedger.open(path)
    with pytest.raises(StoreError, match="version 99"):
        LedgerReader(path).recent(1)


async def test_a_half_migrated_file_is_refused(tmp_path: Path) -> None:
    """A table that its version must have is missing."""
    path = tmp_path / "ledger.db"
    await SqliteLedger.open(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE rollups")
    with pytest.raises(StoreError, match="lacks rollups"):
        SqliteLedger.open(path)


def test_no_file_is_said_so(tmp_path: Path) -> None:
    """A reader never makes a file."""
    with pytest.raises(StoreError, match="there is no ledger at"):
        LedgerReader(tmp_path / "ledger.db").recent(1)
    assert list(tmp_path.iterdir()) == []
