"""The lever that asks several calls in one prompt, as the settings switch it on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Protocol

import uuid_utils

from scrimp.billing import rates_of
from scrimp.calls import Attempt, Call, TraceLine
from scrimp.dialects import DIALECTS
from scrimp.levers.pack import Pack, PackMeans, PackSettings, Prices
from scrimp.packing.items import Bounds
from scrimp.packing.stop_loss import PackStopLossRules
from scrimp.packing.tables import PackSection
from scrimp.packing.worth import PackPrices
from scrimp.pipeline.background import Spawn
from scrimp.pipeline.holds import Holds
from scrimp.pipeline.open_holds import settle_lines
from scrimp.pipeline.together import Timer
from scrimp.ports import Clock, Encoder, Pricer
from scrimp.prices.book import PriceBook
from scrimp.prices.rates import PER_REQUEST, rate_at

_LETTERS = "bcdfghjkmnpqrstvwxz23456789"
_LETTERS_OF_A_MARK = 6  # 28 bits: of four hundred million guesses one is right
_CACHED_FROM_TOKENS = 1_024
"""Below this no provider reads anything from its prefix cache (OpenAI, Anthropic; 2026-11)."""


class _Parts(Protocol):
    @property
    def clock(self) -> Clock: ...
    @property
    def encoder(self) -> Encoder: ...


class _Means(Protocol):
    """What of an engine the lever works with. `names` are those of providers in the book."""

    @property
    def parts(self) -> _Parts: ...
    @property
    def book(self) -> PriceBook: ...
    @property
    def names(self) -> dict[str, str]: ...
    @property
    def priced(self) -> Pricer: ...
    @property
    def spawn(self) -> Spawn: ...
    @property
    def holds(self) -> Holds | None: ...


def packing(
    section: PackSection,
    means: _Means,
    budgets: Callable[[Call], Hashable],
    cached: Callable[[Call], bool],
) -> Pack | None:
    """None where it is off. `budgets` gives what pays for a call.

    `cached` says whether the provider would read a call's instructions from its prefix cache.
    """
    if not section.enabled:
        return None
    bounds = Bounds(section.max_input_bytes, section.max_output_tokens)
    stop = section.stop_loss
    rules = PackStopLossRules(stop.items, stop.rest_s) if stop.enabled else None
    settings = PackSettings(frozenset(section.tasks), section.calls, section.wait_s, bounds, rules)
    parts = means.parts
    return Pack(
        PackMeans(
            spawn=means.spawn,
            later=_later,
            clock=parts.clock,
            encoder=parts.encoder,
            pricer=means.priced,
            prices=_prices(means.book, means.names, cached),
            dialects=DIALECTS,
            new_word=_new_word,
            new_id=lambda: str(uuid_utils.uuid7()),
            budgets=budgets,
            settle=_nothing if means.holds is None else partial(settle_lines, means.holds),
        ),
        settings,
    )


def _nothing(lines: Sequence[TraceLine], attempts: Sequence[Attempt]) -> None:
    """No budget holds anything."""


def _later(seconds: float, then: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, then)


def _new_word() -> str:
    """What marks of one prompt begin with: nobody can guess it, and it spells nothing."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LETTERS_OF_A_MARK))


def _prices(book: PriceBook, names: Mapping[str, str], cached: Callable[[Call], bool]) -> Prices:
    def prices(call: Call, rules_tokens: int) -> PackPrices | None:
        rates = rates_of(call, book, names)
        if rates is None:
            return None
        fresh, out, read = map(rates.of, ("input", "output", "cache_read"))
        if fresh is None or out is None:
            return None
        into, rules = rate_at(fresh, rules_tokens), None
        if read is not None and rules_tokens >= _CACHED_FROM_TOKENS and cached(call):
            rules = rate_at(read, rules_tokens)
        fee = rates.fees.get(PER_REQUEST, 0)
        return PackPrices(into, rate_at(out, rules_tokens), into if rules is None else rules, fee)

    return prices
