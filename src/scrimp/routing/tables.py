"""The table [route] of scrimp.toml. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from scrimp.budgets.tables import nanousd_of
from scrimp.choosing import NO_WISH, Depth, Rung, Wish
from scrimp.tasks import TTL_S

_Share = Annotated[float, Meta(ge=0, le=1)]
_Count = Annotated[int, Meta(ge=1)]


class ModelFacts(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a model can, where the price book does not say or is wrong. None: as known, or unknown.

    `speed` is output tokens per second, `quality` a prior chance of a good answer. `region` is
    where it runs.
    """

    context_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    images: bool | None = None
    tools: bool | None = None
    structured: bool | None = None
    speed: Annotated[float, Meta(gt=0)] | None = None
    quality: _Share | None = None
    region: str = ""


class RuleTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A rule of the user's: where all conditions that are set hold, it says which model or rung.

    `words` are whole words of the question, upper and lower case alike. `model` is absolute among
    what the filters leave; `rung` and `off` say less.
    """

    task: str = ""
    key: str = ""
    team: str = ""
    tag: str = ""
    asked: str = ""
    words: tuple[str, ...] = ()
    min_tokens: Annotated[int, Meta(ge=0)] = 0
    max_tokens: Annotated[int, Meta(ge=0)] = 0
    tools: bool | None = None
    model: str = ""
    rung: Rung | None = None
    off: bool = False


class RungsTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which models stand on which rung, cheapest first, and what puts a call there."""

    simple: tuple[str, ...] = ()
    medium: tuple[str, ...] = ()
    complex: tuple[str, ...] = ()
    expert: tuple[str, ...] = ()
    tasks: dict[str, Rung] = {}
    words: dict[Rung, tuple[str, ...]] = {}


class RouteSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The choice of the cheapest model that will do.

    `models` are the candidates, `reference` the model that quality is measured against when a call
    names none (`scrimp/auto`; without one the last of `models`). `calls`: `auto` leaves calls
    alone that name a model of their own, `all` routes them too, down from that model. One dial:
    `max_loss`, `floor` or `usd_per_call`. `shadows_usd_per_day` is what comparing may cost,
    `judge_model` who compares. `explore` is the least share of calls that is compared. With `stay`
    the prompt cache that a conversation would lose elsewhere is counted. `judge_sensitivity` is how
    probably the judge calls a good answer good, `judge_specificity` a bad one bad: what may be lost
    is proven for a judge that errs so. With `callers_pay` calls that bring a provider's key of
    their own are compared on their own account; else not at all.
    """

    enabled: bool = False
    models: tuple[str, ...] = ()
    reference: str = ""
    calls: Literal["auto", "all"] = "auto"
    depth: Depth = "certified"
    max_loss: _Share | None = None
    floor: _Share | None = None
    usd_per_call: str = ""
    confidence: Annotated[float, Meta(ge=0.5, le=0.999)] = 0.95
    explore: Annotated[float, Meta(ge=0, le=0.5)] = 0.02
    judge_model: str = ""
    judge_sensitivity: _Share = 1.0
    judge_specificity: _Share = 1.0
    shadows_usd_per_day: str = "1.00"
    callers_pay: bool = False
    novelty: _Share = 0.9
    stay: bool = True
    path: str = ""
    facts: dict[str, ModelFacts] = {}
    rungs: RungsTable = RungsTable()
    rules: tuple[RuleTable, ...] = ()


ROUTE_TABLES = (RouteSection, ModelFacts, RuleTable, RungsTable)
_DIALS = ("max_loss", "floor", "usd_per_call")
_USUAL_LOSS = 0.02


def check_route(section: RouteSection, aliases: Iterable[str]) -> None:
    """Raises ValueError."""
    if section.enabled and not section.models:
        raise ValueError('route.enabled without models to choose from (route.models = ["…", "…"])')
    dials = [name for name in _DIALS if getattr(section, name) not in (None, "")]
    if len(dials) > 1:
        raise ValueError(f"route sets {len(dials)} dials, {' and '.join(dials)}: one is enough")
    for name in (*section.models, section.reference, *aliases):
        if name.startswith("scrimp/"):
            raise ValueError(f"'{name}': names that begin with scrimp/ stand for a choice")
    for known in section.facts:
        if known not in (*section.models, section.reference):
            raise ValueError(f"route.facts.'{known}' is none of route.models")
    _check_rules(section)
    _check_judge(section)
    shadows_nanousd(section)
    if section.usd_per_call:
        nanousd_of("route.usd_per_call", section.usd_per_call)


def _check_judge(section: RouteSection) -> None:
    one, other = section.judge_sensitivity, section.judge_specificity
    if one + other <= 1:
        raise ValueError(
            f"route.judge_sensitivity {one:g} and judge_specificity {other:g} add up to "
            f"{one + other:g}: a judge that tosses a coin has 1, and tells nothing (more is needed)"
        )


def _check_rules(section: RouteSection) -> None:
    for task in (*section.rungs.tasks, *(rule.task for rule in section.rules if rule.task)):
        if task not in TTL_S:
            raise ValueError(f"route: '{task}' is no task type ({', '.join(TTL_S)})")
    for number, rule in enumerate(section.rules, 1):
        said = sum((bool(rule.model), rule.rung is not None, rule.off))
        if said != 1:
            raise ValueError(f"route.rules, number {number}: says {said} of model, rung, off (one)")


def shadows_nanousd(section: RouteSection) -> int:
    """What comparing may cost a day; nothing at all for "0". Raises ValueError."""
    if section.shadows_usd_per_day in ("0", "0.00"):
        return 0
    return nanousd_of("route.shadows_usd_per_day", section.shadows_usd_per_day)


def reference_of(section: RouteSection) -> str:
    """The model that quality is measured against."""
    return section.reference or (section.models[-1] if section.models else "")


def usual_wish(section: RouteSection) -> Wish:
    """The dial of the settings, as a wish."""
    if section.usd_per_call:
        return msgspec.structs.replace(
            NO_WISH, budget_nanousd=nanousd_of("route.usd_per_call", section.usd_per_call)
        )
    if section.floor is not None:
        return msgspec.structs.replace(NO_WISH, floor=section.floor)
    loss = _USUAL_LOSS if section.max_loss is None else section.max_loss
    return msgspec.structs.replace(NO_WISH, max_loss=loss)
