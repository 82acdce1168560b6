"""Money that adds up: baseline - cost = the sum of all savings, to the nano-dollar."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scrimp.calls import FREE_COST, UNKNOWN_COST, Attempt, Cost, Outcome, Reply, Target, TraceLine
from scrimp.ledger.booking import booked, is_plain, named, total_cost
from scrimp.ledger.steps import ESTIMATED, UNESTIMATED, Move, estimated, sent_to, unserved
from tests.support.core import attempt_of, reply_of

AMOUNTS = st.integers(0, 10**15)


@st.composite
def costs(draw: st.DrawFn) -> Cost:
    """Exact, free, estimated or unknown."""
    kind = draw(st.sampled_from(["exact", "free", "estimate", "unknown"]))
    if kind == "free":
        return FREE_COST
    if kind == "unknown":
        return UNKNOWN_COST
    if kind == "exact":
        return Cost.exact(draw(AMOUNTS), price_version="a", lines=())
    low, middle, high = sorted(draw(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS)))
    return Cost(middle, low, high, "estimate", "b")


OUTCOMES: list[Outcome] = ["ok", "rejected", "failed", "cut", "cancelled", "unsent"]
ATTEMPTS = st.lists(
    st.builds(
        lambda cost, outcome: attempt_of(cost=cost, outcome=outcome),
        costs(),
        st.sampled_from(OUTCOMES),
    ),
    max_size=4,
)
REPLIES = st.sampled_from([None, reply_of(), reply_of(served_by="exact_cache")])


@given(REPLIES, ATTEMPTS, costs())
def test_savings_explain_the_difference(
    reply: Reply | None, attempts: list[Attempt], untouched: Cost
) -> None:
    """Whatever was tried and whoever answered; unknown costs stay unknown."""
    result = booked(reply, attempts, untouched)
    saved = sum(nanousd for _, nanousd in result.saved)
    if result.baseline_nanousd is None:
        assert result.saved == ()
    else:
        assert result.cost.nanousd is not None
        assert result.baseline_nanousd - result.cost.nanousd == saved
    if any(attempt.cost.nanousd is None for attempt in attempts):
        assert result.cost.nanousd is None
        assert result.baseline_nanousd is None


@given(ATTEMPTS.filter(bool), st.lists(st.sampled_from(["exact_cache", "coalesce", "budget"])))
def test_levers_that_leave_a_call_alone_leave_its_books_alone(
    attempts: list[Attempt], names: list[str]
) -> None:
    """One attempt with their lines only is its own baseline; one lever more is looked at."""
    lines = [TraceLine(name, "miss", (("key", "abc"),)) for name in names]
    assert booked(None, attempts, FREE_COST, lines) == booked(None, attempts, FREE_COST)
    assert is_plain(attempts, lines) == (len(attempts) == 1)
    assert not is_plain(attempts, [*lines, TraceLine("route", "chose", ())])


LEVERS = st.sampled_from(["degrade", "route", "cascade", "fallback"])
TARGETS = st.sampled_from([Target("a", name, "openai.chat") for name in "xyz"])


@st.composite
def lines_of_levers(draw: st.DrawFn) -> TraceLine:
    """A model changed, attempts made in vain, the price of a model that was left, known or not."""
    lever, target = draw(LEVERS), draw(TARGETS)
    match draw(st.sampled_from(["moved", "vain", "asked", "asked", "unknown"])):
        case "moved":
            verdict, numbers = "chose", sent_to(target)
        case "vain":
            first = draw(st.integers(0, 4))
            verdict, numbers = "failed", unserved(first, first + draw(st.integers(0, 3)))
        case "asked":
            move = Move(lever, target, target)
            verdict, numbers = ESTIMATED, estimated(move, draw(AMOUNTS))
        case _:
            verdict, numbers = UNESTIMATED, {}
    return TraceLine(lever, verdict, tuple(numbers.items()))


@given(ATTEMPTS.filter(bool), st.lists(lines_of_levers(), max_size=5), st.booleans())
def test_what_changes_of_the_model_saved_explains_the_difference(
    attempts: list[Attempt],
    lines: list[TraceLine],
    degraded: bool,  # noqa: FBT001 (drawn)
) -> None:
    """Whoever moved the call, and whatever was tried in vain; what is unknown stays unknown."""
    result = booked(None, attempts, FREE_COST, lines)
    if degraded:
        result = named("degrade", result)
    if result.baseline_nanousd is None:
        assert result.saved == ()
        return
    assert result.cost.nanousd is not None
    assert result.baseline_nanousd - result.cost.nanousd == sum(part for _, part in result.saved)
    levers = [lever for lever, _ in result.saved]
    assert len(levers) == len(set(levers))
    if degraded:
        assert "degrade" in levers


@given(st.lists(AMOUNTS, min_size=1, max_size=4), AMOUNTS, st.integers(0, 3))
def test_a_cascade_costs_its_drafts_and_saves_what_it_did_not_ask(
    drafts: list[int], asked: int, taken: int
) -> None:
    """Accepted: the asked model's price less all drafts. Escalated: the drafts, below zero."""
    dear, cheap = Target("a", "dear", "openai.chat"), Target("a", "cheap", "openai.chat")

    def tried(target: Target, nanousd: int) -> Attempt:
        cost = Cost.exact(nanousd, price_version="a", lines=())
        return attempt_of(target=target, cost=cost)

    made = [tried(cheap, nanousd) for nanousd in drafts]
    accepted = taken < len(drafts)
    past = taken if accepted else len(drafts)
    lines = [TraceLine("cascade", "failed", tuple(unserved(0, past).items()))]
    if accepted:
        numbers = estimated(Move("cascade", dear, cheap), asked)
        lines.append(TraceLine("record", ESTIMATED, tuple(numbers.items())))
        made = made[: taken + 1]
    else:
        made.append(tried(dear, asked))
    result = booked(None, made, FREE_COST, lines)
    assert result.baseline_nanousd == asked
    assert dict(result.saved).get("cascade", 0) == asked - sum(
        attempt.cost.nanousd or 0 for attempt in made
    )


@given(st.lists(costs(), max_size=5))
def test_a_total_is_the_sum_of_its_parts(parts: list[Cost]) -> None:
    """Bounds add up as amounts do; the total is exact only when every part is."""
    total = total_cost(parts)
    known = [(part.low_nanousd, part.nanousd, part.high_nanousd) for part in parts]
    if any(None in bounds for bounds in known):
        assert total == UNKNOWN_COST
        return
    assert total.nanousd is not None
    assert total.low_nanousd is not None
    assert total.high_nanousd is not None
    assert (total.low_nanousd, total.nanousd, total.high_nanousd) == tuple(
        sum(bounds[i] or 0 for bounds in known) for i in range(3)
    )
    assert total.low_nanousd <= total.nanousd <= total.high_nanousd
    assert (total.basis == "estimate") == any(part.basis == "estimate" for part in parts)
