"""The lever that marks prompts for the provider's prefix cache, as the settings switch it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from scrimp.calls import Call
from scrimp.errors import PriceUnknown
from scrimp.levers.prefix_cache import PrefixCache, Terms
from scrimp.ports import Clock
from scrimp.prefixes.planning import Prices
from scrimp.prefixes.rules import ONE_HOUR, Rules, rules_of
from scrimp.prefixes.seen import Seen
from scrimp.prices.book import PriceBook
from scrimp.prices.pricing import resolve
from scrimp.prices.rates import rate_at
from scrimp.settings import Settings

_DIALECT = "anthropic.messages"
_BYTES_PER_TOKEN = 4


def prefix_cache(
    settings: Settings,
    book: PriceBook,
    names: Mapping[str, str],
    spoken: Callable[[str, str], str],
    clock: Clock,
) -> PrefixCache | None:
    """None where it is off. `names` are those of providers in the book."""
    section = settings.prefix_cache
    if not section.enabled:
        return None
    known = frozenset(section.providers)

    def terms(call: Call) -> tuple[Rules, Prices] | None:
        target = call.target
        if target.dialect != _DIALECT or target.provider not in known:
            return None
        if spoken(target.provider, _DIALECT) != _DIALECT:
            return None
        provider = book.provider_id(names.get(target.provider, target.provider))
        rules = rules_of(provider, target.model)
        if rules is None or len(call.request.body) // _BYTES_PER_TOKEN < rules.least_tokens:
            return None
        if not section.hour and ONE_HOUR in rules.lives:
            rules = replace(rules, lives=tuple([one for one in rules.lives if one != ONE_HOUR]))
        return _with_prices(rules, call, provider, book)

    found: Terms = terms
    return PrefixCache(found, clock, Seen())


def _with_prices(
    rules: Rules, call: Call, provider: str, book: PriceBook
) -> tuple[Rules, Prices] | None:
    """None where a price is not known: what cannot be reckoned is not done."""
    try:
        rates = resolve(call.target.model, provider, call.started_at, book=book)
    except PriceUnknown:
        return None
    tokens = len(call.request.body) // _BYTES_PER_TOKEN
    kinds = ("input", "cache_read", *(life.bucket for life in rules.lives))
    found = [None if (rate := rates.of(kind)) is None else rate_at(rate, tokens) for kind in kinds]
    fresh, read, *writes = found
    known = [write for write in writes if write is not None]
    if fresh is None or read is None or len(known) < len(writes):
        return None
    return rules, Prices(fresh, read, tuple(known))
