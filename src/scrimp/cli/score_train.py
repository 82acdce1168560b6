"""`scrimp route train --score`: a cascade's score of drafts learned anew, and whether it serves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from scrimp.cli.score_drafts import Drafted, Sources, drafted, given_least, proofs_of

if TYPE_CHECKING:
    from scrimp.pipeline.proofs import Proof
    from scrimp.routing.acceptance import Acceptance
    from scrimp.settings import Settings
    from scrimp.studies.accepting_gate import At, ScoreVerdict
    from scrimp.studies.drafts import Columns, Floats


@dataclass(frozen=True, slots=True)
class Learned:
    """A model's fit anew. `scores` are those of its judged drafts by fits that have not seen them.

    `void` are certificates that a fit of this kind would begin anew.
    """

    of: Drafted
    fit: Acceptance | None
    judged: Columns
    scores: Floats
    verdict: ScoreVerdict
    void: list[Proof]

    @property
    def better(self) -> bool:
        """Whether it may take the place of what is there."""
        return self.fit is not None and self.verdict.live and not self.same

    @property
    def same(self) -> bool:
        """Whether it is what is there: then nothing begins anew."""
        return (
            self.fit is not None and self.of.now is not None and self.fit.name == self.of.now.name
        )


def train_score(
    settings: Settings, asked: Sources, *, dry_run: bool, restart: bool, as_json: bool
) -> None:
    """Learn, say how good it is, and save what may serve. Raises ClickException."""
    from scrimp.cli.console import print_json
    from scrimp.cli.route_saved import save_fits
    from scrimp.cli.score_view import show_score_train

    models = drafted(settings, asked)
    before = {one.model: one.now for one in models if one.now is not None or one.flat}
    proofs = proofs_of(settings, before)
    if not (dry_run or restart):
        _refuse_void(proofs)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    least = given_least(settings)
    found = [
        learned(one, proofs.get(one.model, []), at, least, quiet=asked.quiet) for one in models
    ]
    fits = {one.of.model: one.fit for one in found if one.better and one.fit is not None}
    saved = bool(fits) and not dry_run
    if saved and not save_fits(settings, fits, before):
        raise click.ClickException(
            "a gateway has learned another score meanwhile, so nothing was saved: say it again"
        )
    told = {
        "what": "score",
        "dry_run": dry_run,
        "models": {one.of.model: _document(one, saved=saved and one.better) for one in found},
    }
    if as_json:
        print_json(told)
    else:
        show_score_train(told)


def learned(
    of: Drafted, proofs: list[Proof], at: str, least: float | None, *, quiet: bool
) -> Learned:
    """Cross-fitted, held against what needs no learning and against what is there."""
    from scrimp.cli.route_labels import Progress
    from scrimp.routing.acceptance import Made
    from scrimp.studies.accepting_gate import score_verdict
    from scrimp.studies.drafts import FOLDS, cross_fitted

    told = Progress(f"{of.model}: learned part", FOLDS, quiet=quiet)
    try:
        scores = cross_fitted(of.drafts, told)
    finally:
        told.end()
    here = of.drafts.judged
    judged, scores = of.drafts.only(here), scores[here]
    verdict = score_verdict(judged, scores, (of.model, of.reference), now=of.now, least=least)
    fit = of.drafts.fitted()
    if fit is not None:
        fit = replace(fit, made=Made(at, of.source, verdict.why))
    return Learned(of, fit, judged, scores, verdict, [one for one in proofs if one.certificate])


def _refuse_void(proofs: dict[str, list[Proof]]) -> None:
    """Raises ClickException where drafts are served by a score that is proven."""
    for model, found in proofs.items():
        if serving := [one for one in found if one.serves]:
            where = ", ".join(_named(one) for one in serving[:3])
            more = f" and {len(serving) - 3} more" if len(serving) > 3 else ""
            raise click.ClickException(
                f"drafts of {model} are served by a score that is proven ({where}{more}); another "
                "fit would have to be proven anew, and until then none is served by it. --dry-run "
                "says how good one would be, --restart gives up what is proven"
            )


def _named(proof: Proof) -> str:
    place = proof.subjects.place
    return f"{place.task or 'any task'} of {place.tenant or 'anybody'}"


def _document(one: Learned, *, saved: bool) -> dict[str, Any]:
    """All numbers of a model, for machines."""
    of, fit, verdict = one.of, one.fit, one.verdict
    return {
        "reference": of.reference,
        "drafts": len(of.drafts.quality),
        "compared": len(one.judged.quality),
        "other_features": of.others,
        "source": of.source,
        "version": None if fit is None else fit.name,
        "size_bytes": None if fit is None else len(fit.pack()),
        "live": one.better,
        "same": one.same,
        "saved": saved,
        "gate": {
            "why": verdict.why if fit is not None else "the drafts are too few, or all alike",
            "missing": verdict.missing,
        },
        "before": version_of(of.now, flat=of.flat),
        "begun_anew": [_named(proof) for proof in one.void] if saved else [],
        "served": [_at(way) for way in sorted(verdict.at, key=lambda way: way.share)],
        "evaluation": evaluation(one.of, one.judged, one.scores),
    }


def version_of(fit: Acceptance | None, *, flat: bool) -> dict[str, Any] | None:
    """Which fit that is; None where there is none."""
    from scrimp.pipeline.acceptance_scores import name_of

    if fit is None and not flat:
        return None
    made = None if fit is None else fit.made
    return {
        "version": name_of(fit),
        "labels": 0 if fit is None else fit.labels,
        "parts_drafts": fit is not None,
        "trained_at": None if made is None else made.trained_at,
        "source": "the gateway's own lessons" if made is None else made.source,
        "gate": None if made is None else made.gate,
    }


def evaluation(of: Drafted, judged: Columns, scores: Floats) -> dict[str, Any] | None:
    """What the score would be worth; None where there is too little to say."""
    from scrimp.routing.gate import FEWEST
    from scrimp.routing.picture_points import told
    from scrimp.studies.score_curves import score_picture, told_apart

    if len(scores) < FEWEST:
        return None
    shown = score_picture(judged, scores, (of.model, of.reference))
    return {"drafts": len(scores), "told_apart": told_apart(judged, scores), **told(shown)}


def _at(way: At) -> dict[str, Any]:
    rival, before = way.blind.closest, way.before
    return {
        "share": way.share,
        "least_score": way.least,
        "quality": way.quality,
        "usd_per_call": way.usd,
        "beats_blind": way.blind.winner == "learned",
        "edge_over_blind": {"value": rival.edge, "low": rival.low, "high": rival.high},
        "edge_over_now": None
        if before is None
        else {"value": before.value, "low": before.low, "high": before.high, "drafts": before.rows},
    }
