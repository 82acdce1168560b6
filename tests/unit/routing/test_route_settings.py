"""What the table [route] takes, and what of it reaches the promise that is proven."""

from __future__ import annotations

import pytest

from scrimp.by_choice import ranking_of
from scrimp.calls import Call, Reply, Target
from scrimp.choosing import Wish
from scrimp.errors import ConfigError
from scrimp.levers.route import Route
from scrimp.pipeline.chooser import Depths
from scrimp.pipeline.comparing import Comparison, ShadowRules, Shadows
from scrimp.pipeline.later import Later
from scrimp.pipeline.learned import LearnedChoice, LearnedMeans
from scrimp.pipeline.proofs import Proofs
from scrimp.pipeline.route_feedback import RouteFeedback
from scrimp.pipeline.saved_routes import SavedRanking
from scrimp.routing.tables import RouteSection
from scrimp.settings import parse
from tests.support.core import FakeClock, attempt_of, call_of, reply_of
from tests.support.routing import router

TOML = """
[route]
enabled = true
models = ["gpt-4o-mini", "gpt-4o"]
max_loss = 0.04
judge_sensitivity = {one}
judge_specificity = {other}
"""


def section(one: float, other: float) -> RouteSection:
    """As a file has it."""
    return parse(TOML.format(one=one, other=other).encode(), source="the test").route


async def nobody(call: Call) -> Reply:
    """An answer."""
    call.trace.attempts.append(attempt_of(target=call.target))
    return reply_of()


async def untold(call: Call, reference: Reply, cheap: Reply, models: tuple[str, str]) -> Comparison:
    """No comparison is made here."""
    del call, reference, cheap, models
    return Comparison(None, unmade=True)


async def untrained() -> SavedRanking | None:
    """Nothing."""
    return None


async def test_how_often_a_judge_errs_is_part_of_what_is_proven() -> None:
    """It may see only so much of the loss that is allowed."""
    made, ranking, clock, proofs = section(0.9, 0.85), ranking_of(None), FakeClock(), Proofs()
    means = LearnedMeans(
        section=made,
        ranking=ranking,
        proofs=proofs,
        shadows=Shadows(nobody, untold, ShadowRules(clock, lambda: "twin", None)),
        later=Later(),
        keep=lambda _: None,
        feedback=RouteFeedback(ranking, lambda _: None, clock),
        rank=lambda _: None,
        train=untrained,
        clock=clock,
        chance=lambda: 0.5,
        versions={},
    )
    body = {"model": "scrimp/auto", "messages": [{"role": "user", "content": "Hello there"}]}
    call = call_of(body, target=Target("openai", "gpt-4o", "openai.chat"), wish=Wish("auto"))
    await Route(router(made), Depths(made, LearnedChoice(means)))(call, nobody)
    (proof,) = proofs
    promise = proof.subjects.promise
    assert (promise.sensitivity, promise.specificity) == (0.9, 0.85)
    assert promise.visible_loss == pytest.approx(0.04 * 0.75)


@pytest.mark.parametrize(("one", "other"), [(0.5, 0.5), (0.2, 0.6), (0.0, 1.0)])
def test_a_judge_no_better_than_a_coin_is_refused_with_both_numbers(
    one: float, other: float
) -> None:
    """At the start, and not when a label comes."""
    with pytest.raises(ConfigError, match=rf"judge_sensitivity {one:g} and .* {other:g}.*coin"):
        section(one, other)


def test_shares_are_shares() -> None:
    """From 0 to 1."""
    with pytest.raises(ConfigError, match="judge_specificity"):
        section(0.9, 1.2)
