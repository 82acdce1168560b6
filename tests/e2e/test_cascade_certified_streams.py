"""Streams held back for a least score that is proven: both SDKs, through a real gateway."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from scrimp.pipeline.held_stream import COMMENT
from scrimp.ports import Entry
from scrimp.simulator import Simulator
from tests.support.faults import check_money
from tests.support.gateway import RunningGateway, gateway
from tests.support.sdk import MODELS as CHEAP
from tests.support.sdk import VENDORS, Clients, Said, Vendor, clients
from tests.support.stage import until

DEAR: dict[Vendor, str] = {
    "openai": "gpt-4o",
    "responses": "gpt-4o",
    "anthropic": "claude-opus-4-5",
}
_CASCADE = """
[exact_cache]
enabled = false
[retry]
attempts = 1
[route]
path = {path}
[cascade]
models = ["{cheap}"]
checks = ["min_length=1", "score"]
hold_streams = true
keep_alive_s = 0.02
[cascade.certificate]
max_loss = 0.1
usd_per_day = "100"
"""
_SLOW = "slow-first-byte=150"
_MOST_CALLS = 2000
_HEADERS = {"authorization": "Bearer sk-client", "anthropic-version": "2023-06-01"}


@pytest.fixture(autouse=True)
def told_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proven is told more often than every two seconds."""
    monkeypatch.setattr("scrimp.pipeline.route_memory.SHARED_EVERY_S", 0.05)


@dataclass(frozen=True, slots=True)
class Stage:
    """A provider, a gateway whose cascade proves its least score, both SDKs in front of it."""

    vendor: Vendor
    sim: Simulator
    gateway: RunningGateway
    clients: Clients

    def ask(self, number: int) -> Said:
        """One stream of the dear model, read to its end by the vendor's own SDK."""
        text = f"What is the capital of land {number}?"
        return self.clients.ask(self.vendor, text, stream=True, model=DEAR[self.vendor])

    def ask_many(self, count: int, *, first: int = 0) -> list[Said]:
        """Four at a time; each is a good answer."""
        with ThreadPoolExecutor(4) as pool:
            heard = list(pool.map(self.ask, range(first, first + count)))
        assert [one.error for one in heard] == [None] * count
        assert all(one.text and one.finish for one in heard)
        return heard

    def prove(self) -> int:
        """Ask until drafts are accepted by their score; how many calls that took."""
        asked = 0
        while not self._accepts():
            assert asked < _MOST_CALLS, "never accepted"
            self.ask_many(40, first=asked)
            asked += 40
        return asked

    def _accepts(self) -> bool:
        newest = [one for one in self.gateway.entries() if one.purpose == "client"][-20:]
        return any(one.model == CHEAP[self.vendor] for one in newest)

    @contextmanager
    def raw(self, number: int) -> Iterator[httpx2.Response]:
        """The same stream, byte by byte: what the SDKs pass over is seen."""
        text = f"What is the capital of land {number}?"
        messages = [{"role": "user", "content": text}]
        body: dict[str, object] = {"model": DEAR[self.vendor], "stream": True}
        match self.vendor:
            case "openai":
                path = "/v1/chat/completions"
                body |= {"messages": messages}
            case "responses":
                path = "/v1/responses"
                body |= {"input": text}
            case "anthropic":
                path = "/v1/messages"
                body |= {"messages": messages, "max_tokens": 400}
        url, headers = f"{self.gateway.url}{path}", dict(_HEADERS)
        with httpx2.stream("POST", url, json=body, headers=headers) as reply:
            yield reply


@contextmanager
def staged(vendor: Vendor, path: Path) -> Iterator[Stage]:
    """With what is learned in one file."""
    more = _CASCADE.format(path=f"'{path}'", cheap=CHEAP[vendor])
    with (
        Simulator() as sim,
        gateway(sim.url, more=more) as running,
        clients(running.url) as both,
    ):
        yield Stage(vendor, sim, running, both)


def lines_of(entry: Entry, verdict: str) -> list[dict[str, int | float | str]]:
    """What the cascade noted."""
    return [
        dict(line.numbers)
        for line in entry.trace
        if (line.lever, line.verdict) == ("cascade", verdict)
    ]


@pytest.mark.parametrize("vendor", VENDORS)
def test_held_streams_prove_a_least_score_and_are_then_served_by_it(
    vendor: Vendor, tmp_path: Path
) -> None:
    """Behind comments or not: drafts are compared while held; ledger and bill are one."""
    with staged(vendor, tmp_path / "routes.sqlite") as stage:
        stage.sim.fault(_SLOW, count=40)
        stage.ask_many(20)
        held = stage.gateway.entries()
        ways = {tuple(try_.target.model for try_ in one.attempts) for one in held}
        assert ways == {(CHEAP[vendor], DEAR[vendor])}
        assert {one.model for one in held} == {DEAR[vendor]}
        stage.prove()
        stage.sim.fault(_SLOW)
        before = len(stage.gateway.entries())
        for number in range(6000, 6006):
            with stage.raw(number) as reply:
                assert reply.status_code == 200
                assert reply.read().startswith(COMMENT)
        stage.ask_many(6, first=7000)
        stage.gateway.stop()  # comparisons that run are ended, and booked
        entries = stage.gateway.entries()
        served = [one for one in entries[before:] if one.purpose == "client"]
        cheap = [one for one in served if one.model == CHEAP[vendor]]
        assert len(served) == 12
        assert cheap
        assert all(dict(one.saved)["cascade"] > 0 for one in cheap)
        (checked,) = lines_of(cheap[-1], "checked")
        assert (checked["certified"], checked["score"]) == (1, "passed")
        assert {(one.purpose, one.model) for one in entries} <= {
            ("client", DEAR[vendor]),
            ("client", CHEAP[vendor]),
            ("shadow", DEAR[vendor]),
        }
        check_money(stage.sim.quiet().total_nanousd, entries)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_client_that_leaves_while_its_draft_is_held_is_no_label(
    vendor: Vendor, tmp_path: Path
) -> None:
    """Its draft is booked, nothing waits for it, and what is proven goes on serving."""
    with staged(vendor, tmp_path / "routes.sqlite") as stage:
        stage.prove()
        before = len(stage.gateway.entries())
        stage.sim.fault("slow-first-byte=5000", count=1)
        with stage.raw(8000) as reply:
            assert next(reply.iter_raw()).startswith(COMMENT)

        def left() -> bool:
            return any(one.outcome == "cancelled" for one in stage.gateway.entries()[before:])

        until(left)
        (gone,) = [one for one in stage.gateway.entries() if one.outcome == "cancelled"]
        assert [one.target.model for one in gone.attempts] == [CHEAP[vendor]]
        stage.ask_many(20, first=9000)
        served = [one for one in stage.gateway.entries() if one.purpose == "client"]
        assert CHEAP[vendor] in {one.model for one in served[-20:]}
        stage.gateway.stop()
        check_money(stage.sim.quiet().total_nanousd, stage.gateway.entries())
