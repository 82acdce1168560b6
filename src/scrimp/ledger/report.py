"""What a report says: sums of calls by one dimension, and their forms for people and machines."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from scrimp.money import decimal_usd

By = Literal[
    "total",
    "day",
    "model",
    "key",
    "tag",
    "task",
    "provider",
    "user",
    "team",
    "served_by",
    "lever",
    "breaker",
]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class ReportRow:
    """Sums of the calls with one value of a dimension.

    Sums of money take known amounts only; `unpriced_calls` says for how many none is known. In a
    report by lever, `calls` are those in which the lever saved (or lost) something, `hits` those
    that it answered, and `saved_nanousd` is its own part; the other sums are 0. In one by breaker
    `calls` are those whose prefix broke there, and `broken_nanousd` is what they lost.

    Input is fresh, read from a prefix cache, or written to one. `premium_nanousd` is what writes
    cost beyond fresh input, `broken_nanousd` what could have been read, had no prefix broken.
    """

    value: str
    calls: int = 0
    hits: int = 0
    errors: int = 0
    unpriced_calls: int = 0
    cost_nanousd: int = 0
    cost_low_nanousd: int = 0
    cost_high_nanousd: int = 0
    baseline_nanousd: int = 0
    saved_nanousd: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    premium_nanousd: int = 0
    broken_nanousd: int = 0

    @property
    def fresh_tokens(self) -> int:
        """Input that no prefix cache had a part in."""
        written = self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return self.input_tokens - self.cache_read_tokens - written

    @property
    def cached_share(self) -> float | None:
        """The share of the input that was read from a prefix cache; None where there is none."""
        return self.cache_read_tokens / self.input_tokens if self.input_tokens else None

    @property
    def hit_rate(self) -> float:
        """Share of calls that a lever answered without a provider."""
        return self.hits / self.calls if self.calls else 0.0

    @property
    def saved_share(self) -> float | None:
        """Saving over baseline; None where there is no baseline."""
        return self.saved_nanousd / self.baseline_nanousd if self.baseline_nanousd else None

    @property
    def exact(self) -> bool:
        """True when every amount in the row is known exactly."""
        known = self.cost_low_nanousd == self.cost_nanousd == self.cost_high_nanousd
        return known and not self.unpriced_calls


@dataclass(frozen=True, slots=True)
class Report:
    """Sums from `since` until before `until` (whole hours, UTC), by one dimension.

    `total` is over all calls, so it is less than the sum of `rows` where a call counts in two
    (tags).
    """

    by: By
    since: datetime
    until: datetime
    rows: tuple[ReportRow, ...]
    total: ReportRow


@dataclass(frozen=True, slots=True)
class LatencyAdded:
    """What Scrimp itself added to the latency of the newest `calls` calls, in milliseconds."""

    calls: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Calls whose amounts were corrected after they were booked, and what that came to.

    The sums of a report hold it already. `found` are calls whose cost was unknown when booked.
    """

    calls: int = 0
    cost_nanousd: int = 0
    found: int = 0


def quantile(ordered: list[float], share: float) -> float:
    """The smallest value that at least `share` of an ascending, non-empty list does not exceed."""
    rank = -(-len(ordered) * round(share * 1000) // 1000)
    return ordered[max(rank, 1) - 1]


def latency_added(added_ms: list[float]) -> LatencyAdded:
    """From latency - upstream time of each call."""
    if not added_ms:
        return LatencyAdded(0, 0.0, 0.0)
    ordered = sorted(added_ms)
    return LatencyAdded(len(ordered), quantile(ordered, 0.5), quantile(ordered, 0.95))


def row_fields(row: ReportRow, by: By) -> Mapping[str, str | int | float | None]:
    """One row for machines: money as exact decimal dollars and as integers, shares as floats.

    The row of all calls has no value to name.
    """
    return {
        **({} if by == "total" else {by: row.value}),
        "calls": row.calls,
        "hits": row.hits,
        "hit_rate": round(row.hit_rate, 6),
        "errors": row.errors,
        "unpriced_calls": row.unpriced_calls,
        "cost_usd": decimal_usd(row.cost_nanousd),
        "cost_low_usd": decimal_usd(row.cost_low_nanousd),
        "cost_high_usd": decimal_usd(row.cost_high_nanousd),
        "baseline_usd": decimal_usd(row.baseline_nanousd),
        "saved_usd": decimal_usd(row.saved_nanousd),
        "cost_nanousd": row.cost_nanousd,
        "cost_low_nanousd": row.cost_low_nanousd,
        "cost_high_nanousd": row.cost_high_nanousd,
        "baseline_nanousd": row.baseline_nanousd,
        "saved_nanousd": row.saved_nanousd,
        "saved_share": None if row.saved_share is None else round(row.saved_share, 6),
        "input_tokens": row.input_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "output_tokens": row.output_tokens,
        "fresh_tokens": row.fresh_tokens,
        "cache_write_5m_tokens": row.cache_write_5m_tokens,
        "cache_write_1h_tokens": row.cache_write_1h_tokens,
        "cached_share": None if row.cached_share is None else round(row.cached_share, 6),
        "premium_usd": decimal_usd(row.premium_nanousd),
        "premium_nanousd": row.premium_nanousd,
        "broken_usd": decimal_usd(row.broken_nanousd),
        "broken_nanousd": row.broken_nanousd,
    }


def adjusted_fields(adjusted: Adjusted) -> Mapping[str, str | int]:
    """Corrections for machines."""
    return {
        "calls": adjusted.calls,
        "newly_priced_calls": adjusted.found,
        "cost_usd": decimal_usd(adjusted.cost_nanousd),
        "cost_nanousd": adjusted.cost_nanousd,
    }


def to_json(report: Report) -> dict[str, object]:
    """The report as a JSON object."""
    return {
        "by": report.by,
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "rows": [dict(row_fields(row, report.by)) for row in report.rows],
        "total": dict(row_fields(report.total, report.by)),
    }


def _cell(value: str | float | None) -> str | int | float:
    """A spreadsheet must not run what a client wrote into a tag."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA) and not _is_amount(value):
        return "'" + value
    return value


def _is_amount(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdecimal()


def to_csv(report: Report) -> str:
    """The rows as CSV with a header line (RFC 4180), without the total."""
    out = io.StringIO()
    names = list(row_fields(report.total, report.by))
    writer = csv.writer(out)
    writer.writerow(names)
    for row in report.rows:
        writer.writerow([_cell(value) for value in row_fields(row, report.by).values()])
    return out.getvalue()
