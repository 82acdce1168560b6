"""Which provider serves which model, as the settings and the price book say, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from scrimp.billing import price_names
from scrimp.calls import Target
from scrimp.identity import VirtualKey
from scrimp.prices.book import PriceBook
from scrimp.prices.rates import ModelPrice
from scrimp.providers import DEFAULT_PROVIDERS, spoken
from scrimp.settings import KeySettings, Settings
from scrimp.targets import ModelEntry, Provider, Targets
from scrimp.translation.translator import Translator


def virtual_key(key: KeySettings) -> VirtualKey:
    """A key of the settings."""
    return VirtualKey(
        name=key.name,
        sha256=key.sha256,
        team=key.team,
        user=key.user,
        task=key.task,
        tags=key.tags,
        models=key.models,
        org=key.org,
        trusted=key.trusted,
        ends_at=key.expires,
    )


def targets_of(settings: Settings, book: PriceBook) -> Targets:
    """Which provider serves which model. Raises ConfigError."""
    names = price_names(settings)

    def knows(name: str) -> Callable[[str], bool]:
        return lambda model: book.find(model, names[name]) is not None

    providers = [
        Provider(
            name=name,
            dialects=spoken(provider.dialects, provider.base_url),
            knows=knows(name),
            known_models=book.models(names[name]),
            any_model=provider.any_model,
        )
        for name, provider in settings.providers.items()
    ]
    models = {
        name: ModelEntry(entry.provider, entry.model or name)
        for name, entry in settings.models.items()
    }
    return Targets(providers, models, settings.aliases, _elsewhere(settings, book))


def translator_of(
    targets: Targets, book: PriceBook, names: Mapping[str, str], asked: Container[str]
) -> Translator:
    """For calls whose provider speaks another dialect. `names` are those of the price book."""

    def known(target: Target) -> ModelPrice | None:
        return book.find(target.model, names.get(target.provider, target.provider))

    return Translator(targets.spoken, known, asked)


def _elsewhere(settings: Settings, book: PriceBook) -> Callable[[str], str]:
    """How to get a model of a provider that Scrimp knows but that is not configured."""

    def way_out(model: str) -> str:
        for one in DEFAULT_PROVIDERS:
            if one.name not in settings.providers and book.find(model, one.name) is not None:
                return (
                    f"'{one.name}' has it (set {one.key_env}, or, where scrimp.toml names "
                    f"providers, add [providers.{one.name}] there)"
                )
        return ""

    return way_out
