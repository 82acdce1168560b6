"""Advice for the settings at hand: the ledger or a log, added up, at the prices of today."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache

from msgspec.structs import replace

from scrimp.advice.advising import Advice, advise
from scrimp.advice.logged import Log
from scrimp.advice.reading import Reader
from scrimp.advice.words import LEAST_CALLS, Facts, Rates, RatesOf, Setup
from scrimp.billing import book_of, price_names, pricer
from scrimp.calls import UNKNOWN_COST, Cost, Target, Usage
from scrimp.dialects import DIALECTS
from scrimp.errors import InvalidRequest, PriceUnknown
from scrimp.lines import Record
from scrimp.prefixes.rules import rules_of
from scrimp.prices.book import PriceBook
from scrimp.prices.pricing import resolve
from scrimp.prices.rates import Rate, rate_at
from scrimp.settings import Settings, ttl_seconds
from scrimp.stores.sqlite_advice import of_entries, of_ledger
from scrimp.tasks import TTL_S

_SMALLER = (("opus", "haiku"), ("sonnet", "haiku"), ("-pro", "-flash"), ("large", "small"))


def advice_of_ledger(
    settings: Settings, since: datetime, until: datetime, *, least: int = LEAST_CALLS
) -> Advice:
    """Missed savings of paid calls that began in [since, until). Raises StoreError."""
    facts = of_ledger(settings.ledger_path, since, until, _ttl_s(settings))
    return _advise(settings, facts, least, _setup(settings))


def nothing() -> Advice:
    """Where no call was ever made."""
    return Advice(Facts(0, 0, 0, 0, 0), (), 0, {}, (), ())


def advice_of_log(
    settings: Settings,
    rows: Iterable[tuple[int, Record | InvalidRequest]],
    source: str,
    *,
    least: int = LEAST_CALLS,
) -> tuple[Advice, Log]:
    """The same of a log, of calls that went without Scrimp. Raises InvalidRequest, StoreError."""
    book, names = book_of(settings), price_names(settings)
    priced = pricer(book, names, {})

    def price(usage: Usage, model: str, provider: str, at: datetime, tier: str) -> tuple[Cost, str]:
        if not provider:
            known = book.find(model)
            provider = known.provider if known is not None else ""
        try:
            return priced(usage, Target(provider, model, ""), at, tier), provider
        except PriceUnknown:
            return UNKNOWN_COST, provider

    log = Log(DIALECTS, Reader(DIALECTS, secrets.token_bytes(32)), price, source)
    facts = of_entries(log.entries(rows), _ttl_s(settings))
    bare = Setup(exact=False, coalesce=False, ttl_s=_ttl_s(settings), clamp=False, defer=False)
    bare = replace(bare, prefix_providers=settings.prefix_cache.providers)
    return _advise(settings, facts, least, bare), log


def _advise(settings: Settings, facts: Facts, least: int, setup: Setup) -> Advice:
    book = book_of(settings)
    rates = rates_of(book, price_names(settings), datetime.now(UTC))
    seen = {(cell.provider, cell.model) for cell in facts.cells}
    cheaper = _cheaper(settings, seen, rates, book)
    return advise(facts, rates, replace(setup, cheaper=cheaper), least=least)


def rates_of(book: PriceBook, names: Mapping[str, str], at: datetime) -> RatesOf:
    """What tokens cost at a time, the first step of prices that have any."""

    @cache
    def found(provider: str, model: str) -> Rates | None:
        sold_by = book.provider_id(names.get(provider, provider))
        try:
            plain = resolve(model, sold_by, at, book=book)
        except PriceUnknown:
            return None
        fresh, output = _first(plain.of("input")), _first(plain.of("output"))
        if fresh is None:
            return None
        rules = rules_of(sold_by, model)
        batch_input = batch_output = None
        try:
            batch = resolve(model, sold_by, at, book=book, service_tier="batch")
            batch_input, batch_output = _first(batch.of("input")), _first(batch.of("output"))
        except PriceUnknown:
            pass
        return Rates(
            input=fresh,
            output=output or 0,
            read=_first(plain.of("cache_read")),
            write=_first(plain.of("cache_write_5m")) if rules is None or rules.lives else None,
            batch_input=batch_input,
            batch_output=batch_output,
            least=1024 if rules is None else rules.least_tokens,
        )

    return found


def _first(rate: Rate | None) -> int | None:
    return None if rate is None else rate_at(rate, 0)


def _ttl_s(settings: Settings) -> dict[str, int]:
    said = {task: ttl_seconds(text) for task, text in settings.exact_cache.ttl.items()}
    return {**TTL_S, **said}


def _setup(settings: Settings) -> Setup:
    exact, shares = settings.exact_cache, settings.coalesce.enabled
    return Setup(
        exact=exact.enabled,
        engine=exact.engine,
        workers=settings.server.workers,
        coalesce=exact.enabled if shares == "auto" else shares,
        ttl_s=_ttl_s(settings),
        ignored=exact.ignore,
        prefix=settings.prefix_cache.enabled,
        prefix_providers=settings.prefix_cache.providers,
        compact=settings.compact.enabled,
        route=settings.route.enabled,
        clamp=settings.clamp_output.enabled,
        defer=settings.defer.enabled,
        deferred=tuple(settings.defer.keys),
    )


def _cheaper(
    settings: Settings, seen: set[tuple[str, str]], rates: RatesOf, book: PriceBook
) -> dict[str, str]:
    """For each model that is used, one of its provider's at half its price or less.

    First those that the settings name for such ends, then those in use, then the family's small.
    """
    providers = price_names(settings)
    named = (*settings.route.models, *settings.degrade.models)
    found: dict[str, str] = {}
    for provider, model in sorted(seen):
        used = tuple(sorted(name for of, name in seen if of == provider and name != model))
        small = (f"{model}-mini", *(model.replace(*pair) for pair in _SMALLER if pair[0] in model))
        sold_by = providers.get(provider, provider)
        family = tuple(name for name in small if book.find(name, sold_by) is not None)
        for names in (named, used, family):
            if (name := _cheapest(names, (provider, model), rates)) is not None:
                found[f"{provider}/{model}"] = name
                break
    return found


def _cheapest(names: tuple[str, ...], dear: tuple[str, str], rates: RatesOf) -> str | None:
    own = rates(*dear)
    if own is None:
        return None
    priced: list[tuple[int, str]] = []
    for name in names:
        other = rates(dear[0], name)
        if other is None or not other.output or name == dear[1]:
            continue
        if other.input * 2 <= own.input and other.output * 2 <= own.output:
            priced.append((other.input, name))
    return min(priced)[1] if priced else None
