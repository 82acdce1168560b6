"""What calls tell of prefix caches: kinds of input, premiums, where prefixes broke and the loss."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from scrimp.calls import Attempt, Cost, Target, TraceLine, Usage
from scrimp.errors import PriceUnknown
from scrimp.ledger.explain import explain
from scrimp.ledger.prefixes import (
    BROKEN,
    WRITTEN,
    broken,
    by_kind,
    cached_share,
    lost_nanousd,
    places_broken,
    prefix_headers,
    premium_nanousd,
    premium_of,
    written,
)
from scrimp.ledger.rollups import COUNTERS, rollups
from tests.support.core import NOON
from tests.support.ledger_entries import entry

TARGET = Target("anthropic", "claude-sonnet-5", "anthropic.messages")
USAGE = Usage(
    input_tokens=20, cache_read_tokens=60, cache_write_5m_tokens=100, cache_write_1h_tokens=20
)
LINES = (
    TraceLine("prefix_cache", "marked", (("marked_from", 0), ("marked_to", 1))),
    TraceLine(
        "prefix_cache",
        BROKEN,
        tuple(broken("system", 3, "timestamp", tokens=900, lost_nanousd=1_620_000).items()),
    ),
    TraceLine("record", WRITTEN, tuple(written(70_000).items())),
)


def price(usage: Usage, target: Target, at: datetime, service_tier: str) -> Cost:  # noqa: ARG001 (the protocol's)
    """2,000 nano-dollars fresh, 200 read, 2,500 and 4,000 written."""
    nanousd = 2000 * usage.input_tokens + 200 * usage.cache_read_tokens
    nanousd += 2500 * usage.cache_write_5m_tokens + 4000 * usage.cache_write_1h_tokens
    return Cost.exact(nanousd, price_version="flat", lines=())


def attempt(usage: Usage) -> Attempt:
    """One that answered."""
    return Attempt(TARGET, "ok", 200, NOON, 1.0, usage=usage, cost=price(usage, TARGET, NOON, ""))


def test_the_premium_is_what_writes_cost_beyond_fresh_input() -> None:
    """To the nano-dollar, over all attempts; none where nothing was written or priced."""
    assert premium_of([attempt(USAGE)], price) == 100 * 500 + 20 * 2000
    assert premium_of([attempt(USAGE), attempt(USAGE)], price) == 2 * 90_000
    assert premium_of([attempt(Usage(input_tokens=5, cache_read_tokens=5))], price) is None
    unpriced = replace(attempt(USAGE), cost=Cost(None, None, None, "unknown"))
    assert premium_of([unpriced], price) is None

    def unknown(usage: Usage, target: Target, at: datetime, service_tier: str) -> Cost:  # noqa: ARG001 (the protocol's)
        raise PriceUnknown("nobody knows")

    assert premium_of([attempt(USAGE)], unknown) is None


def test_kinds_of_input_are_disjoint_and_whole() -> None:
    """Each token once; the share is of all."""
    kinds = by_kind(USAGE)
    assert kinds == {"fresh": 20, "cached": 60, "written_5m": 100, "written_1h": 20}
    assert sum(kinds.values()) == USAGE.total_input_tokens
    assert cached_share(USAGE) == 0.3


def test_headers_tell_what_the_cache_did_and_what_broke() -> None:
    """Nothing where no cache was in play."""
    assert dict(prefix_headers(USAGE, LINES)) == {
        "x-scrimp-input-tokens": "fresh=20;cached=60;written_5m=100;written_1h=20",
        "x-scrimp-cached-share": "0.3000",
        "x-scrimp-cache-premium-usd": "0.00007",
        "x-scrimp-prefix-lost-usd": "0.00162",
        "x-scrimp-prefix-broken": "system line 3, timestamp",
    }
    assert prefix_headers(Usage(input_tokens=9), ()) == []
    assert prefix_headers(None, LINES) == []


def test_sums_follow_from_the_lines_of_the_trace() -> None:
    """In the row of all calls, and in that of the place."""
    assert (lost_nanousd(LINES), premium_nanousd(LINES)) == (1_620_000, 70_000)
    assert places_broken(LINES) == [("system line 3, timestamp", 1_620_000)]
    one = replace(entry(1), usage=USAGE, trace=LINES)
    sums = rollups([one, replace(one, id=entry(2).id)])
    rows = {(key[0], key[3]): dict(zip(COUNTERS, row, strict=True)) for key, row in sums.items()}
    total = rows["total", ""]
    assert total["cache_write_5m_tokens"] == 200
    assert total["cache_write_1h_tokens"] == 40
    assert total["premium_nanousd"] == 140_000
    assert total["broken_nanousd"] == 3_240_000
    place = rows["breaker", "system line 3, timestamp"]
    assert (place["calls"], place["broken_nanousd"]) == (2, 3_240_000)
    assert not any(place[name] for name in COUNTERS if name not in ("calls", "broken_nanousd"))


def test_explain_says_where_and_what_to_do() -> None:
    """In words, with both numbers."""
    said = "\n".join(explain(replace(entry(1), trace=LINES)))
    assert "the prefix broke at system line 3, timestamp" in said
    assert "900 tokens that were sent before could have been read for $0.00162 less" in said
    assert "put it behind what stays the same" in said


def test_late_turns_are_one_place_in_sums() -> None:
    """A row for each of them would be as many as calls."""
    numbers = broken("messages[41]", 7, "id", tokens=9, lost_nanousd=5)
    assert places_broken([TraceLine("prefix_cache", BROKEN, tuple(numbers.items()))]) == [
        ("messages[10+], id", 5)
    ]
