"""What texts count and what calls will cost: the same for the library, HTTP and the command line.

Nothing is sent and nothing is booked. Reading and pricing are pure; counting is left to who asks,
because some wait for it on an event loop and some do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from scrimp.billing import places_of, price_names, pricer, sold_as, trusts_of
from scrimp.calls import COUNTERS, Line, Request, Target, Usage
from scrimp.dialects import DIALECTS
from scrimp.dialects.counts import MAX_COUNT
from scrimp.dialects.detect import dialect_of
from scrimp.dialects.json_body import read_object
from scrimp.dialects.usage_shapes import read_usage
from scrimp.errors import InvalidRequest, PriceUnknown, Rejected
from scrimp.ledger.recorded import check_label, usage_of
from scrimp.money import decimal_usd
from scrimp.ports import Count
from scrimp.prices.book import PriceBook
from scrimp.prices.bound import ask_of
from scrimp.prices.pricing import resolve
from scrimp.prices.quote import Bill, Estimate, Seller, estimate
from scrimp.served import targets_of
from scrimp.settings import Settings
from scrimp.translation.translator import respoken

READ = ("openai.chat", "openai.responses", "openai.embeddings", "anthropic.messages")
"""Dialects whose bodies can be estimated."""

Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]


class Hints(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What may be said of a call beside its body.

    `dialect` where the fields leave it open, `provider` (else who serves the model here, else whose
    model it is), `service_tier` where the body does not say it (`batch`), `output_tokens` that are
    expected in all, `at` when it will be made (now).
    """

    dialect: str = ""
    provider: str = ""
    service_tier: str = ""
    output_tokens: Number | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that was read and has a seller; what is left is to count its input."""

    request: Request
    seller: Seller
    at: datetime
    hints: Hints
    place: str = ""


class Quoter:
    """Knows the prices and names of some settings."""

    def __init__(self, settings: Settings, book: PriceBook) -> None:
        self._settings = settings
        self._book = book
        self._targets = targets_of(settings, book)
        self._names = price_names(settings)
        self._places = places_of(settings)
        self._priced = pricer(book, self._names, self._places, trusts_of(settings))

    def model_of(self, name: str) -> str:
        """The model behind a name of the settings: whose tokens are to be counted."""
        name = self._settings.aliases.get(name, name)
        entry = self._settings.models.get(name)
        return name if entry is None else entry.model or name

    def served(self, name: str) -> Target | None:
        """Who serves a model, in its own dialect or translated; None where nobody does."""
        try:
            return self._targets.resolve(name, "openai.chat")
        except Rejected:
            return None

    def prepare(self, body: bytes, hints: Hints, now: datetime) -> Prepared:
        """Read a request body as an SDK sends it. Raises InvalidRequest, PriceUnknown."""
        for name in ("dialect", "provider", "service_tier"):
            check_label(name, getattr(hints, name))
        dialect = hints.dialect or dialect_of(read_object(body))
        if dialect not in READ:
            raise InvalidRequest(f"no dialect {dialect!r} (one of {', '.join(READ)})")
        request = DIALECTS[dialect].read_request(body)
        check_label("model", request.model)
        target, model, provider = self._sold(request.model, dialect, hints.provider)
        spoken = self._targets.spoken(target, dialect)
        request = respoken(request, dialect, Target(target, model, spoken))
        seller = Seller(model, provider, spoken)
        return Prepared(request, seller, _aware(hints.at, now), hints, self._places.get(target, ""))

    def estimate(self, prepared: Prepared, inputs: Count) -> Estimate:
        """What it will cost; `inputs` is its counted input. Raises PriceUnknown."""
        hints, seller = prepared.hints, prepared.seller
        ask = ask_of(prepared.request, seller.dialect, inputs)
        ask = replace(
            ask,
            place=ask.place or prepared.place,
            service_tier=hints.service_tier or ask.service_tier,
        )
        return estimate(
            ask, seller, prepared.at, book=self._book, output_tokens=hints.output_tokens
        )

    def price(
        self, usage: Usage, model: str, provider: str, at: datetime, service_tier: str = ""
    ) -> Bill:
        """What usage costs at an aware time. Raises PriceUnknown, InvalidRequest."""
        at = _aware(at, at)
        try:
            target, name, seller = self._sold(model, "openai.chat", provider)
        except PriceUnknown:
            if usage.terms is None or usage.terms.reported_nanousd is None:
                raise
            target, name, seller = provider, model, provider  # whoever may tell a cost needs no row
        known = target if target in self._names else seller
        cost = self._priced(usage, Target(known, name, ""), at, service_tier)
        if cost.nanousd is None:  # a price that is not known raises; no other cost is without one
            raise PriceUnknown(f"what model {name!r} cost is unknown")
        source = f"told by {known} in the usage"
        if cost.basis != "reported":
            sold_by = self._names.get(known, known)
            rates = resolve(name, sold_by, at, book=self._book, service_tier=service_tier)
            source = rates.source
        return Bill(cost.nanousd, cost.lines, cost.basis, cost.price_version, source, usage.suspect)

    def _sold(self, model: str, dialect: str, provider: str) -> tuple[str, str, str]:
        """Provider of the settings, model id, provider of the price book. Raises PriceUnknown."""
        if not provider:
            try:
                target = self._targets.resolve(model, dialect)
            except Rejected:
                pass
            else:
                seller = self._names.get(target.provider, target.provider)
                return target.provider, target.model, seller
        name, seller = sold_as(model, provider or None, self._settings, self._book)
        return provider, name, seller


def usage_from(given: object, provider: str) -> tuple[Usage, str]:
    """Usage by our names or in a provider's own shape, and the service tier that is told in it.

    Raises PriceUnknown, never guesses.
    """
    if isinstance(given, Usage):
        return given, ""
    told = _mapping(given)
    if told and set(told) <= set(COUNTERS):
        try:
            return usage_of(told), ""
        except InvalidRequest as error:
            raise PriceUnknown(str(error)) from None
    read = read_usage(told, provider=provider)
    if read.usage is None:
        shown = ", ".join(sorted(map(str, told)))[:200] if told else f"a {type(given).__name__}"
        raise PriceUnknown(f"the usage cannot be read ({shown}): what it costs is unknown")
    return read.usage, read.service_tier


def _mapping(given: object) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    dump = getattr(given, "model_dump", None)
    return {} if dump is None else dict(dump(exclude_none=True))


def rough_count(text: str) -> Count:
    """Words times 1.3: a rule of thumb for English prose, and nothing more.

    The bounds are those of any tokenizer that falls back to bytes: one token, one byte for each.
    """
    most = len(text.encode("utf-8", "surrogatepass"))
    least = min(1, most)
    guess = -(-len(text.split()) * 13 // 10)
    return Count(max(least, min(guess, most)), least, most, "words x 1.3 (rough)")


def shown_count(model: str, count: Count) -> dict[str, Any]:
    """A count for machines."""
    return {
        "model": model,
        "tokens": count.tokens,
        "low": count.low,
        "high": count.high,
        "method": count.method,
    }


def shown_estimate(found: Estimate) -> dict[str, Any]:
    """An estimate for machines: money as exact decimal dollars and as integers."""
    cost = found.cost_nanousd
    return {
        "model": found.model,
        "provider": found.provider,
        "dialect": found.dialect,
        "service_tier": found.service_tier,
        "input": _tokens(found.input),
        "output": _tokens(found.output),
        "cost_usd": None if cost is None else decimal_usd(cost),
        "low_usd": decimal_usd(found.low_nanousd),
        "upper_usd": decimal_usd(found.upper_nanousd),
        "cost_nanousd": cost,
        "low_nanousd": found.low_nanousd,
        "upper_nanousd": found.upper_nanousd,
        "lines": [_line(line) for line in found.lines],
        "upper_lines": [_line(line) for line in found.upper_lines],
        "assumed": list(found.assumed),
        "price_version": found.price_version,
        "source": found.source,
    }


def _tokens(count: Count) -> dict[str, Any]:
    return {
        "tokens": count.tokens,
        "low": count.low,
        "high": count.high,
        "method": count.method,
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "what": line.what,
        "quantity": line.quantity,
        "picousd_per_unit": line.pico_per_unit,
        "nanousd": line.nanousd,
    }


def _aware(at: datetime | None, now: datetime) -> datetime:
    if at is None:
        return now
    if at.tzinfo is None:
        raise InvalidRequest(f"'at' is {at.isoformat()}, without a zone (add Z for UTC)")
    return at.astimezone(UTC)
