"""What usage costs: the rates that hold for a model at a time, and the bill made from them.

A bucket without a certain rate is never guessed and never free: it raises PriceUnknown. Two rates
are certain without being listed, because providers bill so: reasoning tokens are output tokens
(OpenAI reasoning guide, Anthropic extended thinking), and image input tokens are input tokens
(OpenAI and Anthropic vision guides) unless the list has a rate of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import attrgetter

from msgspec.structs import replace

from scrimp.calls import Cost, Line, Usage
from scrimp.dialects.reported_cost import TELL_COST
from scrimp.errors import PriceUnknown
from scrimp.money import PICO_PER_NANO, line_nanousd
from scrimp.ports import Count
from scrimp.prices.book import PriceBook
from scrimp.prices.parted import part_of_lines
from scrimp.prices.rates import (
    BUCKETS,
    PER_REQUEST,
    TOKENS,
    ModelPrice,
    PriceRow,
    Rate,
    Rates,
    multiplied,
    rate_at,
    span,
)
from scrimp.terms import Terms

STANDARD_TIERS = frozenset({"", "default", "standard", "on_demand"})
"""Words of providers for their ordinary service tier."""

_PRICED_ALIKE = frozenset(
    {"input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "web_search"}
)
"""Kinds whose standard price stays in force in a tier that lists no other. The rest do not."""

_FALLBACK = {"reasoning": "output", "input_image": "input"}
_MEMO_LIMIT = 4096
_SPLIT_NANOUSD = 4
"""A bill of the same tokens may be split into four input and two output lines, each rounded up."""

_NO_TERMS = Terms()
_OWN = "your own settings"
_NO_ROW = PriceRow({})

_quantities = attrgetter(
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "cache_read_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "output_image_tokens",
    "web_search_requests",
)


def resolve(
    model: str, provider: str, at: datetime, *, book: PriceBook, service_tier: str = ""
) -> Rates:
    """The rates in force at an aware time. Raises PriceUnknown with the way out.

    `service_tier` is the one that the provider reports in its reply; `batch` prices its batch API.
    """
    memo = book.resolved
    key = (provider, model, service_tier)
    known = memo.get(key)
    if known is not None:
        if isinstance(known, str):
            raise PriceUnknown(known)
        if (known.since is None or known.since <= at) and (known.until is None or at < known.until):
            return known
    if at.tzinfo is None:
        msg = f"a price needs an aware time, got {at.isoformat()} without a zone"
        raise ValueError(msg)
    if len(memo) >= _MEMO_LIMIT:
        memo.clear()
    found = book.find(model, provider)
    if found is None and book.fallback is None:
        # Only this refusal holds at all times; the others depend on the row in force.
        memo[key] = message = _unknown(model, provider, "the price book does not know the model")
        raise PriceUnknown(message)
    rates = _known_or_assumed(found, key, at.astimezone(UTC), book)
    if found is None or rates.basis == "usage":
        memo[key] = rates
    return rates


def _known_or_assumed(
    found: ModelPrice | None, asked: tuple[str, str, str], at: datetime, book: PriceBook
) -> Rates:
    """The model's own rates, or those that stand in for unknown ones. Raises PriceUnknown."""
    if found is None:
        return _assumed(asked, book.fallback or _NO_ROW, book)
    try:
        return _rates(found, asked, at, book)
    except PriceUnknown:
        if book.fallback is None:
            raise
    return _assumed(asked, book.fallback, book)


def price(
    usage: Usage,
    model: str,
    provider: str,
    at: datetime,
    *,
    book: PriceBook,
    service_tier: str = "",
) -> Cost:
    """The exact cost of usage that the provider reported, one line per bucket that is not empty.

    A cost that the provider itself told wins, also where no price is known, if its API is known to
    tell one. Usage that is `suspect` is priced as it stands. Raises PriceUnknown.
    """
    terms = usage.terms
    if terms is not None and terms.reported_nanousd is not None:
        if book.provider_id(provider) in TELL_COST:
            return Cost.reported(terms.reported_nanousd)
        usage = untold(usage)
    return price_with(usage, resolve(model, provider, at, book=book, service_tier=service_tier))


def price_with(usage: Usage, rates: Rates) -> Cost:
    """The exact cost at rates that were resolved before, whatever the provider told of it.

    Raises PriceUnknown.
    """
    terms = usage.terms
    plan = rates.plan
    if terms is not None and terms.geo:
        plan = plan_at(terms.geo, rates)
    part = None if terms is None else terms.part
    prompt_tokens = 0
    if rates.tiered:
        prompt_tokens = usage.total_input_tokens if part is None else part.prompt_tokens
    lines: list[Line] = []
    total = 0
    for what, quantity, rate in zip(BUCKETS, _quantities(usage), plan, strict=True):
        if not quantity:
            continue
        if rate is None or quantity < 0:
            raise PriceUnknown(_refusal(rates, what, quantity))
        pico = rate if type(rate) is int else rate_at(rate, prompt_tokens)
        nanousd = -(-quantity * pico // PICO_PER_NANO)
        total += nanousd
        lines.append(Line(what, quantity, pico, nanousd))
    if terms is not None or not rates.plain:
        for line in _beside_tokens(terms or _NO_TERMS, rates):
            total += line.nanousd
            lines.append(line)
    if part is not None:
        lines = part_of_lines(lines, part)
        total = sum(line.nanousd for line in lines)
    return Cost(total, total, total, rates.basis, rates.version, tuple(lines))


def untold(usage: Usage) -> Usage:
    """The usage without the cost that was told with it: somebody who is not believed told it."""
    terms = usage.terms
    return usage if terms is None else replace(usage, terms=replace(terms, reported_nanousd=None))


def at_place(usage: Usage, place: str) -> Usage:
    """The usage as of a model that ran in a place, unless it says where it ran itself."""
    terms = usage.terms or _NO_TERMS
    return usage if terms.geo else replace(usage, terms=replace(terms, geo=place))


def plan_at(place: str, rates: Rates) -> tuple[Rate | None, ...]:
    """The rates where the model ran. Raises PriceUnknown for a place without a known price."""
    plan = rates.places.get(place) or rates.places.get("*")
    if plan is None:
        why = f"the book does not know what running it in {place!r} costs"
        raise PriceUnknown(_unknown(rates.model, rates.provider, why))
    return plan


def rates_in(place: str, rates: Rates) -> Rates:
    """The same rates where the model ran. Raises PriceUnknown."""
    return dataclasses.replace(rates, plan=plan_at(place, rates)) if place else rates


def _beside_tokens(terms: Terms, rates: Rates) -> Iterator[Line]:
    """What is billed by the request, by the hosted tool's call, and by the time."""
    per_request = rates.fees.get(PER_REQUEST)
    calls = terms.tool_calls if per_request is None else ((PER_REQUEST, 1), *terms.tool_calls)
    for what, quantity in calls:
        pico = rates.fees.get(what)
        if pico is None or quantity < 0:
            raise PriceUnknown(_refusal(rates, what, quantity))
        yield Line(what, quantity, pico, line_nanousd(quantity, pico))
    if rates.per_ms is None:
        return
    if not terms.compute_ms and terms.part is None:
        why = "is priced by the second, and how long the call took is not known"
        raise PriceUnknown(f"model {rates.model!r} {why}")
    nanousd = line_nanousd(terms.compute_ms, rates.per_ms)
    yield Line("compute_ms", terms.compute_ms, rates.per_ms, nanousd)


def bounds(inputs: Count, outputs: Count, rates: Rates) -> Cost:
    """The cost of a call whose final usage never came: an estimate inside [low, high].

    The estimate takes `tokens` of both counts as fresh input and text output. Low reads the whole
    prompt from the provider's prefix cache, high writes it there at the dearest rate; outputs are
    `outputs.low` and `outputs.high` (the caller's max_tokens, or the model's own limit). What each
    request costs is in all three. Raises PriceUnknown when input has no rate, or output has none
    though there may be some.
    """
    lows, highs = [], []
    for what in ("input", "cache_read", "cache_write_5m", "cache_write_1h"):
        rate = rates.of(what)
        if rate is not None:
            cheap, dear = span(rate, inputs.low, inputs.high)
            lows.append(cheap)
            highs.append(dear)
    fresh = rate_at(_known(rates, "input"), inputs.tokens)
    lines = [Line("input", inputs.tokens, fresh, line_nanousd(inputs.tokens, fresh))]
    low, high = line_nanousd(inputs.low, min(lows)), line_nanousd(inputs.high, max(highs))
    if outputs.high:  # embeddings have none, and no price for it
        text, thought = _known(rates, "output"), rates.of("reasoning")
        outs = [span(one, inputs.low, inputs.high) for one in (text, thought) if one is not None]
        said = rate_at(text, inputs.tokens)
        lines.append(Line("output", outputs.tokens, said, line_nanousd(outputs.tokens, said)))
        low += line_nanousd(outputs.low, min(out[0] for out in outs))
        high += line_nanousd(outputs.high, max(out[1] for out in outs))
    high += _SPLIT_NANOUSD if high else 0
    if (fee := rates.fees.get(PER_REQUEST)) is not None:
        lines.append(Line(PER_REQUEST, 1, fee, line_nanousd(1, fee)))
        low, high = low + lines[-1].nanousd, high + lines[-1].nanousd
    middle = sum(line.nanousd for line in lines)
    counted = (inputs.tokens, inputs.low, inputs.high, outputs.tokens, outputs.low, outputs.high)
    return Cost(middle, low, high, "estimate", rates.version, tuple(lines), counted=counted)


def explain(
    model: str, provider: str, at: datetime, book: PriceBook
) -> tuple[tuple[str, int], ...]:
    """What each unit costs at a time, in pico-dollars, for people; long-context rates apart.

    Raises PriceUnknown.
    """
    found: list[tuple[str, int]] = []
    for what, rate in zip(BUCKETS, resolve(model, provider, at, book=book).plan, strict=True):
        if rate is None:
            continue
        steps = (rate,) if isinstance(rate, int) else rate
        found.append((what, steps[0]))
        found += [
            (f"{what} over {steps[index]:,} input tokens", steps[index + 1])
            for index in range(1, len(steps), 2)
        ]
    return tuple(found)


def _rates(found: ModelPrice, asked: tuple[str, str, str], at: datetime, book: PriceBook) -> Rates:
    provider, model, tier = asked
    row = next((one for one in reversed(found.rows) if one.holds(at)), None)
    if row is None or row.unpriced:
        why = row.unpriced if row else f"no price is known for {at:%Y-%m-%d}"
        raise PriceUnknown(_unknown(model, provider, why))
    table: dict[str, Rate | None] = dict(row.rates)
    overlays = _overlays(found, asked, book)
    active = [one for one in overlays if one.holds(at)]
    if overlays:
        if not active:
            why = f"no price is known for service tier {tier!r} at {at:%Y-%m-%d}"
            raise PriceUnknown(_unknown(model, provider, why))
        table = _overlaid(table, active)
    plan = _plan(table)
    since, until = _interval((*found.rows, *overlays), at)
    return Rates(
        provider,
        model,
        book.version + "~scheduled" * any(one.scheduled for one in (row, *active)),
        plan,
        tiered=any(isinstance(rate, tuple) for rate in plan),
        since=since,
        until=until,
        plain=row.per_ms is None and PER_REQUEST not in row.fees,
        fees=row.fees,
        per_ms=row.per_ms,
        places={place: _moved(plan, share) for place, share in found.residency.items()},
        source=row.source or (_OWN if found.own else book.source_of(found.provider)),
    )


def _assumed(asked: tuple[str, str, str], row: PriceRow, book: PriceBook) -> Rates:
    """The stated price of models without one; it is marked in every cost."""
    provider, model, _ = asked
    plan = _plan(dict(row.rates))
    return Rates(
        provider,
        model,
        f"{book.version}~assumed",
        plan,
        tiered=any(isinstance(rate, tuple) for rate in plan),
        plain=row.per_ms is None and PER_REQUEST not in row.fees,
        basis="assumed",
        fees=row.fees,
        per_ms=row.per_ms,
        places={"*": plan},
        source=row.source or _OWN,
    )


def _plan(table: dict[str, Rate | None]) -> tuple[Rate | None, ...]:
    """Rates in the order of BUCKETS, with those that are certain without being listed."""
    for what, like in _FALLBACK.items():
        if what not in table:
            table[what] = table.get(like)
    return tuple(table.get(what) for what in BUCKETS)


def _moved(plan: tuple[Rate | None, ...], share: tuple[int, int]) -> tuple[Rate | None, ...]:
    return tuple(
        multiplied(rate, share) if what in TOKENS else rate
        for what, rate in zip(BUCKETS, plan, strict=True)
    )


def _overlays(
    found: ModelPrice, asked: tuple[str, str, str], book: PriceBook
) -> tuple[PriceRow, ...]:
    """Rows of the asked tier; empty for the standard one. Raises PriceUnknown for a strange one."""
    provider, model, given = asked
    tier = given.lower()
    if tier in STANDARD_TIERS or book.same_price(provider, tier):
        return ()
    rows = found.tiers.get(tier)
    if rows is None:
        known = ", ".join(("standard", *sorted(found.tiers)))
        why = f"service tier {given!r} has no known price (known: {known})"
        raise PriceUnknown(_unknown(model, provider, why))
    return rows


def _overlaid(table: dict[str, Rate | None], active: list[PriceRow]) -> dict[str, Rate | None]:
    """Tier rates over standard ones; of several, the first that names a kind prices it."""
    merged: dict[str, Rate | None] = {
        what: rate if what in _PRICED_ALIKE else None for what, rate in table.items()
    }
    named: set[str] = set()
    for row in active:
        for what, rate in row.rates.items():
            if what not in named:
                named.add(what)
                merged[what] = rate
    return merged


def _interval(rows: tuple[PriceRow, ...], at: datetime) -> tuple[datetime | None, datetime | None]:
    """The time around `at` in which no row begins or ceases to hold."""
    edges = [edge for row in rows for edge in row.edges(at.date())]
    since = max((edge for edge in edges if edge <= at), default=None)
    until = min((edge for edge in edges if edge > at), default=None)
    return since, until


def _known(rates: Rates, what: str) -> Rate:
    rate = rates.of(what)
    if rate is None:
        raise PriceUnknown(_refusal(rates, what, 0))
    return rate


def _refusal(rates: Rates, what: str, quantity: int) -> str:
    if quantity < 0:
        why = f"the usage reported has {quantity} units of {what!r}"
    else:
        why = f"no rate is known for {what!r}"
    return _unknown(rates.model, rates.provider, why)


def _unknown(model: str, provider: str, why: str) -> str:
    where = f" at provider {provider!r}" if provider else ""
    return (
        f"no price for model {model!r}{where}: {why} "
        f'(add a [prices."{model}"] table to scrimp.toml)'
    )
