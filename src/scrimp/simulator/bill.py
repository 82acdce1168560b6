"""The simulator's own bill: exact fractions of a dollar, from a price table of its own.

An independent witness: nothing here knows Scrimp's prices, and no float touches money. Each line
item is rounded up once, to a nano-dollar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from fractions import Fraction
from typing import Literal

Vendor = Literal["openai", "anthropic"]
Delivered = Literal["complete", "broken", "left"]
"""complete: the whole reply was handed over · broken: the simulator broke it by a fault ·
left: the client hung up first."""

NANO_PER_USD = 10**9


@dataclass(frozen=True, slots=True)
class Usage:
    """Billed tokens in disjoint buckets.

    `input_tokens` is fresh input, `reasoning_tokens` hidden output that is billed like output.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_input_tokens(self) -> int:
        """Everything that went in."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
        )

    @property
    def total_output_tokens(self) -> int:
        """Everything that came out, seen or not."""
        return self.output_tokens + self.reasoning_tokens


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. Cache rates of None: the model has no such bucket."""

    input: Fraction
    output: Fraction
    cache_read: Fraction | None = None
    cache_write_5m: Fraction | None = None
    cache_write_1h: Fraction | None = None

    @property
    def halved(self) -> Price:
        """What a batch costs: half of everything."""
        half = Fraction(1, 2)
        kept = (self.cache_read, self.cache_write_5m, self.cache_write_1h)
        return Price(
            self.input * half,
            self.output * half,
            *(None if rate is None else rate * half for rate in kept),
        )


@dataclass(frozen=True, slots=True)
class Model:
    """One model as sold: `id` is the dated snapshot, `alias` the name that points to it."""

    id: str
    alias: str
    vendor: Vendor
    price: Price
    name: str
    released: str
    reasons: bool = False


def _openai(rates: str) -> Price:
    """`input cached output [written]`, USD per million tokens."""
    fresh, cached, output, *written = (Fraction(rate) for rate in rates.split())
    return Price(fresh, output, cached, written[0] if written else None)


def _claude(rates: str) -> Price:
    """`input write-5m write-1h read output`, USD per million tokens."""
    fresh, write_5m, write_1h, read, output = (Fraction(rate) for rate in rates.split())
    return Price(fresh, output, read, write_5m, write_1h)


# OpenAI: https://platform.openai.com/docs/pricing, standard tier, checked 2026-11-22.
# Anthropic: https://platform.claude.com/docs/en/about-claude/pricing, checked 2026-11-22.
_OPENAI = (
    Model("gpt-4o-2024-08-06", "gpt-4o", "openai", _openai("2.5 1.25 10"), "GPT-4o", "2024-08-06"),
    Model(
        "gpt-4o-2024-11-20", "", "openai", _openai("2.5 1.25 10"), "GPT-4o (November)", "2024-11-20"
    ),
    Model(
        "gpt-4o-mini-2024-07-18",
        "gpt-4o-mini",
        "openai",
        _openai("0.15 0.075 0.6"),
        "GPT-4o mini",
        "2024-07-18",
    ),
    Model("gpt-4.1-2025-04-14", "gpt-4.1", "openai", _openai("2 0.5 8"), "GPT-4.1", "2025-04-14"),
    Model(
        "gpt-4.1-mini-2025-04-14",
        "gpt-4.1-mini",
        "openai",
        _openai("0.4 0.1 1.6"),
        "GPT-4.1 mini",
        "2025-04-14",
    ),
    Model(
        "gpt-4.1-nano-2025-04-14",
        "gpt-4.1-nano",
        "openai",
        _openai("0.1 0.025 0.4"),
        "GPT-4.1 nano",
        "2025-04-14",
    ),
    Model(
        "gpt-5-2025-08-07",
        "gpt-5",
        "openai",
        _openai("1.25 0.125 10"),
        "GPT-5",
        "2025-08-07",
        reasons=True,
    ),
    Model(
        "gpt-5-mini-2025-08-07",
        "gpt-5-mini",
        "openai",
        _openai("0.25 0.025 2"),
        "GPT-5 mini",
        "2025-08-07",
        reasons=True,
    ),
    Model("gpt-5.6-sol", "gpt-5.6", "openai", _openai("4 0.4 20 5"), "GPT-5.6 sol", "2026-07-09"),
    Model("gpt-5.6-luna", "", "openai", _openai("0.2 0.02 1.2 0.25"), "GPT-5.6 luna", "2026-07-09"),
    Model(
        "o4-mini-2025-04-16",
        "o4-mini",
        "openai",
        _openai("1.1 0.275 4.4"),
        "o4-mini",
        "2025-04-16",
        reasons=True,
    ),
)
_ANTHROPIC = (
    Model(
        "claude-opus-4-5-20251101",
        "claude-opus-4-5",
        "anthropic",
        _claude("5 6.25 10 0.5 25"),
        "Claude Opus 4.5",
        "2025-11-01",
    ),
    Model(
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5",
        "anthropic",
        _claude("3 3.75 6 0.3 15"),
        "Claude Sonnet 4.5",
        "2025-09-29",
    ),
    Model(
        "claude-haiku-4-5-20251001",
        "claude-haiku-4-5",
        "anthropic",
        _claude("1 1.25 2 0.1 5"),
        "Claude Haiku 4.5",
        "2025-10-01",
    ),
    Model(
        "claude-sonnet-4-6",
        "",
        "anthropic",
        _claude("3 3.75 6 0.3 15"),
        "Claude Sonnet 4.6",
        "2026-02-17",
    ),
    Model(
        "claude-sonnet-5",
        "",
        "anthropic",
        _claude("2 2.5 4 0.2 10"),
        "Claude Sonnet 5",
        "2026-06-30",
    ),
    Model(
        "claude-opus-5",
        "",
        "anthropic",
        _claude("5 6.25 10 0.5 25"),
        "Claude Opus 5",
        "2026-07-24",
    ),
)


def _embedding(name: str, rate: str, released: str) -> Model:
    return Model(name, "", "openai", Price(Fraction(rate), Fraction(0)), name, released)


# Same OpenAI page and day. They have no output and are not sold for chat.
EMBEDDING_MODELS: Mapping[str, Model] = {
    model.id: model
    for model in (
        _embedding("text-embedding-3-small", "0.02", "2024-01-25"),
        _embedding("text-embedding-3-large", "0.13", "2024-01-25"),
        _embedding("text-embedding-ada-002", "0.1", "2022-12-15"),
    )
}

CATALOGUE: tuple[Model, ...] = _OPENAI + _ANTHROPIC
MODELS: Mapping[str, Model] = {
    name: model for model in CATALOGUE for name in (model.id, model.alias) if name
}


def line_items(usage: Usage, price: Price) -> tuple[tuple[str, int, Fraction], ...]:
    """What is invoiced: (bucket, tokens, exact USD) of each bucket that is not empty.

    Hidden reasoning is sold as output, in a line of its own. Raises ValueError for tokens in a
    bucket that the model does not sell.
    """
    rates = {
        "input_tokens": price.input,
        "cache_read_tokens": price.cache_read,
        "cache_write_5m_tokens": price.cache_write_5m,
        "cache_write_1h_tokens": price.cache_write_1h,
        "output_tokens": price.output,
        "reasoning_tokens": price.output,
    }
    lines = []
    for bucket in fields(usage):
        tokens = getattr(usage, bucket.name)
        rate = rates[bucket.name]
        if not tokens:
            continue
        if rate is None:
            raise ValueError(f"{tokens} {bucket.name} used, but the model has no price for them")
        lines.append((bucket.name, tokens, Fraction(tokens) * rate / 1_000_000))
    return tuple(lines)


def exact_usd(usage: Usage, price: Price) -> Fraction:
    """The exact price of one call, never rounded."""
    return sum((usd for _, _, usd in line_items(usage, price)), Fraction(0))


def billed_nanousd(usage: Usage, price: Price) -> int:
    """What the invoice says: each line item rounded up once to a nano-dollar."""
    return sum(-(-(usd * NANO_PER_USD) // 1) for _, _, usd in line_items(usage, price))


@dataclass(frozen=True, slots=True)
class BillRow:
    """One billed call. `client_id` is the `x-sim-id` or `x-scrimp-id` that the client sent.

    A line of a batch has the id of its `batch`, and its `custom_id` as `client_id`.
    """

    request_id: str
    client_id: str
    path: str
    model: str
    usage: Usage
    stream: bool
    delivered: Delivered
    fault: str
    at: datetime
    exact: Fraction
    billed_nanousd: int
    batch: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """All rows so far, as they were at one moment."""

    rows: tuple[BillRow, ...] = ()

    @property
    def exact(self) -> Fraction:
        """USD, not rounded."""
        return sum((row.exact for row in self.rows), Fraction(0))

    @property
    def total_nanousd(self) -> int:
        """The invoice's total."""
        return sum(row.billed_nanousd for row in self.rows)
