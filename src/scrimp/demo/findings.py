"""What the played day came to: the ledger's sums, and the provider's own bill beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from scrimp.demo.broken import Broken
from scrimp.demo.guarded import Guarded
from scrimp.demo.routed import Routed
from scrimp.ledger.report import By, LatencyAdded, Report, ReportRow, quantile
from scrimp.ports import Entry

ACTORS = ("support", "coding", "classifier")
"""The applications of the day; each puts its name first among the tags of its calls."""


class Books(Protocol):
    """The part of the ledger's read side that is asked here."""

    def report(self, since: datetime, until: datetime, by: By) -> Report:
        """Sums by one dimension."""
        ...

    def recent(self, limit: int) -> list[Entry]:
        """The newest entries."""
        ...

    def latency_added(self, since: datetime, until: datetime) -> LatencyAdded:
        """What Scrimp itself added to the latency."""
        ...


@dataclass(frozen=True, slots=True)
class Played:
    """What the player knows: how the day was asked for, and how it went.

    `gateway_log` is the last line that the gateway logged, empty when it had nothing to say.
    """

    seed: int
    scale: float
    planned: int
    streamed: int
    played_s: float
    failures: tuple[str, ...] = ()
    gateway_log: str = ""


@dataclass(frozen=True, slots=True)
class Retried:
    """Calls that met a passing failure and succeeded by another attempt."""

    calls: int
    statuses: tuple[tuple[int, int], ...]
    """How often each HTTP status of a failed attempt was met, the smallest first."""


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """Median milliseconds of a call inside the gateway; None where there was no such call."""

    upstream_p50_ms: float | None
    upstream_ttft_p50_ms: float | None
    hit_p50_ms: float | None


@dataclass(frozen=True, slots=True)
class Findings:
    """All numbers of the report. `hit_id` is the newest call that was answered from memory."""

    played: Played
    total: ReportRow
    models: tuple[ReportRow, ...]
    actors: tuple[ReportRow, ...]
    levers: tuple[ReportRow, ...]
    retried: Retried
    added: LatencyAdded
    times: AnswerTimes
    provider_nanousd: int
    hit_id: str = ""
    broken: Broken | None = None
    guarded: Guarded | None = None
    routed: Routed | None = None

    @property
    def difference_nanousd(self) -> int:
        """Our bill less the provider's; must be 0."""
        return self.total.cost_nanousd - self.provider_nanousd

    @property
    def bills_equal(self) -> bool:
        """True when both bills say the same and every amount in ours is known exactly."""
        return self.total.exact and not self.difference_nanousd

    @property
    def failed(self) -> int:
        """Calls without a good answer, by whichever side counted more."""
        missing = self.played.planned - self.total.calls
        return max(len(self.played.failures), self.total.errors, missing)

    @property
    def good(self) -> bool:
        """Whether the demo shows what it is to show."""
        known = self.broken is None or self.broken.inside
        kept = self.guarded is None or self.guarded.good
        chosen = self.routed is None or self.routed.good
        return self.bills_equal and not self.failed and known and kept and chosen


def gather(books: Books, began: datetime, played: Played, provider_nanousd: int) -> Findings:
    """Read the ledger of the day. Raises StoreError."""
    since, until = began, began + timedelta(days=1)
    entries = books.recent(2 * played.planned)
    by_tag = {row.value: row for row in books.report(since, until, "tag").rows}
    models = books.report(since, until, "model")
    return Findings(
        played=played,
        total=models.total,
        models=models.rows,
        actors=tuple(by_tag[actor] for actor in ACTORS if actor in by_tag),
        levers=books.report(since, until, "lever").rows,
        retried=retried(entries),
        added=books.latency_added(since, until),
        times=answer_times(entries),
        provider_nanousd=provider_nanousd,
        hit_id=next((entry.id for entry in entries if entry.served_by == "exact_cache"), ""),
    )


def retried(entries: Iterable[Entry]) -> Retried:
    """Count the calls that more than one attempt brought to a good end."""
    again = [entry for entry in entries if len(entry.attempts) > 1 and entry.outcome == "ok"]
    met = Counter(attempt.status for entry in again for attempt in entry.attempts[:-1])
    return Retried(len(again), tuple(sorted(met.items())))


def answer_times(entries: Sequence[Entry]) -> AnswerTimes:
    """Medians of calls that the provider answered, and of those that the exact cache answered."""
    fresh = [entry for entry in entries if entry.served_by == "upstream"]
    return AnswerTimes(
        upstream_p50_ms=_median(entry.latency_ms for entry in fresh),
        upstream_ttft_p50_ms=_median(
            entry.ttft_ms for entry in fresh if entry.stream and entry.ttft_ms is not None
        ),
        hit_p50_ms=_median(
            entry.latency_ms for entry in entries if entry.served_by == "exact_cache"
        ),
    )


def to_json(findings: Findings) -> dict[str, Any]:
    """One document for machines: money as integer nano-dollars."""
    played, total, times = findings.played, findings.total, findings.times
    return {
        "seed": played.seed,
        "scale": played.scale,
        "played_s": round(played.played_s, 3),
        "calls": total.calls,
        "planned_calls": played.planned,
        "streamed_calls": played.streamed,
        "failed_calls": findings.failed,
        "failures": list(played.failures),
        **_sums(total),
        "levers": [
            {"lever": row.value, "calls": row.calls, "hits": row.hits}
            | {"saved_nanousd": row.saved_nanousd}
            for row in findings.levers
        ],
        "retried_calls": findings.retried.calls,
        "retried_statuses": {str(status): n for status, n in findings.retried.statuses},
        "latency_added_ms": {"p50": findings.added.p50_ms, "p95": findings.added.p95_ms},
        "upstream_p50_ms": times.upstream_p50_ms,
        "upstream_ttft_p50_ms": times.upstream_ttft_p50_ms,
        "hit_p50_ms": times.hit_p50_ms,
        "models": [
            {"model": row.value, "calls": row.calls} | _sums(row) for row in findings.models
        ],
        "applications": [
            {"application": row.value, "calls": row.calls} | _sums(row) for row in findings.actors
        ],
        "bill": {
            "scrimp_nanousd": total.cost_nanousd,
            "provider_nanousd": findings.provider_nanousd,
            "difference_nanousd": findings.difference_nanousd,
            "equal": findings.bills_equal,
        },
        "broken_stream": None if findings.broken is None else _broken(findings.broken),
        "over_budget": None if findings.guarded is None else asdict(findings.guarded),
        "routed": None if findings.routed is None else asdict(findings.routed),
        "good": findings.good,
    }


def _broken(broken: Broken) -> dict[str, Any]:
    return {**asdict(broken), "inside": broken.inside}


def _sums(row: ReportRow) -> dict[str, Any]:
    return {
        "hits": row.hits,
        "hit_rate": round(row.hit_rate, 6),
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "spend_nanousd": row.cost_nanousd,
        "without_scrimp_nanousd": row.baseline_nanousd,
        "saved_nanousd": row.saved_nanousd,
    }


def _median(values: Iterable[float]) -> float | None:
    ordered = sorted(values)
    return round(quantile(ordered, 0.5), 3) if ordered else None
