"""Properties of what a call may cost: never below its bill, whatever it uses; and of re-pricing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from scrimp.calls import COUNTERS, Cost, Terms, Usage
from scrimp.ports import Count
from scrimp.prices import BUCKETS, PriceRow, load_book, price
from scrimp.prices.book import Own, PriceBook
from scrimp.prices.bound import NO_LIMIT_USES, Ask, upper_bound
from scrimp.prices.rates import PER_REQUEST, Rate

BOOK = load_book()
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
TIERS = ("", "flex", "priority")
TEXT = ("input", "cache_read", "input_image")
WRITES = ("cache_write_5m", "cache_write_1h")
SOUND = ("input_audio", "cache_read_audio")

picos = st.integers(0, 10**9)
steps = st.tuples(picos, st.integers(0, 400_000), picos)
tables = st.fixed_dictionaries(dict.fromkeys(BUCKETS, st.one_of(picos, steps)))
fees = st.fixed_dictionaries({"file_search": picos}, optional={PER_REQUEST: picos})


@st.composite
def books(draw: st.DrawFn) -> PriceBook:
    """A book with one model: tiers, fees, an hour of the day with another price."""
    told = draw(fees)
    rows = [PriceRow(draw(tables), fees=told)]
    if draw(st.booleans()):
        minutes = draw(st.tuples(st.integers(0, 1439), st.integers(0, 1439)))
        rows.append(PriceRow(draw(tables), minutes=minutes, fees=told, since=date(2026, 1, 1)))
    tiers = {tier: (PriceRow(draw(tables)),) for tier in TIERS[1:]}
    return BOOK.with_overrides({"m": Own(tuple(rows), tiers)})


def _split(draw: st.DrawFn, whole: int, parts: int) -> list[int]:
    cuts = sorted(draw(st.lists(st.integers(0, whole), min_size=parts - 1, max_size=parts - 1)))
    return [right - left for left, right in zip([0, *cuts], [*cuts, whole], strict=True)]


@st.composite
def calls(draw: st.DrawFn) -> tuple[Ask, Usage]:
    """What a call asks, and a usage that it may then have."""
    high = draw(st.integers(0, 300_000))
    inputs = Count(high, high, high, "t")
    limit, n = draw(st.integers(0, 50_000)), draw(st.integers(1, 4))
    caches, sounds = draw(st.booleans()), draw(st.booleans())
    kinds = (*(WRITES if caches else ()), *((*SOUND, "output_audio") if sounds else ()))
    searches = draw(st.none() | st.integers(0, 5))
    lookups = draw(st.integers(0, 3))
    uses = draw(st.sampled_from([(), (("web_search", searches), ("file_search", lookups))]))
    ask = Ask(inputs, limit, n, draw(st.sampled_from(TIERS)), kinds=kinds, uses=uses)

    into = (*TEXT, *(kind for kind in kinds if not kind.startswith("output_")))
    out = ("output", "reasoning", "output_image", *(("output_audio",) if sounds else ()))
    counts = dict(zip(into, _split(draw, draw(st.integers(0, high)), len(into)), strict=True))
    made = draw(st.integers(0, limit * n))
    counts |= dict(zip(out, _split(draw, made, len(out)), strict=True))
    used = {f"{name}_tokens": number for name, number in counts.items()}
    terms = None
    if uses:
        most = NO_LIMIT_USES if searches is None else searches
        used["web_search_requests"] = draw(st.integers(0, most))
        terms = Terms(tool_calls=(("file_search", draw(st.integers(0, lookups))),))
    return ask, Usage(**used, terms=terms)


@given(books(), calls(), st.integers(0, 29), st.integers(0, 1439))
def test_the_bound_is_never_below_the_bill(
    book: PriceBook, call: tuple[Ask, Usage], later: int, minute: int
) -> None:
    """Random models, tiers, caches, tools, hours: the bill of what was used is never dearer."""
    ask, usage = call
    at = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(minutes=minute)
    bound = upper_bound(ask, "m", "openai", at, book=book)
    begun = at + timedelta(minutes=later)
    bill = price(usage, "m", "openai", begun, book=book, service_tier=ask.service_tier)
    assert bill.nanousd is not None
    assert bound.nanousd >= bill.nanousd
    assert bound.nanousd == sum(line.nanousd for line in bound.lines)


usages = st.builds(
    Usage,
    **dict.fromkeys(COUNTERS, st.integers(0, 10**9)),
    terms=st.none()
    | st.builds(Terms, tool_calls=st.just((("file_search", 3),)))
    | st.builds(Terms, reported_nanousd=st.integers(0, 10**15)),
)


@given(books(), usages, st.sampled_from(TIERS))
def test_pricing_again_changes_nothing(book: PriceBook, usage: Usage, tier: str) -> None:
    """The same book gives the same lines, whether or not it was asked before."""
    once = price(usage, "m", "openai", AT, book=book, service_tier=tier)
    again = price(usage, "m", "openai", AT, book=book.with_overrides({}), service_tier=tier)
    assert once == again == price(usage, "m", "openai", AT, book=book, service_tier=tier)
    assert once.nanousd == sum(line.nanousd for line in once.lines)
    assert _whole(once)


def _whole(cost: Cost) -> bool:
    numbers = [cost.nanousd, cost.low_nanousd, cost.high_nanousd]
    for line in cost.lines:
        numbers += [line.quantity, line.pico_per_unit, line.nanousd]
    return all(type(number) is int for number in numbers)


def test_every_rate_of_the_book_is_a_whole_number() -> None:
    """No float has got into the data: rates, fees, multipliers."""
    for provider in BOOK.providers():
        for model in BOOK.of(provider):
            rows = (*model.rows, *(row for tier in model.tiers.values() for row in tier))
            for row in rows:
                assert all(_whole_rate(rate) for rate in row.rates.values())
                assert all(type(fee) is int for fee in row.fees.values())
            for above, below in model.residency.values():
                assert type(above) is type(below) is int


def _whole_rate(rate: Rate) -> bool:
    return type(rate) is int or (
        isinstance(rate, tuple) and all(type(step) is int for step in rate)
    )
