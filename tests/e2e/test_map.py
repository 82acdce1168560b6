"""`Scrimp.map`: many calls at once through the library, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import scrimp
from scrimp.client import shared
from scrimp.client.mapping import Mapped
from scrimp.errors import InvalidRequest
from scrimp.simulator import Simulator
from tests.support.library import library

USER = {"role": "user", "content": "Hi"}
MODEL = "gpt-4o-mini"


def test_each_call_has_its_result_in_order() -> None:
    """Bodies of every dialect, prompts, and what is none; the provider's bill is the sum."""
    calls: list[Any] = [
        {"model": MODEL, "messages": [USER]},
        "Say hello",
        {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [USER]},
        {"model": "text-embedding-3-small", "input": "x"},
        {"model": "nobody", "input": "x"},
        {"model": MODEL},
        7,
        {"prompt": "Bye", "model": "gpt-4o"},
    ]
    with library() as desk:
        found = desk.scrimp.map(calls, model=MODEL, user="anna", tags=("a",))
        assert [one.ok for one in found] == [True, True, True, True, False, False, False, True]
        assert [one.status for one in found[4:7]] == [404, 400, 400]
        assert "int is no call" in found[6].error
        assert found[0].text == found[0].json()["choices"][0]["message"]["content"] == str(found[0])
        assert found[2].json()["type"] == "message"
        assert len(found[3].json()["data"]) == 1
        assert (found[7].model, found[7].provider, found[7].finish) == (
            "gpt-4o",
            "openai",
            "complete",
        )
        cost = sum(one.cost_nanousd or 0 for one in found)
        assert (
            cost == desk.sim.bill.total_nanousd == sum(e.cost_nanousd or 0 for e in desk.entries())
        )
        assert {(entry.user, entry.tags) for entry in desk.entries() if entry.status == 200} == {
            ("anna", ("a",))
        }
        assert "Say hello" not in repr(found)


async def test_on_an_event_loop_other_work_goes_on() -> None:
    """And leaving it ends what is in the air."""
    with library(per_token_ms=20) as desk:
        calls = [{"prompt": f"Say {number}", "model": MODEL} for number in range(8)]
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(tick())
            found = await desk.scrimp.amap(calls)
            ticking.cancel()
        assert all(one.ok for one in found)
        assert ticks > 10
        desk.sim.fault("timeout")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await desk.scrimp.amap([{**one, "temperature": 0.5} for one in calls])
        desk.sim.quiet()
        assert desk.sim.in_flight == 0


def test_a_budget_around_it_holds() -> None:
    """What does not fit is left out, and says why; nothing raises."""
    calls = [{"prompt": f"Say {nth}", "model": MODEL, "max_tokens": 500} for nth in range(200)]
    with library() as desk:
        with scrimp.budget(usd=0.002) as budget:
            found = desk.scrimp.map(calls)
        left_out = [one for one in found if not one.ok]
        assert {(one.kind, one.status) for one in left_out} == {("budget_exceeded", 429)}
        assert left_out[0].error.startswith("not asked: budget ")
        assert 0 < desk.sim.bill.total_nanousd <= 2_000_000
        assert budget.remaining()[0].held == 0
        assert sum(one.cost_nanousd or 0 for one in found) == desk.sim.bill.total_nanousd


def test_equal_calls_are_paid_for_once() -> None:
    """In the air together, or one after the other."""
    with library() as desk:
        found = desk.scrimp.map([{"prompt": "Hi", "model": MODEL}] * 40)
        assert len({one.text for one in found}) == len(desk.sim.requests) == 1
        assert sum(one.saved_nanousd for one in found) == 39 * desk.sim.bill.total_nanousd


def test_what_is_pushed_back_is_asked_again() -> None:
    """A caller sees answers alone."""
    with library() as desk:
        desk.sim.fault("rate-limit=0:every=2:count=60")
        found = desk.scrimp.map([{"prompt": f"Say {n}", "model": MODEL} for n in range(60)])
        assert all(one.ok for one in found)


def test_what_makes_no_sense_is_refused_at_once() -> None:
    """Options are the program's, and no single call's, to get right."""
    with library() as desk:
        with pytest.raises(InvalidRequest, match="concurrency is 0; at least 1"):
            desk.scrimp.map([], concurrency=0)
        with pytest.raises(InvalidRequest, match="task"):
            desk.scrimp.map(["x"], model=MODEL, task="no such task")
        assert desk.scrimp.map([]) == []
        assert not desk.sim.requests


@pytest.fixture
def shared_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A provider that the engine of the process finds by the settings."""
    with Simulator() as sim:
        config = tmp_path / "scrimp.toml"
        config.write_text(
            f'state_dir = "{tmp_path / "state"}"\n[providers.openai]\n'
            f'base_url = "{sim.url}/v1"\nkey_env = "OPENAI_KEY"\n'
        )
        monkeypatch.setenv("SCRIMP_CONFIG", str(config))
        monkeypatch.setenv("OPENAI_KEY", "sk-o")
        monkeypatch.setattr(shared, "_engines", [])
        yield sim
        shared.shared_engine().close()


def test_a_process_has_an_engine_for_it(shared_desk: Simulator) -> None:
    """`scrimp.map` needs none of one's own: the settings are found as a gateway finds them."""
    found = scrimp.map(["One", "Two"], model=MODEL)
    assert [one.ok for one in found] == [True, True]
    assert len(shared_desk.requests) == 2


async def test_on_a_loop_it_is_awaited(shared_desk: Simulator) -> None:
    """`await scrimp.map(calls)` lets other tasks go on, and asks once."""
    mapped = scrimp.map(["One", "Two", "Three"], model=MODEL)
    assert repr(mapped) == "<results to be awaited>"
    assert not shared_desk.requests
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(tick())
        found = await mapped
        ticking.cancel()
    assert [one.ok for one in found] == [True] * 3
    assert ticks > 1
    assert await mapped is found
    assert len(shared_desk.requests) == 3
    assert "<results" not in repr(found)


async def test_who_looks_on_a_loop_without_awaiting_waits(shared_desk: Simulator) -> None:
    """As the cells of a notebook do; a list that is whole may be awaited, too."""
    mapped = scrimp.map(["One", "Two"], model=MODEL)
    assert [one.ok for one in mapped] == [True, True]
    assert len(mapped) == 2
    assert mapped[1] == mapped[-1]
    assert await mapped == list(mapped)
    assert len(list(scrimp.map(["One"], model=MODEL))) == 1
    assert len(shared_desk.requests) <= 3


async def test_what_was_left_is_not_begun_again(shared_desk: Simulator) -> None:
    """It may have been paid for: who wants it again says so by another `map`."""
    shared_desk.fault("stall:path=/v1/chat/completions")
    mapped = scrimp.map(["One"], model=MODEL)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await mapped
    for look in (lambda: len(mapped), lambda: list(mapped), lambda: mapped[0]):
        with pytest.raises(RuntimeError, match="begun before"):
            look()
    with pytest.raises(RuntimeError, match="begun before"):
        await mapped


def test_short_questions_may_share_a_prompt() -> None:
    """`pack` says of each call how much company it may have; each has an answer of its own."""
    calls = [{"prompt": f"Say {number}", "system": "Be brief."} for number in range(12)]
    with library() as desk:
        found = desk.scrimp.map(calls, model=MODEL, pack=4)
        assert all(one.ok for one in found)
        asked = {line.lever for entry in desk.entries() for line in entry.trace}
        assert "pack" in asked
        with pytest.raises(InvalidRequest, match="x-scrimp-pack '1' is neither"):
            desk.scrimp.map(calls, model=MODEL, pack=1)


def test_who_looks_on_is_told_after_each_call() -> None:
    """Calls that are none are counted from the start; the last sum is the bill."""
    calls: list[Any] = [*(f"Say {number}" for number in range(6)), 7]
    with library() as desk:
        heard: list[Mapped] = []
        found = desk.scrimp.map(calls, model=MODEL, progress=heard.append)
        assert [one.done for one in heard] == [2, 3, 4, 5, 6, 7]
        assert {one.total for one in heard} == {7}
        last = heard[-1]
        assert (last.failed, last.cost_nanousd) == (1, desk.sim.bill.total_nanousd)
        assert last.cost == sum(one.cost or 0 for one in found)
        heard.clear()
        desk.scrimp.map(calls, model=MODEL, progress=heard.append)
        assert (heard[-1].cost_nanousd, heard[-1].saved_nanousd) == (0, last.cost_nanousd)


def test_what_no_budget_bears_is_told_too() -> None:
    """Every call comes to an end in front of who looks on."""
    calls = [{"prompt": f"Say {number}", "model": MODEL, "max_tokens": 50} for number in range(9)]
    heard: list[Mapped] = []
    with library() as desk, scrimp.budget(usd=0.00006):
        found = desk.scrimp.map(calls, progress=heard.append)
    assert len(heard) == heard[-1].done == 9
    assert heard[-1].failed == sum(not one.ok for one in found) > 0


def test_a_progress_that_fails_ends_the_map() -> None:
    """With its own error; what was in the air is given up."""

    def broken(far: Mapped) -> None:
        raise KeyError(far.done)

    with library() as desk, pytest.raises(KeyError):
        desk.scrimp.map(["Say 1", "Say 2"], model=MODEL, progress=broken)


def test_the_same_engine_makes_vectors(shared_desk: Simulator) -> None:
    """`scrimp.embed` and `scrimp.embed_many` share it, and a hundred texts share a request."""
    many = scrimp.embed_many([f"text {n}" for n in range(150)])
    assert len(many.vectors) == 150
    assert len(shared_desk.requests) == 2
    assert list(scrimp.embed("text 3").vector) == list(many.vectors[3])
