"""The book finds the right model, at the right provider, and says what it was made from."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from scrimp.errors import PriceUnknown
from scrimp.prices import PriceRow, load_book, resolve
from scrimp.prices.match import matches, spellings
from scrimp.prices.rates import pico_per_unit, rate_at, span

BOOK = load_book()


def test_version_names_the_source_and_a_content_hash() -> None:
    """A ledger entry can tell which prices made it."""
    package, digest = BOOK.version.rsplit("-", 1)
    assert package.startswith("genai-prices-")
    assert len(digest) == 12
    assert "compiled 20" in BOOK.source


def test_the_book_is_read_once() -> None:
    """Every caller shares one book."""
    assert load_book() is load_book()


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "GPT-4o", "gpt-4o"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-flash", "gemini-2.5-flash"),
        ("gemini", "gemini-2.5-flash", "gemini-2.5-flash"),
        ("xai", "grok-4", "grok-4-0709"),
        ("openai", "gpt-5.4-20260305", "gpt-5.4"),
        (None, "gpt-4o-mini", "gpt-4o-mini"),
        (None, "claude-opus-4-5", "claude-opus-4-5"),
        (None, "openai/gpt-4o", "gpt-4o"),
    ],
)
def test_find(provider: str | None, model: str, expected: str) -> None:
    """Exact ids, dated snapshots, aliases of providers and bare models are found."""
    found = BOOK.find(model, provider)
    assert found is not None
    assert found.id == expected


def test_fallback_provider_sells_the_same_model() -> None:
    """Azure sells Anthropic's models; the price says whose row it is."""
    found = BOOK.find("claude-opus-4-5", "azure")
    assert found is not None
    assert found.provider == "anthropic"


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "no-such-model"), ("nobody", "gpt-4o"), (None, "no/such"), (None, "")],
)
def test_unknown_is_none(provider: str | None, model: str) -> None:
    """A provider or model that the book does not know is None, twice the same."""
    assert BOOK.find(model, provider) is None
    assert BOOK.find(model, provider) is None


def test_a_custom_provider_name_is_not_taken_for_a_known_one() -> None:
    """A provider called like a vendor is not the vendor."""
    assert BOOK.find("gpt-4o", "my-openai-at-home") is None


def test_context_window_is_known() -> None:
    """Limits come with the price where the data has them."""
    found = BOOK.find("gpt-4o", "openai")
    assert found is not None
    assert found.context_window == 128_000
    assert found.max_output_tokens == 16_384


def test_suggest() -> None:
    """A typing error is answered with the nearest known id, nonsense with nothing."""
    assert BOOK.suggest("gpt-4o-minni") == "gpt-4o-mini"
    assert BOOK.suggest("claude-sonet-4-5", "anthropic") == "claude-sonnet-4-5"
    assert BOOK.suggest("zzzzzzzzzzzzzzzz") is None


def test_overrides_make_a_new_book() -> None:
    """A user's row replaces the price, changes the version, and leaves the first book alone."""
    row = PriceRow.usd({"input": "7", "output": "8"})
    book = BOOK.with_overrides({"GPT-4o": row, "groq/llama-x": row})
    changed, before = book.find("gpt-4o", "openai"), BOOK.find("gpt-4o", "openai")
    assert changed is not None
    assert before is not None
    assert changed.rows == (row,)
    assert changed.context_window == before.context_window
    assert before.rows != (row,)
    assert book.version.startswith(BOOK.version + "+")
    assert book.find("llama-x", "groq") is not None
    assert book.find("llama-x", "openai") is None
    again = BOOK.with_overrides({"groq/llama-x": row, "gpt-4o": row})
    assert again.version == book.version


def test_price_row_is_exact() -> None:
    """$0.0375 per million is 37,500 pico-dollars per token; searches are by the thousand."""
    row = PriceRow.usd({"input": "0.0375", "web_search": 10}, since=date(2026, 1, 1))
    assert row.rates == {"input": 37_500, "web_search": 10_000_000_000}
    assert row.since == date(2026, 1, 1)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("inputs", "1"),
        ("input", "-1"),
        ("input", "NaN"),
        ("input", "Infinity"),
        ("input", "cheap"),
        ("input", "0.0000001"),
    ],
)
def test_price_row_refuses(what: str, text: str) -> None:
    """What cannot be a price is an error that names it."""
    with pytest.raises(ValueError, match=what):
        pico_per_unit(what, text)


def test_windows_may_pass_midnight() -> None:
    """A window from 23:00 to 01:00 holds on both sides of midnight, and not at its end."""
    row = PriceRow({}, minutes=(23 * 60, 60))
    assert row.holds(datetime(2026, 1, 1, 23, 0, tzinfo=UTC))
    assert row.holds(datetime(2026, 1, 1, 0, 59, tzinfo=UTC))
    assert not row.holds(datetime(2026, 1, 1, 1, 0, tzinfo=UTC))


def test_long_context_is_a_cliff() -> None:
    """At the threshold the base rate holds, one token later the upper one."""
    rate = (1, 100, 2, 200, 3)
    assert [rate_at(rate, n) for n in (0, 100, 101, 200, 201)] == [1, 1, 2, 2, 3]
    assert span(rate, 50, 150) == (1, 2)
    assert span((1, 100, 9, 200, 3), 50, 250) == (1, 9)
    assert span(7, 0, 10**9) == (7, 7)


def test_match_rules() -> None:
    """Every operator, alternatives, and clauses that must hold together."""
    assert matches(["=a"], "a")
    assert matches(["=x", "^gpt-"], "gpt-4o")
    assert matches(["$-mini"], "gpt-mini")
    assert matches(["*sonnet"], "claude-sonnet-5")
    assert matches([r"~^o[134]$"], "o3")
    assert matches([("*gpt", "*mini")], "gpt-mini")
    assert not matches([("*gpt", "*mini")], "gpt-4o")
    assert not matches([], "gpt-4o")


def test_spellings() -> None:
    """A compact date is also tried with dashes; what is no date stays."""
    assert spellings("gpt-5.2-20251211") == ("gpt-5.2-20251211", "gpt-5.2-2025-12-11")
    assert spellings("x-20251399") == ("x-20251399",)
    assert spellings("gpt-4o") == ("gpt-4o",)
    assert spellings("models/gemini-2.5-pro") == ("models/gemini-2.5-pro", "gemini-2.5-pro")
    listed = "publishers/google/models/gemini-2.5-pro"
    assert spellings(listed) == (listed, "gemini-2.5-pro")


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o-search-preview",
        "gpt-4o-search-preview-2025-03-11",
        "gpt-4o-mini-search-preview",
        "gpt-4o-mini-search-preview-2025-03-11",
        "gpt-5-search-api",
    ],
)
def test_models_that_search_for_every_answer_are_unknown(model: str) -> None:
    """Their usage counts no searches: a price without the fee would be a tenth of the bill."""
    with pytest.raises(PriceUnknown, match="search fee"):
        resolve(model, "openai", datetime(2026, 11, 20, tzinfo=UTC), book=BOOK)
