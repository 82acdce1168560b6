"""No hard filter is ever broken, whatever rules, wishes and prices there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scrimp.calls import Target
from scrimp.choosing import RUNGS, Wish
from scrimp.routing.by_rules import Subject, first_rule, pick
from scrimp.routing.filters import Needs, Offer, admitted, none_left
from scrimp.routing.tables import ModelFacts, RuleTable, RungsTable

Held = tuple[RungsTable, list[RuleTable]]
NAMES = ("a", "b", "c", "d")
names = st.sampled_from(NAMES)
some = st.lists(names, max_size=3).map(tuple)
offers = st.lists(
    st.builds(
        lambda name, provider, facts, cost, limits: Offer(
            name,
            Target(provider, f"{name}-1", "openai.chat"),
            facts,
            cost,
            unable=limits[0],
            region=limits[1],
        ),
        names,
        st.sampled_from(("p", "q")),
        st.builds(
            ModelFacts,
            tools=st.sampled_from((None, True, False)),
            structured=st.sampled_from((None, True, False)),
            speed=st.sampled_from((None, 1.0, 100.0)),
        ),
        st.none() | st.integers(0, 100),
        st.tuples(
            st.sampled_from(("", "", "", "context", "modality")),
            st.sampled_from(("", "eu", "us")),
        ),
    ),
    min_size=1,
    max_size=6,
)
needs = st.builds(
    Needs,
    required=st.sampled_from(("", "", "a", "b-1", "zz")),
    models=some,
    allowed=some,
    provider=st.sampled_from(("", "p")),
    region=st.sampled_from(("", "", "eu")),
    deadline_ms=st.sampled_from((None, 2000)),
    output_tokens=st.integers(0, 1000),
    tools=st.booleans(),
    structured=st.booleans(),
    budget_nanousd=st.none() | st.integers(0, 100),
)
rungs = st.builds(RungsTable, simple=some, medium=some, complex=some, expert=some)
rules = st.lists(
    st.builds(RuleTable, task=st.sampled_from(("", "general")), model=names), max_size=2
)
wishes = st.builds(
    Wish,
    mode=st.sampled_from(("auto", "cheap")),
    constrained=st.booleans(),
    low_latency=st.booleans(),
    rung=st.none() | st.sampled_from(RUNGS),
)
texts = st.sampled_from(("What is this?", "Prove it", "Explain", "hello", "```x```"))


def passes(need: Needs, one: Offer) -> bool:
    """The same rules, written a second time."""
    called = {one.name, one.target.model}
    slow = (
        need.deadline_ms is not None
        and one.facts.speed is not None
        and 1000 + 1000 * need.output_tokens / one.facts.speed > need.deadline_ms
    )
    dear = need.budget_nanousd is not None and (
        one.cost_nanousd is None or one.cost_nanousd > need.budget_nanousd
    )
    return (
        (not need.required or need.required in called)
        and (not need.models or bool(called & set(need.models)))
        and (not need.allowed or bool(called & set(need.allowed)))
        and need.provider in ("", one.target.provider)
        and need.region in ("", one.region)
        and not (need.tools and one.facts.tools is False)
        and not (need.structured and one.facts.structured is False)
        and not (slow or dear or one.unable)
    )


@given(needs, offers, wishes, st.tuples(rungs, rules), texts)
def test_what_is_chosen_has_passed_every_filter(
    need: Needs, given_offers: list[Offer], wish: Wish, held: Held, text: str
) -> None:
    """And whoever passes is kept, so that nothing is refused without need."""
    found = admitted(need, given_offers)
    assert list(found.kept) == [one for one in given_offers if passes(need, one)]
    assert len(found.removed) + len(found.kept) == len(given_offers)
    if not found.kept:
        assert f"'{found.removed[-1][1]}' removed" in str(none_left(need, found))
        return
    subject, (table, own) = Subject(text, "general"), held
    picked = pick(subject, found.kept, wish, table, first_rule(subject, own))
    assert passes(need, picked.offer)
