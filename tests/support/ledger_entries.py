"""Made-up ledger entries for tests and benchmarks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from scrimp.calls import Attempt, Cost, Line, Target, TraceLine, Usage
from scrimp.ports import Entry

BEGIN = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)


def call_id(number: int) -> str:
    """A UUIDv7 that grows with `number`."""
    at_ms = int(BEGIN.timestamp() * 1000) + number
    return str(UUID(int=(at_ms << 80) | (7 << 76) | (2 << 62) | number))


def attempt() -> Attempt:
    """A paid attempt with everything in it."""
    lines = (
        Line("input", 1200, 2_500_000, 3_000_000),
        Line("cache_read", 300, 1_250_000, 375_000),
        Line("output", 40, 10_000_000, 400_000),
    )
    return Attempt(
        target=Target("openai", "gpt-4o-mini", "openai.chat"),
        outcome="ok",
        status=200,
        started_at=BEGIN,
        latency_ms=412.25,
        ttft_ms=80.5,
        usage=Usage(input_tokens=1200, cache_read_tokens=300, output_tokens=40),
        service_tier="default",
        request_id="req_0123456789abcdef",
        reported_model="gpt-4o-mini-2024-07-18",
        partial=b"what had arrived",
        cost=Cost.exact(3_775_000, price_version="2026-03-01", lines=lines),
    )


def entry(number: int = 1) -> Entry:
    """A whole entry, numbered; `partial` is in it although no ledger keeps it."""
    return Entry(
        id=call_id(number),
        at=BEGIN + timedelta(milliseconds=number),
        purpose="client",
        operation="chat",
        dialect="openai.chat",
        provider="openai",
        model_requested="gpt-4o-mini",
        model="gpt-4o-mini",
        status=200,
        outcome="ok",
        served_by="upstream",
        stream=True,
        usage=Usage(
            input_tokens=1200, cache_read_tokens=300, output_tokens=40, suspect="1540/1541"
        ),
        cost_basis="usage",
        cost_nanousd=3_775_000,
        cost_low_nanousd=3_775_000,
        cost_high_nanousd=3_775_000,
        baseline_nanousd=3_775_500,
        saved=(("prefix_cache", 500),),
        price_version="2026-03-01",
        latency_ms=413.5,
        upstream_ms=412.25,
        ttft_ms=81.5,
        tenant="acme",
        key="ci",
        team="platform",
        user="ana",
        task="factual_qa",
        task_source="classifier",
        tags=("app:bot", "env:prod"),
        session="s-1",
        trace=(
            TraceLine("exact_cache", "miss", (("key", "3fa29c"), ("ttl_s", 604800))),
            TraceLine("retry", "first", (("share", 0.5),)),
        ),
        attempts=(attempt(),),
    )


def kept(entry: Entry) -> Entry:
    """What a ledger gives back: the entry without what had arrived of broken replies."""
    return replace(entry, attempts=tuple(replace(a, partial=b"") for a in entry.attempts))
