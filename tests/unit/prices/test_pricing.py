"""Usage becomes an exact bill, or PriceUnknown: never a guess, never a silent $0."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from scrimp.calls import Usage
from scrimp.errors import PriceUnknown
from scrimp.money import parse_usd
from scrimp.ports import Count
from scrimp.prices import Own, PriceRow, bounds, explain, load_book, price, resolve

BOOK = load_book()
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINE = BOOK.with_overrides({"m": PriceRow.usd({"input": "10", "output": "20"})})


def test_a_million_tokens_at_ten_dollars_is_ten_dollars() -> None:
    """The unit of the price list comes out again."""
    cost = price(Usage(input_tokens=10**6), "m", "openai", AT, book=MINE)
    assert cost.nanousd == cost.low_nanousd == cost.high_nanousd == parse_usd("10")
    assert cost.basis == "usage"
    assert cost.price_version == MINE.version


def test_one_line_per_bucket() -> None:
    """Buckets that are empty leave no line; lines add up to the total."""
    usage = Usage(input_tokens=86, cache_read_tokens=1920, output_tokens=300)
    cost = price(usage, "gpt-5", "openai", AT, book=BOOK)
    assert [line.what for line in cost.lines] == ["input", "cache_read", "output"]
    assert cost.nanousd == sum(line.nanousd for line in cost.lines) == parse_usd("0.0033475")


def test_no_usage_is_no_cost() -> None:
    """A reply that used nothing cost nothing, and that is exact."""
    cost = price(Usage(), "gpt-5", "openai", AT, book=BOOK)
    assert (cost.nanousd, cost.lines, cost.basis) == (0, (), "usage")


def test_reasoning_is_billed_as_output() -> None:
    """Splitting output into text and reasoning does not change the bill by more than a rounding."""
    whole = price(Usage(output_tokens=1186), "o4-mini", "openai", AT, book=BOOK)
    usage = Usage(output_tokens=162, reasoning_tokens=1024)
    split = price(usage, "o4-mini", "openai", AT, book=BOOK)
    assert whole.nanousd == split.nanousd
    assert [line.what for line in split.lines] == ["output", "reasoning"]


def test_image_input_is_billed_as_input() -> None:
    """Where the list has no image rate, an image token is an input token."""
    cost = price(Usage(input_image_tokens=1000), "gpt-4o", "openai", AT, book=BOOK)
    assert cost.nanousd == parse_usd("0.0025")


@pytest.mark.parametrize(
    ("usage", "what"),
    [
        (Usage(input_audio_tokens=1), "input_audio"),
        (Usage(output_audio_tokens=1), "output_audio"),
        (Usage(output_image_tokens=1), "output_image"),
        (Usage(cache_write_1h_tokens=1), "cache_write_1h"),
        (Usage(input_tokens=-5), "-5"),
    ],
)
def test_no_certain_rate_raises(usage: Usage, what: str) -> None:
    """A bucket without a rate (or below zero) is named, with the way out."""
    with pytest.raises(PriceUnknown, match=what) as caught:
        price(usage, "gpt-4o", "openai", AT, book=BOOK)
    for word in ("gpt-4o", "openai", '[prices."gpt-4o"]'):
        assert word in str(caught.value)


def test_unknown_model_raises_every_time() -> None:
    """The refusal is remembered, not the exception."""
    for _ in range(2):
        with pytest.raises(PriceUnknown, match="does not know the model"):
            price(Usage(input_tokens=1), "nope", "openai", AT, book=BOOK)


def test_suspect_usage_is_priced() -> None:
    """Doubt stays with the usage; the price does not hide it by refusing."""
    usage = Usage(input_tokens=1000, suspect="total 1 != 2")
    assert price(usage, "m", "openai", AT, book=MINE).nanousd == parse_usd("0.01")


@pytest.mark.parametrize("tier", ["", "default", "standard", "Default"])
def test_ordinary_tiers(tier: str) -> None:
    """Providers' words for their ordinary tier price alike."""
    cost = price(Usage(input_tokens=10**6), "gpt-5", "openai", AT, book=BOOK, service_tier=tier)
    assert cost.nanousd == parse_usd("1.25")


@pytest.mark.parametrize(
    ("tier", "usd"), [("flex", "0.625"), ("batch", "0.625"), ("priority", "2.5")]
)
def test_service_tiers(tier: str, usd: str) -> None:
    """Flex, batch and priority have rates of their own; searches keep the standard one."""
    usage = Usage(input_tokens=10**6)
    cost = price(usage, "gpt-5", "openai", AT, book=BOOK, service_tier=tier)
    assert cost.nanousd == parse_usd(usd)
    rates = resolve("gpt-5", "openai", AT, book=BOOK, service_tier=tier)
    assert rates.of("web_search") == 10**10


@pytest.mark.parametrize(
    ("model", "provider", "tier", "at"),
    [
        ("gpt-5", "openai", "scale", AT),
        ("gpt-5", "openai", "auto", AT),
        ("gpt-4o", "openai", "flex", AT),
        ("gpt-5", "openai", "flex", datetime(2026, 1, 1, tzinfo=UTC)),
        ("claude-sonnet-4-5", "anthropic", "priority", AT),
    ],
)
def test_unknown_tier_raises(model: str, provider: str, tier: str, at: datetime) -> None:
    """A tier without a known rate, or before it was known, is not priced as another one."""
    with pytest.raises(PriceUnknown, match="tier"):
        price(Usage(input_tokens=1), model, provider, at, book=BOOK, service_tier=tier)


def test_groq_flex_costs_the_same() -> None:
    """Groq sells flex and auto at its on-demand price."""
    usage = Usage(input_tokens=1000)
    plain = price(usage, "llama-3.3-70b-versatile", "groq", AT, book=BOOK)
    for tier in ("flex", "auto", "on_demand"):
        cost = price(usage, "llama-3.3-70b-versatile", "groq", AT, book=BOOK, service_tier=tier)
        assert cost == plain


def test_dated_rows() -> None:
    """The row of the call's own date prices it, whatever was asked before."""
    usage = Usage(input_tokens=10**6)
    change = datetime(2026, 8, 21, tzinfo=UTC)
    for at, usd in ((change, "8"), (change - timedelta(seconds=1), "10"), (AT, "8")):
        cost = price(usage, "gpt-5.6-sol", "openai", at, book=BOOK)
        assert cost.nanousd == parse_usd(usd)


def test_local_times_are_turned_into_utc() -> None:
    """23:00 of the day before in New York is already the new price in UTC; naive is refused."""
    usage = Usage(input_tokens=1000)
    here = datetime(2026, 8, 20, 23, tzinfo=timezone(timedelta(hours=-4)))
    fresh = BOOK.with_overrides({})
    assert price(usage, "gpt-5.6", "openai", here, book=fresh).nanousd == parse_usd("0.004")
    fresh = BOOK.with_overrides({})
    with pytest.raises(ValueError, match="aware"):
        price(usage, "gpt-5.6", "openai", here.replace(tzinfo=None), book=fresh)


@pytest.mark.parametrize(
    ("at", "usd"),
    [
        (datetime(2026, 7, 1, 2, tzinfo=UTC), "0.435"),
        (datetime(2026, 8, 17, 2, tzinfo=UTC), "1.32"),
        (datetime(2026, 8, 22, 2, tzinfo=UTC), "1.32"),
        (datetime(2026, 8, 23, 2, tzinfo=UTC), "0.66"),
        (datetime(2026, 11, 18, 0, 59, tzinfo=UTC), "0.66"),
        (datetime(2026, 11, 18, 1, tzinfo=UTC), "1.32"),
        (datetime(2026, 11, 18, 4, tzinfo=UTC), "0.66"),
        (datetime(2026, 11, 18, 9, 59, tzinfo=UTC), "1.32"),
        (datetime(2026, 11, 18, 12, tzinfo=UTC), "0.66"),
        (datetime(2026, 11, 21, 2, tzinfo=UTC), "0.66"),
    ],
)
def test_peak_hours(at: datetime, usd: str) -> None:
    """DeepSeek's peak windows hold on their dates, on weekdays, and not at their end."""
    cost = price(Usage(input_tokens=10**6), "deepseek-v4-pro", "deepseek", at, book=BOOK)
    assert cost.nanousd == parse_usd(usd)


@pytest.mark.parametrize(
    ("at", "usd"),
    [
        (datetime(2026, 7, 1, 2, tzinfo=UTC), "0.14"),
        (datetime(2026, 8, 22, 2, tzinfo=UTC), "0.44"),
        (datetime(2026, 9, 5, 2, tzinfo=UTC), "0.22"),
        (datetime(2026, 9, 11, 2, tzinfo=UTC), "0.3"),
        (datetime(2026, 11, 21, 2, tzinfo=UTC), "0.15"),
    ],
)
def test_peak_hours_of_a_model_that_was_replaced(at: datetime, usd: str) -> None:
    """Each hour has the price of its own time: flat, peak of one model, peak of the next."""
    cost = price(Usage(input_tokens=10**6), "deepseek-v4-flash", "deepseek", at, book=BOOK)
    assert cost.nanousd == parse_usd(usd)


def test_scheduled_rows_say_so() -> None:
    """A price announced for later is used from its day on, and the version shows the risk."""
    later = datetime(2027, 2, 1, tzinfo=UTC)
    cost = price(Usage(input_tokens=1000), "gemini-3.6-flash", "google", later, book=BOOK)
    assert cost.price_version == f"{BOOK.version}~scheduled"
    now = price(Usage(input_tokens=1000), "gemini-3.6-flash", "google", AT, book=BOOK)
    assert now.price_version == BOOK.version


def test_a_scheduled_price_of_a_tier_says_so() -> None:
    """The tier's rates are on the bill, so its announcement is the risk of it."""
    batch = PriceRow({"input": 1}, since=date(2027, 1, 1), scheduled=True)
    own = Own((PriceRow({"input": 2, "output": 2}),), {"batch": (batch, PriceRow({"input": 3}))})
    book = BOOK.with_overrides({"mine": own})
    for year, ending in ((2026, False), (2027, True)):
        at = datetime(year, 2, 1, tzinfo=UTC)
        cost = price(Usage(input_tokens=1000), "mine", "", at, book=book, service_tier="batch")
        assert cost.price_version.endswith("~scheduled") == ending
    later = datetime(2027, 2, 1, tzinfo=UTC)
    plain = price(Usage(input_tokens=1000), "mine", "", later, book=book)
    assert plain.price_version == book.version


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("mistral-large-latest", "mistral"),
        ("whisper-1", "openai"),
        ("sonar", "perplexity"),
        ("lyria-3-pro-preview", "google"),
    ],
)
def test_what_cannot_be_expressed_is_unknown(model: str, provider: str) -> None:
    """Models billed by units that usage does not count are refused, never billed by half."""
    with pytest.raises(PriceUnknown):
        price(Usage(input_tokens=1), model, provider, AT, book=BOOK)


def test_cached_images_make_cached_input_unknown() -> None:
    """Usage cannot tell cached images from cached text, so such a model refuses cached input."""
    assert price(Usage(input_tokens=1), "gpt-image-1.5", "openai", AT, book=BOOK).nanousd
    with pytest.raises(PriceUnknown, match="cache_read"):
        price(Usage(cache_read_tokens=1), "gpt-image-1.5", "openai", AT, book=BOOK)


def test_free_models_are_free() -> None:
    """A model that its provider calls free costs an exact nothing."""
    cost = price(Usage(input_tokens=9), "openai/gpt-oss-20b:free", "openrouter", AT, book=BOOK)
    assert (cost.nanousd, cost.basis) == (0, "usage")


def test_one_hour_writes_cost_twice_the_input() -> None:
    """Claude's one-hour cache write is filled in on clouds where the source has no rate."""
    model = "regional.anthropic.claude-opus-4-1-20250805-v1:0"
    rates = resolve("us.anthropic.claude-opus-4-1-20250805-v1:0", "aws", AT, book=BOOK)
    base = rates.of("input")
    assert isinstance(base, int), model
    assert rates.of("cache_write_1h") == 2 * base


def test_bounds() -> None:
    """Low reads the prompt from the prefix cache, high writes it there; the estimate is between."""
    rates = resolve("claude-sonnet-4-6", "anthropic", AT, book=BOOK)
    cost = bounds(Count(1000, 900, 1100, "t"), Count(50, 10, 4096, "t"), rates)
    assert cost.basis == "estimate"
    assert cost.low_nanousd == 900 * 300 + 10 * 15_000
    assert cost.nanousd == 1000 * 3000 + 50 * 15_000
    assert (
        cost.high_nanousd == 1100 * 6000 + 4096 * 15_000 + 4
    )  # a nano-dollar for each line it may be split into
    assert cost.price_version == BOOK.version


def test_bounds_cross_the_cliff() -> None:
    """When the prompt may be over the threshold, high is at the upper rates and low is not."""
    rates = resolve("gpt-5.4", "openai", AT, book=BOOK)
    cost = bounds(Count(272_000, 260_000, 280_000, "t"), Count(0, 0, 10, "t"), rates)
    assert cost.low_nanousd == 260_000 * 250
    assert cost.nanousd == 272_000 * 2500
    assert cost.high_nanousd == 280_000 * 5000 + 10 * 22_500 + 4


def test_bounds_need_both_rates() -> None:
    """Without an output rate there are no bounds."""
    book = BOOK.with_overrides({"half": PriceRow.usd({"input": "1"})})
    rates = resolve("half", "openai", AT, book=book)
    with pytest.raises(PriceUnknown, match="output"):
        bounds(Count(1, 1, 1, "t"), Count(1, 1, 1, "t"), rates)


def test_explain() -> None:
    """Every rate in force, long-context ones apart."""
    rows = dict(explain("gpt-5.4", "openai", AT, BOOK))
    assert rows["input"] == 2_500_000
    assert rows["input over 272,000 input tokens"] == 5_000_000
    assert "input_audio" not in rows
