"""What one process counts, for `/metrics`: everything comes out of ledger entries, in one place.

An entry adds to one row of its kind: a few integers, no text, no floats for money. What is shown is
made of the rows when somebody asks. No prompt, key, user, team or tenant is a label; the names of
models and providers that stand in no price list or settings, which clients could invent for ever,
are `other`.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from operator import add, attrgetter

from scrimp.app import App
from scrimp.billing import price_names
from scrimp.calls import Usage
from scrimp.gateway.metrics_budgets import budget_counts
from scrimp.gateway.metrics_fallback import fallback_counts
from scrimp.gateway.metrics_jobs import job_counts
from scrimp.gateway.metrics_prefixes import prefix_counts
from scrimp.gateway.metrics_text import BUCKETS_MS, Counts, bucket_names, series
from scrimp.ledger.recorded import RECORDED
from scrimp.ports import Entry, LedgerHealth

_MAX_ROWS = 1000
"""Kinds of calls that are told apart in one process; further ones are `other` in every label."""
_MAX_KNOWN = 8192

_Kind = tuple[str, str, str, str, int, str]
_kind = attrgetter("purpose", "operation", "provider", "model", "status", "served_by")
_TOKENS = tuple(name for name in Usage.__struct_fields__ if name.endswith("_tokens"))
_tokens = attrgetter(*_TOKENS)
_TOKEN_LABELS = tuple(name.removesuffix("_tokens") for name in _TOKENS)
_OTHER = "other"

ModelLabel = Callable[[str, str], str]


class _Histogram:
    """How many in each bucket of BUCKETS_MS, and their sum in microseconds."""

    __slots__ = ("counts", "sum_us")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_MS) + 1)
        self.sum_us = 0

    def add(self, value_ms: float) -> None:
        self.counts[bisect_left(BUCKETS_MS, value_ms)] += 1
        self.sum_us += int(value_ms * 1000)


class _Row:
    """Calls of one kind. Histograms are shared by kinds that differ in what they do not tell."""

    __slots__ = (
        "added",
        "calls",
        "cost_nanousd",
        "kind",
        "names",
        "tokens",
        "unpriced",
        "upstream",
    )

    def __init__(self, kind: _Kind, added: _Histogram, upstream: _Histogram) -> None:
        self.kind = kind
        self.names: dict[str, str] = {}  # of its series: they are asked for every second
        self.calls = 0
        self.unpriced = 0
        self.cost_nanousd: dict[str, int] = {}
        self.tokens = [0] * len(_TOKENS)
        self.added = added
        self.upstream = upstream


class Metrics:
    """The counts of one process. `add` is called for every ledger entry, on the event loop."""

    def __init__(self) -> None:
        self._app: App | None = None
        self._rows: dict[_Kind, _Row] = {}
        self._by_labels: dict[_Kind, _Row] = {}
        self._added: dict[str, _Histogram] = {}
        self._upstream: dict[str, _Histogram] = {}
        self._attempts: Counter[tuple[str, str, int]] = Counter()
        self._retries: Counter[str] = Counter()
        self._saved_nanousd: Counter[str] = Counter()
        self._lost_nanousd: Counter[str] = Counter()
        self._models: dict[tuple[str, str], str] = {}
        self._providers: dict[str, str] = {}

    def measure(self, app: App) -> None:
        """Whose price lists know models, and whose ledger and outbox are looked at."""
        self._app = app

    def add(self, entry: Entry) -> None:
        """Count one call."""
        row = self._rows.get(_kind(entry)) or self._row(_kind(entry))
        row.calls += 1
        if (cost := entry.cost_nanousd) is None:
            row.unpriced += 1
        elif cost:
            basis = entry.cost_basis
            row.cost_nanousd[basis] = row.cost_nanousd.get(basis, 0) + cost
        if entry.attempts:
            row.tokens = list(map(add, row.tokens, _tokens(entry.usage)))
        if entry.served_by != RECORDED:  # made elsewhere: its time and tries were not ours
            self._add_way(entry, row)
        for lever, nanousd in entry.saved:
            if nanousd >= 0:
                self._saved_nanousd[lever] += nanousd
            else:
                self._lost_nanousd[lever] -= nanousd

    def _add_way(self, entry: Entry, row: _Row) -> None:
        row.added.add(entry.latency_ms - entry.upstream_ms)
        if not (attempts := entry.attempts):
            return
        row.upstream.add(entry.upstream_ms)
        for attempt in attempts:
            provider = self._provider(attempt.target.provider)
            self._attempts[provider, attempt.outcome, attempt.status] += 1
        if len(attempts) > 1:
            self._retries[self._provider(attempts[-1].target.provider)] += len(attempts) - 1

    def counts(self, *, in_flight: int, connections: int, http_requests: int) -> Counts:
        """All series by their full names; those of several processes may be added up."""
        found: Counts = {
            series("in_flight_requests"): in_flight,
            series("connections"): connections,
            series("http_requests_total"): http_requests,
            series("cpu_seconds_total"): time.process_time_ns() // 1000,
            series("resident_memory_bytes"): _resident_bytes(),
        }
        for row in self._by_labels.values():
            _show_row(found, row)
        self._show_shared(found)
        if self._app is not None:
            _show_health(found, self._app.ledger.health(), self._app.outbox.pending)
            found |= budget_counts(self._app.levers) | fallback_counts(self._app.levers)
            found |= prefix_counts(self._app.levers)
            if (work := self._app.deferring) is not None:
                found |= job_counts(work.standing, self._app.clock.now())
        return found

    def _row(self, kind: _Kind) -> _Row:
        """The row of a kind that is met for the first time."""
        purpose, operation, provider, model, status, served_by = kind
        label = self._provider(provider)
        labels = (purpose, operation, label, self._label(provider, model), status, served_by)
        row = self._by_labels.get(labels)
        if row is None and len(self._by_labels) >= _MAX_ROWS:
            labels = (_OTHER, _OTHER, _OTHER, _OTHER, 0, _OTHER)
            row = self._by_labels.get(labels)
        if row is None:
            added = self._added.setdefault(labels[5], _Histogram())
            upstream = self._upstream.setdefault(labels[2], _Histogram())
            row = self._by_labels[labels] = _Row(labels, added, upstream)
        if len(self._rows) < _MAX_KNOWN:
            self._rows[kind] = row
        return row

    def _provider(self, name: str) -> str:
        """The provider's name in the settings or in the price book, else `other`."""
        label = self._providers.get(name)
        if label is None:
            label = _known_provider(self._app, name)
            if len(self._providers) < _MAX_KNOWN:
                self._providers[name] = label
        return label

    def _label(self, provider: str, model: str) -> str:
        """The model's name in the price list or in the settings, else `other`."""
        if not model:
            return ""
        if self._app is None:
            return _OTHER
        known = (provider, model)
        label = self._models.get(known)
        if label is None:
            label = _known_name(self._app, provider, model)
            if len(self._models) < _MAX_KNOWN:
                self._models[known] = label
        return label

    def _show_shared(self, found: Counts) -> None:
        for served_by, histogram in self._added.items():
            _show_histogram(found, "added_latency_seconds", histogram, served_by=served_by)
        for provider, histogram in self._upstream.items():
            _show_histogram(found, "upstream_latency_seconds", histogram, provider=provider)
        for (provider, outcome, status), count in self._attempts.items():
            labels = {"provider": provider, "outcome": outcome, "status": str(status)}
            found[series("attempts_total", **labels)] = count
        for provider, count in self._retries.items():
            found[series("retries_total", provider=provider)] = count
        for lever, nanousd in self._saved_nanousd.items():
            found[series("saved_usd_total", lever=lever)] = nanousd
        for lever, nanousd in self._lost_nanousd.items():
            found[series("extra_cost_usd_total", lever=lever)] = nanousd


def _known_provider(app: App | None, name: str) -> str:
    if not name:
        return ""
    if app is None:
        return _OTHER
    if name in app.settings.providers:
        return name
    known = app.book.provider_id(name)
    return known if known in app.book.providers() else _OTHER


def _known_name(app: App, provider: str, model: str) -> str:
    settings = app.settings
    entries = settings.models.items()
    if any(one.provider == provider and (one.model or name) == model for name, one in entries):
        return model
    found = app.book.find(model, price_names(settings).get(provider, provider))
    return found.id if found is not None else _OTHER


def _show_row(found: Counts, row: _Row) -> None:
    found[row.names.get("") or _name_call(row)] = row.calls
    amounts = [("unpriced_calls_total", "", row.unpriced)]
    amounts += [("cost_usd_total", basis, one) for basis, one in row.cost_nanousd.items()]
    amounts += [
        ("tokens_total", kind, one)
        for kind, one in zip(_TOKEN_LABELS, row.tokens, strict=True)
        if one
    ]
    for name, label, amount in amounts:
        if amount:
            full = row.names.get(name + label) or _name_amount(row, name, label)
            found[full] = found.get(full, 0) + amount


def _name_call(row: _Row) -> str:
    purpose, operation, provider, model, status, served_by = row.kind
    full = row.names[""] = series(
        "calls_total",
        purpose=purpose,
        operation=operation,
        provider=provider,
        model=model,
        status=str(status),
        served_by=served_by,
    )
    return full


def _name_amount(row: _Row, name: str, label: str) -> str:
    labels = {"cost_usd_total": {"basis": label}, "tokens_total": {"kind": label}}.get(name, {})
    _, _, provider, model, _, _ = row.kind
    full = row.names[name + label] = series(name, provider=provider, model=model, **labels)
    return full


def _show_histogram(found: Counts, name: str, histogram: _Histogram, **labels: str) -> None:
    if not any(histogram.counts):
        return
    total = 0
    for bound, count in zip(bucket_names(), histogram.counts, strict=True):
        total += count
        found[series(f"{name}_bucket", **labels, le=bound)] = total
    found[series(f"{name}_sum", **labels)] = histogram.sum_us
    found[series(f"{name}_count", **labels)] = total


def _show_health(found: Counts, health: LedgerHealth, settling: int) -> None:
    found[series("ledger_ok")] = int(health.ok)
    found[series("ledger_pending_entries")] = health.pending
    found[series("ledger_spilled_entries")] = health.spilled
    found[series("ledger_dropped_entries_total")] = health.dropped
    found[series("outbox_pending")] = settling


def _resident_bytes() -> int:
    """What the process holds in memory now; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 (no path object per look)
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
