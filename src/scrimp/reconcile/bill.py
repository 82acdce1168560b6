"""The provider's side: rows of exports, summed by vendor, UTC day and model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from scrimp.errors import ConfigError
from scrimp.reconcile.exports import Found, Shape
from scrimp.reconcile.names import Names
from scrimp.reconcile.words import (
    ALL_MODELS,
    ATTO_PER_USD,
    KINDS,
    Billed,
    BilledRow,
    Tokens,
    Vendor,
)

Cell = tuple[date, str]
"""A UTC day and the key of a model."""

_MOST_IDENTITIES = 1_000_000
_EXACT_DECIMALS = 9
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bill:
    """What one vendor's exports say.

    `tokens` and `dollars` are None where no export tells them. They cover `since <= time < until`.
    `slack_atto` is what the rounding of one row can hide, `shift` how far after midnight UTC daily
    buckets begin, `names` how the provider writes each model.
    """

    vendor: Vendor
    shapes: tuple[Shape, ...]
    since: datetime
    until: datetime
    tokens: Mapping[Cell, Billed] | None
    dollars: Mapping[Cell, Billed] | None
    slack_atto: int = 0
    shift: timedelta = timedelta(0)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unfinished: tuple[str, ...] = ()
    twice: int = 0


class Gathering:
    """Takes rows of any number of files; equal rows are counted both times and told."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._vendors: dict[Vendor, _OneVendor] = {}

    def add(self, found: Found, source: str) -> None:
        """One row. Raises ConfigError when two shapes tell the same thing of one vendor."""
        vendor = found.shape.vendor
        if vendor not in self._vendors:
            self._vendors[vendor] = _OneVendor(vendor, self._names)
        self._vendors[vendor].add(found, source)

    def bills(self) -> tuple[Bill, ...]:
        """One for each vendor."""
        return tuple(one.bill() for one in self._vendors.values())


class _OneVendor:
    def __init__(self, vendor: Vendor, names: Names) -> None:
        self._vendor = vendor
        self._names = names
        self._shapes: dict[str, Shape] = {}
        self._empty: dict[str, Shape] = {}  # of buckets without rows: their shape is a guess
        self._sums: dict[str, dict[Cell, _Counts]] = {"tokens": {}, "dollars": {}}
        self._seen: set[tuple[str, int]] = set()
        self._written: defaultdict[str, set[str]] = defaultdict(set)
        self._spans: list[datetime] = []
        self._shift = timedelta(0)
        self._decimals = 0
        self._unfinished: dict[str, None] = {}
        self._twice = 0

    def add(self, found: Found, source: str) -> None:
        if found.more:
            self._unfinished[source] = None
            return
        row = found.row
        span = found.span if row is None else (row.starts, row.ends)
        if span is not None:
            self._cover(*span)
        if row is None:
            self._empty = self._empty or {found.shape.tells: found.shape}
            return
        self._check_shape(found.shape, source)
        self._decimals = max(self._decimals, found.decimals)
        key = self._names.key(self._vendor, row.model)
        self._written[key].add(row.model)
        identity = (found.shape.name, found.identity)
        again = identity in self._seen
        self._twice += again
        if len(self._seen) < _MOST_IDENTITIES:
            self._seen.add(identity)
        cells = self._sums[found.shape.tells]
        _add(cells.setdefault((row.starts.date(), key), _Counts()), row, again=again)

    def _check_shape(self, shape: Shape, source: str) -> None:
        known = self._shapes.setdefault(shape.tells, shape)
        if known != shape:
            raise ConfigError(
                f"{source} is the {shape.name}, and the {known.name} tells {shape.tells} of the "
                f"same calls: both would be counted (give one of them)"
            )

    def _cover(self, starts: datetime, ends: datetime) -> None:
        if not self._spans:
            self._spans = [starts, ends]
        self._spans = [min(self._spans[0], starts), max(self._spans[1], ends)]
        if ends - starts == _DAY:
            self._shift = starts - _midnight(starts)

    def bill(self) -> Bill:
        shapes = self._shapes or self._empty
        tokens, dollars = (
            {cell: counts.billed() for cell, counts in self._sums[tells].items()}
            if tells in shapes
            else None
            for tells in ("tokens", "dollars")
        )
        rounded = any(shape.rounded for shape in shapes.values())
        written = self._decimals if rounded else _EXACT_DECIMALS
        slack = ATTO_PER_USD // 10**written // 2 if written < _EXACT_DECIMALS else 0
        first, end = self._spans or [_NEVER, _NEVER]
        return Bill(
            self._vendor,
            tuple(shapes.values()),
            first,
            end,
            tokens,
            dollars,
            slack,
            self._shift,
            {key: tuple(sorted(names)) for key, names in self._written.items()},
            tuple(self._unfinished),
            self._twice,
        )


_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def _add(counts: _Counts, row: BilledRow, *, again: bool) -> None:
    numbers, atto = counts.numbers, row.atto_usd or 0
    numbers["rows"] += 1
    numbers["atto_usd"] += atto
    numbers["requests"] += row.requests
    numbers["credit_atto"] += min(atto, 0)
    numbers["twice"] += again
    if row.deferred:
        numbers["deferred_atto"] += atto
    if again:
        numbers["twice_atto"] += atto
    if row.tokens is None:
        return
    for kind, quantity in zip(KINDS, row.tokens.each, strict=True):
        if quantity:
            counts.tokens["tokens", kind] += quantity
            if row.deferred:
                counts.tokens["deferred", kind] += quantity
            if again:
                counts.tokens["twice_tokens", kind] += quantity


class _Counts:
    """Sums in the making: an export may have millions of rows."""

    def __init__(self) -> None:
        self.numbers: defaultdict[str, int] = defaultdict(int)
        self.tokens: defaultdict[tuple[str, str], int] = defaultdict(int)

    def billed(self) -> Billed:
        """As a value."""
        whole, deferred, twice = (
            Tokens(*(self.tokens[name, kind] for kind in KINDS))
            for name in ("tokens", "deferred", "twice_tokens")
        )
        return Billed(tokens=whole, deferred=deferred, twice_tokens=twice, **self.numbers)


def by_model(sums: Mapping[Cell, Billed] | None) -> bool:
    """Whether an export tells models apart."""
    return any(key != ALL_MODELS for _, key in sums or ())


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)
