"""Budgets through any order of events: never over, never leaking, never counted twice.

A model that knows nothing of counters keeps every hold with its time and its fate, and adds them up
anew after each step; each engine must say exactly the same.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from scrimp.budgets.windows import BUCKETS, bucket_us, cell_at, micros, moment
from scrimp.limits import Amounts, Limit, Verdict
from tests.support.budget_stores import LEASE_S, limit, open_store, rolling, usd
from tests.support.core import FakeClock

LIMITS = (
    limit(100),
    limit(60, "minute"),
    limit(70, rolling(120)),
    limit(150, "lifetime", hard=False),
    limit(3, "open", unit="calls"),
    limit(5, rolling(30), unit="calls"),
    limit(90, "hour", whom="org:all"),
)
SOME = st.lists(st.sampled_from(LIMITS), min_size=1, max_size=4, unique=True).map(tuple)
WHICH = st.integers(0, 10_000)


@dataclass
class Known:
    """One hold as the model knows it. `wiped`: limits that were reset after its end."""

    limits: tuple[Limit, ...]
    worst: Amounts
    at_us: int
    until_us: int
    ended_us: int = 0
    actual: Amounts | None = None
    charged: bool = False
    wiped: set[Limit] = field(default_factory=set)


class Machine(RuleBasedStateMachine):
    """What may happen; subclasses name the engine."""

    engine: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="scrimp-budgets-"))
        self.clock = FakeClock()
        self.loop = asyncio.Runner()
        self.known: list[Known] = []
        self.was_reset = False
        self.latest_us = micros(self.clock.at)
        self.loop.run(self._open())

    async def _open(self) -> None:
        self.stack = AsyncExitStack()
        self.store = await open_store(self.stack, self.engine, self.clock, self.folder)

    def teardown(self) -> None:
        """When every lease has ended, nothing is held."""
        self.clock.at = moment(self.latest_us)
        self.clock.pass_by(LEASE_S)
        standings = self.loop.run(self.store.standing(LIMITS))
        self.loop.run(self.stack.aclose())
        self.loop.close()
        shutil.rmtree(self.folder)
        assert [one.held for one in standings] == [0] * len(LIMITS)

    @rule(limits=SOME, money=st.integers(0, 70), over_soft=st.booleans())
    def hold(self, limits: tuple[Limit, ...], money: int, *, over_soft: bool) -> None:
        """Held exactly when all limits have room, by the model's own sums."""
        worst = usd(money)
        self._pass_time()
        fits = all(self._fits(one, worst, over_soft=over_soft) for one in limits)
        verdict = self._ask(len(self.known), limits, worst, over_soft=over_soft)
        assert (verdict.denied_by is None) == fits
        if fits:
            until_us = self.latest_us + int(LEASE_S * 1_000_000)
            self.known.append(Known(limits, worst, self.latest_us, until_us))

    @rule(which=WHICH)
    def hold_again(self, which: int) -> None:
        """With an id that is known: allowed, and nothing is reserved."""
        if (number := self._remembered(which)) is not None:
            known = self.known[number]
            assert self._ask(number, known.limits, known.worst).denied_by is None

    @rule(which=WHICH, share=st.integers(0, 100), times=st.integers(1, 2))
    def settle(self, which: int, share: int, times: int) -> None:
        """With some of what was held; late, or twice."""
        if (number := self._remembered(which)) is not None:
            actual = usd(self.known[number].worst.usd_nanousd * share // 100)
            for _ in range(times):
                self.store.settle(str(number), actual)
            self._ended(number, actual)

    @rule(which=WHICH)
    def release(self, which: int) -> None:
        """An attempt that never left."""
        if (number := self._remembered(which)) is not None:
            self.store.release(str(number))
            self._ended(number, Amounts(0, 0, 0))

    @rule(seconds=st.sampled_from((0.001, 0.5, 2.5, 10.0, 29.0, 60.0, 121.0, 3600.0, 86_400.0)))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.pass_by(seconds)

    @rule(seconds=st.sampled_from((0.5, 45.0, 4000.0)))
    def step_back(self, seconds: float) -> None:
        """The clock is set back."""
        self.clock.pass_by(-seconds)

    @rule(which=st.sampled_from(LIMITS))
    def reset(self, which: Limit) -> None:
        """What is used of one limit counts no more."""
        self._pass_time()
        self.loop.run(self.store.reset((which,)))
        self.was_reset = True
        for known in self.known:
            if which in known.limits and (known.actual is not None or known.charged):
                known.wiped.add(which)

    @rule()
    def restart(self) -> None:
        """Another process goes on with the same file; what is only in memory has none."""
        if self.engine != "memory":
            self.loop.run(self.stack.aclose())
            self.loop.run(self._open())

    @invariant()
    def says_what_the_model_says(self) -> None:
        """Used and held of every limit, to the nano-dollar."""
        self._pass_time()
        said = self.loop.run(self.store.standing(LIMITS))
        assert [(one.used, one.held) for one in said] == [self._sums(one) for one in LIMITS]

    @invariant()
    def is_never_over(self) -> None:
        """In no window and no interval is more spent or held than a hard limit allows."""
        if self.was_reset:
            return
        for one in LIMITS:
            if not one.hard:
                continue
            assert sum(self._sums(one)) <= one.amount
            if one.window.kind == "rolling":
                length_us = one.window.seconds * 1_000_000
                mine = [known for known in self.known if one in known.limits]
                for last in mine:
                    begin_us = last.at_us - length_us
                    within = [k for k in mine if begin_us <= k.at_us <= last.at_us]
                    assert sum(sum(self._fate(k, one)) for k in within) <= one.amount

    def _ask(
        self, number: int, limits: tuple[Limit, ...], worst: Amounts, *, over_soft: bool = False
    ) -> Verdict:
        asked = self.store.hold(str(number), limits, worst, lease_s=LEASE_S, over_soft=over_soft)
        return self.loop.run(asked)

    def _remembered(self, which: int) -> int | None:
        """One of the holds whose ids the engines promise to know still."""
        self._pass_time()
        if not self.known:
            return None
        number = which % len(self.known)
        known = self.known[number]
        ended_us, hour_us = known.ended_us, 3600 * 1_000_000
        until_us = ended_us + hour_us if ended_us else known.until_us + 24 * hour_us
        return number if self.latest_us < until_us else None

    def _ended(self, number: int, actual: Amounts) -> None:
        known = self.known[number]
        if known.actual is None:
            known.actual, known.ended_us = actual, self.latest_us

    def _pass_time(self) -> None:
        self.latest_us = max(self.latest_us, micros(self.clock.at))
        for known in self.known:
            if known.actual is None and known.until_us <= self.latest_us:
                known.charged = True

    def _fits(self, one: Limit, worst: Amounts, *, over_soft: bool) -> bool:
        need = worst.of(one.unit)
        free = not need or (over_soft and not one.hard)
        return free or sum(self._sums(one)) + need <= one.amount

    def _sums(self, one: Limit) -> tuple[int, int]:
        """Used and held of a limit now."""
        fates = [self._fate(known, one) for known in self.known if self._counts(known, one)]
        return sum(used for used, _ in fates), sum(held for _, held in fates)

    def _fate(self, known: Known, one: Limit) -> tuple[int, int]:
        is_open = one.window.kind == "open"
        if known.actual is None and not known.charged:
            return 0, known.worst.of(one.unit)
        if is_open or one in known.wiped:
            return 0, 0
        return (known.actual or known.worst).of(one.unit), 0

    def _counts(self, known: Known, one: Limit) -> bool:
        if one not in known.limits:
            return False
        now, then = cell_at(one.window, self.latest_us), cell_at(one.window, known.at_us)
        if one.window.kind == "rolling":
            return then.start_us >= now.start_us - BUCKETS * bucket_us(one.window)
        return then == now


class MemoryMachine(Machine):
    """In memory only."""

    engine = "memory"


class JournalMachine(Machine):
    """In memory, with a journal."""

    engine = "journal"


class SqliteMachine(Machine):
    """In a SQLite file."""

    engine = "sqlite"


_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)
TestMemory = MemoryMachine.TestCase
TestMemory.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=_SLOW
)
TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=_SLOW
)
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=_SLOW
)
