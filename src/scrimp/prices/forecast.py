"""What a plan will cost in a month, and what caching and cheaper models would save of it.

Exact: shares are fractions, amounts integer nano-dollars, rounded up once per figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from scrimp.money import PICO_PER_NANO

DAYS_IN_A_MONTH = 30
USUAL_INPUT_SHARE = Fraction(60, 100)
HIT_RATES = (Fraction(0), Fraction(20, 100), Fraction(40, 100), Fraction(60, 100))
CHEAP_SHARES = (Fraction(0), Fraction(25, 100), Fraction(50, 100), Fraction(75, 100))


@dataclass(frozen=True, slots=True)
class Workload:
    """Traffic before it exists: `queries` are per user and day, `tokens` per query, in and out."""

    users: int
    queries: Fraction
    tokens: int
    input_share: Fraction = USUAL_INPUT_SHARE
    days: int = DAYS_IN_A_MONTH


@dataclass(frozen=True, slots=True)
class Plan:
    """What is hoped for: shares of 0 to 1.

    `hit_rate` of all calls are answered from a cache; of the rest, `cheap_share` goes to a model
    that is `cheap_discount` cheaper.
    """

    hit_rate: Fraction = Fraction(0)
    cheap_share: Fraction = Fraction(0)
    cheap_discount: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Forecast:
    """A month in nano-dollars: untouched, with the cache, with the cache and the cheaper model."""

    baseline_nanousd: int
    after_caching_nanousd: int
    after_tiering_nanousd: int

    @property
    def saving_nanousd(self) -> int:
        """What the plan saves."""
        return self.baseline_nanousd - self.after_tiering_nanousd

    @property
    def saving_share(self) -> Fraction:
        """The same as a share of the baseline; 0 when that is 0."""
        if not self.baseline_nanousd:
            return Fraction(0)
        return Fraction(self.saving_nanousd, self.baseline_nanousd)


def tokens_of(load: Workload) -> tuple[int, int]:
    """Input and output tokens of the whole time, each rounded up. Raises ValueError."""
    _check_share("input_share", load.input_share)
    if load.users < 0 or load.queries < 0 or load.tokens < 0 or load.days < 0:
        msg = "users, queries, tokens and days cannot be below 0"
        raise ValueError(msg)
    total = load.users * load.queries * load.tokens * load.days
    return ceil(total * load.input_share), ceil(total * (1 - load.input_share))


def baseline_nanousd(load: Workload, input_pico: int, output_pico: int) -> int:
    """The workload at these prices (pico-dollars per token), untouched."""
    inputs, outputs = tokens_of(load)
    return -(-inputs * input_pico // PICO_PER_NANO) - (-outputs * output_pico // PICO_PER_NANO)


def forecast(baseline: int, plan: Plan) -> Forecast:
    """What a plan makes of a baseline in nano-dollars. Raises ValueError for a share outside 0..1.

    A hit saves a whole call; the discount holds for input and output alike.
    """
    for name in ("hit_rate", "cheap_share", "cheap_discount"):
        _check_share(name, getattr(plan, name))
    cached = baseline * (1 - plan.hit_rate)
    tiered = cached * (1 - plan.cheap_share * plan.cheap_discount)
    return Forecast(baseline, ceil(cached), ceil(tiered))


def scenarios(
    baseline: int,
    discount: Fraction,
    hit_rates: Sequence[Fraction] = HIT_RATES,
    cheap_shares: Sequence[Fraction] = CHEAP_SHARES,
) -> tuple[tuple[Forecast, ...], ...]:
    """A row for each hit rate, a column for each share of calls on the cheaper model."""
    return tuple(
        tuple(forecast(baseline, Plan(hits, share, discount)) for share in cheap_shares)
        for hits in hit_rates
    )


def _check_share(name: str, share: Fraction) -> None:
    if not 0 <= share <= 1:
        msg = f"{name} is a share of 0 to 1, not {float(share):g}"
        raise ValueError(msg)
