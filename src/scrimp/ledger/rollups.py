"""Hourly sums of calls: which rows an entry counts in, and by how much.

One dimension per row, never a product of dimensions: the product can grow as large as the calls
themselves. Every counter of a single-valued dimension adds up to that of `total`; a call with
two tags counts under both, so `tag` may add up to more or less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import add, attrgetter

from scrimp.ledger.prefixes import lost_nanousd, places_broken, premium_nanousd
from scrimp.ports import Entry

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

COUNTERS = (
    "calls",
    "hits",
    "errors",
    "unpriced_calls",
    "cost_nanousd",
    "cost_low_nanousd",
    "cost_high_nanousd",
    "baseline_nanousd",
    "saved_nanousd",
    "input_tokens",
    "cache_read_tokens",
    "output_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "premium_nanousd",
    "broken_nanousd",
)
"""What a rollup row counts, in the order of its tuple."""

SINGLE = ("total", "model", "key", "task", "provider", "user", "team", "served_by")
"""Dimensions in which every call has exactly one value; `total` has the empty one."""

Counts = tuple[int, ...]
"""One number per name in COUNTERS."""

_NO_MONEY, _NO_TOKENS = (0,) * 6, (0,) * 6  # before and behind what was saved

NOT_HITS = frozenset({"upstream", "none", "recorded", ""})
"""What `served_by` says when no lever answered."""

RollupKey = tuple[str, int, str, str]
"""Dimension, hour since 1970 UTC, tenant, value."""


def hour_of(at: datetime) -> int:
    """Whole hours since 1970-01-01 UTC; `at` must be aware."""
    return (at - EPOCH) // HOUR


def is_hit(served_by: str) -> bool:
    """True when a lever answered: not a provider, and not nobody (refused, failed, cancelled)."""
    return served_by not in NOT_HITS


def is_error(entry: Entry) -> bool:
    """True when the client did not get a whole good answer; a client that left is no error."""
    match entry.outcome:
        case "ok":
            return entry.status >= 400
        case "cancelled":
            return False
        case _:
            return True


def counters(entry: Entry) -> Counts:
    """What one entry adds to each of its rows, in the order of COUNTERS."""
    usage = entry.usage
    return (
        1,
        int(is_hit(entry.served_by)),
        int(is_error(entry)),
        int(entry.cost_nanousd is None),
        entry.cost_nanousd or 0,
        entry.cost_low_nanousd or 0,
        entry.cost_high_nanousd or 0,
        entry.baseline_nanousd or 0,
        sum([nanousd for _, nanousd in entry.saved]),
        usage.total_input_tokens,
        usage.cache_read_tokens + usage.cache_read_audio_tokens,
        usage.total_output_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        premium_nanousd(entry.trace),
        lost_nanousd(entry.trace),
    )


_SINGLE_VALUES = tuple((name, attrgetter(name)) for name in SINGLE if name != "total")
_all_single = attrgetter(*[name for name, _ in _SINGLE_VALUES])


def places_of(entry: Entry) -> Iterator[tuple[str, str]]:
    """Dimension and value of every sum that a call counts in, levers left out."""
    yield "total", ""
    for dimension, value_of in _SINGLE_VALUES:
        yield dimension, value_of(entry)
    for tag in dict.fromkeys(entry.tags):
        yield "tag", tag


def _sum(rows: list[Counts]) -> Counts:
    """Columns added up; the short ways matter, most rows of a group have one or two parts."""
    match rows:
        case [only]:
            return only
        case [one, other]:
            return tuple(map(add, one, other))
        case _:
            return tuple(map(sum, zip(*rows, strict=True)))


def _many_valued(entries: Iterable[tuple[Entry, Counts]]) -> dict[tuple[str, str], list[Counts]]:
    parts: defaultdict[tuple[str, str], list[Counts]] = defaultdict(list)
    for entry, added in entries:
        for tag in dict.fromkeys(entry.tags):
            parts["tag", tag].append(added)
        for lever, nanousd in entry.saved:
            own = (1, int(entry.served_by == lever), *_NO_MONEY, nanousd, *_NO_TOKENS, 0)
            parts["lever", lever].append(own)
        for place, lost in places_broken(entry.trace):
            parts["breaker", place].append((1, 0, *_NO_MONEY, 0, *_NO_TOKENS, lost))
    return parts


def rollups(entries: Iterable[Entry]) -> dict[RollupKey, Counts]:
    """The sums of these entries, one per row that they touch.

    Columns are added up once per row and not once per entry: at a thousand calls a second this
    runs on the same cores as the gateway.
    """
    alike: defaultdict[tuple[int, str, tuple[str, ...]], list[Counts]] = defaultdict(list)
    many: defaultdict[tuple[int, str], list[tuple[Entry, Counts]]] = defaultdict(list)
    for entry in entries:
        hour, tenant, added = hour_of(entry.at), entry.tenant, counters(entry)
        alike[hour, tenant, _all_single(entry)].append(added)
        if entry.tags or entry.saved or added[-1]:
            many[hour, tenant].append((entry, added))
    parts: defaultdict[RollupKey, list[Counts]] = defaultdict(list)
    for (hour, tenant, values), rows in alike.items():
        added = _sum(rows)
        parts["total", hour, tenant, ""].append(added)
        for (dimension, _), value in zip(_SINGLE_VALUES, values, strict=True):
            parts[dimension, hour, tenant, value].append(added)
    for (hour, tenant), group in many.items():
        for (dimension, value), rows in _many_valued(group).items():
            parts[dimension, hour, tenant, value] = rows
    return {key: _sum(rows) for key, rows in parts.items()}


def flat(sums: dict[RollupKey, Counts]) -> list[tuple[str | int, ...]]:
    """The rows as flat tuples, sorted by key so that writers touch pages in order."""
    return [tuple(chain(key, sums[key])) for key in sorted(sums)]
