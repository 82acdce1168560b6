"""Whatever goes wrong, two books agree: Scrimp's ledger and the bill of the simulated provider.

Mixes of calls run at once through both SDKs, each with a fault of its own or none.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrimp.calls import Attempt
from scrimp.ports import Entry
from scrimp.simulator import Bill, Simulator
from tests.support.gateway import RunningGateway, gateway
from tests.support.sdk import Clients, Said, Vendor, clients

AT_ONCE = 6
MODELS: tuple[tuple[Vendor, str], ...] = (
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-5-mini"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-opus-4-5"),
)
QUESTIONS = (
    "How do I reset my password?",
    "Where is my parcel?",
    "Write a python function that reverses a list.",
    "Ist die Lampe auch für Nässe geeignet? Ω≈ç√ 你好",
)
SETTINGS = """
[retry]
attempts = 2
base_s = 0.001
max_wait_s = 0.002
"""
PROVIDERS = """
[providers.openai]
base_url = "{url}/v1"
dialects = ["openai.chat"]
key_env = "OPENAI_KEY"
timeouts = {{ first_byte_s = {limit_s}, idle_s = {limit_s} }}
[providers.anthropic]
base_url = "{url}/v1"
dialects = ["anthropic.messages"]
key_env = "ANTHROPIC_KEY"
timeouts = {{ first_byte_s = {limit_s}, idle_s = {limit_s} }}
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of a mix. No fault is the empty text."""

    model: tuple[Vendor, str]
    question: str
    stream: bool
    fault: str
    cache: str

    @property
    def headers(self) -> dict[str, str]:
        """What rules the call: the simulator's fault, Scrimp's cache."""
        fault = {"x-sim-fault": self.fault} if self.fault else {}
        return {"x-scrimp-cache": self.cache, **fault}


@dataclass(frozen=True, slots=True)
class Stage:
    """A simulator, a gateway in front of it, both SDKs in front of that."""

    sim: Simulator
    scrimp: RunningGateway
    clients: Clients

    def play(self, mix: list[Asked]) -> tuple[list[Said], list[Entry], Bill]:
        """Make the calls at once; what was said, booked and billed."""
        before = len(self.scrimp.entries())
        self.sim.reset()

        def ask(one: Asked) -> Said:
            vendor, model = one.model
            return self.clients.ask(
                vendor, one.question, stream=one.stream, headers=one.headers, model=model
            )

        with ThreadPoolExecutor(AT_ONCE) as pool:
            said = list(pool.map(ask, mix))
        bill = self.sim.quiet()
        return said, self.scrimp.entries()[before:], bill


@contextmanager
def _stage(limit_s: float) -> Iterator[Stage]:
    with Simulator() as sim:
        providers = PROVIDERS.format(url=sim.url, limit_s=limit_s)
        with (
            gateway(sim.url, more=SETTINGS, providers=providers) as scrimp,
            clients(scrimp.url) as made,
        ):
            yield Stage(sim, scrimp, made)


@pytest.fixture(scope="module")
def patient() -> Iterator[Stage]:
    """One for all examples: what is remembered from one may be a hit in the next."""
    with _stage(30.0) as made:
        yield made


@pytest.fixture(scope="module")
def hasty() -> Iterator[Stage]:
    """The same, for providers that fall silent; a slow machine may time out more, never less."""
    with _stage(0.4) as made:
        yield made


HARMLESS = st.sampled_from(["", "slow-first-byte=5", "usage-in-choices"])
FAULTS = st.one_of(
    HARMLESS,
    st.sampled_from(["429", "500", "502", "503", "529", "500:work", "502:work"]),
    st.sampled_from(["timeout", "hangup", "no-usage", "error-event"]),
    st.integers(0, 4000).map("cut={}".format),
    st.integers(0, 4000).map("reset={}".format),
    st.integers(0, 9).map("stall={}".format),
    st.integers(0, 9).map("error-event={}".format),
)


def mixes(faults: st.SearchStrategy[str]) -> st.SearchStrategy[list[Asked]]:
    """Some calls, with faults of a kind."""
    one = st.builds(
        Asked,
        model=st.sampled_from(MODELS),
        question=st.sampled_from(QUESTIONS),
        stream=st.booleans(),
        fault=faults,
        cache=st.sampled_from(["default", "default", "refresh", "no-store"]),
    )
    return st.lists(one, min_size=1, max_size=8)


few = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])


def _sum(amounts: Iterator[int | None]) -> int:
    """None is unknown, which no call of these tests may be."""
    total = 0
    for amount in amounts:
        assert amount is not None
        total += amount
    return total


def _savings_add_up(entries: list[Entry]) -> None:
    """A shared answer without usage has no known baseline: nobody knows what it would have cost."""
    unknown = [entry for entry in entries if entry.baseline_nanousd is None]
    assert {entry.served_by for entry in unknown} <= {"coalesce"}
    known = [entry for entry in entries if entry.baseline_nanousd is not None]
    cost = _sum(entry.cost_nanousd for entry in known)
    saved = sum(nanousd for entry in known for _, nanousd in entry.saved)
    assert cost + saved == _sum(entry.baseline_nanousd for entry in known)


@few
@given(mixes(HARMLESS))
def test_complete_calls_cost_what_the_provider_bills(patient: Stage, mix: list[Asked]) -> None:
    """Σ ledger = bill to the nano-dollar, hits and all; Σ cost + Σ saving = Σ baseline."""
    said, entries, bill = patient.play(mix)
    assert [one.error for one in said] == [None] * len(mix)
    assert len(entries) == len(mix)
    assert {entry.cost_basis for entry in entries} <= {"usage", "free"}
    assert _sum(entry.cost_nanousd for entry in entries) == bill.total_nanousd
    _savings_add_up(entries)


@few
@given(mixes(FAULTS))
def test_broken_calls_cost_something_between_the_bounds(hasty: Stage, mix: list[Asked]) -> None:
    """Σ low ≤ bill ≤ Σ high; attempts whose usage was told cost exactly what they are billed."""
    said, entries, bill = hasty.play(mix)
    assert len(entries) == len(said) == len(mix)
    lows = _sum(entry.cost_low_nanousd for entry in entries)
    highs = _sum(entry.cost_high_nanousd for entry in entries)
    assert lows <= _sum(entry.cost_nanousd for entry in entries) <= highs
    assert lows <= bill.total_nanousd <= highs
    _savings_add_up(entries)
    billed = {row.request_id: row.billed_nanousd for row in bill.rows}
    for entry in entries:
        for attempt in entry.attempts:
            _check(attempt, billed.get(attempt.request_id, 0))
    open_calls = [one for one in hasty.sim.connections if one.closed_s is None and one.in_flight]
    assert open_calls == []


def _check(attempt: Attempt, billed: int) -> None:
    """One attempt beside the row of the bill that has its request id."""
    cost = attempt.cost
    assert cost.low_nanousd is not None
    assert cost.nanousd is not None
    assert cost.high_nanousd is not None
    assert cost.low_nanousd <= cost.nanousd <= cost.high_nanousd
    if attempt.request_id:
        assert cost.low_nanousd <= billed <= cost.high_nanousd
    if attempt.usage is not None:
        assert cost.nanousd == billed
