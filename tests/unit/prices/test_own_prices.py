"""Prices of one's own in scrimp.toml: every kind, exact, explicit when nothing is to be paid."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scrimp.billing import book_of, places_of, pricer
from scrimp.calls import Cost, Target, Usage
from scrimp.errors import ConfigError, PriceUnknown
from scrimp.money import parse_usd
from scrimp.prices import price, resolve
from scrimp.settings import parse
from scrimp.terms import Terms

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
FULL = """
[prices."house"]
input = "1"
output = "2"
cache_read = "0.1"
cache_write_5m = "1.25"
cache_write_1h = "2"
reasoning = "3"
input_audio = "4"
cache_read_audio = "0.4"
output_audio = "8"
input_image = "5"
output_image = "30"
web_search = "10"
per_request = "0.005"
tools = { file_search = "2.5" }
long_context = [
  { above = 200000, input = "2", output = "4" },
  { above = 100000, input = "1.5" },
]
tiers = { batch = { input = "0.5", output = "1" } }
source = "our own contract"
"""


def _cost(toml: str, usage: Usage, model: str = "house", tier: str = "", at: datetime = AT) -> Cost:
    book = book_of(parse(toml.encode(), source="test"))
    return price(usage, model, "corp", at, book=book, service_tier=tier)


def test_every_kind_has_its_price() -> None:
    """A million of each, a thousand searches and lookups, one request."""
    usage = Usage(
        output_tokens=10**6,
        reasoning_tokens=10**6,
        output_audio_tokens=10**6,
        output_image_tokens=10**6,
        web_search_requests=1000,
        terms=Terms(tool_calls=(("file_search", 1000),)),
    )
    total = parse_usd("2") + parse_usd("3") + parse_usd("8") + parse_usd("30")
    total += parse_usd("10") + parse_usd("2.5") + parse_usd("0.005")
    assert _cost(FULL, usage).nanousd == total


@pytest.mark.parametrize(
    ("tokens", "each", "out"),
    [(100_000, 1000, 2000), (100_001, 1500, 2000), (200_001, 2000, 4000)],
)
def test_long_prompts(tokens: int, each: int, out: int) -> None:
    """The cliff moves the whole call; a kind that a step leaves out keeps its price."""
    cost = _cost(FULL, Usage(input_tokens=tokens, output_tokens=10))
    assert cost.nanousd == tokens * each + 10 * out + parse_usd("0.005")


def test_tiers_overlay() -> None:
    """A tier has its own prices; those that it leaves out stay, an unnamed tier is unknown."""
    usage = Usage(input_tokens=1000, cache_read_tokens=1000)
    assert _cost(FULL, usage, tier="batch").nanousd == 500_000 + 100_000 + parse_usd("0.005")
    with pytest.raises(PriceUnknown, match="golden"):
        _cost(FULL, usage, tier="golden")


def test_free_is_said_explicitly() -> None:
    """A model that says so costs an exact nothing, whatever it uses; two zeros still say it too."""
    usage = Usage(input_tokens=10, input_audio_tokens=5, reasoning_tokens=7)
    cost = _cost('[prices."house"]\nfree = true', usage)
    assert (cost.nanousd, cost.basis) == (0, "usage")
    plain = Usage(input_tokens=10)
    assert _cost('[prices."house"]\ninput = "0"\noutput = "0"', plain).nanousd == 0


def test_a_price_of_time() -> None:
    """Dollars per second, with the tokens free unless they have a price too."""
    usage = Usage(input_tokens=10**6, terms=Terms(compute_ms=2500))
    assert _cost('[prices."house"]\nper_second = "0.0004"', usage).nanousd == parse_usd("0.001")
    both = '[prices."house"]\nper_second = "0.0004"\ninput = "1"'
    assert _cost(both, usage).nanousd == parse_usd("1.001")


def test_a_price_with_a_history() -> None:
    """Several tables for one model: the last one in force at a time prices it."""
    toml = """
[[prices."house"]]
input = "1"
output = "1"
[[prices."house"]]
since = 2026-11-01
until = 2026-12-01
input = "3"
output = "3"
"""
    usage = Usage(input_tokens=1000)
    times = {
        datetime(2026, month, 15, tzinfo=UTC): usd for month, usd in ((10, 1), (11, 3), (12, 1))
    }
    for at, usd in times.items():
        assert _cost(toml, usage, at=at).nanousd == usd * 1_000_000


PEAK = """
[[prices."house"]]
input = "1"
output = "1"
[[prices."house"]]
hours = "22:00-06:00"
weekdays = ["fri", "sat"]
input = "3"
output = "3"
tiers = { batch = { input = "2", output = "2" } }
"""


@pytest.mark.parametrize(
    ("at", "usd"),
    [
        ("2026-11-20T22:00", 3),
        ("2026-11-20T21:59", 1),
        ("2026-11-21T05:59", 3),
        ("2026-11-21T06:00", 1),
        ("2026-11-22T05:00", 1),
    ],
)
def test_hours_and_weekdays(at: str, usd: int) -> None:
    """A night from Friday on; what is left out holds at all other times."""
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert _cost(PEAK, Usage(input_tokens=1000), at=moment).nanousd == usd * 1_000_000
    if usd == 3:
        assert _cost(PEAK, Usage(input_tokens=1), tier="batch", at=moment).nanousd == 2000


def test_prices_of_ones_own_hold_everywhere_unless_they_say_where() -> None:
    """What a user states is what it costs; with factors, a place that is not named is unknown."""
    plain = '[prices."house"]\ninput = "1"\noutput = "1"\n'
    there = Usage(input_tokens=1000, terms=Terms(geo="us"))
    elsewhere = Usage(input_tokens=1000, terms=Terms(geo="eu"))
    assert _cost(plain, there).nanousd == 1_000_000
    dear = plain + 'residency = { us = "1.1" }'
    assert _cost(dear, there).nanousd == 1_100_000
    assert _cost(dear, Usage(input_tokens=1000)).nanousd == 1_000_000
    with pytest.raises(PriceUnknown, match="'eu'"):
        _cost(dear, elsewhere)
    assert _cost(plain + 'residency = { "*" = "2" }', elsewhere).nanousd == 2_000_000


def test_a_deployment_costs_what_its_model_costs() -> None:
    """Prices, tiers, residency and limits are another model's; the source says whose."""
    book = book_of(parse(b'[prices."azure/mine"]\nlike = "azure/gpt-5.4"', source="test"))
    usage = Usage(input_tokens=300_000, output_tokens=10)
    for tier in ("", "batch", "priority"):
        mine = price(usage, "mine", "azure", AT, book=book, service_tier=tier)
        assert (
            mine.lines == price(usage, "gpt-5.4", "azure", AT, book=book, service_tier=tier).lines
        )
    found, known = book.find("mine", "azure"), book.find("gpt-5.4", "azure")
    assert found is not None
    assert known is not None
    assert (found.max_output_tokens, found.context_window, found.residency) == (
        known.max_output_tokens,
        known.context_window,
        known.residency,
    )
    assert resolve("mine", "azure", AT, book=book).source.startswith("as openai/gpt-5.4, ")
    with pytest.raises(PriceUnknown):
        price(usage, "mine", "openai", AT, book=book)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('[prices.m]\nlike = "gpt-4o-minn"', "did you mean gpt-4o-mini"),
        ('[prices.m]\nlike = "gpt-4o"\ninput = "1"', "leave out the others"),
        ('[[prices.m]]\nlike = "gpt-4o"', "stands alone"),
    ],
)
def test_what_like_may_not_say(toml: str, words: str) -> None:
    """An unknown model, other prices beside it, a history."""
    with pytest.raises(ConfigError, match=words):
        book_of(parse(toml.encode(), source="test"))


@pytest.mark.parametrize(
    "field",
    [
        'hours = "25:00-01:00"',
        'hours = "1-2"',
        'hours = "01:00-01:00"',
        'hours = "01:00-24:01"',
        'residency = { us = "0" }',
        'residency = { us = "much" }',
        'residency = { us = "NaN" }',
        'weekdays = ["someday"]',
    ],
)
def test_hours_days_and_factors_are_checked(field: str) -> None:
    """With the field, and how to write it."""
    toml = f'[prices."house"]\ninput = "1"\noutput = "1"\n{field}'
    with pytest.raises(ConfigError, match=r"write it like|any of mon"):
        book_of(parse(toml.encode(), source="test"))


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('[prices."house"]\ninput = "1"', "'output' is missing"),
        ('[prices."house"]', "free = true"),
        ('[prices."house"]\nfree = true\ninptu = "1"', "input"),
        ('[unpriced]\npolicy = "assume"', "'price' is missing"),
        ('[unpriced]\npolicy = "pray"', "allow, refuse, assume"),
    ],
)
def test_what_the_file_may_not_say(toml: str, words: str) -> None:
    """A table without a price is an error in words, not a silent $0."""
    with pytest.raises(ConfigError, match=words):
        parse(toml.encode(), source="test")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('input = "cheap"', "cheap"),
        ('per_request = "-1"', "per_request"),
        ('per_second = "0.0000000001"', "at most 9 decimals"),
        ('tools = { x = "many" }', "tools.x"),
        ('long_context = [{ above = 5, web_search = "1" }]', "web_search"),
    ],
)
def test_what_is_no_price(line: str, words: str) -> None:
    """The error names the model and the field."""
    table = '[prices."house"]\noutput = "1"\n' + ("" if "input" in line else 'input = "1"\n') + line
    with pytest.raises(ConfigError, match=words) as caught:
        book_of(parse(table.encode(), source="test"))
    assert "house" in str(caught.value)


def test_an_assumed_price_for_what_has_none() -> None:
    """The policy's price is used for unknown models only, and marked."""
    toml = '[unpriced]\npolicy = "assume"\n[unpriced.price]\ninput = "10"\noutput = "30"'
    cost = _cost(toml, Usage(input_tokens=1000))
    assert (cost.nanousd, cost.basis) == (parse_usd("0.01"), "assumed")


def test_an_endpoint_in_one_place() -> None:
    """A provider whose endpoint keeps the work in a region is priced as of that region."""
    toml = """
[providers.openai]
base_url = "https://eu.example.com/v1"
residency = "eu"
[providers.other]
base_url = "https://example.com/v1"
dialects = ["openai.chat"]
prices_as = "openai"
"""
    settings = parse(toml.encode(), source="test")
    priced = pricer(book_of(settings), {"other": "openai"}, places_of(settings))
    usage = Usage(input_tokens=1000)
    costs = [
        priced(usage, Target(name, "gpt-5.4", "openai.chat"), AT, "").nanousd
        for name in ("openai", "other")
    ]
    assert costs == [2_750_000, 2_500_000]
