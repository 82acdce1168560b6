"""A state folder with a small ledger in it, for tests of the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from scrimp.ports import Entry
from scrimp.stores.sqlite_ledger import SqliteLedger
from tests.support.ledger_entries import entry

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def written(state: Path, entries: Sequence[Entry]) -> Path:
    """Book these entries in a new ledger; the state folder, to be named as SCRIMP_STATE."""

    async def write() -> None:
        ledger = SqliteLedger.open(state / "ledger.sqlite")
        for one in entries:
            ledger.append(one)
        await ledger.close()

    state.mkdir(mode=0o700, exist_ok=True)
    asyncio.run(write())
    return state


def paid(number: int) -> Entry:
    """A call that a provider answered, of $0.003775."""
    one = replace(entry(number), at=NOON, baseline_nanousd=3_775_000, saved=())
    return replace(one, trace=one.trace[:1])


def hit(number: int) -> Entry:
    """The same call, answered by the exact cache."""
    return replace(
        paid(number),
        served_by="exact_cache",
        attempts=(),
        cost_nanousd=0,
        cost_low_nanousd=0,
        cost_high_nanousd=0,
        saved=(("exact_cache", 3_775_000),),
        upstream_ms=0.0,
    )


def estimated(number: int) -> Entry:
    """A call that broke off: its cost lies between two bounds."""
    return replace(
        paid(number),
        outcome="cut",
        model="gpt-4o",
        cost_basis="estimate",
        cost_low_nanousd=1_000_000,
        cost_high_nanousd=9_000_000,
    )


def unpriced(number: int) -> Entry:
    """A call of a model that has no price."""
    return replace(
        paid(number),
        model="house-model",
        cost_basis="unknown",
        cost_nanousd=None,
        cost_low_nanousd=None,
        cost_high_nanousd=None,
        baseline_nanousd=None,
    )
