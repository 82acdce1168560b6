"""Attempts out of the ledger's file: those of a time, as they were booked, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.errors import StoreError
from scrimp.stores.sqlite_ledger_attempts import AttemptReader
from tests.support.cli_ledger import hit, paid, written
from tests.support.ledger_entries import entry, kept

DAY = timedelta(days=1)


def test_attempts_are_as_they_were_booked(tmp_path: Path) -> None:
    """One group for each call that had any: answers of a cache have none."""
    early = replace(paid(1), at=paid(1).at - DAY)
    state = written(tmp_path / "s", [early, paid(2), hit(3), entry(4)])
    reader = AttemptReader(state / "ledger.sqlite")
    noon = paid(2).at
    assert list(reader.between(noon, noon + DAY)) == [kept(paid(2)).attempts]
    assert len(list(reader.between(noon - DAY, noon + DAY))) == 3
    assert list(reader.between(noon + DAY, noon + 2 * DAY)) == []
    assert reader.first() == early.at


def test_an_empty_ledger_has_no_first_call(tmp_path: Path) -> None:
    """None, not 1970."""
    assert AttemptReader(written(tmp_path / "s", []) / "ledger.sqlite").first() is None


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    """With its name, never with an error of the engine's own."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database, not at all" * 100)
    with pytest.raises(StoreError, match=r"ledger\.sqlite"):
        list(AttemptReader(path).between(paid(1).at, paid(1).at + DAY))
    with pytest.raises(StoreError, match=r"ledger\.sqlite"):
        AttemptReader(path).first()
