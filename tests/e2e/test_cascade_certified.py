"""A cascade's least score is proven before a draft is accepted by it: through a real gateway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from scrimp.errors import ConfigError
from tests.support.stage import Stage, staged

_CASCADE = """
[exact_cache]
enabled = false
[route]
path = {path}
[cascade]
models = ["gpt-4o-mini"]
checks = ["min_length=1", "score"]
[cascade.certificate]
max_loss = 0.1
usd_per_day = "{usd}"
"""


@pytest.fixture(autouse=True)
def told_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proven is told more often than every two seconds."""
    monkeypatch.setattr("scrimp.pipeline.route_memory.SHARED_EVERY_S", 0.05)


@contextmanager
def stage_of(path: Path, usd: str = "100") -> Iterator[Stage]:
    """With what is learned in one file."""
    with staged(more=_CASCADE.format(usd=usd, path=f"'{path}'")) as stage:
        yield stage


def ask_many(stage: Stage, count: int, *, first: int = 0) -> list[str]:
    """What became of each call."""
    with openai.OpenAI(base_url=f"{stage.url}/v1", api_key="sk-x", max_retries=0) as client:

        def ask(number: int) -> str:
            answer = client.chat.completions.with_raw_response.create(
                model="gpt-4o",
                messages=[{"role": "user", "content": f"What is the capital of land {number}?"}],
            )
            return answer.headers["x-scrimp-cascade"]

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(ask, range(first, first + count)))


def test_a_draft_is_accepted_by_score_once_that_is_proven_and_a_restart_forgets_nothing(
    tmp_path: Path,
) -> None:
    """Until then the model asked for answers, a judge compares; twins are booked as shadows."""
    path = tmp_path / "routes.sqlite"
    with stage_of(path) as stage:
        assert set(ask_many(stage, 30)) == {"escalated gpt-4o"}
        asked = 30
        while "accepted gpt-4o-mini" not in ask_many(stage, 40, first=asked):
            asked += 40
            assert asked < 4000, "never accepted"
        ask_many(stage, 100, first=5000)
        entries = stage.gateway.entries()
        purposes = Counter((entry.purpose, entry.model) for entry in entries)
        assert set(purposes) == {
            ("client", "gpt-4o"),
            ("client", "gpt-4o-mini"),
            ("shadow", "gpt-4o"),
        }
        cheap = [one for one in entries if one.purpose == "client" and one.model == "gpt-4o-mini"]
        assert all(dict(one.saved)["cascade"] > 0 for one in cheap)
        (checked,) = [line for line in cheap[-1].trace if line.verdict == "checked"]
        told = dict(checked.numbers)
        assert (told["certified"], told["score"], told["live"]) == (1, "passed", 0)
        assert 0 < float(told["propensity"]) <= 1
    with stage_of(path) as stage:
        assert "accepted gpt-4o-mini" in ask_many(stage, 8, first=9000)


def test_without_money_for_comparing_nothing_is_accepted(tmp_path: Path) -> None:
    """And nothing is spent on it; the trace says what is missing."""
    with stage_of(tmp_path / "routes.sqlite", usd="0") as stage:
        assert set(ask_many(stage, 60)) == {"escalated gpt-4o", "stopped"}
        entries = stage.gateway.entries()
        assert {entry.purpose for entry in entries} == {"client"}
        lines = [line for line in entries[0].trace if line.verdict == "not_served"]
        why = [dict(line.numbers)["why"] for line in lines]
        assert why == ["score: nothing was learned of this model here"]


def test_a_judge_that_drafts_is_refused() -> None:
    """At the start, by name."""
    more = _CASCADE.format(usd="1", path="''") + 'judge_model = "gpt-4o-mini"\n'
    with pytest.raises(ConfigError, match="would grade"), staged(more=more):
        pass
