"""`scrimp route train`: a router from labels, held against a blind mix before it serves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings

if TYPE_CHECKING:
    from scrimp.cli.score_drafts import Sources
    from scrimp.pipeline.saved_routes import SavedRanking
    from scrimp.routing.gate import GateVerdict
    from scrimp.settings import Settings
    from scrimp.studies.labelled import Item
    from scrimp.studies.training import Predicted

_FEW = 200


class TrainOptions(TypedDict):
    """The arguments of the command."""

    files: tuple[Path, ...]
    lessons: bool
    models: str
    reference: str
    tenant: str
    price: tuple[str, ...]
    dry_run: bool
    score: bool
    restart: bool
    config: Path | None
    as_json: bool


@click.command(
    name="train",
    short_help="Learn a router from labels; it goes live if it beats a blind mix.",
    epilog=examples(
        "scrimp route train compared.jsonl",
        "scrimp route train compared.jsonl --lessons     # and what the gateway has learned",
        "scrimp route train --dry-run                    # from the gateway's lessons alone",
        "scrimp route train --score                      # a cascade's score of drafts",
        "scrimp route train --score compared.jsonl --models gpt-4o-mini --reference gpt-4o",
    ),
)
@click.argument("files", nargs=-1, type=Path, metavar="[FILE…]")
@click.option("--lessons", is_flag=True, help="Add what the gateway has learned from its calls.")
@click.option("--models", default="", metavar="A,B,…", help="Only these [default: all].")
@click.option("--reference", default="", metavar="MODEL", help="[default: route.reference]")
@click.option(
    "--tenant", default="local", metavar="TENANT", help="Whose calls the labels are: key:NAME."
)
@click.option(
    "--price",
    multiple=True,
    metavar="MODEL=IN,OUT",
    help="Dollars per 1M tokens, where FILE says tokens and no cost.",
)
@click.option("--dry-run", is_flag=True, help="Only say how good it would be.")
@click.option("--score", is_flag=True, help="The cascade's score of drafts, not the router.")
@click.option(
    "--restart", is_flag=True, help="With --score: give up what is proven of the score of now."
)
@config_option
@json_option
def train_command(**options: Unpack[TrainOptions]) -> None:
    """Learn which model will do from labelled answers, and save it for the gateway.

    FILE holds prompt, model, quality (0 to 1) and cost, as JSON lines or CSV; without one the
    gateway's own lessons are learned from: comparisons and feedback, which hold no text.

    Before it is saved it is held against each model alone and each blind mix of two, on questions
    that it has not seen. Only a router that beats them all goes live; another one serves nothing,
    and never takes the place of one that does. A gateway that runs takes it up when it is
    restarted; what is to be proven of it begins anew then.

    With --score it is the cascade's score of drafts that is learned, from files that hold answers
    (response or answer) or from comparisons that a cascade has made. It must also beat the score
    of now, on drafts that neither has seen. Gateways take it up within seconds, and prove it anew;
    while drafts are served by what is proven of the score of now, it is refused unless you say
    --restart.
    """
    from scrimp.cli.console import print_json
    from scrimp.cli.route_saved import save_ranking, saved_ranking
    from scrimp.cli.route_train_view import show_train
    from scrimp.cli.score_train import train_score
    from scrimp.routing.tables import usual_wish
    from scrimp.studies.labelled import complete, labels_of

    settings = load_settings(options["config"]).settings
    if options["restart"] and not options["score"]:
        raise click.UsageError("--restart is for --score: a router is proven anew in any case")
    if options["score"]:
        train_score(
            settings,
            sources_of(options),
            dry_run=options["dry_run"],
            restart=options["restart"],
            as_json=options["as_json"],
        )
        return
    section = settings.route
    items, width, features = _items(settings, options)
    models = _models(labels_of(items), options["models"])
    reference = _reference(options["reference"] or section.reference, models, items)
    judged = complete(items, models)
    found = _judged(judged, models, width, quiet=options["as_json"])
    verdict: GateVerdict | str
    verdict = _verdict(judged, found, reference, usual_wish(section), section.depth)
    ranking = _trained(items, verdict, width, features)
    told = _document(items, judged, found, (reference, verdict), ranking)
    before = saved_ranking(settings)
    stays = before is not None and before.live and before.features == features
    saved = not options["dry_run"] and (ranking.live or not stays)
    if saved:
        save_ranking(settings, ranking)
    if options["as_json"]:
        print_json({**told, "saved": saved})
    else:
        show_train(told, settings, saved=saved, stays=stays and not options["dry_run"])


def sources_of(options: TrainOptions) -> Sources:
    """Where drafts come from."""
    from scrimp.cli.score_drafts import Sources

    return Sources(
        *(options["files"], options["lessons"], options["models"], options["reference"]),
        *(options["price"], options["as_json"]),
    )


def _items(settings: Settings, options: TrainOptions) -> tuple[list[Item], int, str]:
    """What is learned from, the width and the version of the features. Raises ClickException."""
    from scrimp.cli.route_labels import (
        Progress,
        open_reader,
        read_files,
        stated_prices,
        with_costs,
    )
    from scrimp.cli.route_saved import saved_lessons
    from scrimp.studies.labelled import items_of, items_of_lessons

    reader, files = open_reader(), options["files"]
    items: list[Item] = []
    if files:
        rows = with_costs(read_files(files), settings, stated_prices(options["price"]))
        told = Progress("Read", len(rows), quiet=options["as_json"])
        items = items_of(rows, reader, options["tenant"], told)
        told.end()
    if options["lessons"] or not files:
        more, others = items_of_lessons(saved_lessons(settings), reader)
        items += more
        if not items:
            where = f" ({others:,} are of other features)" if others else ""
            raise click.ClickException(
                f"there are no lessons yet{where}: name a labelled file (scrimp compare writes "
                "one), or let the gateway compare for a while ([route] depth)"
            )
    return items, reader.width, reader.version


def _models(labels: dict[str, int], named: str) -> tuple[str, ...]:
    from scrimp.cli.route_labels import two_or_more

    return two_or_more(labels, named)


def _reference(named: str, models: tuple[str, ...], items: list[Item]) -> str:
    """The model that quality is measured against; else the best of those that have labels."""
    if named in models:
        return named
    if named:
        raise click.UsageError(
            f"no label of the reference {named!r} (there are: {', '.join(models)})"
        )

    def mean(model: str) -> float:
        found = [item.qualities[model] for item in items if model in item.qualities]
        return sum(found) / len(found)

    return max(models, key=mean)


def _judged(
    items: list[Item], models: tuple[str, ...], width: int, *, quiet: bool
) -> Predicted | None:
    """Cross-fitted predictions; None where there is too little to hold something back."""
    from scrimp.cli.route_labels import Progress
    from scrimp.routing.gate import FEWEST
    from scrimp.studies.training import FOLDS, predicted

    if len(items) < FEWEST:
        return None
    told = Progress("Learned part", FOLDS, quiet=quiet)
    try:
        return predicted(items, models, width=width, told=told)
    finally:
        told.end()


def _verdict(
    items: list[Item], found: Predicted | None, reference: str, wish: Any, depth: str
) -> GateVerdict | str:
    from scrimp.routing.gate import FEWEST
    from scrimp.studies.training import gate_verdict, moves_none

    if found is None:
        return (
            f"{len(items)} questions have a quality and a cost of every model; at least {FEWEST} "
            "are needed to hold a router against a blind mix"
        )
    if depth != "certified" and moves_none(found, reference, wish):
        return (
            f"at this dial no call would leave {reference}, so that there is nothing to gain "
            "([route] max_loss, floor or usd_per_call set it)"
        )
    return gate_verdict(items, found, reference, wish, by_score=depth == "certified")


def _trained(
    items: list[Item], verdict: GateVerdict | str, width: int, features: str
) -> SavedRanking:
    from scrimp.pipeline.saved_routes import SavedRanking
    from scrimp.studies.training import trained

    live = not isinstance(verdict, str) and verdict.winner == "learned"
    return SavedRanking(
        features=features,
        predictor=trained(items, width).save(),
        lessons=sum(len(item.qualities) for item in items),
        trained_at=datetime.now(UTC).isoformat(timespec="seconds"),
        live=live,
        gate=verdict if isinstance(verdict, str) else verdict.why,
    )


def _document(
    items: list[Item],
    judged: list[Item],
    found: Predicted | None,
    held: tuple[str, GateVerdict | str],
    ranking: SavedRanking,
) -> dict[str, Any]:
    """All numbers, for machines."""
    from scrimp.cli.route_eval import document
    from scrimp.routing.picture_points import picture
    from scrimp.studies.labelled import digest_of, labels_of, table_of

    reference, verdict = held
    told = None
    if found is not None:
        shown = picture(table_of(judged, found.models), found.good, found.cost)
        told = document(judged, found, shown)
    return {
        "questions": len(items),
        "labels": labels_of(items),
        "reference": reference,
        "features": ranking.features,
        "version": digest_of(items, ranking.features),
        "trained_at": ranking.trained_at,
        "size_bytes": len(ranking.predictor),
        "live": ranking.live,
        "gate": {
            "winner": None if isinstance(verdict, str) else verdict.winner,
            "why": ranking.gate,
            "missing": None if isinstance(verdict, str) else verdict.missing,
        },
        "evaluation": told,
    }
