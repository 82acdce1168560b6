"""The soak in short: mixed calls, every fault, clients that leave; two processes beside the test.

The long form is benchmarks/gateway/soak.py. Memory is looked at only there: a run this short is all
warming up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks.gateway.soak import Soak, stage
from benchmarks.gateway.soak_traffic import FAULTS, ask_of

CALLS = 2_000
SEED = 7


@pytest.fixture(scope="module")
def soak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soak]:
    """One run for all promises."""
    with stage(tmp_path_factory.mktemp("soak"), SEED, connections=16) as running:
        asyncio.run(running.run(CALLS, looks=2))
        yield running


def test_the_traffic_has_everything_in_it() -> None:
    """Every dialect, form, fault and way to leave is in the calls of this run."""
    asked = [ask_of(number, SEED) for number in range(CALLS)]
    assert {one.fault for one in asked} == {"", *FAULTS}
    assert {one.leaving for one in asked} == {"", "at once", "after the first bytes"}
    forms = {(one.dialect, one.stream) for one in asked}
    assert len(forms) == 7  # embeddings have no stream


def test_every_answer_is_whole_or_says_that_it_is_not(soak: Soak) -> None:
    """No reply is half and silent, and no call fails that met no fault."""
    assert soak.wrong == []
    assert soak.seen["whole"] > CALLS // 2
    assert soak.seen["error in the stream"] > 0


def test_the_ledger_is_the_bill(soak: Soak) -> None:
    """Equal to the nano-dollar where usage was told, within the bounds of every other call."""
    books = soak.books
    assert books.wrong == []
    assert books.exact_ledger_nanousd == books.exact_bill_nanousd > 0
    assert books.bounded_low_nanousd <= books.bounded_bill_nanousd <= books.bounded_high_nanousd
    assert books.exact_calls > CALLS // 2
    assert books.bounded_calls > CALLS // 50
    assert books.served_by["exact_cache"] > CALLS // 50
    assert books.entries + books.never_seen == CALLS + soak.connections


def test_nothing_is_left_behind(soak: Soak) -> None:
    """As many tasks as before the first call, no client's connection, no more open files."""
    first, *_, last = soak.looks
    assert last.tasks <= first.tasks
    assert last.client_sockets == 0
    assert last.files <= first.files + soak.connections
    assert soak.broken_promises() == []
