"""A deployment under any name costs what the model behind it costs, once its reply names it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scrimp.billing import pricer
from scrimp.calls import ReplyFacts, Target, Usage
from scrimp.errors import PriceUnknown
from scrimp.pipeline.priced import priced
from scrimp.prices import load_book

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
USAGE = Usage(input_tokens=1000)
BY_BOOK = pricer(load_book(), {}, {})


def test_the_model_behind_a_deployment() -> None:
    """The name that was asked is in no price list; the one that answered is."""
    target = Target("azure", "our-fast-one", "openai.chat")
    facts = ReplyFacts(usage=USAGE, model="gpt-4o-2024-11-20")
    assert priced(BY_BOOK, USAGE, facts, target, AT).nanousd == 2_500_000


def test_the_name_that_was_asked_goes_first() -> None:
    """A reply that names another model does not change a price that is known."""
    target = Target("azure", "gpt-4o-mini", "openai.chat")
    facts = ReplyFacts(usage=USAGE, model="gpt-4o-2024-11-20")
    assert priced(BY_BOOK, USAGE, facts, target, AT).nanousd == 150_000


@pytest.mark.parametrize("answered", ["", "our-fast-one", "our-other-one"])
def test_without_a_known_name_the_asked_one_is_at_fault(answered: str) -> None:
    """The refusal names what the user wrote, not what nobody knows either."""
    target = Target("azure", "our-fast-one", "openai.chat")
    with pytest.raises(PriceUnknown, match="our-fast-one"):
        priced(BY_BOOK, USAGE, ReplyFacts(usage=USAGE, model=answered), target, AT)
