"""What a user decides about models without a price holds for every call of the engine."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from scrimp.app import App, Parts
from scrimp.billing import book_of
from scrimp.calls import Target
from scrimp.errors import InvalidRequest
from scrimp.settings import parse
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.stores.settings_keys import SettingsKeys
from tests.support.core import (
    FakeClock,
    LetterEncoder,
    ListLedger,
    ScriptedUpstream,
    answer_fields,
    call_of,
    chat_fields,
    json_exchange,
)

UNHEARD = Target("openai", "unheard-of", "openai.chat")


def _answer() -> bytes:
    """A reply that names the model that was asked."""
    fields = json.loads(answer_fields())
    return json.dumps(fields | {"model": UNHEARD.model}).encode()


def _app(toml: str) -> tuple[App, ScriptedUpstream]:
    clock, upstream = FakeClock(), ScriptedUpstream(json_exchange(_answer()))
    parts = Parts(
        clock=clock,
        upstream=upstream,
        ledger=ListLedger(),
        replies=MemoryReplies(clock, max_bytes=1000),
        keys=SettingsKeys(()),
        encoder=LetterEncoder(),
    )
    settings = parse(toml.encode(), source="the test")
    return App(settings, parts, book_of(settings)), upstream


async def test_allow_books_it_as_unknown() -> None:
    """By default the call goes through, and its cost is not known."""
    app, _ = _app("[providers.openai]")
    call = replace(call_of(chat_fields()), target=UNHEARD)
    assert (await app.handle(call)).status == 200
    assert call.trace.attempts[0].cost.basis == "unknown"


async def test_refuse_turns_it_away_before_it_is_sent() -> None:
    """The client is told the model, and how to price it; a priced model goes through."""
    app, upstream = _app('[providers.openai]\n[unpriced]\npolicy = "refuse"')
    with pytest.raises(InvalidRequest, match=r"unheard-of.*\[unpriced\]"):
        await app.handle(replace(call_of(chat_fields()), target=UNHEARD))
    assert upstream.requests == []
    known = replace(call_of(chat_fields()), target=Target("openai", "gpt-4o", "openai.chat"))
    assert (await app.handle(known)).status == 200


async def test_assume_books_it_at_the_stated_price() -> None:
    """The cost is there, and says that it rests on an assumption."""
    stated = '[unpriced]\npolicy = "assume"\n[unpriced.price]\ninput = "10"\noutput = "30"'
    app, _ = _app(f"[providers.openai]\n{stated}")
    call = replace(call_of(chat_fields()), target=UNHEARD)
    await app.handle(call)
    cost = call.trace.attempts[0].cost
    assert cost.basis == "assumed"
    assert cost.nanousd
    assert call.trace.booked is not None
    assert call.trace.booked.cost.basis == "assumed"


async def test_a_model_priced_by_the_second_costs_its_time() -> None:
    """The time of the attempt is a part of its usage, so that the price can be made again."""
    app, _ = _app('[providers.openai]\n[prices."unheard-of"]\nper_second = "0.0004"')
    call = replace(call_of(chat_fields()), target=UNHEARD)
    await app.handle(call)
    attempt = call.trace.attempts[0]
    assert attempt.usage is not None
    assert attempt.usage.terms is not None
    assert attempt.usage.terms.compute_ms >= 1
    assert attempt.cost.nanousd == attempt.usage.terms.compute_ms * 400
