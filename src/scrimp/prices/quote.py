"""What a call will cost, before it is sent: expected, at least, at most; and what one cost. Pure.

How much a model will write is not known before it has written. What is expected unless somebody
knows better is the share of output that a forecast takes too (two tokens for three of the input),
never more than the call allows; it is stated among what was assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from scrimp.calls import CostBasis, Line
from scrimp.errors import PriceUnknown
from scrimp.money import decimal_usd, line_nanousd
from scrimp.ports import Count
from scrimp.prices.book import PriceBook
from scrimp.prices.bound import Ask, Limits, rates_around, tiers_that_serve, upper_bound
from scrimp.prices.forecast import USUAL_INPUT_SHARE
from scrimp.prices.pricing import rates_in, resolve
from scrimp.prices.rates import PER_REQUEST, Rates, rate_at, span

_CHEAPER = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "input_image")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one attempt of a call will cost, in nano-dollars.

    `cost_nanousd` is what is expected, None for a model that is priced by the second (nobody knows
    how long it will take); the bill is never above `upper_nanousd`, and not below `low_nanousd`
    (all input read from the provider's prefix cache, nothing written). `input` and `output` are
    tokens with their bounds. `lines` make the expected cost, `upper_lines` the most.
    """

    model: str
    provider: str
    dialect: str
    service_tier: str
    input: Count
    output: Count
    cost_nanousd: int | None
    low_nanousd: int
    upper_nanousd: int
    lines: tuple[Line, ...]
    upper_lines: tuple[Line, ...]
    assumed: tuple[str, ...]
    price_version: str
    source: str

    @property
    def cost(self) -> Decimal | None:
        """Expected, in exact US dollars."""
        return None if self.cost_nanousd is None else Decimal(decimal_usd(self.cost_nanousd))

    @property
    def low(self) -> Decimal:
        """At least, in exact US dollars."""
        return Decimal(decimal_usd(self.low_nanousd))

    @property
    def upper(self) -> Decimal:
        """At most, in exact US dollars."""
        return Decimal(decimal_usd(self.upper_nanousd))


@dataclass(frozen=True, slots=True)
class Bill:
    """What usage cost, in nano-dollars: the sum of its lines, each rounded up once.

    `basis` says how that is known: `usage` (priced from it), `reported` (the provider's own
    figure), `assumed` (at the price stated for models without one). `source` says who told the
    rates of all lines. `suspect` holds both numbers when the usage does not add up.
    """

    nanousd: int
    lines: tuple[Line, ...]
    basis: CostBasis
    price_version: str
    source: str
    suspect: str = ""

    @property
    def cost(self) -> Decimal:
        """In exact US dollars."""
        return Decimal(decimal_usd(self.nanousd))


@dataclass(frozen=True, slots=True)
class Seller:
    """Whose price is asked: a model and its provider as the book knows them, over which API."""

    model: str
    provider: str
    dialect: str = ""


def estimate(
    ask: Ask, seller: Seller, at: datetime, *, book: PriceBook, output_tokens: int | None = None
) -> Estimate:
    """One attempt of the call at an aware time. Raises PriceUnknown.

    `output_tokens` is what the call is expected to write in all, where somebody knows.
    """
    model, provider = seller.model, seller.provider
    found = book.find(model, provider)
    tiers = tiers_that_serve(ask.service_tier, found)
    limits = Limits(found, ask, provider if found is None else found.provider)
    outputs, assumed = _outputs(ask, limits.output_tokens, output_tokens)
    rates = rates_in(ask.place, resolve(model, provider, at, book=book, service_tier=tiers[0]))
    bound = upper_bound(ask, model, provider, at, book=book)
    lines = tuple(_expected(ask.inputs, outputs, rates))
    lows = [
        _least(ask.inputs, rates_in(ask.place, one))
        for tier in tiers
        for one in rates_around(model, provider, at, tier, book)
    ]
    return Estimate(
        model=model,
        provider=provider,
        dialect=seller.dialect,
        service_tier=tiers[0] or "standard",
        input=ask.inputs,
        output=outputs,
        cost_nanousd=sum(line.nanousd for line in lines) if rates.per_ms is None else None,
        low_nanousd=min(lows),
        upper_nanousd=bound.nanousd,
        lines=lines,
        upper_lines=bound.lines,
        assumed=(*assumed, *bound.assumed),
        price_version=bound.price_version,
        source=rates.source,
    )


def usual_output_tokens(input_tokens: int) -> int:
    """What a call with so much input writes, where nobody knows: the share of a forecast."""
    share = USUAL_INPUT_SHARE
    return -(-input_tokens * (share.denominator - share.numerator) // share.numerator)


def _outputs(ask: Ask, most: int, told: int | None) -> tuple[Count, list[str]]:
    """Tokens that will come out, and what was assumed for it."""
    if not most:
        return Count(0, 0, 0, "none"), []
    if told is not None:
        cut = [f"{most:,} output tokens, as the call allows no more"] if told > most else []
        return Count(min(told, most), 0, most, "as told"), cut
    usual = min(usual_output_tokens(ask.inputs.tokens) * max(ask.n, 1), most)
    return Count(usual, 0, most, "usual share"), [f"an output of {usual:,} tokens"]


def _expected(inputs: Count, outputs: Count, rates: Rates) -> Iterable[Line]:
    for what, tokens in (("input", inputs.tokens), ("output", outputs.tokens)):
        if not tokens:
            continue
        rate = rates.of(what)
        if rate is None:
            raise PriceUnknown(
                f"no price for {what!r} of model {rates.model!r} at provider {rates.provider!r} "
                f'(add a [prices."{rates.model}"] table to scrimp.toml)'
            )
        pico = rate_at(rate, inputs.tokens)
        yield Line(what, tokens, pico, line_nanousd(tokens, pico))
    yield from _per_request(rates)


def _least(inputs: Count, rates: Rates) -> int:
    """The whole input at the cheapest rate that it may meet, and no output."""
    known = (rate for what in _CHEAPER if (rate := rates.of(what)) is not None)
    lows: Sequence[int] = [span(rate, inputs.low, inputs.high)[0] for rate in known]
    fees = sum(line.nanousd for line in _per_request(rates))
    return fees + (line_nanousd(inputs.low, min(lows)) if lows else 0)


def _per_request(rates: Rates) -> Iterable[Line]:
    fee = rates.fees.get(PER_REQUEST)
    if fee is not None:
        yield Line(PER_REQUEST, 1, fee, line_nanousd(1, fee))
