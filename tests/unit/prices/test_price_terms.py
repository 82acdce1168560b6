"""What is billed beside tokens: told costs, residency, hosted tools, fees, time, assumptions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scrimp.billing import places_of, price_names, pricer, trusts_of
from scrimp.calls import Target, Usage
from scrimp.errors import PriceUnknown
from scrimp.money import parse_usd
from scrimp.prices import PriceRow, load_book, price, resolve
from scrimp.prices.rates import PER_REQUEST, Rates, multiplied
from scrimp.settings import read
from scrimp.terms import Terms

BOOK = load_book()
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOLD = Usage(input_tokens=10, terms=Terms(reported_nanousd=3_850_000))


def test_a_cost_that_the_provider_told_wins() -> None:
    """Also for a model that the book does not know; it is marked, and it is the only line."""
    for model, provider in (("openai/gpt-4o", "openrouter"), ("unheard-of", "xai")):
        cost = price(TOLD, model, provider, AT, book=BOOK)
        assert (cost.nanousd, cost.basis) == (3_850_000, "reported")
        assert [line.nanousd for line in cost.lines] == [3_850_000]


def test_a_cost_is_believed_only_from_those_whose_api_tells_one() -> None:
    """Anybody may write `cost` into a usage: elsewhere the book prices, or nobody knows."""
    cost = price(TOLD, "gpt-4o", "openai", AT, book=BOOK)
    assert (cost.nanousd, cost.basis) == (25_000, "usage")
    with pytest.raises(PriceUnknown):
        price(TOLD, "unheard-of", "nobody", AT, book=BOOK)


@pytest.mark.parametrize(
    ("trust", "provider", "basis"),
    [
        ("auto", "corp", "usage"),
        ("auto", "openrouter", "reported"),
        (True, "corp", "reported"),
        (False, "openrouter", "usage"),
    ],
)
def test_settings_say_whose_cost_is_believed(trust: object, provider: str, basis: str) -> None:
    """`trust_cost` of a provider; `auto` believes those whose API is known to tell one."""
    about = {"base_url": "http://127.0.0.1:1/v1", "dialects": ["openai.chat"]}
    settings = read({"providers": {provider: {**about, "trust_cost": trust}}}, source="test")
    book = BOOK.with_overrides({"m": PriceRow({"input": 1000})})
    priced = pricer(book, price_names(settings), places_of(settings), trusts_of(settings))
    assert priced(TOLD, Target(provider, "m", "openai.chat"), AT, "").basis == basis


@pytest.mark.parametrize(
    ("model", "place", "usd"),
    [
        ("claude-opus-4-6", "us", "0.0385"),
        ("claude-opus-4-6", "", "0.035"),
        ("claude-sonnet-4-5", "us", "0.021"),
    ],
)
def test_data_residency(model: str, place: str, usd: str) -> None:
    """Models from the 4.6 era on cost 1.1 times as much in the US, earlier ones do not."""
    terms = Terms(geo=place) if place else None
    usage = Usage(input_tokens=2000, output_tokens=1000, terms=terms)
    assert price(usage, model, "anthropic", AT, book=BOOK).nanousd == parse_usd(usd)


def test_residency_multiplies_every_kind_of_token_and_the_batch_price() -> None:
    """Cache and output move too, batch stacks with it, web searches stay."""
    usage = Usage(
        cache_read_tokens=10_000,
        cache_write_1h_tokens=1000,
        output_tokens=10,
        web_search_requests=1,
    )
    here = price(usage, "claude-opus-4-8", "anthropic", AT, book=BOOK, service_tier="batch")
    terms = Terms(geo="us")
    there = Usage(
        cache_read_tokens=10_000,
        cache_write_1h_tokens=1000,
        output_tokens=10,
        web_search_requests=1,
        terms=terms,
    )
    cost = price(there, "claude-opus-4-8", "anthropic", AT, book=BOOK, service_tier="batch")
    pairs = zip(here.lines, cost.lines, strict=True)
    for plain, dear in pairs:
        factor = 10 if plain.what == "web_search" else 11
        assert dear.pico_per_unit * 10 == plain.pico_per_unit * factor


def test_a_place_without_a_price_is_unknown() -> None:
    """Nobody guesses what running it elsewhere costs."""
    with pytest.raises(PriceUnknown, match="'eu'"):
        price(Usage(terms=Terms(geo="eu")), "claude-opus-4-8", "anthropic", AT, book=BOOK)


def test_multiplied_rates_are_whole() -> None:
    """A fraction of a pico-dollar is rounded up; thresholds are no rates."""
    assert multiplied(5, (11, 10)) == 6
    assert multiplied((10, 200_000, 20), (11, 10)) == (11, 200_000, 22)
    assert multiplied(None, (11, 10)) is None


def test_hosted_tools_have_a_fee() -> None:
    """A file search is billed by the call; a tool without a known fee is never free."""
    usage = Usage(input_tokens=1000, terms=Terms(tool_calls=(("file_search", 2),)))
    cost = price(usage, "gpt-4.1", "openai", AT, book=BOOK)
    assert cost.nanousd == parse_usd("0.002") + parse_usd("0.005")
    assert [line.what for line in cost.lines] == ["input", "file_search"]
    with pytest.raises(PriceUnknown, match="teleport"):
        price(Usage(terms=Terms(tool_calls=(("teleport", 1),))), "gpt-4.1", "openai", AT, book=BOOK)


def test_a_fee_for_each_request() -> None:
    """It is billed once per call, used or not."""
    row = PriceRow({"input": 1000}, fees={PER_REQUEST: 5_000_000_000})
    book = BOOK.with_overrides({"m": row})
    cost = price(Usage(input_tokens=1), "m", "openai", AT, book=book)
    assert [(line.what, line.nanousd) for line in cost.lines] == [
        ("input", 1),
        (PER_REQUEST, 5_000_000),
    ]


def test_a_rate_per_second() -> None:
    """A model on one's own machine may cost by the time; without the time it is unknown."""
    book = BOOK.with_overrides({"mine": PriceRow({"input": 0, "output": 0}, per_ms=250_000)})
    usage = Usage(input_tokens=100, output_tokens=10, terms=Terms(compute_ms=1500))
    assert price(usage, "mine", "box", AT, book=book).nanousd == 375_000
    with pytest.raises(PriceUnknown, match="how long"):
        price(Usage(input_tokens=1), "mine", "box", AT, book=book)


def test_an_assumed_price_is_marked() -> None:
    """A stated fallback prices models without a price, and nothing else."""
    stated = PriceRow.usd({"input": "10", "output": "30"})
    book = BOOK.with_fallback(stated)
    usage = Usage(input_tokens=1000, output_tokens=100)
    for model, tier in (("unheard-of", ""), ("whisper-1", ""), ("gpt-5", "scale")):
        for _ in range(2):
            cost = price(usage, model, "openai", AT, book=book, service_tier=tier)
            assert (cost.nanousd, cost.basis) == (13_000_000, "assumed")
            assert cost.price_version == f"{book.version}~assumed"
    known = price(usage, "gpt-5", "openai", AT, book=book)
    assert known.basis == "usage"
    assert known.lines == price(usage, "gpt-5", "openai", AT, book=BOOK).lines


def test_every_rate_says_who_told_it() -> None:
    """The source's page, or the page that a row of ours was read from with its date."""
    plain = _rates("gpt-5", "openai")
    assert plain.source.startswith(BOOK.source)
    assert "https://developers.openai.com" in plain.source
    ours = _rates("deepseek-v4-pro", "deepseek")
    assert "https://api-docs.deepseek.com" in ours.source
    assert "checked 2026-" in ours.source


def _rates(model: str, provider: str) -> Rates:
    return resolve(model, provider, AT, book=BOOK)
