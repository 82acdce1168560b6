"""What waiting saved: exact, beside what other levers saved, and adding up to the whole."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.calls import Cost, Target, Trace, TraceLine, Usage
from scrimp.ledger.booking import Ending
from scrimp.ledger.smaller import less_tokens
from scrimp.ledger.steps import sent_to
from scrimp.ledger.waited import BATCH, DEFER, saving_of_waiting, unwaited
from scrimp.levers.record import Record
from tests.support.core import (
    TARGET,
    FakeClock,
    ListLedger,
    ListOutbox,
    attempt_of,
    call_of,
    reply_of,
)

_RATES = {"gpt-4o": (5, 20), "gpt-4o-mini": (1, 4)}


def price(usage: Usage, target: Target, at: datetime, service_tier: str) -> Cost:
    """Half of everything in a batch."""
    assert at.tzinfo is not None
    fresh, output = _RATES[target.model]
    plain = 2 * (fresh * usage.total_input_tokens + output * usage.total_output_tokens)
    return Cost.exact(
        plain // 2 if service_tier in ("batch", "flex") else plain, price_version="", lines=()
    )


def batched(usage: Usage, tier: str = "batch") -> Trace:
    """The trace of a call that was answered in a batch."""
    attempt = replace(
        attempt_of(),
        usage=usage,
        service_tier=tier,
        cost=price(usage, TARGET, FakeClock().now(), tier),
    )
    return Trace([TraceLine(DEFER, BATCH)], [attempt])


def test_waiting_saves_what_the_plain_price_is_more() -> None:
    """Half, here."""
    trace = batched(Usage(input_tokens=100, output_tokens=10))
    assert dict(saving_of_waiting(trace, price) or {}) == {"tier": "batch", "saved_nanousd": 140}


def test_who_did_not_wait_saved_nothing() -> None:
    """An answer at the plain tier, whatever was hoped for; a batch that the client made itself."""
    assert saving_of_waiting(batched(Usage(input_tokens=1), tier="default"), price) is None
    own = batched(Usage(input_tokens=1))
    own.lines.clear()
    assert saving_of_waiting(own, price) is None
    (attempt,) = own.attempts
    assert unwaited(attempt, ()) is attempt


@given(
    st.integers(1, 10_000),
    st.integers(0, 5_000),
    st.integers(0, 5_000),
    st.booleans(),
)
def test_the_parts_are_the_whole(inputs: int, outputs: int, less: int, moved: bool) -> None:  # noqa: FBT001 (drawn)
    """Of a call that was made smaller, sent to a cheaper model, and put off."""
    usage = Usage(input_tokens=inputs, output_tokens=outputs)
    trace = batched(usage)
    if less:
        trace.lines.append(TraceLine("trim", "trimmed", tuple(less_tokens(less).items())))
    asked = replace(TARGET, model="gpt-4o" if moved else TARGET.model)
    if moved:
        trace.lines.append(TraceLine("route", "cheapest", tuple(sent_to(TARGET).items())))
    call = replace(call_of(), target=asked, trace=trace)
    record = Record(ListLedger(), ListOutbox(), FakeClock(), price, keep_content=False)
    record._book(call, Ending(reply_of(), None, 1.0))
    found = trace.booked
    assert found is not None
    assert found.cost.nanousd is not None
    assert found.baseline_nanousd == found.cost.nanousd + sum(part for _, part in found.saved)
    plain = price(usage, TARGET, FakeClock().now(), "")
    parts = dict(found.saved)
    assert parts[DEFER] == (plain.nanousd or 0) - found.cost.nanousd
    if moved:
        dear = price(usage, asked, FakeClock().now(), "")
        assert parts["route"] == (dear.nanousd or 0) - (plain.nanousd or 0)
    if less:
        assert parts["trim"] == 2 * _RATES[TARGET.model][0] * less
