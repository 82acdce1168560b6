"""What an export says, row by row, and the sums on both sides of a reconciliation.

Amounts of exports are integers of 10**-18 US dollars ("atto"): providers write fractions that are
finer than a nano-dollar, and a sum of roundings is not the rounding of a sum.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, Self, TypeVar

from scrimp.calls import Usage

Vendor = Literal["openai", "anthropic"]
VENDORS: dict[str, Vendor] = {"openai": "openai", "anthropic": "anthropic"}

ATTO_PER_USD = 10**18
ATTO_PER_NANO = 10**9

ALL_MODELS = "(all models)"
"""The model of a row that is not split by model."""
FEES = "(tools and fees)"
"""The model of what a provider bills beside tokens, in lines of its own."""


_S = TypeVar("_S", bound="Sums")


@dataclass(frozen=True, slots=True)
class Sums:
    """Numbers (or sums of their own) that add up field by field."""

    def plus(self, other: Self) -> Self:
        """Both together."""
        return _combined(self, other, 1)

    def less(self, other: Self) -> Self:
        """The difference."""
        return _combined(self, other, -1)


def _combined(one: _S, other: _S, sign: int) -> _S:
    values: list[Any] = []
    for name in (each.name for each in fields(one)):
        ours, theirs = getattr(one, name), getattr(other, name)
        sums = isinstance(ours, Sums)
        values.append(_combined(ours, theirs, sign) if sums else ours + sign * theirs)
    return type(one)(*values)


@dataclass(frozen=True, slots=True)
class Tokens(Sums):
    """Tokens by the kinds that both vendors' exports tell apart; no token stands in two of them.

    All modalities together; reasoning is a part of `output`, as on the bill.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0

    @property
    def all_input(self) -> int:
        """What went in, however it was billed."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h

    @property
    def each(self) -> tuple[int, ...]:
        """The numbers, in the order of KINDS."""
        return (
            self.input,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
            self.output,
        )

    def as_usage(self) -> Usage:
        """For the price book, which refuses what is negative."""
        return Usage(
            input_tokens=self.input,
            cache_read_tokens=self.cache_read,
            cache_write_5m_tokens=self.cache_write_5m,
            cache_write_1h_tokens=self.cache_write_1h,
            output_tokens=self.output,
        )


KINDS = tuple(one.name for one in fields(Tokens))
NO_TOKENS = Tokens()


def tokens_of(usage: Usage) -> Tokens:
    """Our buckets in the kinds of the exports."""
    return Tokens(
        usage.input_tokens + usage.input_audio_tokens + usage.input_image_tokens,
        usage.cache_read_tokens + usage.cache_read_audio_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.total_output_tokens,
    )


def rounded_nanousd(atto_usd: int) -> int:
    """Nano-dollars, half to even."""
    whole, rest = divmod(atto_usd, ATTO_PER_NANO)
    double = 2 * rest
    up = double > ATTO_PER_NANO or (double == ATTO_PER_NANO and whole % 2 == 1)
    return whole + up


@dataclass(frozen=True, slots=True)
class BilledRow:
    """One row of an export. `tokens` and `atto_usd` are None where the shape does not tell them.

    `starts` and `ends` are the bucket, aware UTC. `model` is as the provider writes it, or
    ALL_MODELS or FEES. `deferred` marks batch work.
    """

    starts: datetime
    ends: datetime
    model: str
    tokens: Tokens | None = None
    atto_usd: int | None = None
    requests: int = 0
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class Billed(Sums):
    """Sums of export rows.

    `credit_atto` is the negative part of the dollars; `twice` counts rows that stand there a second
    time, with what they add.
    """

    rows: int = 0
    tokens: Tokens = NO_TOKENS
    atto_usd: int = 0
    requests: int = 0
    deferred: Tokens = NO_TOKENS
    deferred_atto: int = 0
    credit_atto: int = 0
    twice: int = 0
    twice_tokens: Tokens = NO_TOKENS
    twice_atto: int = 0

    @property
    def nanousd(self) -> int:
        """Dollars, rounded once."""
        return rounded_nanousd(self.atto_usd)


@dataclass(frozen=True, slots=True)
class Booked(Sums):
    """Sums of the ledger's attempts.

    `nanousd` is of what has a price, `fees_nanousd` its part that is no tokens, `lines` how many
    line items were rounded up; `low_nanousd` and `high_nanousd` bound the truth. `billed` attempts
    may stand on the provider's bill. Of these `estimated` have bounds only (`estimate_low_nanousd`
    and so on), `assumed` are at the price of models without one, `unpriced` have usage without a
    price, `unread` neither, `suspect` have totals that do not add up; `earlier` ones were tried
    again (`earlier_nanousd`). `refused` attempts come on top and are never billed.
    """

    tokens: Tokens = NO_TOKENS
    nanousd: int = 0
    low_nanousd: int = 0
    high_nanousd: int = 0
    fees_nanousd: int = 0
    lines: int = 0
    billed: int = 0
    estimated: int = 0
    estimate_low_nanousd: int = 0
    estimate_high_nanousd: int = 0
    assumed: int = 0
    unpriced: int = 0
    unread: int = 0
    refused: int = 0
    earlier: int = 0
    earlier_nanousd: int = 0
    suspect: int = 0


NOTHING_BILLED = Billed()
NOTHING_BOOKED = Booked()
