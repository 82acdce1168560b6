"""The levers that make a call smaller, as the settings switch them on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scrimp.billing import rates_of
from scrimp.budgets.tables import nanousd_of
from scrimp.calls import Call
from scrimp.dialects import DIALECTS
from scrimp.levers.compact import Compact, CompactSettings, Reads
from scrimp.levers.prefix_cache import PrefixCache
from scrimp.levers.trim import Prices, Trim, TrimSettings, Window
from scrimp.pipeline.again import Again
from scrimp.pipeline.summaries import Summaries, SummaryMeans, SummarySettings
from scrimp.ports import Clock, Lever, ReplyStore
from scrimp.prefixes.rules import rules_of
from scrimp.prefixes.tables import PrefixCacheSection
from scrimp.prices.book import PriceBook
from scrimp.prices.rates import rate_at
from scrimp.settings import Settings
from scrimp.shrinking.compacting import Steps, Wording
from scrimp.shrinking.tables import CompactSection
from scrimp.shrinking.worth import Kept, TokenPrices
from scrimp.targets import Targets, judging_target
from scrimp.weights import Scales

_CACHED_FROM_TOKENS = 1_024
"""Below this no provider reads anything from its prefix cache (OpenAI, Anthropic; 2026-11)."""

IsCached = Callable[[Call], bool]


def shrinking(
    settings: Settings,
    scales: Scales,
    book: PriceBook,
    names: Mapping[str, str],
    cached: IsCached,
    *,
    summaries: Summaries | None = None,
) -> list[Lever | None]:
    """Trim and compact; None for what is off. `names` are those of providers in the book."""
    trim, found = settings.trim, None
    if trim.enabled:
        found = Trim(
            scales,
            _window(trim.window, book, names),
            _prices(book, names, cached),
            TrimSettings(
                trim.last,
                trim.reserve_output,
                trim.first,
                trim.step,
                native=trim.native,
                auto=trim.window == "auto",
            ),
            summaries=summaries,
        )
    return [found, _compact(settings.compact, _reads(settings.prefix_cache, book, names))]


def summaries_of(
    settings: Settings, targets: Targets, replies: ReplyStore, clock: Clock, again: Again
) -> Summaries | None:
    """Who sums up what is left out; None where nobody is asked to. Raises ConfigError."""
    trim = settings.trim
    if not trim.enabled or not trim.summary_model:
        return None
    return Summaries(
        SummaryMeans(again.way, replies, clock, again.new_id, DIALECTS),
        SummarySettings(
            target=judging_target(trim.summary_model, targets, "trim.summary_model"),
            lever=Trim.name,
            words=trim.summary_words,
            max_tokens=trim.summary_tokens,
            most_nanousd=nanousd_of("trim.summary_usd_per_day", trim.summary_usd_per_day),
            limit_s=trim.summary_limit_s,
        ),
    )


def _compact(section: CompactSection, reads: Reads) -> Compact | None:
    if not section.enabled:
        return None
    steps = Steps(section.json, section.terminal, section.repeats, section.spaces)
    wording = Wording(section.spaces, section.phrases, section.examples)
    settings = CompactSettings(steps, frozenset(section.exact), wording if wording.lossy else None)
    return Compact(settings, reads)


def _reads(section: PrefixCacheSection, book: PriceBook, names: Mapping[str, str]) -> Reads:
    """Of what a provider keeps by itself, a call marks, or the lever behind this one may."""

    def reads(call: Call) -> Kept | None:
        provider = call.target.provider
        rules = rules_of(names.get(provider, provider), call.target.model)
        told = section.enabled and provider in section.providers
        if rules is None or not (rules.by_itself or told or b"cache_control" in call.request.body):
            return None
        rates = rates_of(call, book, names)
        fresh, read = (None, None) if rates is None else map(rates.of, ("input", "cache_read"))
        if fresh is None or read is None:
            return None
        least = rules.least_tokens
        return Kept(rate_at(fresh, least), rate_at(read, least), least)

    return reads


def _window(said: int | str, book: PriceBook, names: Mapping[str, str]) -> Window:
    if isinstance(said, int):
        return lambda _: said

    def window(call: Call) -> int | None:
        provider = call.target.provider
        found = book.find(call.target.model, names.get(provider, provider))
        return None if found is None else found.context_window

    return window


def _prices(book: PriceBook, names: Mapping[str, str], kept: IsCached) -> Prices:
    def prices(call: Call, tokens: int) -> TokenPrices | None:
        rates = rates_of(call, book, names)
        if rates is None:
            return None
        fresh, read, write = map(rates.of, ("input", "cache_read", "cache_write_5m"))
        if fresh is None:
            return None
        cached = tokens >= _CACHED_FROM_TOKENS and kept(call)
        return TokenPrices(
            rate_at(fresh, tokens),
            rate_at(read, tokens) if cached and read is not None else None,
            rate_at(write, tokens) if cached and write is not None else None,
        )

    return prices


def is_cached(spoken: Callable[[str, str], str], prefixes: PrefixCache | None) -> IsCached:
    """OpenAI caches by itself, Anthropic what a call or the lever before it has marked."""

    def found(call: Call) -> bool:
        if prefixes is not None and (kept := prefixes.keeps(call)) is not None:
            return kept
        if spoken(call.target.provider, call.target.dialect) != "anthropic.messages":
            return True
        return b"cache_control" in call.request.body

    return found
