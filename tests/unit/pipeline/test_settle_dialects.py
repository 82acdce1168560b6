"""Settling calls of the other dialects: what a broken response or embedding probably cost."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import FREE_COST, UNKNOWN_COST, Call, Operation, Target
from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import encode
from scrimp.ledger.booking import Ending, booked, entry_of, needs_estimate
from scrimp.money import line_nanousd
from scrimp.pipeline.settle import Settler
from scrimp.ports import Entry, Settlement
from scrimp.prices import load_book
from tests.support.core import ListLedger, attempt_of, call_of
from tests.support.vocabularies import shared_encoder

SMALL, MINI = "text-embedding-3-small", "gpt-4o-mini"
SMALL_PICO, IN_PICO, OUT_PICO = 20_000, 150_000, 600_000


def call(dialect: str, operation: Operation, **fields: Any) -> Call:
    """A call in a dialect."""
    request = DIALECTS[dialect].read_request(encode(fields))
    target = Target("openai", request.model, dialect)
    return replace(call_of(), request=request, operation=operation, target=target)


async def settled(one: Call, partial: bytes = b"") -> Entry:
    """Its entry, after an attempt that broke without usage."""
    attempt = attempt_of(
        outcome="cut", usage=None, cost=UNKNOWN_COST, target=one.target, partial=partial
    )
    assert needs_estimate(attempt, one)
    one.trace.attempts.append(attempt)
    one.trace.booked = booked(None, [attempt], FREE_COST)
    ledger = ListLedger()
    settler = Settler(ledger, shared_encoder(), DIALECTS, load_book(), {})
    entry = entry_of(one, Ending(None, None, 1.0), keep_content=False)
    await settler.settle(Settlement(one, entry))
    return ledger.entries[0]


async def test_broken_embeddings_cost_their_input() -> None:
    """Nothing comes out that could be billed; and no price for output is needed."""
    entry = await settled(call("openai.embeddings", "embeddings", model=SMALL, input=["a b", "c"]))
    assert entry.cost_basis == "estimate"
    assert entry.cost_nanousd == entry.cost_low_nanousd == line_nanousd(3, SMALL_PICO)
    assert entry.cost_high_nanousd is not None
    assert entry.cost_nanousd <= entry.cost_high_nanousd < 2 * entry.cost_nanousd


async def test_a_broken_response_costs_what_was_heard_to_what_was_allowed() -> None:
    """Texts of the stream so far at least, the limit at most."""
    heard = DIALECTS["openai.responses"].to_stream(
        encode(
            {
                "id": "r",
                "status": "completed",
                "output": [
                    {
                        "type": "message",
                        "id": "m",
                        "content": [{"type": "output_text", "text": "one two three"}],
                    }
                ],
            }
        ),
        include_usage=True,
    )
    one = call("openai.responses", "chat", model=MINI, input="tell me a joke", max_output_tokens=50)
    entry = await settled(one, heard[: heard.index(b"event: response.completed")])
    assert entry.cost_basis == "estimate"
    assert entry.cost_nanousd == line_nanousd(11, IN_PICO) + line_nanousd(3, OUT_PICO)
    assert entry.cost_high_nanousd is not None
    assert entry.cost_high_nanousd >= line_nanousd(11, IN_PICO) + line_nanousd(50, OUT_PICO)


@pytest.mark.parametrize("field", ["previous_response_id", "conversation"])
async def test_what_was_said_before_may_cost_much_more(field: str) -> None:
    """The provider reads all of it again; nobody here knows how much."""
    fields: dict[str, Any] = {"model": MINI, "input": "and?", "max_output_tokens": 50}
    plain = await settled(call("openai.responses", "chat", **fields))
    later = await settled(call("openai.responses", "chat", **fields, **{field: "x_1"}))
    assert plain.cost_low_nanousd == later.cost_low_nanousd
    assert plain.cost_high_nanousd is not None
    assert later.cost_high_nanousd is not None
    assert later.cost_high_nanousd > 100 * plain.cost_high_nanousd
