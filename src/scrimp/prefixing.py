"""The lever that tells providers' prefix caches what comes back, as the settings switch it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from scrimp.calls import Call
from scrimp.errors import PriceUnknown
from scrimp.levers.prefix_cache import PrefixCache
from scrimp.ports import Clock
from scrimp.prefixes.planning import Prices
from scrimp.prefixes.rules import ONE_HOUR, Rules, rules_of
from scrimp.prefixes.seen import Seen
from scrimp.prefixes.tables import PrefixCacheSection
from scrimp.prefixes.telling import Terms, Way
from scrimp.prices.book import PriceBook
from scrimp.prices.pricing import resolve
from scrimp.prices.rates import rate_at
from scrimp.settings import Settings

_BYTES_PER_TOKEN = 4
_MOST_RULES = 4096

_WAYS: Mapping[tuple[str, str, str], Way] = {
    ("cache_control", "anthropic.messages", "anthropic.messages"): "claude",
    ("cache_control", "openai.chat", "anthropic.messages"): "translated",
    ("prompt_cache_breakpoint", "openai.chat", "openai.chat"): "chat",
    ("prompt_cache_breakpoint", "anthropic.messages", "openai.chat"): "messages",
    ("prompt_cache_breakpoint", "openai.responses", "openai.responses"): "responses",
    ("", "openai.chat", "openai.chat"): "chat",
    ("", "anthropic.messages", "openai.chat"): "messages",
    ("", "openai.responses", "openai.responses"): "responses",
}
"""By what marks, what the client says, and what its provider is asked in."""


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
    found = _Found(section, book, names, spoken)
    return PrefixCache(found, clock, Seen(), sort_tools=section.sort_tools)


class _Found:
    """Implements `TermsOf`."""

    def __init__(
        self,
        section: PrefixCacheSection,
        book: PriceBook,
        names: Mapping[str, str],
        spoken: Callable[[str, str], str],
    ) -> None:
        self._section = section
        self._book = book
        self._names = names
        self._spoken = spoken
        self._known: dict[tuple[str, str, str], tuple[Rules, Way] | None] = {}

    def __call__(self, call: Call) -> Terms | None:
        target = call.target
        if call.wait.seconds:
            return None  # nobody knows what a prefix cache does with a batch, hours later
        if target.provider not in self._section.providers:
            return None
        named = (target.provider, target.model, target.dialect)
        if named not in self._known:
            if len(self._known) >= _MOST_RULES:  # clients name models, for ever if they like
                self._known.clear()
            self._known[named] = self._rules(*named)
        found = self._known[named]
        if found is None:
            return None
        rules, way = found
        if len(call.request.body) // _BYTES_PER_TOKEN < rules.least_tokens:
            return None
        prices = self._prices(rules, call)
        return None if prices is None else Terms(rules, prices, way)

    def _rules(self, provider: str, model: str, said: str) -> tuple[Rules, Way] | None:
        rules = rules_of(self._priced_as(provider), model)
        if rules is None:
            return None
        way = _WAYS.get((rules.marks, said, self._spoken(provider, said)))
        if way is None:
            return None
        section = self._section
        if not section.hour and ONE_HOUR in rules.lives:
            rules = replace(rules, lives=tuple([one for one in rules.lives if one != ONE_HOUR]))
        if rules.retention and not section.retention:
            rules = replace(rules, retention=False)
        return rules, way

    def _priced_as(self, provider: str) -> str:
        return self._book.provider_id(self._names.get(provider, provider))

    def _prices(self, rules: Rules, call: Call) -> Prices | None:
        """None where a price is not known: what cannot be reckoned is not done."""
        provider = self._priced_as(call.target.provider)
        try:
            rates = resolve(call.target.model, provider, call.started_at, book=self._book)
        except PriceUnknown:
            return None
        tokens = len(call.request.body) // _BYTES_PER_TOKEN
        kinds = ("input", "cache_read", *(life.bucket for life in rules.lives))
        found = [
            None if (rate := rates.of(kind)) is None else rate_at(rate, tokens) for kind in kinds
        ]
        fresh, read, *writes = found
        known = [write for write in writes if write is not None]
        if fresh is None or read is None or len(known) < len(writes):
            return None
        return Prices(fresh, read, tuple(known))
