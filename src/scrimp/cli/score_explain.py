"""`scrimp route explain --draft`: how a draft scores, and whether that is enough to serve it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scrimp.cli.score_drafts import given_least, needs_extra, proofs_of, upstream_names

if TYPE_CHECKING:
    from scrimp.pipeline.proofs import Proof
    from scrimp.settings import Settings


def explain_draft(
    settings: Settings, prompt: str, draft: str, model: str, *, as_json: bool
) -> None:
    """As the gateway would score it, by what was saved last. Raises ClickException, StoreError."""
    from scrimp.cli.console import print_json
    from scrimp.cli.score_view import show_scored

    told = scored(settings, prompt, draft, model)
    if as_json:
        print_json(told)
    else:
        show_scored(told)


def scored(settings: Settings, prompt: str, draft: str, model: str) -> dict[str, Any]:
    """All that is known of it, for machines."""
    needs_extra()
    from scrimp.choosing import Place
    from scrimp.cli.route_saved import saved_fits
    from scrimp.cli.score_train import version_of
    from scrimp.pipeline.acceptance_scores import LearnedScores

    fits = saved_fits(settings)
    name = _drafting(settings, model, list(fits))
    scores = LearnedScores(fits)
    found = scores(Place(), name, prompt, draft)
    least = given_least(settings)
    known = {name: fits[name]} if name in fits else {}
    return {
        "model": name,
        "chars": len(draft),
        "score": None if found is None else found.chance,
        "fit": version_of(fits.get(name), flat=name in fits and fits[name] is None),
        "given": least,
        "passes": None if found is None or least is None else found.chance >= least,
        "certificates": [_certificate(one) for one in proofs_of(settings, known).get(name, [])],
    }


def _drafting(settings: Settings, model: str, fitted: list[str]) -> str:
    """Whose draft it is: as said, else the only one there could be. Raises UsageError."""
    known = upstream_names(settings)
    if model:
        return known(model)
    ladder = list(dict.fromkeys([known(one) for one in settings.cascade.models] or fitted))
    if len(ladder) == 1:
        return ladder[0]
    raise click.UsageError(
        f"say whose draft it is: --model {'|'.join(ladder) or 'MODEL'} (there are {len(ladder)})"
    )


def _certificate(proof: Proof) -> dict[str, Any]:
    from scrimp.cli.route_status import certificate_of

    place = proof.subjects.place
    told = certificate_of(proof)
    return {
        "route": f"{place.task or 'any task'} of {place.tenant or 'anybody'}",
        "prompt": place.prompt,
        "reference": told["reference"],
        "said": told["said"],
        "least_score": told.get("least_score"),
    }
