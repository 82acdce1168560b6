"""Whatever models answer and checks say: one answer, at most once live, and money that adds up."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from scrimp.calls import FREE_COST, Finish, HeldSink, Reply
from scrimp.errors import Breach, BudgetExceeded, Rejected, UpstreamError
from scrimp.ledger.booking import booked
from scrimp.ledger.steps import served_of, spent_in_vain
from scrimp.pipeline.cascade_plan import Steps
from tests.support.cascading import BAD, GOOD, Answers, Kitchen, answer_in, answering, asking

TEXTS = st.sampled_from([GOOD, BAD, "Four.", "", "I'm sorry, but I can't help.", "{}", "#### 4"])
FINISHES: st.SearchStrategy[Finish] = st.sampled_from(
    ["complete", "complete", "truncated", "refused", "unknown"]
)
ERRORS = st.sampled_from(
    [UpstreamError("down", status=503), BudgetExceeded("over", breach=Breach())]
)
OUTCOMES = st.one_of(st.builds(answering, TEXTS, FINISHES), ERRORS)
CHECKS = st.lists(
    st.sampled_from(
        [
            ("arithmetic", ""),
            ("min_length", "3"),
            ("json", ""),
            ("agreement", "other"),
            ("score", ""),
        ]
    ),
    min_size=1,
    max_size=3,
    unique=True,
)


@given(
    st.fixed_dictionaries(dict.fromkeys(("cheap", "mid", "other", "dear"), OUTCOMES)),
    st.lists(st.sampled_from(["cheap", "mid"]), min_size=1, max_size=2, unique=True),
    CHECKS,
    st.booleans(),
)
def test_a_cascade_answers_once_and_its_books_agree(
    answers: Answers,
    ladder: list[str],
    checks: list[tuple[str, str]],
    parallel: bool,  # noqa: FBT001 (drawn)
) -> None:
    """The answer is one model's own; what was not served is marked, each attempt counts once."""
    kitchen = Kitchen(answers, steps=Steps(tuple(ladder), tuple(checks)), parallel=parallel)
    call = asking(sink=HeldSink())
    reply: Reply | None = None
    error: Exception | None = None
    try:
        reply = asyncio.run(kitchen.ask(call))
    except (UpstreamError, Rejected) as caught:
        error = caught
    attempts, lines = call.trace.attempts, call.trace.lines
    served, vain = served_of(attempts, lines), spent_in_vain(lines)
    assert all(number < len(attempts) for number in vain)
    result = booked(reply, attempts, FREE_COST, lines)
    assert result.cost.nanousd == sum(one.cost.nanousd or 0 for one in attempts)
    if result.baseline_nanousd is not None:
        saved = sum(part for _, part in result.saved)
        assert result.baseline_nanousd - result.cost.nanousd == saved
    if reply is None:
        assert error is answers["dear"]
        return
    assert served is not None
    own = answers[served.target.model]
    assert isinstance(own, Reply)
    assert answer_in(reply) == answer_in(own)
    assert served.target.model != "other"
    told = call.trace.headers["x-scrimp-cascade"]
    assert told.split()[1] == served.target.model
    if told.startswith("accepted"):
        assert own.facts.finish == "complete"
        assert "dear" not in kitchen.provider.asked
    if told.startswith("best_effort"):
        assert not reply.cacheable
