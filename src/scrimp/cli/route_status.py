"""`scrimp route status`: what routes have learned, what is proven, what serves, what it saves."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings

if TYPE_CHECKING:
    from scrimp.choosing import Lesson, Place
    from scrimp.pipeline.proofs import Proof
    from scrimp.pipeline.saved_routes import SavedRanking
    from scrimp.settings import Settings

_DAYS = 30
_LEVERS = ("route", "cascade")


@click.command(
    name="status",
    short_help="What is learned, proven, served cheap, and saved.",
    epilog=examples("scrimp route status", "scrimp route status --json"),
)
@config_option
@json_option
def status_command(config: Path | None, *, as_json: bool) -> None:
    """What routes have learned, how their certificates stand, and what routing has saved.

    It reads files alone, so the gateway may run meanwhile: what it has learned in the last seconds
    is not in them yet. Savings are net of what was spent on comparing.
    """
    from scrimp.cli.console import print_json
    from scrimp.cli.route_saved import saved_lessons, saved_ranking, saved_versions
    from scrimp.cli.route_status_view import show_status

    settings = load_settings(config).settings
    features, proofs = _readable(settings)
    told = {
        "settings": _section(settings),
        "router": _router(saved_ranking(settings), features),
        "scores": _scores(settings, proofs) if features else {},
        "models": saved_versions(settings),
        "routes": _routes(proofs, saved_lessons(settings), _fits_of_now(settings, features)),
        "savings": _savings(settings),
    }
    if as_json:
        print_json(told)
    else:
        show_status(told)


def _readable(settings: Settings) -> tuple[str, list[Proof]]:
    """How questions are read here, and the certificates. Raises StoreError, ConfigError.

    Nothing of either where the extra is missing and rules are all that is wanted.
    """
    from scrimp.cli.route_labels import open_reader
    from scrimp.cli.route_saved import saved_proofs
    from scrimp.errors import ConfigError

    try:
        return open_reader().version, saved_proofs(settings)
    except ConfigError:
        if settings.route.enabled and settings.route.depth != "rules":
            raise
        return "", []


def _section(settings: Settings) -> dict[str, Any]:
    from scrimp.routing.tables import reference_of, usual_wish

    section = settings.route
    wish = usual_wish(section)
    return {
        "enabled": section.enabled,
        "depth": section.depth,
        "models": list(section.models),
        "reference": reference_of(section),
        "max_loss": wish.max_loss,
        "floor": wish.floor,
        "budget_nanousd": wish.budget_nanousd,
        "confidence": section.confidence,
        "judge_model": section.judge_model,
    }


def _router(saved: SavedRanking | None, features: str) -> dict[str, Any] | None:
    """The trained ranking; `usable` says whether this installation reads questions the same way."""
    if saved is None:
        return None
    return {
        "trained_at": saved.trained_at,
        "labels": saved.lessons,
        "features": saved.features,
        "usable": saved.features == features,
        "live": saved.live,
        "gate": saved.gate,
    }


def _scores(settings: Settings, proofs: list[Proof]) -> dict[str, Any]:
    """What was learned of each model's drafts, and how many certificates speak of that fit."""
    from scrimp.cli.route_saved import saved_fits
    from scrimp.cli.score_drafts import proofs_of_fits
    from scrimp.cli.score_train import version_of

    fits = saved_fits(settings)
    of = proofs_of_fits(proofs, fits)
    return {
        model: {
            **(version_of(fit, flat=fit is None) or {}),
            "certificates": len(of[model]),
            "served_by": sum(one.serves for one in of[model]),
        }
        for model, fit in fits.items()
    }


def _fits_of_now(settings: Settings, features: str) -> set[str]:
    """Versions of the fits that score drafts now: what is proven of others serves nothing."""
    if not features:
        return set()
    from scrimp.cli.route_saved import saved_fits
    from scrimp.pipeline.acceptance_scores import name_of

    return {name_of(fit) for fit in saved_fits(settings).values()}


def _routes(proofs: list[Proof], lessons: list[Lesson], fits: set[str]) -> list[dict[str, Any]]:
    """Every place that has a certificate or lessons; the newest certificate of a place counts."""
    counts: dict[Place, Counter[str]] = {}
    newest: dict[Place, str] = {}
    for lesson in lessons:
        counts.setdefault(lesson.place, Counter())[lesson.model] += 1
        newest[lesson.place] = lesson.at.isoformat(timespec="seconds")
    found = [
        {**_place(place), "labels": dict(count), "last_lesson": newest[place], "certificates": []}
        for place, count in counts.items()
    ]
    by_place = dict(zip(counts, found, strict=True))
    for proof in proofs:
        place = proof.subjects.place
        if place not in by_place:
            by_place[place] = {
                **_place(place),
                "labels": {},
                "last_lesson": None,
                "certificates": [],
            }
            found.append(by_place[place])
        by_place[place]["certificates"].append(
            {**certificate_of(proof), "of_now": _of_now(proof, fits)}
        )
    return found


def _of_now(proof: Proof, fits: set[str]) -> bool:
    subjects = proof.subjects
    return not subjects.of_drafts or subjects.ranking.split(":")[1] in fits


def _place(place: Place) -> dict[str, Any]:
    return {"tenant": place.tenant, "task": place.task, "prompt": place.prompt}


def certificate_of(proof: Proof) -> dict[str, Any]:
    """How one stands, for machines."""
    from scrimp.pipeline.proofs import FIRST

    subjects, standing = proof.subjects, proof.standing()
    told: dict[str, Any] = {
        "of": "cascade" if subjects.of_drafts else "route",
        "reference": subjects.reference,
        "others": list(subjects.others),
        "ranking": subjects.ranking,
        "max_loss": subjects.promise.max_loss,
        "confidence": subjects.promise.confidence,
    }
    if standing is None:
        seen = proof.seen
        return {**told, "said": f"{seen} of the {FIRST} calls that make the rungs were seen"}
    if subjects.of_drafts:
        told["least_score"] = None if standing.live is None else 1 - standing.at[standing.live]
    return {
        **told,
        "said": standing.said,
        "labels": standing.labels,
        "missing": standing.missing,
        "infeasible": standing.infeasible,
        "live": standing.live,
        "requests": standing.requests,
        "served_cheap": standing.served_cheap,
        "restarts": standing.restarts,
        "last_restart": standing.last_restart,
    }


def _savings(settings: Settings) -> dict[str, Any] | None:
    """Of 30 days: what routes and cascades have saved, what comparing has cost for both.

    None without a ledger.
    """
    from scrimp.app import open_ledger_reader
    from scrimp.judges.asking import TAG as JUDGED
    from scrimp.pipeline.comparing import TAG as SHADOWED

    if not settings.ledger_path.exists():
        return None
    now, reader = datetime.now(UTC), open_ledger_reader(settings)
    since = now - timedelta(days=_DAYS)
    levers = {row.value: row for row in reader.report(since, now, "lever").rows}
    tags = {row.value: row for row in reader.report(since, now, "tag").rows}
    moved = {name: levers[name] for name in _LEVERS if name in levers}
    saved = sum(row.saved_nanousd for row in moved.values())
    shadows, judges = (tags[tag].cost_nanousd if tag in tags else 0 for tag in (SHADOWED, JUDGED))
    return {
        "days": _DAYS,
        "calls_moved": sum(row.calls for row in moved.values()),
        "saved_nanousd": saved,
        "saved_by": {name: row.saved_nanousd for name, row in moved.items()},
        "shadows_nanousd": shadows,
        "judges_nanousd": judges,
        "net_nanousd": saved - shadows - judges,
    }
