"""A period of the ledger at another price book: looked at, or added to the books as adjustments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from scrimp.billing import places_of, price_names, pricer, trusts_of
from scrimp.calls import Attempt, Cost, ReplyFacts
from scrimp.ledger.adjustment import REPRICED, Adjustment, Amounts, Period, difference
from scrimp.ledger.reprice import Prices, Tally, reprice
from scrimp.pipeline.priced import priced
from scrimp.ports import Count, Entry
from scrimp.prices.book import PriceBook
from scrimp.prices.pricing import at_place, bounds, rates_in, resolve
from scrimp.settings import Settings

_COUNTED = "counted when the call was settled"


class Books(Protocol):
    """A ledger that can be corrected. Raises StoreError."""

    def calls(self, period: Period) -> Iterator[list[tuple[Entry, Amounts]]]:
        """Calls of a period with what stands in the books, in pages."""
        ...

    def span(self) -> tuple[datetime, datetime] | None:
        """When the first and the last call began; None without calls."""
        ...

    def adjust(
        self, changes: Sequence[tuple[Entry, Amounts]], *, at: datetime, reason: str
    ) -> list[tuple[Entry, Adjustment]]:
        """Add what is missing to these amounts; what was added."""
        ...


class BookPrices:
    """Prices of a book for attempts that were booked. Implements `Prices`.

    Providers go by the settings of today; an attempt that was priced for a place stays there.
    """

    def __init__(self, book: PriceBook, settings: Settings) -> None:
        self._book = book
        self._names = price_names(settings)
        self._places = places_of(settings)
        self._priced = pricer(book, self._names, {}, trusts_of(settings))

    def exact(self, attempt: Attempt) -> Cost:
        """As the pipeline prices a reply, at the time of the attempt. Raises PriceUnknown."""
        usage, cost, target = attempt.usage, attempt.cost, attempt.target
        assert usage is not None  # noqa: S101 - told to the type checker
        place = cost.place if cost.nanousd is not None else self._places.get(target.provider, "")
        if place:
            usage = at_place(usage, place)
        facts = ReplyFacts(model=attempt.reported_model, service_tier=attempt.service_tier)
        return priced(self._priced, usage, facts, target, attempt.started_at)

    def bounds(self, attempt: Attempt) -> Cost:
        """As a broken call is settled, from the tokens that were counted then."""
        target = attempt.target
        said, low, high, out, out_low, out_high = attempt.cost.counted
        rates = resolve(
            target.model,
            self._names.get(target.provider, target.provider),
            attempt.started_at,
            book=self._book,
            service_tier=attempt.service_tier,
        )
        inputs, outputs = Count(said, low, high, _COUNTED), Count(out, out_low, out_high, _COUNTED)
        return bounds(inputs, outputs, rates_in(attempt.cost.place, rates))


def reprice_period(
    books: Books,
    period: Period,
    prices: Prices,
    *,
    at: datetime,
    apply: bool,
    watch: Callable[[int], None] = lambda calls: None,  # noqa: ARG005 - nobody watches
) -> Tally:
    """Look at every call of a period; with `apply` the books are adjusted, page by page.

    What is interrupted can be done again: what was added is not added twice. `watch` hears how
    many calls were looked at so far.
    """
    tally = Tally()
    for page in books.calls(period):
        told = [(entry, now, reprice(entry, prices)) for entry, now in page]
        wanted = [
            (entry, new.amounts)
            for entry, now, new in told
            if difference(entry, now, new.amounts, at=at, reason=REPRICED) is not None
        ]
        if apply and wanted:
            added = books.adjust(wanted, at=at, reason=REPRICED)
            changed = {entry.id for entry, _ in added}
        else:
            changed = {entry.id for entry, _ in wanted}
        for entry, now, new in told:
            tally.add(entry, now, new, changed=entry.id in changed)
        watch(tally.total.calls)
    return tally
