"""Which levers the settings switch on, and how each is set. Knows levers and ports, no adapters."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from scrimp.alerts.tables import is_on, within_s
from scrimp.billing import places_of
from scrimp.budgets.cheaper import Cheaper
from scrimp.budgets.resolve import CurrentRules
from scrimp.budgets.tables import nanousd_of, older_s, rules_of
from scrimp.budgets.worst import WorstCase
from scrimp.calls import Call
from scrimp.cascading import UNAIDED, Around, Judging, cascade_of
from scrimp.clamped_outputs import clamp_output
from scrimp.dialects import DIALECTS
from scrimp.errors import ConfigError
from scrimp.falling_back import falling_back
from scrimp.levers.budget import Budget, BudgetSettings, Measure
from scrimp.levers.coalesce import Coalesce, CoalesceSettings
from scrimp.levers.degrade import NOTICE, Degrade, DegradeSettings
from scrimp.levers.exact_cache import ExactCache, ExactCacheSettings
from scrimp.levers.rate_limit import RateLimit
from scrimp.levers.record import Record
from scrimp.levers.retry import Retry, RetrySettings
from scrimp.levers.watch import Watch
from scrimp.limits import BudgetStore, Limit, Purse, RuleStore
from scrimp.packing_lever import packing
from scrimp.pipeline.again import Again
from scrimp.pipeline.background import Spawn
from scrimp.pipeline.holds import Holds
from scrimp.pipeline.turns import Turns
from scrimp.ports import Claims, Clock, Ledger, Lever, Outbox, Pricer, ReplyStore
from scrimp.prefixing import prefix_cache
from scrimp.prices.book import PriceBook
from scrimp.routing.regions import Regions
from scrimp.routing.stand_ins import StandIns
from scrimp.settings import Settings, ttl_seconds
from scrimp.shrinking_levers import IsCached, is_cached, shrinking, summaries_of
from scrimp.targets import Targets
from scrimp.traits_reader import reader_of
from scrimp.translation.translator import Translator
from scrimp.weights import Scales

CLAIM_LEASE_S = 30.0
"""How long a process that ended without a word keeps others from asking, at most."""
_LEASE_MARGIN_S = 60.0


class Adapters(Protocol):
    """What levers need of the outside. Without `budgets` nothing is held."""

    @property
    def clock(self) -> Clock: ...  # noqa: D102 (each says what it is)
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102
    @property
    def replies(self) -> ReplyStore: ...  # noqa: D102
    @property
    def encoder(self) -> Scales: ...  # noqa: D102
    @property
    def claims(self) -> Claims | None: ...  # noqa: D102
    @property
    def budgets(self) -> BudgetStore | None: ...  # noqa: D102
    @property
    def rates(self) -> BudgetStore | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Means:
    """What levers work with. `names` are those of providers in the price book."""

    parts: Adapters
    outbox: Outbox
    book: PriceBook
    names: dict[str, str]
    priced: Pricer
    spawn: Spawn
    rules: CurrentRules
    targets: Targets
    holds: Holds | None
    again: Again
    translator: Translator
    judging: Judging = UNAIDED


def levers_of(settings: Settings, means: Means) -> dict[str, Lever]:
    """Every lever that the settings switch on, by name."""
    retry = settings.retry
    worst_case = WorstCase(means.book, means.names, places_of(settings))
    other = falling_back(settings, means.targets, worst_case, means.parts.clock, means.spawn)
    spoken = means.targets.spoken
    prefixes = prefix_cache(settings, means.book, means.names, spoken, means.parts.clock)
    cached = is_cached(spoken, prefixes)
    found: list[Lever | None] = [
        Record(
            means.parts.ledger,
            means.outbox,
            means.parts.clock,
            means.priced,
            keep_content=settings.ledger.keep_content,
            traits_of=reader_of(settings),
        ),
        _rate_limit(settings, means),
        _watch(settings, means),
        _exact_cache(settings, means),
        _coalesce(settings, means),
        _degrade(settings, means, worst_case),
        *_shrinking(settings, means, cached),
        clamp_output(settings, means.targets, means.book, means.names, means.parts.clock),
        cascade_of(
            settings,
            means.targets,
            worst_case,
            around=Around(means.parts.clock, means.priced, means.spawn),
            judging=means.judging,
        ),
        packing(settings.pack, means, _payers(means), cached),
        other.lever,
        prefixes,
        Retry(
            means.parts.clock,
            random.random,
            RetrySettings(
                attempts=retry.attempts,
                base_s=retry.base_s,
                max_wait_s=retry.max_wait_s,
                max_retry_after_s=retry.max_retry_after_s,
            ),
            other.patience,
        ),
        _budget(settings, means, worst_case),
    ]
    return {lever.name: lever for lever in found if lever is not None}


def current_rules(settings: Settings, store: RuleStore | None) -> CurrentRules:
    """The rules of the settings over those of a store."""
    return CurrentRules(rules_of(settings.budgets, settings.tiers, settings.limits), store)


def check_engine(settings: Settings) -> None:
    """Raises ConfigError where several workers would each count for themselves."""
    workers = settings.server.workers
    if settings.budget.engine == "memory" and workers > 1:
        raise ConfigError(
            f"{workers} workers cannot share budgets that each keeps in its own memory "
            '([budget] engine = "sqlite", or server.workers = 1)'
        )


def _shrinking(settings: Settings, means: Means, cached: IsCached) -> list[Lever | None]:
    replies, clock = means.parts.replies, means.parts.clock
    summaries = summaries_of(settings, means.targets, replies, clock, means.again)
    return shrinking(
        settings, means.parts.encoder, means.book, means.names, cached, summaries=summaries
    )


def _ttl_s(settings: Settings) -> dict[str, int]:
    return {task: ttl_seconds(text) for task, text in settings.exact_cache.ttl.items()}


def _coalesce(settings: Settings, means: Means) -> Lever | None:
    section, said = settings.exact_cache, settings.coalesce.enabled
    if not (section.enabled if said == "auto" else said):
        return None
    shared = CoalesceSettings(
        settings.coalesce.max_bytes, _ttl_s(settings), section.max_temperature
    )

    return Coalesce(means.spawn, means.parts.clock, DIALECTS, shared, budgets=_payers(means))


def _payers(means: Means) -> Callable[[Call], tuple[Limit | Purse, ...]]:
    """What pays for a call: those who share anything must have it in common."""

    def budgets(call: Call) -> tuple[Limit | Purse, ...]:
        limits = means.rules.now.met(call.caller, call.target).limits
        return limits + call.caller.purses if call.caller.purses else limits

    return budgets


def _exact_cache(settings: Settings, means: Means) -> Lever | None:
    section = settings.exact_cache
    if not section.enabled:
        return None
    stale_s = ttl_seconds(section.stale_while_revalidate)
    cache = ExactCacheSettings(
        ttl_s=_ttl_s(settings),
        max_reply_bytes=section.max_reply_bytes,
        max_temperature=section.max_temperature,
        older_s=max(older_s(settings), stale_s),
        stale_s=stale_s,
        ignored=frozenset(section.ignore),
        admits=StandIns(settings.route, settings.cascade, means.targets, DIALECTS),
    )
    turns = None
    if means.parts.claims is not None and section.wait_s:
        wait_s, lease_s = section.wait_s, CLAIM_LEASE_S
        turns = Turns(means.parts.claims, means.parts.clock, wait_s=wait_s, lease_s=lease_s)
    replies, clock = means.parts.replies, means.parts.clock
    return ExactCache(replies, clock, DIALECTS, cache, turns, again=means.again)


def lease_s(settings: Settings) -> float:
    """Longer than any attempt: an attempt in the air is never charged as if it had been lost."""
    longest = max((one.timeouts.total_s for one in settings.providers.values()), default=1800.0)
    return longest + _LEASE_MARGIN_S


def _rate_limit(settings: Settings, means: Means) -> Lever | None:
    if means.parts.rates is None:
        return None
    return RateLimit(means.rules, means.parts.rates, means.parts.clock, lease_s=lease_s(settings))


def _watch(settings: Settings, means: Means) -> Lever | None:
    section = settings.alerts
    if not is_on(section):
        return None
    loop = section.loop
    return Watch(means.parts.clock, times=loop.times, within_s=within_s(section), block=loop.block)


def _degrade(settings: Settings, means: Means, worst_case: WorstCase) -> Lever | None:
    section = settings.degrade
    if means.parts.budgets is None or not section.enabled:
        return None
    targets, clock = means.targets, means.parts.clock
    regions = Regions(places_of(settings), settings.route.facts, targets)
    return Degrade(
        means.parts.replies,
        DIALECTS,
        Cheaper(section.models, targets, worst_case, clock, elsewhere=regions.elsewhere),
        DegradeSettings(
            ladder=section.ladder,
            only=section.only,
            keeps_older=settings.exact_cache.enabled and older_s(settings) > 0,
            cheaper_until_percent=section.cheaper_until_percent,
            shorter_until_percent=section.shorter_until_percent,
            max_output_tokens=section.max_output_tokens,
            notice=section.notice or NOTICE,
            ignored=frozenset(settings.exact_cache.ignore),
            admits=StandIns(settings.route, settings.cascade, targets, DIALECTS),
        ),
    )


def budget_for(settings: Settings, means: Means, *, held_s: float) -> Lever | None:
    """The budget lever for calls that are held so long; None where nothing is held."""
    worst_case = WorstCase(means.book, means.names, places_of(settings))
    return _budget(settings, means, worst_case, held_s)


def _budget(
    settings: Settings, means: Means, worst_case: WorstCase, held_s: float | None = None
) -> Lever | None:
    if means.holds is None:
        return None
    section = settings.budget
    return Budget(
        means.rules,
        means.holds,
        Measure(worst_case, means.parts.encoder, means.parts.clock, means.translator.as_sent),
        BudgetSettings(
            lease_s=lease_s(settings) if held_s is None else held_s,
            paths={path: nanousd_of(path, usd) for path, usd in section.paths.items()},
            batches=section.batches == "allow",
            soft_unpriced=section.soft_unpriced == "allow",
            soft_store_down=section.soft_store_down == "allow",
        ),
    )
