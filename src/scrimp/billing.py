"""How settings become prices: the book with what the user states, and the pricer of one engine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from scrimp.bookfile import base_book
from scrimp.calls import Call, Cost, Target, Usage
from scrimp.errors import ConfigError, PriceUnknown
from scrimp.ports import Pricer
from scrimp.prices.book import Own, PriceBook
from scrimp.prices.own import PriceSettings, like_another, own_prices, own_row
from scrimp.prices.pricing import at_place, price, resolve, untold
from scrimp.prices.rates import Rates
from scrimp.settings import Settings

_NOBODY: Mapping[str, bool] = {}


def book_of(settings: Settings, base: PriceBook | None = None) -> PriceBook:
    """A price book (the one in use) with the prices of the settings over it.

    Raises ConfigError.
    """
    own: dict[str, Own] = {}
    book = base or base_book(settings)
    for model, tables in settings.prices.items():
        try:
            own[model] = (
                like_another(tables.like, book)
                if isinstance(tables, PriceSettings) and tables.like
                else own_prices(tables, "your own settings")
            )
        except (ValueError, ArithmeticError) as error:
            raise ConfigError(f"prices.{model}: {error}") from error
    # A name that clients use is not the model's own: its prices are those of what it stands for.
    own = {_priced_as(name, settings): prices for name, prices in own.items()} | own
    book = book.with_overrides(own) if own else book
    if settings.unpriced.policy != "assume" or settings.unpriced.price is None:
        return book
    try:
        return book.with_fallback(own_row(settings.unpriced.price, "unpriced in your own settings"))
    except (ValueError, ArithmeticError) as error:
        raise ConfigError(f"unpriced.price: {error}") from error


def _priced_as(name: str, settings: Settings) -> str:
    """Under which name the price book looks for a model that clients call by this one."""
    name = settings.aliases.get(name, name)
    if (model := settings.models.get(name)) is None:
        return name
    provider = price_names(settings).get(model.provider, model.provider)
    return f"{provider}/{model.model or name}"


def price_names(settings: Settings) -> dict[str, str]:
    """For each configured provider, the name under which the price book knows it."""
    return {name: provider.prices_as or name for name, provider in settings.providers.items()}


def places_of(settings: Settings) -> dict[str, str]:
    """For each provider whose endpoint keeps the work in one place, that place."""
    return {name: one.residency for name, one in settings.providers.items() if one.residency}


def sold_as(
    model: str, provider: str | None, settings: Settings, book: PriceBook
) -> tuple[str, str]:
    """Model id and provider as the book knows them. Raises PriceUnknown with the nearest name."""
    names = price_names(settings)
    model = settings.aliases.get(model, model)
    if provider is None and (entry := settings.models.get(model)) is not None:
        return entry.model or model, names.get(entry.provider, entry.provider)
    if provider is not None:
        provider = book.provider_id(names.get(provider, provider))
        if provider not in book.providers() and book.find(model, provider) is None:
            raise PriceUnknown(f"the price book knows no provider {provider!r}")
    found = book.find(model, provider)
    if found is None:
        near = book.suggest(model, provider)
        where = f" at {provider}" if provider else ""
        hint = f"did you mean {near}?" if near else f'add [prices."{model}"] to scrimp.toml'
        raise PriceUnknown(f"no price for model {model!r}{where} ({hint})")
    if provider is not None or book.find(model, found.provider) is not None:
        return model, provider or found.provider
    return model.partition("/")[2], found.provider  # it was named as provider/model


def trusts_of(settings: Settings) -> dict[str, bool]:
    """For each provider of which the settings say whether the cost that it tells is believed."""
    return {
        name: one.trust_cost
        for name, one in settings.providers.items()
        if isinstance(one.trust_cost, bool)
    }


def pricer(
    book: PriceBook,
    names: Mapping[str, str],
    places: Mapping[str, str],
    trusts: Mapping[str, bool] = _NOBODY,
) -> Pricer:
    """Prices usage by this book; the mappings as `price_names`, `places_of`, `trusts_of` make them.

    Of providers that `trusts` leaves out those are believed whose API is known to tell a cost.
    """

    def price_usage(usage: Usage, target: Target, at: datetime, service_tier: str) -> Cost:
        told = None if usage.terms is None else usage.terms.reported_nanousd
        if told is not None and (trusted := trusts.get(target.provider)) is not None:
            if trusted:
                return Cost.reported(told)
            usage = untold(usage)
        provider = names.get(target.provider, target.provider)
        if places and (place := places.get(target.provider)):
            placed = at_place(usage, place)
            cost = price(placed, target.model, provider, at, book=book, service_tier=service_tier)
            return replace(cost, place=place)
        return price(usage, target.model, provider, at, book=book, service_tier=service_tier)

    return price_usage


def rates_of(call: Call, book: PriceBook, names: Mapping[str, str]) -> Rates | None:
    """What a call pays where it is headed now; None where no price is known."""
    target = call.target
    provider = names.get(target.provider, target.provider)
    try:
        return resolve(target.model, provider, call.started_at, book=book)
    except PriceUnknown:
        return None
