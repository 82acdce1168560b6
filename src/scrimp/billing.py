"""How settings become prices: the book with what the user states, and the pricer of one engine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from scrimp.calls import Cost, Target, Usage
from scrimp.errors import ConfigError
from scrimp.ports import Pricer
from scrimp.prices.book import Own, PriceBook, load_book
from scrimp.prices.own import own_prices, own_row
from scrimp.prices.pricing import at_place, price
from scrimp.settings import Settings


def book_of(settings: Settings) -> PriceBook:
    """The price book that ships, with the prices of the settings over it. Raises ConfigError."""
    own: dict[str, Own] = {}
    for model, tables in settings.prices.items():
        try:
            own[model] = own_prices(tables, "your own settings")
        except (ValueError, ArithmeticError) as error:
            raise ConfigError(f"prices.{model}: {error}") from error
    # A name that clients use is not the model's own: its prices are those of what it stands for.
    own = {_priced_as(name, settings): prices for name, prices in own.items()} | own
    book = load_book().with_overrides(own) if own else load_book()
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


def pricer(book: PriceBook, names: Mapping[str, str], places: Mapping[str, str]) -> Pricer:
    """Prices usage by this book; `names` as `price_names` gives them, `places` as `places_of`."""

    def price_usage(usage: Usage, target: Target, at: datetime, service_tier: str) -> Cost:
        provider = names.get(target.provider, target.provider)
        if places and (place := places.get(target.provider)):
            placed = at_place(usage, place)
            cost = price(placed, target.model, provider, at, book=book, service_tier=service_tier)
            return replace(cost, place=place)
        return price(usage, target.model, provider, at, book=book, service_tier=service_tier)

    return price_usage
