"""A reconciliation in memory: made-up calls booked as Scrimp would, beside an export's text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from scrimp.calls import Attempt, Cost, Outcome, Target
from scrimp.calls import Usage as OurUsage
from scrimp.prices import PriceBook, load_book, price
from scrimp.reconcile.bill import Gathering
from scrimp.reconcile.books import Books
from scrimp.reconcile.compare import Tolerance
from scrimp.reconcile.exports import Found, rows_of_csv, rows_of_json
from scrimp.reconcile.names import Names
from scrimp.reconcile.result import Judged, Ledger, Reconciliation, reconcile
from scrimp.reconcile.words import VENDORS
from scrimp.simulator.bill import MODELS, Usage
from tests.support.exports import Used, noon

ALWAYS = (datetime(2015, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
EXACTLY = Tolerance()


def gpt(
    tokens: int = 1000, *, at: datetime | None = None, model: str = "gpt-4o-2024-08-06"
) -> Used:
    """A call of OpenAI's with fresh and cached input; $0.0053 for gpt-4o."""
    return Used(at or noon(4), model, Usage(tokens, 640, 0, 0, 200))


def claude(tokens: int = 1000, *, at: datetime | None = None) -> Used:
    """A call of Anthropic's that reads from and writes to the cache."""
    return Used(at or noon(4), "claude-sonnet-4-5-20250929", Usage(tokens, 2000, 300, 70, 150))


def vendor_of(call: Used) -> str:
    """Whose model it is."""
    return MODELS[call.model].vendor


def cost_of(call: Used, tier: str = "") -> Cost:
    """What Scrimp books for it."""
    return price(
        usage_of(call), call.model, vendor_of(call), call.at, book=load_book(), service_tier=tier
    )


def usage_of(call: Used) -> OurUsage:
    """The simulator's usage in our words."""
    used = call.usage
    return OurUsage(
        input_tokens=used.input_tokens,
        cache_read_tokens=used.cache_read_tokens,
        cache_write_5m_tokens=used.cache_write_5m_tokens,
        cache_write_1h_tokens=used.cache_write_1h_tokens,
        output_tokens=used.output_tokens,
        reasoning_tokens=used.reasoning_tokens,
    )


def attempt(call: Used, *, outcome: Outcome = "ok", name: str = "") -> Attempt:
    """The attempt that stands in the ledger for a call; `name` is what the client asked for."""
    return Attempt(
        target=Target(vendor_of(call), name or call.model, "openai.chat"),
        outcome=outcome,
        status=200 if outcome == "ok" else 429,
        started_at=call.at,
        latency_ms=1.0,
        usage=usage_of(call) if outcome == "ok" else None,
        cost=cost_of(call) if outcome == "ok" else Cost(0, 0, 0, "free"),
    )


def booked(*calls: Used) -> list[tuple[Attempt, ...]]:
    """One attempt each."""
    return [(attempt(call),) for call in calls]


def rows(text: str, source: str) -> Iterable[Found]:
    """Rows of an export's text."""
    if text.lstrip()[:1] in ("{", "["):
        return rows_of_json(text.encode(), source)
    return rows_of_csv(text.splitlines(keepends=True), source)


def laid(
    exports: Mapping[str, str],
    calls: Sequence[tuple[Attempt, ...]],
    *,
    tolerance: Tolerance = EXACTLY,
    book: PriceBook | None = None,
    period: tuple[datetime, datetime] = ALWAYS,
) -> Reconciliation:
    """The one vendor's exports beside these calls."""
    book = book or load_book()
    names = Names(book)
    gathering = Gathering(names)
    for source, text in exports.items():
        for found in rows(text, source):
            gathering.add(found, source)
    (bill,) = gathering.bills()
    books = Books(names, VENDORS)
    for attempts in calls:
        books.add(attempts)
    return reconcile(bill, Ledger(books.sums(), books.first), period, book, tolerance)


def only(found: Reconciliation) -> Judged:
    """The one row."""
    (row,) = found.rows
    return row


def first_cause(row: Judged) -> str:
    """Its code; empty when there is none."""
    return row.causes[0].code if row.causes else ""
