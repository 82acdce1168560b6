"""The price book: compiled price data of many providers, looked up by provider and model.

The package data is read once, on the first `load_book()`; each provider's models are decoded when
one of them is first asked for.
"""

from __future__ import annotations

import difflib
import hashlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache

import msgspec

from scrimp.errors import ConfigError
from scrimp.prices.match import matches, spellings
from scrimp.prices.rates import ModelPrice, PriceRow, Rates

_FIND_LIMIT = 4096
_VENDORS = ("openai", "anthropic", "google", "mistral", "cohere", "voyageai")
_COMMON = ("openai", "anthropic", "google", "deepseek", "mistral", "x-ai", "groq", "cohere")


@dataclass(frozen=True, slots=True)
class _ProviderData:
    """One provider as it stands in the file; `models` stays undecoded."""

    models: msgspec.Raw
    model_match: tuple[str | tuple[str, ...], ...] = ()
    fallback: tuple[str, ...] = ()
    same_price_tiers: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _BookData:
    """The file."""

    version: str
    source: str
    licence: str
    compiled_on: str
    aliases: Mapping[str, str]
    providers: Mapping[str, _ProviderData]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Own:
    """Prices that stand in for a model's own: rows, and rows that overlay them by service tier.

    `residency` is by what they are multiplied in a place; by default they hold everywhere. `like`
    is the model that lends its limits, where that is another one.
    """

    rows: tuple[PriceRow, ...]
    tiers: Mapping[str, tuple[PriceRow, ...]] = field(default_factory=dict)
    residency: Mapping[str, tuple[int, int]] = field(default_factory=lambda: {"*": (1, 1)})
    like: ModelPrice | None = None


_MODELS = msgspec.json.Decoder(tuple[ModelPrice, ...])


class PriceBook:
    """Dated prices of models. Lookups are remembered, so a book is shared, not copied.

    `resolved` is the memory of `pricing.resolve`: rates or a refusal by provider, model and tier.
    `fallback` is the stated price of models without one; None leaves them unknown.
    """

    def __init__(
        self,
        data: _BookData,
        overrides: Mapping[str, Own] | None = None,
        fallback: PriceRow | None = None,
    ) -> None:
        self._data = data
        self._overrides = dict(overrides or {})
        self.fallback = fallback
        self._models: dict[str, tuple[ModelPrice, ...]] = {}
        self._found: dict[tuple[str | None, str], ModelPrice | None] = {}
        self.resolved: dict[tuple[str, str, str], Rates | str] = {}
        self.version = data.version + _fingerprint(self._overrides, fallback)

    @property
    def source(self) -> str:
        """Package, version and date that the book was compiled from."""
        return f"{self._data.source}, compiled {self._data.compiled_on}"

    @property
    def compiled_on(self) -> date:
        """The day on which its prices were put together."""
        return date.fromisoformat(self._data.compiled_on)

    def source_of(self, provider: str) -> str:
        """Where a provider's prices come from: the book's source and the provider's own page."""
        data = self._data.providers.get(provider)
        return f"{self.source}, {data.pages[0]}" if data and data.pages else self.source

    def providers(self) -> tuple[str, ...]:
        """Ids of all providers in the book."""
        return tuple(self._data.providers)

    def provider_id(self, name: str) -> str:
        """The book's id of a provider: its aliases (`gemini`, `xai`, ...) resolved."""
        known = name.lower()
        return self._data.aliases.get(known, known)

    def models(self, provider: str) -> tuple[str, ...]:
        """Ids of a provider's models; empty for an unknown provider."""
        return tuple(model.id for model in self.of(self.provider_id(provider)))

    def timed_models(self) -> frozenset[str]:
        """Ids of models that the user prices by the second, with and without their provider."""
        timed = [
            name
            for name, own in self._overrides.items()
            if any(row.per_ms is not None for row in own.rows)
        ]
        return frozenset(timed) | {name.partition("/")[2] for name in timed if "/" in name}

    def same_price(self, provider: str, tier: str) -> bool:
        """Whether the provider sells this service tier at its standard price."""
        data = self._data.providers.get(self.provider_id(provider))
        return data is not None and tier in data.same_price_tiers

    def find(self, model: str, provider: str | None = None) -> ModelPrice | None:
        """The model's prices, or None.

        Without a provider the one that is known for such ids is taken, else the part before the
        first slash, else the vendor that has such a model. An override wins by `provider/model`,
        then by `model` alone.
        """
        key = (provider, model)
        try:
            return self._found[key]
        except KeyError:
            pass
        found = self._override(model.lower(), provider) or self._search(model.lower(), provider)
        if len(self._found) >= _FIND_LIMIT:
            self._found.clear()
        self._found[key] = found
        return found

    def with_overrides(
        self, rows: Mapping[str, PriceRow | tuple[PriceRow, ...] | Own]
    ) -> PriceBook:
        """A new book where these rows replace all prices of a `model` or `provider/model`.

        Nothing is mixed: a kind of usage that the rows do not price is unknown, except reasoning
        (at the output rate) and image input (at the input rate).
        """
        merged = dict(self._overrides)
        for name, given in rows.items():
            merged[name.lower()] = _own(given)
        return PriceBook(self._data, merged, self.fallback)

    def with_fallback(self, row: PriceRow) -> PriceBook:
        """A new book that prices what it does not know by this row, and marks it as assumed."""
        return PriceBook(self._data, self._overrides, row)

    def suggest(self, model: str, provider: str | None = None) -> str | None:
        """The known model id that looks most like this one, for error messages. Slow (~10 ms)."""
        names = (self.provider_id(provider),) if provider else _COMMON
        known = [one for name in names for one in self.models(name)]
        known += [name for name in self._overrides if "/" not in name]
        close = difflib.get_close_matches(model.lower(), known, n=1, cutoff=0.6)
        return close[0] if close and self.find(close[0], provider) else None

    def of(self, provider: str) -> tuple[ModelPrice, ...]:
        """All that is known of a provider's models, by its id in the book."""
        models = self._models.get(provider)
        if models is None:
            data = self._data.providers.get(provider)
            models = _MODELS.decode(data.models) if data else ()
            self._models[provider] = models
        return models

    def _override(self, model: str, provider: str | None) -> ModelPrice | None:
        if not self._overrides:
            return None
        name = self.provider_id(provider) if provider else ""
        own = self._overrides.get(f"{name}/{model}") or self._overrides.get(model)
        if own is None:
            return None
        known = own.like or self._search(model, provider)
        if known is None:
            known = ModelPrice(model, (), (), provider=name)
        rows, tiers, places = own.rows, own.tiers, own.residency
        return replace(known, rows=rows, tiers=tiers, residency=places, own=True)

    def _search(self, model: str, provider: str | None) -> ModelPrice | None:
        if provider is not None:
            return self._search_in(self.provider_id(provider), model)
        for name, data in self._data.providers.items():
            if matches(data.model_match, model):
                found = self._search_in(name, model)
                if found is not None:
                    return found
        prefix, _, rest = model.partition("/")
        found = self._search_in(self.provider_id(prefix), rest) if rest else None
        if found is not None:
            return found
        # rules for whose models are whose leave some out, such as OpenAI's and Google's embeddings
        of_vendors = (self._search_in(name, model) for name in _VENDORS)
        return next((one for one in of_vendors if one is not None), None)

    def _search_in(self, provider: str, model: str) -> ModelPrice | None:
        data = self._data.providers.get(provider)
        for spelling in spellings(model):
            for name in (provider, *(data.fallback if data else ())):
                for one in self.of(name):
                    if matches(one.match, spelling):
                        return replace(one, provider=name)
        return None


@lru_cache(maxsize=1)
def load_book() -> PriceBook:
    """The book that ships with the package; read on the first call, then shared."""
    return PriceBook(msgspec.json.decode(shipped_file(), type=_BookData))


def shipped_file() -> bytes:
    """The file of the book that ships."""
    raw = pkgutil.get_data("scrimp.prices", "book.json")
    if raw is None:  # pragma: no cover - the file is part of the package
        msg = "scrimp/prices/book.json is missing: the installation is damaged"
        raise FileNotFoundError(msg)
    return raw


def read_book(raw: bytes, *, source: str) -> PriceBook:
    """A compiled book from its file, all of it looked at. Raises ConfigError for what is none."""
    try:
        book = PriceBook(msgspec.json.decode(raw, type=_BookData))
        date.fromisoformat(book._data.compiled_on)  # noqa: SLF001 - our own
        for provider in book.providers():
            for model in book.of(provider):
                _check_rates(f"{provider}/{model.id}", model)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigError(f"{source}: not a price book: {error}") from error
    return book


def _check_rates(name: str, model: ModelPrice) -> None:
    """Raises ValueError for what is no price: below zero, or steps without their threshold."""
    for row in (*model.rows, *(row for rows in model.tiers.values() for row in rows)):
        for what, rate in row.rates.items():
            steps = (rate,) if isinstance(rate, int) else rate
            if len(steps) % 2 == 0 or min(steps) < 0:
                raise ValueError(f"{name}: {what} is {rate}: a rate is >= 0, with one per step")
        for what, fee in (*row.fees.items(), ("per_ms", row.per_ms or 0)):
            if fee < 0:
                raise ValueError(f"{name}: {what} is {fee}: a fee is >= 0")


def differences(old: PriceBook, new: PriceBook) -> dict[str, tuple[str, ...]]:
    """Models that came, went, or have another price, as `provider/model`; no own prices."""
    before, after = _prices_of(old), _prices_of(new)
    return {
        "added": tuple(sorted(after.keys() - before.keys())),
        "removed": tuple(sorted(before.keys() - after.keys())),
        "changed": tuple(
            sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
        ),
    }


def _prices_of(book: PriceBook) -> dict[str, object]:
    return {
        f"{provider}/{model.id}": (
            _bare(model.rows),
            {name: _bare(rows) for name, rows in model.tiers.items()},
            model.residency,
        )
        for provider in book.providers()
        for model in book.of(provider)
    }


def _bare(rows: tuple[PriceRow, ...]) -> tuple[PriceRow, ...]:
    """Rows without what is said of them beside their prices."""
    return tuple(replace(row, source="", scheduled=False) for row in rows)


def _own(given: PriceRow | tuple[PriceRow, ...] | Own) -> Own:
    if isinstance(given, Own):
        return given
    return Own((given,) if isinstance(given, PriceRow) else given)


def _fingerprint(overrides: Mapping[str, Own], fallback: PriceRow | None) -> str:
    if not overrides and fallback is None:
        return ""
    content = (sorted(overrides.items()), fallback)
    canonical = msgspec.json.encode(content, order="deterministic")
    return "+" + hashlib.sha256(canonical).hexdigest()[:8]
