"""A cheap model serves once it is proven, and only then: the whole way, through a real gateway."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import openai
import pytest

from scrimp.errors import ConfigError
from scrimp.pipeline.proofs import Proof, is_proof, revived
from scrimp.stores.sqlite_routes import SqliteRoutes
from tests.support.stage import Stage, staged, until

_ROUTE = """
[exact_cache]
enabled = false

[route]
enabled = true
models = ["gpt-4o-mini", "gpt-4o"]
max_loss = 0.1
shadows_usd_per_day = "{usd}"
path = {path}
"""


@pytest.fixture(autouse=True)
def told_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proven is told more often than every two seconds."""
    monkeypatch.setattr("scrimp.pipeline.route_memory.SHARED_EVERY_S", 0.05)


@contextmanager
def stage_of(path: Path, usd: str = "100") -> Iterator[Stage]:
    """With what routes learn in one file."""
    with staged(more=_ROUTE.format(usd=usd, path=f"'{path}'")) as stage:
        yield stage


def ask_many(stage: Stage, count: int, *, first: int = 0) -> list[str]:
    """Which model each call went to, and why."""
    with openai.OpenAI(base_url=f"{stage.url}/v1", api_key="sk-x", max_retries=0) as client:

        def ask(number: int) -> str:
            answer = client.chat.completions.with_raw_response.create(
                model="scrimp/auto",
                messages=[{"role": "user", "content": f"What is the capital of land {number}?"}],
            )
            return answer.headers["x-scrimp-route"]

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(ask, range(first, first + count)))


def purposes(stage: Stage) -> Counter[tuple[str, str]]:
    """How many calls of each purpose went to each model."""
    return Counter((entry.purpose, entry.model) for entry in stage.gateway.entries())


def test_a_model_that_answers_alike_is_proven_then_serves_and_a_restart_forgets_nothing(
    tmp_path: Path,
) -> None:
    """Until then all goes to the reference; twins are booked by themselves and never served."""
    path = tmp_path / "routes.sqlite"
    with stage_of(path) as stage:
        before = ask_many(stage, 64)
        assert set(before) == {"gpt-4o; gathering"}
        asked = 64
        while "gpt-4o-mini; certified" not in ask_many(stage, 40, first=asked):
            asked += 40
            assert asked < 4000, "never certified"
        found = purposes(stage)
        assert found["shadow", "gpt-4o-mini"] > 20
        cheap = [
            entry
            for entry in stage.gateway.entries()
            if entry.purpose == "client" and entry.model == "gpt-4o-mini"
        ]
        assert all(dict(entry.saved)["route"] > 0 for entry in cheap)
        shadow = next(e for e in stage.gateway.entries() if e.purpose == "shadow")
        assert shadow.tags == ("scrimp-shadow",)
        assert (shadow.key, shadow.user) == ("", "")
    assert path.stat().st_mode & 0o077 == 0
    with stage_of(path) as stage:
        assert "gpt-4o-mini; certified" in ask_many(stage, 8, first=5000)


def test_two_gateways_on_one_file_prove_together(tmp_path: Path) -> None:
    """Neither has the labels of a proof by itself; both serve by the one that they have made."""
    path = tmp_path / "routes.sqlite"
    with stage_of(path) as one, stage_of(path) as other:
        asked, served = 0, [False, False]
        while not all(served):
            for number, stage in enumerate((one, other)):
                served[number] |= "gpt-4o-mini; certified" in ask_many(stage, 10, first=asked)
                asked += 10
            assert asked < 4000, "never certified"
        found = [purposes(stage) for stage in (one, other)]
    assert min(one["shadow", "gpt-4o-mini"] for one in found) > 0
    (state,) = asyncio.run(_proofs(path))
    standing = state.standing()
    assert standing is not None
    assert (standing.restarts, standing.pending, standing.lost) == (0, 0, 0)
    shadows = sum(
        count for one in found for (purpose, _), count in one.items() if purpose == "shadow"
    )
    assert 20 < standing.rungs[-1].labels <= shadows


async def _proofs(path: Path) -> list[Proof]:
    store = SqliteRoutes(path)
    states = [await store.load(name) for name in await store.names() if is_proof(name)]
    found = [revived(state) for state in states if state is not None]
    return [proof for proof in found if proof is not None]


def test_without_money_for_comparing_nothing_is_proven(tmp_path: Path) -> None:
    """And nothing is spent on it."""
    with stage_of(tmp_path / "routes.sqlite", usd="0") as stage:
        whys = ask_many(stage, 150)
        assert {why.partition(";")[0] for why in whys} == {"gpt-4o"}
        until(lambda: purposes(stage)["client", "gpt-4o"] == 150)
        assert set(purposes(stage)) == {("client", "gpt-4o")}


def test_a_users_word_is_a_lesson_once_and_only_the_askers(tmp_path: Path) -> None:
    """A thumb on a routed answer; a call that is not known is 404."""
    path = tmp_path / "routes.sqlite"
    with stage_of(path) as stage:
        ask_many(stage, 70)
        call_id = [one.id for one in stage.gateway.entries() if one.purpose == "client"][-1]
        feedback = {"id": call_id, "verdict": "down"}
        with httpx2.Client(base_url=stage.url) as client:
            said = client.post("/v1/scrimp/feedback", json=feedback)
            again = client.post("/v1/scrimp/feedback", json=feedback)
            unknown = client.post("/v1/scrimp/feedback", json={**feedback, "id": "nobody"})
        assert said.json() == {"id": call_id, "done": "learned"}
        assert again.json()["done"] == "not_by_meaning"
        assert unknown.status_code == 404
    lessons = asyncio.run(SqliteRoutes(path).lessons())
    told = [one for one in lessons if one.source == "feedback"]
    assert [(one.call, one.model, one.quality) for one in told] == [(call_id, "gpt-4o", 0.0)]


def test_a_judge_that_serves_a_candidate_is_refused() -> None:
    """At the start, by name: nobody grades an answer of its own."""
    more = (
        '[route]\nenabled = true\nmodels = ["gpt-4o-mini", "gpt-4o"]\njudge_model = "gpt-4o-mini"\n'
    )
    with pytest.raises(ConfigError, match="would grade answers of its own"), staged(more=more):
        pass
