"""The rest of an entry that may wait: what a broken call probably cost, with bounds.

Without the provider's final usage the truth cannot be known. The input is counted (upper and lower
estimate), the output lies between what was seen and the most that the call allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as replace_ask

from msgspec.structs import replace

from scrimp.calls import Attempt, Call, Cost
from scrimp.dialects.base import Dialect
from scrimp.errors import PriceUnknown
from scrimp.ledger.booking import booked, needs_estimate
from scrimp.ledger.smaller import as_sent
from scrimp.ports import Count, Encoder, Entry, Ledger, Settlement
from scrimp.prices.book import PriceBook
from scrimp.prices.bound import Ask, Limits, ask_of, upper_bound
from scrimp.prices.pricing import bounds, rates_in, resolve
from scrimp.translation.translator import respoken

_NOWHERE: Mapping[str, str] = {}
_SOUND = frozenset({"input_audio", "output_audio"})


class Settler:
    """Completes entries and hands them to the ledger. `told` is shown the attempts with costs."""

    def __init__(
        self,
        ledger: Ledger,
        encoder: Encoder,
        dialects: Mapping[str, Dialect],
        book: PriceBook,
        price_names: Mapping[str, str],
        *,
        places: Mapping[str, str] = _NOWHERE,
    ) -> None:
        self._ledger = ledger
        self._encoder = encoder
        self._dialects = dialects
        self._book = book
        self._price_names = price_names
        self._places = places

    async def settle(self, settlement: Settlement) -> None:
        """Estimate every attempt that needs it, then book the call."""
        call = settlement.call
        attempts = [
            replace(attempt, cost=await self._estimate(attempt, call), partial=b"")
            if needs_estimate(attempt, call)
            else attempt
            for attempt in call.trace.attempts
        ]
        self._ledger.append(_with_attempts(settlement.entry, attempts))

    async def _estimate(self, attempt: Attempt, call: Call) -> Cost:
        dialect = self._dialects[attempt.target.dialect]
        model, provider = attempt.target.model, attempt.target.provider
        try:
            rates = resolve(
                model,
                self._price_names.get(provider, provider),
                attempt.started_at,
                book=self._book,
                service_tier=_told(attempt),
            )
            request = respoken(call.request, call.target.dialect, attempt.target)
            whole = await self._encoder.count_request(model, request.fields, attempt.target.dialect)
            inputs = as_sent(whole, call.trace.lines)
            seen = await self._encoder.count(model, dialect.reply_texts(attempt.partial))
            ask = ask_of(request, attempt.target.dialect, inputs)
            place = ask.place or self._places.get(provider, "")
            outputs = self._outputs(ask, attempt, seen)
            cost = replace(bounds(inputs, outputs, rates_in(place, rates)), place=place)
            cost = self._beside_text(cost, ask, attempt)
        except PriceUnknown:
            return attempt.cost
        page = attempt.outcome == "ok" and not attempt.reported_model and not seen.high
        return _perhaps_free(cost, attempt.status, page=page)

    def _beside_text(self, cost: Cost, ask: Ask, attempt: Attempt) -> Cost:
        """The high end of a call that may cost more than its text at the tier that was told.

        It may have been served at the dearer tier that it asked for, or hold sound, or let the
        provider search. Re-pricing leaves such a call as booked: its tokens do not explain it.
        """
        if (_told(attempt) or not ask.service_tier) and not (set(ask.kinds) & _SOUND or ask.uses):
            return cost
        target = attempt.target
        provider = self._price_names.get(target.provider, target.provider)
        ask = replace_ask(ask, place=cost.place)
        try:
            most = upper_bound(ask, target.model, provider, attempt.started_at, book=self._book)
        except PriceUnknown:
            return cost
        if most.nanousd <= (cost.high_nanousd or 0):
            return cost
        return replace(cost, high_nanousd=most.nanousd, counted=())

    def _outputs(self, ask: Ask, attempt: Attempt, seen: Count) -> Count:
        provider = attempt.target.provider
        provider = self._price_names.get(provider, provider)
        found = self._book.find(attempt.target.model, provider)
        most = Limits(found, ask, provider if found is None else found.provider).output_tokens
        return Count(seen.tokens, seen.low, max(most, seen.high), seen.method)


def _told(attempt: Attempt) -> str:
    """The tier that serves; of responses only the last event tells it, and `auto` before."""
    return "" if attempt.service_tier == "auto" else attempt.service_tier


def _perhaps_free(cost: Cost, status: int, *, page: bool) -> Cost:
    """Who gave no status, an error, or a page in place of an answer may not have begun to work.

    Then it bills nothing. After a silence or a page the work is the likelier, after a server's
    error it is not.
    """
    if status >= 400:
        return replace(cost, nanousd=0, low_nanousd=0, lines=())
    return replace(cost, low_nanousd=0) if page or status == 0 else cost


def _with_attempts(entry: Entry, attempts: list[Attempt]) -> Entry:
    result = booked(None, attempts, attempts[-1].cost, entry.trace)
    cost = result.cost
    return replace(
        entry,
        attempts=tuple(attempts),
        cost_basis=cost.basis,
        cost_nanousd=cost.nanousd,
        cost_low_nanousd=cost.low_nanousd,
        cost_high_nanousd=cost.high_nanousd,
        baseline_nanousd=result.baseline_nanousd,
        saved=result.saved,
        price_version=cost.price_version,
    )
