"""What is counted, and how it is told: exact sums, few labels, nobody's secrets."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from scrimp.app import App, Parts
from scrimp.calls import Usage
from scrimp.gateway.metrics import _MAX_ROWS, Metrics
from scrimp.gateway.metrics_text import FAMILIES, Counts, added_up, exposition, lasting, series
from scrimp.ports import Entry
from scrimp.prices import load_book
from scrimp.settings import parse
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.stores.settings_keys import SettingsKeys
from tests.support.core import FakeClock, LetterEncoder, ListLedger, ScriptedUpstream
from tests.support.ledger_entries import entry

LINE = re.compile(r'[a-z_]+(\{([a-z_]+="[^"\n]*",?)+\})? -?\d+(\.\d+)?')


@pytest.fixture
def app() -> App:
    """An engine that knows OpenAI's price list."""
    clock = FakeClock()
    parts = Parts(
        clock=clock,
        upstream=ScriptedUpstream(),
        ledger=ListLedger(),
        replies=MemoryReplies(clock, max_bytes=1000),
        keys=SettingsKeys(()),
        encoder=LetterEncoder(),
    )
    return App(parse(b"[providers.openai]", source="the test"), parts, load_book())


def counted(metrics: Metrics) -> Counts:
    """All series."""
    return metrics.counts(in_flight=0, connections=0, http_requests=0)


def of(app: App, *entries: Entry) -> Counts:
    """What these entries add up to."""
    metrics = Metrics()
    metrics.measure(app)
    for one in entries:
        metrics.add(one)
    return counted(metrics)


def total(counts: Counts, name: str) -> int:
    """All series of a name together."""
    return sum(n for full, n in counts.items() if full.startswith((f"scrimp_{name}{{", name)))


def test_a_call_counts_once_with_its_money_and_tokens(app: App) -> None:
    """By operation, provider, model, status and who served it; kinds of tokens are disjoint."""
    counts = of(app, entry(1), entry(2))
    where = 'provider="openai",model="gpt-4o-mini"'
    call = f'scrimp_calls_total{{purpose="client",operation="chat",{where},status="200"'
    assert counts[f'{call},served_by="upstream"}}'] == 2
    assert counts[f'scrimp_cost_usd_total{{{where},basis="usage"}}'] == 2 * 3_775_000
    assert counts[f'scrimp_tokens_total{{{where},kind="input"}}'] == 2400
    assert counts[f'scrimp_tokens_total{{{where},kind="cache_read"}}'] == 600
    assert total(counts, "tokens_total") == 2 * (1200 + 300 + 40)


def test_a_hit_saves_and_uses_nothing_upstream(app: App) -> None:
    """No attempt, no tokens, no time upstream; the saving is the lever's."""
    hit = replace(
        entry(1),
        served_by="exact_cache",
        attempts=(),
        usage=Usage(),
        cost_nanousd=0,
        upstream_ms=0.0,
        latency_ms=0.2,
        saved=(("exact_cache", 123),),
    )
    counts = of(app, hit)
    assert counts['scrimp_saved_usd_total{lever="exact_cache"}'] == 123
    assert total(counts, "attempts_total") == total(counts, "tokens_total") == 0
    assert not any("upstream_latency" in name for name in counts)
    assert counts['scrimp_added_latency_seconds_bucket{served_by="exact_cache",le="0.00025"}'] == 1
    assert counts['scrimp_added_latency_seconds_bucket{served_by="exact_cache",le="0.0001"}'] == 0


def test_what_a_lever_cost_never_lets_a_counter_fall(app: App) -> None:
    """A negative saving is counted apart: counters only grow."""
    retried = replace(entry(1), attempts=(*entry(1).attempts, *entry(1).attempts))
    counts = of(app, replace(retried, saved=(("retry", -500),)))
    assert counts['scrimp_extra_cost_usd_total{lever="retry"}'] == 500
    assert counts['scrimp_retries_total{provider="openai"}'] == 1
    assert not any("saved_usd" in name for name in counts)


def test_an_unknown_cost_is_counted_as_unknown(app: App) -> None:
    """Never as $0."""
    counts = of(app, replace(entry(1), cost_nanousd=None, cost_basis="unknown"))
    assert total(counts, "unpriced_calls_total") == 1
    assert total(counts, "cost_usd_total") == 0


def test_names_that_clients_make_up_are_one_label(app: App) -> None:
    """A million models that nobody knows are `other`; what is remembered of them is bounded."""
    metrics = Metrics()
    metrics.measure(app)
    for number in range(20_000):
        metrics.add(replace(entry(1), model=f"my-own-{number}"))
    counts = counted(metrics)
    calls = [name for name in counts if name.startswith("scrimp_calls_total")]
    assert len(calls) == 1
    assert 'model="other"' in calls[0]
    assert len(metrics._models) == len(metrics._rows) == 8192


def test_a_call_that_was_made_elsewhere_brings_no_name_of_its_own(app: App) -> None:
    """Its provider may be any word: money and tokens count, its tries and times were not ours."""
    target = replace(entry(1).attempts[0].target, provider="my-provider")
    attempts = (replace(entry(1).attempts[0], target=target),)
    told = replace(
        entry(1),
        provider="my-provider",
        model="my-model",
        operation="recorded",
        served_by="recorded",
        attempts=attempts,
    )
    counts = of(app, told, replace(told, provider="another"))
    where = 'provider="other",model="other"'
    assert counts[f'scrimp_cost_usd_total{{{where},basis="usage"}}'] == 2 * 3_775_000
    assert counts[f'scrimp_tokens_total{{{where},kind="output"}}'] == 80
    assert not [name for name in counts if "my-" in name or "another" in name]
    assert not [name for name in counts if "attempts" in name or "latency" in name]


def test_kinds_of_calls_are_bounded_too(app: App) -> None:
    """Even by statuses that a hostile provider could invent; nothing goes uncounted."""
    metrics = Metrics()
    metrics.measure(app)
    for number in range(_MAX_ROWS + 500):
        metrics.add(replace(entry(1), status=number))
    counts = counted(metrics)
    calls = {name: n for name, n in counts.items() if name.startswith("scrimp_calls_total")}
    assert len(calls) == _MAX_ROWS + 1
    assert sum(calls.values()) == _MAX_ROWS + 500


def test_nobodys_name_is_a_label(app: App) -> None:
    """No key, user, team, tenant, tag, session, id or content."""
    who = replace(
        entry(1), tenant="T1", key="K1", team="M1", user="U1", tags=("G1",), session="S1", task="X1"
    )
    text = exposition(of(app, replace(who, request_content="P1", reply_content="R1"))).decode()
    assert not [
        word for word in ("T1", "K1", "M1", "U1", "G1", "S1", "X1", "P1", "R1") if word in text
    ]
    assert who.id not in text


def test_the_text_is_what_prometheus_reads(app: App) -> None:
    """Each family once, with help and type before its series; buckets grow; money is exact."""
    text = exposition(of(app, entry(1), entry(2))).decode()
    assert text.endswith("\n")
    lines = text.splitlines()
    types = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(types) == len(set(types)) > 10
    assert all(LINE.fullmatch(line) for line in lines if not line.startswith("#"))
    cost = next(line for line in lines if line.startswith("scrimp_cost_usd_total"))
    assert cost.endswith(" 0.00755")
    start = 'scrimp_upstream_latency_seconds_bucket{provider="openai"'
    buckets = [int(line.split()[-1]) for line in lines if line.startswith(start)]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 2


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    """Quotes, backslashes and line ends are escaped as the format asks."""
    assert series("calls_total", model='a"b\\c\nd') == 'scrimp_calls_total{model="a\\"b\\\\c\\nd"}'


def test_counts_of_workers_add_up_and_outlive_them(app: App) -> None:
    """Sums are exact; of an ended worker its counters stay, and nothing that was true only then."""
    one, other = of(app, entry(1)), of(app, entry(2), entry(3))
    both = added_up([one, other])
    assert total(both, "calls_total") == 3
    kept = lasting(both)
    assert total(kept, "calls_total") == 3
    assert total(kept, "upstream_latency_seconds_count") == 3
    assert "scrimp_in_flight_requests" in both
    assert not [name for name in kept if "in_flight" in name or "pending" in name]


def test_every_family_has_a_reader() -> None:
    """Names end as the convention of their kind asks: `_total` for counters and only for them."""
    for name, family in FAMILIES.items():
        assert (family.kind == "counter") == name.endswith("_total"), name
        assert family.help.endswith(".")
