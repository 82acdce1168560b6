"""When choosing itself breaks: the model that was asked for answers, and no demand is broken."""

from __future__ import annotations

import random

import numpy as np
import pytest
from msgspec.structs import replace

from scrimp import by_choice
from scrimp.by_choice import ranking_of
from scrimp.calls import Call, Caller, Reply, Target
from scrimp.choosing import Place, Wish
from scrimp.errors import StoreError, Unavailable
from scrimp.levers.route import ROUTE, Route
from scrimp.pipeline.chain import chain
from scrimp.pipeline.chooser import Chosen, Depths
from scrimp.pipeline.ranking import Ranked
from scrimp.pipeline.router import Plan, Router
from scrimp.routing.filters import Offer
from scrimp.routing.predictor import Chances
from scrimp.routing.tables import ModelFacts
from scrimp.routing.text_features import WIDTH, Reader
from tests.support.core import attempt_of, call_of, numbers, reply_of, verdicts
from tests.support.routing import SECTION, router

CERTIFIED = replace(SECTION, depth="certified", max_loss=0.05)
EUROPE = {"gpt-4o-mini": ModelFacts(region="eu"), "gpt-4o": ModelFacts(region="us")}


class Broken:
    """What was learned, as a damaged ranking applies it: with an error."""

    def cold(self, plan: Plan) -> bool:
        """Warm."""
        del plan
        return False

    def choose(self, call: Call, plan: Plan) -> Chosen:
        """It raises what numbers of the wrong form raise."""
        del call, plan
        np.zeros(3) @ np.zeros(4)
        raise AssertionError("unreachable")

    def answered(self, call: Call, chosen: Chosen, reply: Reply) -> None:
        """Nothing is learned of a choice that was none."""
        del call, reply
        assert chosen.ground is None

    def unanswered(self, chosen: Chosen) -> None:
        """Nor here."""
        assert chosen.ground is None


class NoPlan(Router):
    """A bug in the filters."""

    def plan(self, call: Call) -> Plan | None:
        """Of a kind that nobody thought of."""
        raise KeyError(call.id)


def auto(wish: Wish, model: str = "scrimp/auto") -> Call:
    """Headed for the reference, or for the model that it names."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello there"}]}
    headed = Target("openai", "gpt-4o" if model.startswith("scrimp/") else model, "openai.chat")
    return replace(call_of(body), target=headed, wish=wish)


class End:
    """Answers, and remembers who was asked, and whether a cascade may draft."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool | None]] = []

    async def __call__(self, call: Call) -> Reply:
        """An answer of whoever is asked."""
        self.asked.append((call.target.model, call.wish.cascade))
        call.trace.attempts.append(attempt_of(target=call.target))
        return reply_of()


async def test_a_ranking_that_raises_costs_the_choice_and_not_the_call() -> None:
    """The reference answers, undrafted, and header and trace say why."""
    end, call = End(), auto(Wish("auto"))
    reply = await chain([Route(router(CERTIFIED), Depths(CERTIFIED, Broken()))], end)(call)
    assert (reply.status, end.asked) == (200, [("gpt-4o", False)])
    assert call.trace.headers[ROUTE] == "gpt-4o; broke"
    assert verdicts(call, "route") == ["broke"]
    assert numbers(call, "route")["error"] == "ValueError"


async def test_a_broken_choice_brings_back_nobody_whom_a_filter_removed() -> None:
    """A call for Europe stays there; one whose key has a list stays on it."""
    section, end = replace(CERTIFIED, facts=EUROPE), End()
    lever = Route(router(section), Depths(section, Broken()))
    await chain([lever], end)(auto(Wish("auto", region="eu")))
    mine = replace(auto(Wish("auto")), caller=Caller("key:a", key="a", models=("gpt-4o-mini",)))
    await chain([lever], end)(mine)
    assert [model for model, _ in end.asked] == ["gpt-4o-mini", "gpt-4o-mini"]


@pytest.mark.parametrize(
    ("wish", "model", "said"),
    [
        (Wish("auto"), "scrimp/auto", ""),
        (Wish("auto", models=("gpt-4o",)), "scrimp/auto", ""),
        (Wish("auto", max_loss=0.01), "scrimp/auto", ""),
        (Wish("auto", required="gpt-4o"), "scrimp/auto", ""),
        (Wish(), "gpt-4o", ""),
        (Wish("auto", region="eu"), "scrimp/auto", "region"),
        (Wish("auto", budget_nanousd=1), "scrimp/auto", "usd"),
        (Wish(models=("gpt-4o-mini",)), "gpt-4o", "models"),
    ],
)
async def test_filters_that_break_let_a_call_on_unless_only_they_keep_its_word(
    wish: Wish, model: str, said: str
) -> None:
    """The call is headed for the right model already; where that may be wrong it is refused."""
    lever = Route(NoPlan(router()._means), Depths(SECTION, None))
    end, call = End(), auto(wish, model)
    if said:
        with pytest.raises(Unavailable, match=f"'{said}' cannot be checked"):
            await chain([lever], end)(call)
        assert end.asked == []
        return
    await chain([lever], end)(call)
    assert [one for one, _ in end.asked] == ["gpt-4o"]
    assert numbers(call, "route")["error"] == "KeyError"


def test_chances_that_are_no_numbers_rank_nobody() -> None:
    """A state that was damaged where no check sees it: what the settings believe holds."""
    offer = Offer("small", Target("p", "small", "openai.chat"), ModelFacts(quality=0.7), 10)
    damaged = Chances({"small": float("nan")}, {"small": 500.0}, 0.0)
    assert Ranked(np.zeros(WIDTH, np.float32), damaged, (offer,)).good["small"] == 0.7


def test_an_embedding_whose_table_is_damaged_costs_no_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Questions are then read without it, and the log says so."""

    def unreadable() -> None:
        raise StoreError("the table is not readable")

    monkeypatch.setattr("scrimp.embedders.static_words.installed", lambda: True)
    monkeypatch.setattr("scrimp.embedders.static_words.load", unreadable)
    made = by_choice.reader_of()
    assert made.version == Reader().version
    assert "without the static embedding" in caplog.text


def test_whether_too_little_is_known_is_told_without_a_question() -> None:
    """By counting verdicts, which is what the whole chances say, too."""
    ranking, dice = ranking_of(None), random.Random(7)  # noqa: S311 (no secrets)
    place = Place("key:a", "general")
    live = ranking._live
    assert ranking.cold(("small", "large"), place)
    for number in range(200):
        features = np.zeros(live.width, np.float32)
        features[number % 16] = dice.random()
        live.learn(features, ("small", "large")[number % 2], 1.0, place)
    assert not ranking.cold(("small", "large"), place)
    whole = live.chances(np.zeros(live.width, np.float32), ("small", "large"), place).sure
    assert live.sure(("small", "large"), place) == whole
