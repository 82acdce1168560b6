"""What `scrimp route … --score` works with: drafts of each model, the fit of now, its proofs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scrimp.errors import ConfigError, PriceUnknown, Rejected

if TYPE_CHECKING:
    from scrimp.choosing import Lesson
    from scrimp.cli.route_labels import Prices
    from scrimp.pipeline.proofs import Proof
    from scrimp.routing.acceptance import Acceptance
    from scrimp.routing.rows import Row
    from scrimp.settings import Settings
    from scrimp.studies.drafts import Columns, Draft


@dataclass(frozen=True, slots=True)
class Sources:
    """Where drafts come from, as the command line says it."""

    files: tuple[Path, ...]
    lessons: bool
    models: str
    reference: str
    price: tuple[str, ...]
    quiet: bool


@dataclass(frozen=True, slots=True)
class Drafted:
    """Drafts of one model, by the name that its provider knows. `now` is the fit that scores it.

    `source` says in words where they come from, `reference` what they are compared with; `flat` is
    set where a fit is kept that parts no drafts.
    """

    model: str
    reference: str
    drafts: Columns
    source: str
    others: int
    now: Acceptance | None
    flat: bool


def drafted(settings: Settings, asked: Sources) -> list[Drafted]:
    """Each model's drafts. Raises ClickException for none, ScrimpError, OSError."""
    needs_extra()
    from scrimp.cli.route_labels import read_files, stated_prices, with_costs
    from scrimp.cli.route_saved import saved_fits, saved_lessons
    from scrimp.studies.drafts import columns_of, drafts_of_lessons, drafts_of_rows

    stated, known = stated_prices(asked.price), upstream_names(settings)
    rows = with_costs(read_files(asked.files), settings, stated) if asked.files else []
    lessons = saved_lessons(settings) if asked.lessons or not asked.files else []
    of_rows = {one: known(one) for one in _answering(rows)}
    reference = _reference(settings, asked, rows, list(of_rows)) if rows else ""
    fits = saved_fits(settings)
    models = _models(settings, asked, [one for one in of_rows if one != reference], lessons, known)
    found = []
    for model in models:
        from_file: list[Draft] = []
        for name in (one for one, called in of_rows.items() if called == model):
            from_file += drafts_of_rows(rows, name, reference)
        dearer = partial(_times_dearer, _rates(settings, stated), model)
        from_lessons, others = drafts_of_lessons(lessons, model, dearer)
        parts = ((len(from_lessons), "lessons"), (len(from_file), "labels of files"))
        found.append(
            Drafted(
                model=model,
                reference=reference or _compared_with(lessons, model) or "the model asked for",
                drafts=columns_of([*from_lessons, *from_file]),
                source=", ".join(f"{count:,} {what}" for count, what in parts if count),
                others=others,
                now=fits.get(model),
                flat=model in fits and fits[model] is None,
            )
        )
    return found


def proofs_of(settings: Settings, fits: Mapping[str, Acceptance | None]) -> dict[str, list[Proof]]:
    """The saved certificates that speak of each model's fit. Raises StoreError."""
    from scrimp.cli.route_saved import saved_proofs

    return proofs_of_fits(saved_proofs(settings), fits)


def proofs_of_fits(
    proofs: Sequence[Proof], fits: Mapping[str, Acceptance | None]
) -> dict[str, list[Proof]]:
    """Of these certificates those that speak of each model's fit."""
    from scrimp.pipeline.acceptance_scores import name_of
    from scrimp.pipeline.proofs import DRAFTS

    begins = {model: f"{DRAFTS}{name_of(fit)}:" for model, fit in fits.items()}
    return {
        model: [
            one
            for one in proofs
            if one.subjects.ranking.startswith(begun)
            and model in [other.partition("/")[2] for other in one.subjects.others]
        ]
        for model, begun in begins.items()
    }


def given_least(settings: Settings) -> float | None:
    """The least score that a person has given for all calls; None: what is proven decides."""
    from scrimp.routing.cascade_tables import checks_of

    for name, argument in checks_of(settings.cascade.checks):
        if name == "score" and argument:
            return float(argument)
    return settings.cascade.accept


def upstream_names(settings: Settings) -> Callable[[str], str]:
    """What the provider calls a model of the settings: by that name drafts are known."""
    from scrimp.billing import book_of
    from scrimp.served import targets_of

    targets = targets_of(settings, book_of(settings))

    def known(name: str) -> str:
        try:
            return targets.resolve(name, "openai.chat").model
        except (Rejected, ConfigError):
            return name

    return known


def needs_extra() -> None:
    """Raises ConfigError where it is not installed."""
    try:
        import numpy as np  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"scores of drafts need pip install 'scrimp[routing]' ({error.name} is missing)"
        ) from error


def _answering(rows: Sequence[Row]) -> list[str]:
    """Models whose answers stand in the files, not only their grades."""
    return list(
        dict.fromkeys(name for row in rows for name, label in row.labels.items() if label.response)
    )


def _reference(
    settings: Settings, asked: Sources, rows: Sequence[Row], answering: Sequence[str]
) -> str:
    """What drafts are compared with: as said, else the settings' reference, else the dearest."""
    from scrimp.routing.rows import models_of

    names = models_of(list(rows))
    named = asked.reference or settings.route.reference
    if named in names:
        return named
    if asked.reference:
        raise click.UsageError(
            f"no label of the reference {asked.reference!r} (there are: {', '.join(names)})"
        )
    ladder = {name.strip() for name in asked.models.split(",")} | set(settings.cascade.models)
    found = [name for name in names if name not in ladder]
    if not answering or not found:
        return ""

    def cost(name: str) -> float:
        told = [row.labels[name].cost_nanousd or 0 for row in rows if name in row.labels]
        return sum(told) / len(told)

    return max(found, key=cost)


def _models(
    settings: Settings,
    asked: Sources,
    answering: Sequence[str],
    lessons: Sequence[Lesson],
    known: Callable[[str], str],
) -> list[str]:
    """Whose drafts are looked at: as said, else those of the cascade, else all there are."""
    from scrimp.routing.answer_features import VERSION

    there = [known(one) for one in answering]
    there += [one.model for one in lessons if one.version == VERSION]
    there = list(dict.fromkeys(there))
    if not there:
        raise click.ClickException(
            "no file holds answers (a field 'response' or 'answer' beside 'quality'), and no "
            "lesson of a draft is kept: scrimp compare writes such files, and a cascade whose "
            "checks name a 'score' keeps such lessons"
        )
    if asked.models:
        wanted = [known(one.strip()) for one in asked.models.split(",") if one.strip()]
        if missing := [one for one in wanted if one not in there]:
            raise click.UsageError(f"no draft of {missing[0]!r} (there are: {', '.join(there)})")
        return list(dict.fromkeys(wanted))
    ladders = (settings.cascade.models, *(t.models or () for t in settings.cascade.tasks.values()))
    set_up = [known(name) for ladder in ladders for name in ladder]
    return [one for one in dict.fromkeys(set_up) if one in there] or there


def _compared_with(lessons: Sequence[Lesson], model: str) -> str:
    named = {one.reference for one in lessons if one.model == model and one.reference}
    return ", ".join(sorted(named))


def _rates(settings: Settings, stated: Prices) -> Callable[[str], tuple[int, int] | None]:
    from scrimp.cli.route_labels import price_of

    @cache
    def rates(model: str) -> tuple[int, int] | None:
        try:
            return stated[model] if model in stated else price_of(model, settings)
        except PriceUnknown:
            return None

    return rates


def _times_dearer(
    rates: Callable[[str], tuple[int, int] | None], model: str, other: str
) -> float | None:
    """As if as many tokens went in as came out: a lesson does not say how many there were."""
    mine, theirs = rates(model), rates(other)
    if mine is None or theirs is None or not sum(mine):
        return None
    return sum(theirs) / sum(mine)
