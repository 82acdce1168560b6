"""A call is estimated before it is sent: expected, at least, at most."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from scrimp.errors import PriceUnknown
from scrimp.ports import Count
from scrimp.prices import Own, PriceRow, load_book
from scrimp.prices.bound import Ask
from scrimp.prices.quote import Estimate, Seller, estimate
from scrimp.prices.rates import PER_REQUEST

BOOK = load_book()
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
INPUTS = Count(1000, 900, 1100, "t")
ASK = Ask(INPUTS, 500)
MINI = Seller("gpt-4o", "openai", "openai.chat")


def _of(ask: Ask = ASK, seller: Seller = MINI, output: int | None = None) -> Estimate:
    return estimate(ask, seller, AT, book=BOOK, output_tokens=output)


def test_expected_at_least_and_at_most() -> None:
    """To the nano-dollar: fresh input and the usual output; cached input; all of the limit."""
    found = _of()
    assert found.cost_nanousd == 1000 * 2500 + 500 * 10_000
    assert found.low_nanousd == 900 * 1250
    assert found.upper_nanousd == 1100 * 2500 + 500 * 10_000 + 12
    assert found.cost_nanousd == sum(line.nanousd for line in found.lines)
    assert found.upper_nanousd == sum(line.nanousd for line in found.upper_lines)
    assert found.cost == Decimal("0.0075")
    assert (found.low, found.upper) == (Decimal("0.001125"), Decimal("0.007750012"))
    assert found.price_version == BOOK.version
    assert (found.model, found.provider, found.dialect) == ("gpt-4o", "openai", "openai.chat")


def test_the_usual_output_is_two_thirds_of_the_input_and_says_so() -> None:
    """The split 60/40 of a forecast, for every choice, never more than the call allows."""
    found = _of(replace(ASK, max_output_tokens=5000))
    assert (found.output.tokens, found.output.high) == (667, 5000)
    assert found.assumed == ("an output of 667 tokens",)
    assert _of(replace(ASK, max_output_tokens=5000, n=2)).output.tokens == 1334
    assert _of().output.tokens == 500
    unlimited = _of(replace(ASK, max_output_tokens=None))
    assert unlimited.output.high == 16_384


def test_who_knows_the_output_says_it() -> None:
    """Nothing is assumed then; more than the call allows is cut, and said."""
    told = _of(output=20)
    assert (told.output, told.assumed) == (Count(20, 0, 500, "as told"), ())
    cut = _of(output=501)
    assert cut.output.tokens == 500
    assert cut.assumed == ("500 output tokens, as the call allows no more",)
    assert cut.cost_nanousd is not None
    assert cut.cost_nanousd <= cut.upper_nanousd


def test_embeddings_write_nothing() -> None:
    """No output is expected or assumed."""
    found = _of(Ask(INPUTS, 0), Seller("text-embedding-3-small", "openai"))
    assert (found.output.tokens, found.assumed) == (0, ())
    assert [line.what for line in found.lines] == ["input"]


@pytest.mark.parametrize(
    ("asked", "tier", "rate", "low"),
    [
        ("", "standard", 1250, 125),
        ("flex", "flex", 625, 63),
        ("batch", "batch", 625, 63),
        ("priority", "priority", 2500, 125),
        ("auto", "standard", 1250, 125),
    ],
)
def test_the_tier_that_is_asked(asked: str, tier: str, rate: int, low: int) -> None:
    """A dear tier may fall back to the standard one, so that is the least."""
    found = _of(replace(ASK, service_tier=asked), Seller("gpt-5", "openai"))
    assert found.service_tier == tier
    assert found.lines[0].pico_per_unit == rate * 1000
    assert found.low_nanousd == pytest.approx(900 * low, rel=0.01)


def test_residency_moves_all_three() -> None:
    """Ten per cent more at a regional endpoint, for models that have that price."""
    seller = Seller("gpt-5.4", "openai")
    here, there = _of(ASK, seller), _of(replace(ASK, place="eu"), seller)
    assert here.cost_nanousd is not None
    assert there.cost_nanousd == here.cost_nanousd * 11 // 10
    assert there.low_nanousd == here.low_nanousd * 11 // 10
    assert there.upper_nanousd - 12 == (here.upper_nanousd - 12) * 11 // 10


def test_a_long_prompt_is_priced_beyond_the_cliff() -> None:
    """Input and output move together."""
    ask = Ask(Count(280_000, 270_000, 290_000, "t"), 10)
    found = _of(ask, Seller("gpt-5.4", "openai"))
    assert [line.pico_per_unit for line in found.lines] == [5_000_000, 22_500_000]
    assert found.low_nanousd == 270_000 * 250


def test_fees_of_a_request_are_in_all_three() -> None:
    """It is billed whatever the call does."""
    row = PriceRow({"input": 0, "output": 0}, fees={PER_REQUEST: 5_000_000})
    book = BOOK.with_overrides({"m": row})
    found = estimate(ASK, Seller("m", "box"), AT, book=book)
    assert (found.cost_nanousd, found.low_nanousd, found.upper_nanousd) == (5000, 5000, 5012)


def test_nobody_knows_how_long_it_will_take() -> None:
    """A model that is priced by the second has bounds, and no expected cost."""
    book = BOOK.with_overrides({"m": PriceRow({"input": 0, "output": 0}, per_ms=1000)})
    found = estimate(replace(ASK, longest_ms=2000), Seller("m", "box"), AT, book=book)
    assert (found.cost_nanousd, found.cost) == (None, None)
    assert (found.low_nanousd, found.upper_nanousd) == (0, 2012)


def test_an_unknown_price_is_never_zero() -> None:
    """Of a model, of a tier, of the output."""
    for model in ("unheard-of", "whisper-1"):
        with pytest.raises(PriceUnknown):
            _of(ASK, Seller(model, "openai"))
    with pytest.raises(PriceUnknown, match="golden"):
        _of(replace(ASK, service_tier="golden"))
    book = BOOK.with_overrides({"m": Own((PriceRow({"input": 1}),))})
    with pytest.raises(PriceUnknown, match="'output'"):
        estimate(ASK, Seller("m", "box"), AT, book=book)
