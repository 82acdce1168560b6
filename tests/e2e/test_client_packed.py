"""`packed`: many short questions under one context, few prompts, each answer a call of its own."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

import scrimp
from scrimp.errors import BudgetExceeded, InvalidRequest
from scrimp.money import decimal_usd
from tests.support.library import Library

LABELS = ("refund", "delivery", "password", "invoice", "warranty")
RULES = (
    f"You sort what customers write. Answer with one word, one of: {', '.join(LABELS)}. "
    + "Where a message fits several, take the one that it names first. " * 10
)
QUESTIONS = [f"Message {number}: about the {LABELS[number % 5]}" for number in range(23)]
ANSWERS = [LABELS[number % 5] for number in range(23)]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku-4-5"])
def test_many_questions_take_few_prompts(lib: Library, model: str) -> None:
    """23 questions, ten to a prompt: three requests, 23 answers in order, the bill in parts."""
    found = lib.scrimp.packed(QUESTIONS, context=RULES, model=model, user="anna")
    entries = lib.entries()
    assert [one.answer for one in found] == ANSWERS
    prompts = [len(json.loads(one.body)["messages"]) for one in lib.sim.requests]
    assert len(prompts) <= 6  # a prompt of three may not be worth it
    bill = sum(entry.cost_nanousd or 0 for entry in entries)
    assert bill == lib.sim.bill.total_nanousd
    assert sum(one.cost or Decimal(0) for one in found) == Decimal(decimal_usd(bill))
    assert sum(one.saved_nanousd or 0 for one in found) > bill // 2
    assert {entry.id for entry in entries} == {one.id for one in found}
    assert {entry.user for entry in entries} == {"anna"}


async def test_awaited_it_is_the_same(lib: Library) -> None:
    """Five to a prompt, on the caller's own loop."""
    found = await lib.scrimp.apacked(QUESTIONS[:10], context=RULES, model="gpt-4o-mini", pack=5)
    assert [one.answer for one in found] == ANSWERS[:10]
    assert len(lib.sim.requests) == 2


def test_what_cannot_share_a_prompt_is_asked_by_itself(lib: Library) -> None:
    """A long question among short ones, one alone, and a context of three words."""
    given = [QUESTIONS[0], "password " * 1000, QUESTIONS[1]]
    found = lib.scrimp.packed(given, context=RULES, model="gpt-4o-mini", pack=3)
    assert [one.answer for one in found] == ["refund", "password", "delivery"]
    assert lib.scrimp.packed(QUESTIONS[:1], context=RULES, model="gpt-4o-mini")[0].answer
    sent = len(lib.sim.requests)
    lib.scrimp.packed(QUESTIONS[:4], context="Be kind.", model="gpt-4o-mini", pack=4)
    assert len(lib.sim.requests) == sent + 4


def test_what_cannot_be_is_said_first(lib: Library) -> None:
    """Nothing was sent; and no question has no answers."""
    with pytest.raises(InvalidRequest, match="pack is 0"):
        lib.scrimp.packed(QUESTIONS, context=RULES, model="gpt-4o-mini", pack=0)
    with pytest.raises(InvalidRequest, match="no model"):
        lib.scrimp.packed(QUESTIONS, context=RULES)
    assert lib.scrimp.packed([], context=RULES, model="gpt-4o-mini") == ()
    assert not lib.sim.requests


def test_a_budget_holds_for_packs_and_is_charged_their_bill(lib: Library) -> None:
    """What is left of it afterwards is the limit less the provider's bill."""
    with scrimp.budget(usd="0.01") as budget:
        lib.scrimp.packed(QUESTIONS, context=RULES, model="gpt-4o-mini")
        (standing,) = budget.remaining()
    assert standing.used == Decimal(decimal_usd(lib.sim.bill.total_nanousd))
    with scrimp.budget(usd="0.0000001"), pytest.raises(BudgetExceeded):
        lib.scrimp.packed(["Something else about the refund"], context=RULES, model="gpt-4o-mini")
