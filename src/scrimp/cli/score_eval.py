"""`scrimp route eval --score`: what a cascade's score of drafts would be worth, or is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scrimp.cli.score_drafts import Drafted, Sources, drafted, given_least

if TYPE_CHECKING:
    from scrimp.routing.picture_points import Picture
    from scrimp.settings import Settings
    from scrimp.studies.drafts import Columns, Floats


def eval_score(
    settings: Settings, asked: Sources, *, saved: bool, png: Path | None, as_json: bool
) -> None:
    """Of each model's drafts, as text, as a picture, or for machines. Raises ClickException."""
    from scrimp.cli.console import print_json
    from scrimp.cli.picture import write_png
    from scrimp.cli.score_view import show_score_eval
    from scrimp.routing.gate import FEWEST
    from scrimp.studies.score_curves import score_picture

    models: dict[str, Any] = {}
    pictures: dict[str, Picture] = {}
    for one in drafted(settings, asked):
        judged, scores, now = _scored(one, saved=saved, quiet=asked.quiet)
        models[one.model] = _document(one, judged, scores, given_least(settings))
        if len(scores) >= FEWEST:
            names = (one.model, one.reference)
            pictures[one.model] = score_picture(judged, scores, names, now)
    if png is not None:
        if len(pictures) != 1:
            raise click.UsageError(
                f"--picture draws one model, drafts of {len(pictures)} could be drawn (--models)"
            )
        (model, shown), *_ = pictures.items()
        write_png(shown, png, f"{models[model]['compared']:,} drafts of {model}")
    told = {"what": "score", "saved": saved, "models": models}
    if as_json:
        print_json(told)
    else:
        show_score_eval(told, pictures, png)


def _scored(of: Drafted, *, saved: bool, quiet: bool) -> tuple[Columns, Floats, Floats | None]:
    """Judged drafts, their scores, and those of the fit of now where it has seen none of them."""
    from scrimp.cli.route_labels import Progress
    from scrimp.studies.drafts import FOLDS, cross_fitted

    fresh = of.drafts.judged
    if of.now is not None:
        unseen = ~of.now.has_seen(of.drafts.marks)
        if saved:
            fresh &= unseen
    if saved:
        if of.now is None:
            raise click.ClickException(
                f"no score of {of.model}'s drafts is kept (scrimp route train --score)"
            )
        judged = of.drafts.only(fresh)
        return judged, of.now.scores(judged.features), None
    told = Progress(f"{of.model}: learned part", FOLDS, quiet=quiet)
    try:
        scores = cross_fitted(of.drafts, told)
    finally:
        told.end()
    judged = of.drafts.only(fresh)
    now = None
    if of.now is not None and unseen[fresh].all():
        now = of.now.scores(judged.features)
    return judged, scores[fresh], now


def _document(of: Drafted, judged: Columns, scores: Floats, least: float | None) -> dict[str, Any]:
    from scrimp.cli.score_train import evaluation, version_of

    return {
        "reference": of.reference,
        "drafts": len(of.drafts.quality),
        "compared": len(scores),
        "left_out": int(of.drafts.judged.sum()) - len(scores),
        "other_features": of.others,
        "source": of.source,
        "fit": version_of(of.now, flat=of.flat),
        "given": least,
        "evaluation": evaluation(of, judged, scores),
    }
