"""Real SDKs through a cascade: who answers, what is told, held back and booked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import openai
import pytest

from scrimp.ports import Entry
from scrimp.simulator import Simulator
from tests.support.faults import ASK, check_money
from tests.support.gateway import RunningGateway, gateway
from tests.support.sdk import VENDORS, Clients, Said, Vendor, clients

DEAR: dict[Vendor, str] = {
    "openai": "gpt-4o",
    "responses": "gpt-4o",
    "anthropic": "claude-opus-4-5",
}
CHEAP: dict[Vendor, str] = {
    "openai": "gpt-4o-mini",
    "responses": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5",
}
CASCADE = """
[exact_cache]
enabled = false
[retry]
attempts = 1
[cascade]
models = ["gpt-4o-mini", "claude-haiku-4-5"]
checks = ["min_length=1"]
{more}
[cascade.stop_loss]
enabled = false
"""
HELD = "hold_streams = true\nkeep_alive_s = 0.02"
BUDGET = """
[budgets.all]
usd = "100"
per = "day"
"""
FAILS = {"x-scrimp-checks": "min_length=1000000"}


@dataclass(frozen=True, slots=True)
class Stage:
    """A provider, a gateway that cascades, both SDKs in front of it."""

    sim: Simulator
    gateway: RunningGateway
    clients: Clients

    def ask(
        self, vendor: Vendor, *, stream: bool = False, headers: dict[str, str] | None = None
    ) -> Said:
        """The dear model, with a ladder of one: the cheap one of the same vendor."""
        ladder = f"models={CHEAP[vendor]}+{DEAR[vendor]}"
        only = {"x-scrimp-route": ladder, **(headers or {})}
        return self.clients.ask(vendor, ASK, stream=stream, headers=only, model=DEAR[vendor])

    def call(
        self, vendor: Vendor, *, stream: bool = False, headers: dict[str, str] | None = None
    ) -> tuple[Said, Entry]:
        """One call for the dear model: what was said, and its entry, which agrees with the bill."""
        self.sim.reset()
        before = len(self.gateway.entries())
        said = self.ask(vendor, stream=stream, headers=headers)
        entries = self.gateway.entries()
        assert len(entries) == before + 1
        check_money(self.sim.quiet().total_nanousd, entries[-1:])
        return said, entries[-1]


@contextmanager
def staged(more: str = "", beside: str = "") -> Iterator[Stage]:
    """On free ports."""
    with (
        Simulator() as sim,
        gateway(sim.url, more=CASCADE.format(more=more) + beside) as running,
        clients(running.url) as both,
    ):
        yield Stage(sim, running, both)


@pytest.fixture(scope="module")
def plain() -> Iterator[Stage]:
    """Streams are left alone."""
    with staged() as one:
        yield one


@pytest.fixture(scope="module")
def held() -> Iterator[Stage]:
    """Streams are held back."""
    with staged(HELD) as one:
        yield one


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_cheap_draft_is_served(plain: Stage, vendor: Vendor) -> None:
    """Whole; the saving is that of the cascade, beside the model that was asked for."""
    said, entry = plain.call(vendor)
    assert said.error is None
    assert said.text
    assert (entry.model_requested, entry.model) == (DEAR[vendor], CHEAP[vendor])
    assert dict(entry.saved)["cascade"] > 0
    assert len(entry.attempts) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize(("vendor", "other"), [("openai", "anthropic"), ("anthropic", "openai")])
def test_a_cheap_model_of_the_other_vendor_drafts(
    held: Stage,
    vendor: Vendor,
    other: Vendor,
    stream: bool,  # noqa: FBT001 (a table)
) -> None:
    """Translated both ways: the client hears its own dialect, and each nano-dollar is booked."""
    only = {"x-scrimp-route": f"models={CHEAP[other]}+{DEAR[vendor]}"}
    said, entry = held.call(vendor, stream=stream, headers=only)
    assert said.error is None
    assert said.text
    assert (entry.model_requested, entry.model) == (DEAR[vendor], CHEAP[other])
    assert dict(entry.saved)["cascade"] > 0


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_draft_that_fails_is_paid_for_beside_the_dear_answer(
    plain: Stage, vendor: Vendor
) -> None:
    """Both attempts are in one entry; the saving is below zero by the draft."""
    said, entry = plain.call(vendor, headers=FAILS)
    assert said.error is None
    assert [one.target.model for one in entry.attempts] == [CHEAP[vendor], DEAR[vendor]]
    assert entry.model == DEAR[vendor]
    assert entry.saved == (("cascade", -(entry.attempts[0].cost.nanousd or 0)),)
    assert entry.baseline_nanousd == entry.attempts[1].cost.nanousd


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_stream_goes_direct(plain: Stage, vendor: Vendor) -> None:
    """Nothing is held back that nobody asked to hold back."""
    said, entry = plain.call(vendor, stream=True)
    assert said.error is None
    assert (entry.model, len(entry.attempts)) == (DEAR[vendor], 1)
    assert any(dict(line.numbers).get("why") == "streams" for line in entry.trace)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("fault", ["", "slow-first-byte=120"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_held_stream_is_whole(held: Stage, vendor: Vendor, fault: str, fails: bool) -> None:  # noqa: FBT001 (a table)
    """With comments or without, draft or escalation: the SDK reads one good answer to its end."""
    direct = held.clients.ask(vendor, ASK, stream=False, model=DEAR[vendor])
    if fault:
        held.sim.fault(fault, count=4)
    try:
        headers = FAILS if fails else {}
        before = len(held.gateway.entries())
        said = held.ask(vendor, stream=True, headers=headers)
        entry = held.gateway.entries()[before]
    finally:
        held.sim.reset()
    assert said.error is None
    assert (said.text, said.finish) == (direct.text, direct.finish)
    assert entry.model == (DEAR if fails else CHEAP)[vendor]
    assert len(entry.attempts) == 1 + fails


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_error_after_comments_is_told_in_the_stream(held: Stage, vendor: Vendor) -> None:
    """The SDK raises; it never hears a half answer."""
    held.sim.reset()
    held.sim.fault("slow-first-byte=120", count=1)
    held.sim.fault("503")
    said = held.ask(vendor, stream=True, headers=FAILS)
    held.sim.reset()
    assert said.error is not None
    assert said.text == ""
    assert held.gateway.entries()[-1].outcome == "cut"


@pytest.mark.parametrize("parallel", ["false", "true"])
def test_two_cheap_models_agree_within_a_hard_budget(parallel: str) -> None:
    """Each attempt is held on its own, also side by side; nothing stays held."""
    with staged(f"parallel = {parallel}", BUDGET) as stage:
        headers = {"x-scrimp-checks": "agreement=gpt-4.1-nano"}
        said, entry = stage.call("openai", headers=headers)
        assert said.error is None
        assert entry.model == "gpt-4o-mini"
        assert sorted(one.target.model for one in entry.attempts) == ["gpt-4.1-nano", "gpt-4o-mini"]
        settled = [one for one in entry.trace if (one.lever, one.verdict) == ("budget", "settled")]
        assert len(settled) == 2
        paid = sum(int(dict(one.numbers)["nanousd"]) for one in settled)
        assert paid == entry.cost_nanousd


def test_the_client_is_told(plain: Stage) -> None:
    """Which model answered, and what it saved."""
    reply = plain.clients.openai.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=[{"role": "user", "content": ASK}]
    )
    assert reply.headers["x-scrimp-cascade"] == "accepted gpt-4o-mini"
    assert float(reply.headers["x-scrimp-saved-usd"]) > 0
    assert "cascade=accepted" in reply.headers["x-scrimp-trace"]


def test_a_call_may_go_direct(plain: Stage) -> None:
    """By header."""
    said, entry = plain.call("openai", headers={"x-scrimp-route": "cascade=off"})
    assert said.error is None
    assert (entry.model, entry.saved) == ("gpt-4o", ())


def test_a_check_that_there_is_not_is_refused(plain: Stage) -> None:
    """With the names that there are."""
    with pytest.raises(openai.BadRequestError, match="there is no check 'spelling'"):
        plain.clients.openai.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": ASK}],
            extra_headers={"x-scrimp-checks": "spelling"},
        )
