"""The lever that makes outputs shorter, as the settings switch it on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from scrimp.billing import rates_of
from scrimp.calls import Call, Target
from scrimp.clamping import limits
from scrimp.clamping.outputs import Outputs
from scrimp.clamping.presets import Brief, brief_of
from scrimp.clamping.tables import ClampOutputSection
from scrimp.clamping.worth import Prices
from scrimp.dialects import DIALECTS
from scrimp.errors import Rejected, StoreError
from scrimp.levers.clamp_output import ClampMeans, ClampOutput, ClampSettings, Others
from scrimp.pipeline.briefing import Briefing, Terms
from scrimp.pipeline.mended import Mender
from scrimp.ports import Clock, Entry, Lever
from scrimp.prices.book import PriceBook
from scrimp.prices.rates import rate_at
from scrimp.settings import Settings
from scrimp.targets import Targets

_NEWEST = 5_000
"""So many calls of the ledger are read when an engine starts."""
_MOST_KNOWN = 1_024
_BYTES_PER_TOKEN = 4
_CACHED_FROM_TOKENS = 1_024
"""Below this no provider reads anything from its prefix cache (OpenAI, Anthropic; 2026-11)."""


def clamp_output(
    settings: Settings, targets: Targets, book: PriceBook, names: Mapping[str, str], clock: Clock
) -> ClampOutput:
    """Always there, for what calls ask for. `names` are those of providers in the book."""
    section = settings.clamp_output
    tasks = section.tasks if section.enabled else {}
    most = {task: one.max_tokens for task, one in tasks.items() if one.max_tokens is not None}
    outputs = Outputs()
    presets: dict[str, Brief] = {}
    for task, table in tasks.items():
        if (brief := brief_of(table.brief)) is not None:
            presets[task] = brief
    means = ClampMeans(
        outputs=outputs,
        briefing=Briefing(outputs, _terms(book, names), presets, most),
        others=_others(settings, targets),
        clock=clock,
        dialects=DIALECTS,
        mender=_mender(section, targets, book, names),
    )
    return ClampOutput(
        means,
        ClampSettings(
            enabled=section.enabled,
            enforce=section.enforce,
            headroom=section.headroom,
            lower=section.own == "lower",
            hold_streams=section.hold_streams,
            keep_alive_s=section.keep_alive_s,
            max_tokens=most,
            stop={task: table.stop for task, table in tasks.items() if table.stop},
        ),
    )


async def taught(levers: Mapping[str, Lever], recent: Callable[[int], Sequence[Entry]]) -> None:
    """What the ledger knows of answers the lever knows soon after the start."""
    lever = levers.get(ClampOutput.name)
    if isinstance(lever, ClampOutput):
        with suppress(StoreError):
            lever.teach(await asyncio.to_thread(recent, _NEWEST))


def _mender(
    section: ClampOutputSection, targets: Targets, book: PriceBook, names: Mapping[str, str]
) -> Mender | None:
    if not section.enabled or section.truncated == "report":
        return None

    def vendor(provider: str) -> str:
        return book.provider_id(names.get(provider, provider))

    again = section.truncated == "again"
    return Mender(targets.spoken, vendor, DIALECTS, continues=section.continues, again=again)


def _terms(book: PriceBook, names: Mapping[str, str]) -> Terms:
    def terms(call: Call) -> Prices | None:
        tokens = len(call.request.body) // _BYTES_PER_TOKEN
        rates = rates_of(call, book, names)
        if rates is None:
            return None
        fresh, output, read = map(rates.of, ("input", "output", "cache_read"))
        if fresh is None or output is None:
            return None
        price, cached = rate_at(fresh, tokens), tokens >= _CACHED_FROM_TOKENS and read is not None
        less = max(0, price - rate_at(read, tokens)) if cached and read is not None else 0
        return Prices(price, rate_at(output, tokens), less)

    return terms


def _others(settings: Settings, targets: Targets) -> Callable[[Call], Others]:
    """By what the settings, and the call itself, say of other models."""
    route, cascade, fallback = settings.route, settings.cascade, settings.fallback
    always: list[str] = [*settings.degrade.models] if settings.degrade.enabled else []
    always += (*route.models, route.reference) if route.enabled else ()
    if cascade.enabled:
        always += cascade.models
        always += (name for one in cascade.tasks.values() for name in one.models or ())
    found: dict[tuple[object, ...], Others] = {}

    def others(call: Call) -> Others:
        target, request, wish = call.target, call.request, call.wish
        fields = limits.limit_names(request.fields, target.dialect, target.model)
        key = (target, request.model, fields, limits.may_think(request.fields, target.model))
        own = bool(wish.models or wish.instead or limits.effort_of(request.fields))
        if not own and (known := found.get(key)) is not None:
            return known
        names = [*always, *wish.models, *wish.instead]
        if fallback.enabled:
            names += fallback.models.get(request.model, fallback.default)
        told = _compared(call, targets, names)
        if not own and len(found) < _MOST_KNOWN:
            found[key] = told
        return told

    return others


def _compared(call: Call, targets: Targets, names: list[str]) -> Others:
    """The call's own model beside the others."""
    target, fields = call.target, call.request.fields
    field = limits.limit_names(fields, target.dialect, target.model)
    thinks = limits.may_think(fields, target.model)
    native = targets.spoken(target.provider, target.dialect) == target.dialect
    why = ""
    for name in dict.fromkeys(filter(None, names)):
        other = _resolved(targets, name, target.dialect)
        if other is None or other == target:
            continue
        spoken = targets.spoken(other.provider, target.dialect)
        native = native and spoken == target.dialect
        theirs = limits.limit_names(fields, target.dialect, other.model)
        if not thinks and limits.may_think(fields, other.model):
            why = f"{other.model} may answer, and think"
        elif spoken == target.dialect and theirs != field:
            why = f"{other.model} may answer, and knows another field"
    return Others(why, native)


def _resolved(targets: Targets, name: str, dialect: str) -> Target | None:
    try:
        return targets.resolve(name, dialect)
    except Rejected:
        return None
