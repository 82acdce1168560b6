"""Properties of what a call may cost: never below its bill, whatever it uses; and of re-pricing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from scrimp.calls import COUNTERS, Cost, Usage
from scrimp.errors import PriceUnknown
from scrimp.ports import Count
from scrimp.prices import BUCKETS, PriceRow, load_book, price
from scrimp.prices.book import Own, PriceBook
from scrimp.prices.bound import NO_LIMIT_USES, Ask, upper_bound
from scrimp.prices.quote import Seller, estimate
from scrimp.prices.rates import PER_REQUEST, Rate
from scrimp.terms import Terms

BOOK = load_book()
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
TIERS = ("", "flex", "priority", "batch")
PLACES = ("", "us", "eu")
TEXT = ("input", "cache_read", "input_image")
WRITES = ("cache_write_5m", "cache_write_1h")
SOUND = ("input_audio", "cache_read_audio")

Draw = Callable[[st.SearchStrategy[list[int]]], list[int]]

picos = st.integers(0, 10**9)
steps = st.tuples(picos, st.integers(0, 400_000), picos)
tables = st.fixed_dictionaries(dict.fromkeys(BUCKETS, st.one_of(picos, steps)))
fees = st.fixed_dictionaries({"file_search": picos}, optional={PER_REQUEST: picos})


shares = st.tuples(st.integers(1, 40), st.integers(1, 20))


@st.composite
def books(draw: st.DrawFn) -> PriceBook:
    """A book with one model: tiers, fees, time, places, hours of some days with another price."""
    told, per_ms = draw(fees), draw(st.none() | st.integers(0, 10**7))
    rows = [PriceRow(draw(tables), fees=told, per_ms=per_ms)]
    if draw(st.booleans()):
        row = PriceRow(
            draw(tables),
            minutes=draw(st.tuples(st.integers(0, 1439), st.integers(0, 1439))),
            weekdays=tuple(sorted(draw(st.sets(st.integers(0, 6))))),
            fees=told,
            per_ms=per_ms,
            since=date(2026, 1, 1),
        )
        rows.append(row)
    tiers = {tier: (PriceRow(draw(tables)),) for tier in TIERS[1:]}
    places = {place: draw(shares) for place in PLACES[1:]}
    return BOOK.with_overrides({"m": Own(tuple(rows), tiers, places)})


def _split(draw: Draw, whole: int, parts: int) -> list[int]:
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
    place, longest = draw(st.sampled_from(PLACES)), draw(st.integers(1, 60_000))
    ask = Ask(
        inputs=inputs,
        max_output_tokens=limit,
        n=n,
        service_tier=draw(st.sampled_from((*TIERS, "auto", "default"))),
        place=place,
        kinds=kinds,
        uses=uses,
        longest_ms=longest,
    )

    into = (*TEXT, *(kind for kind in kinds if not kind.startswith("output_")))
    out = ("output", "reasoning", "output_image", *(("output_audio",) if sounds else ()))
    counts = dict(zip(into, _split(draw, draw(st.integers(0, high)), len(into)), strict=True))
    made = draw(st.integers(0, limit * n))
    counts |= dict(zip(out, _split(draw, made, len(out)), strict=True))
    used = {f"{name}_tokens": number for name, number in counts.items()}
    terms = Terms(geo=place, compute_ms=draw(st.integers(1, longest)))
    if uses:
        most = NO_LIMIT_USES if searches is None else searches
        used["web_search_requests"] = draw(st.integers(0, most))
        found = (("file_search", draw(st.integers(0, lookups))),)
        terms = Terms(geo=place, compute_ms=terms.compute_ms, tool_calls=found)
    return ask, Usage(**used, terms=terms)


def _serving(asked: str, draw: st.DataObject) -> str:
    """A tier that may serve who asked for one: a dear one may fall back to the standard one."""
    if asked in ("auto", "priority"):
        return draw.draw(st.sampled_from(("", "priority")))
    return asked


@given(books(), calls(), st.integers(0, 29), st.integers(0, 7 * 1440), st.data())
def test_the_bound_is_never_below_the_bill(
    book: PriceBook, call: tuple[Ask, Usage], later: int, minute: int, data: st.DataObject
) -> None:
    """Random models, tiers, places, caches, tools, times: the bill of what was used is not dearer.

    Nor is what was expected, and the least that was told is not dearer than that.
    """
    ask, usage = call
    at = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(minutes=minute)
    bound = upper_bound(ask, "m", "openai", at, book=book)
    begun = at + timedelta(minutes=later)
    tier = _serving(ask.service_tier, data)
    bill = price(usage, "m", "openai", begun, book=book, service_tier=tier)
    assert bill.nanousd is not None
    assert bound.nanousd >= bill.nanousd
    assert bound.nanousd == sum(line.nanousd for line in bound.lines)
    told = data.draw(st.none() | st.integers(0, 100_000))
    found = estimate(ask, Seller("m", "openai"), at, book=book, output_tokens=told)
    assert found.low_nanousd <= found.upper_nanousd == bound.nanousd
    if found.cost_nanousd is not None:
        assert found.low_nanousd <= found.cost_nanousd <= found.upper_nanousd
        assert found.cost_nanousd == sum(line.nanousd for line in found.lines)


@given(books(), st.integers(0, 300_000), st.integers(0, 50_000), st.data())
def test_the_least_is_never_above_the_bill(
    book: PriceBook, tokens: int, made: int, data: st.DataObject
) -> None:
    """Any split of the counted input, whatever was written: it costs at least what was told."""
    fresh, cached, images = _split(data.draw, tokens, 3)
    ask = Ask(Count(tokens, tokens, tokens, "t"), made)
    found = estimate(ask, Seller("m", "openai"), AT, book=book)
    terms = Terms(compute_ms=1)
    usage = Usage(
        input_tokens=fresh,
        cache_read_tokens=cached,
        input_image_tokens=images,
        output_tokens=made,
        terms=terms,
    )
    bill = price(usage, "m", "openai", AT, book=book).nanousd
    assert bill is not None
    assert found.low_nanousd <= bill <= found.upper_nanousd


SOLD = [
    (provider, model.id)
    for provider in ("openai", "anthropic", "google", "deepseek", "x-ai", "aws", "azure", "mistral")
    for model in BOOK.of(provider)
]


@given(
    st.sampled_from(SOLD),
    st.integers(0, 1_000_000),
    st.integers(0, 60_000),
    st.sampled_from(TIERS),
    st.data(),
)
def test_no_real_model_bills_more_than_its_bound(
    sold: tuple[str, str], tokens: int, limit: int, tier: str, data: st.DataObject
) -> None:
    """Models of the book with their own tiers, cliffs and hours; an unknown price has no bound."""
    provider, model = sold
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=data.draw(st.integers(0, 500_000)))
    ask = Ask(Count(tokens, tokens, tokens, "t"), limit, service_tier=tier, kinds=WRITES)
    fresh, cached, short, long = _split(data.draw, tokens, 4)
    said, thought = _split(data.draw, limit, 2)
    usage = Usage(
        input_tokens=fresh,
        cache_read_tokens=cached,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        output_tokens=said,
        reasoning_tokens=thought,
    )
    try:
        bill = price(usage, model, provider, at, book=BOOK, service_tier=tier).nanousd
        bound = upper_bound(ask, model, provider, at, book=BOOK)
    except PriceUnknown:
        return
    assert bill is not None
    assert bound.nanousd >= bill


usages = st.builds(
    Usage,
    **dict.fromkeys(COUNTERS, st.integers(0, 10**9)),
    terms=st.builds(
        Terms,
        compute_ms=st.integers(1, 10**6),
        geo=st.sampled_from(PLACES),
        tool_calls=st.sampled_from([(), (("file_search", 3),)]),
        reported_nanousd=st.none() | st.integers(0, 10**15),
    ),
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
