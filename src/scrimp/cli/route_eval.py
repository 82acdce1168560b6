"""`scrimp route eval`: what routing would be worth on labelled questions, before it is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings

if TYPE_CHECKING:
    from scrimp.routing.curve import Interval
    from scrimp.routing.picture_points import Picture
    from scrimp.routing.text_features import Reader
    from scrimp.settings import Settings
    from scrimp.studies.labelled import Item
    from scrimp.studies.training import Predicted

FEWEST = 20
_MEASURES = ("apgr", "cpt50", "cpt80", "cost95", "cost99")


class EvalOptions(TypedDict):
    """The arguments of the command."""

    files: tuple[Path, ...]
    train: tuple[Path, ...]
    saved: bool
    score: bool
    lessons: bool
    reference: str
    models: str
    by_task: bool
    price: tuple[str, ...]
    picture: Path | None
    config: Path | None
    as_json: bool


@click.command(
    name="eval",
    short_help="What routing would be worth: quality against cost.",
    epilog=examples(
        "scrimp route eval compared.jsonl",
        "scrimp route eval compared.jsonl --picture curve.png",
        "scrimp route eval test.jsonl --train train.jsonl",
        "scrimp route eval compared.jsonl --by-task     # unseen subjects",
        "scrimp route eval --score                      # a cascade's score, on its own lessons",
        "scrimp route eval compared.jsonl --score --picture score.png",
    ),
)
@click.argument("files", nargs=-1, type=Path, metavar="FILE…")
@click.option("--train", multiple=True, type=Path, help="Learn from this file, test on FILE.")
@click.option("--saved", is_flag=True, help="Test what scrimp route train has saved, on FILE.")
@click.option("--score", is_flag=True, help="The cascade's score of drafts, not the router.")
@click.option("--lessons", is_flag=True, help="With --score: what the gateway compared, too.")
@click.option("--reference", default="", metavar="MODEL", help="With --score: who was asked for.")
@click.option("--models", default="", metavar="A,B,…", help="Only these [default: all].")
@click.option("--by-task", is_flag=True, help="Hold back whole tasks: what was never seen.")
@click.option(
    "--price",
    multiple=True,
    metavar="MODEL=IN,OUT",
    help="Dollars per 1M tokens, where FILE says tokens and no cost.",
)
@click.option("--picture", type=Path, metavar="PNG", help="Write the picture to a file, too.")
@config_option
@json_option
def eval_command(**options: Unpack[EvalOptions]) -> None:
    """Quality against cost of a learned router beside what needs no learning.

    FILE holds labels: prompt, model, quality (0 to 1) and cost in dollars, as JSON lines or CSV;
    scrimp compare writes such files. Every question is decided by a router that never saw it
    (cross-validation in five parts), unless --train names other questions to learn from.

    The blind mix sends calls to the models by chance; a router that does not rise above it is worth
    nothing. The oracle knows every answer before it is given. Costs are shares of what the best
    single model costs.

    With --score it is a cascade's score of drafts that is judged: FILE holds answers, too
    (response or answer); without FILE the comparisons that a cascade has made are taken.
    """
    from scrimp.cli.console import print_json
    from scrimp.cli.picture import write_png
    from scrimp.cli.route_view import show_eval
    from scrimp.routing.picture_points import picture
    from scrimp.studies.labelled import table_of

    if options["saved"] and options["train"]:
        raise click.UsageError("--saved or --train, not both")
    settings = load_settings(options["config"]).settings
    if options["score"]:
        _of_score(settings, options)
        return
    if not options["files"]:
        raise click.UsageError("name a labelled file (without one there is --score only)")
    if options["lessons"] or options["reference"]:
        raise click.UsageError("--lessons and --reference are for --score")
    items, models, reader = _items(settings, options)
    found = _predicted(settings, items, models, reader, options)
    table = table_of(items, models)
    shown = picture(table, found.good, found.cost)
    told = document(items, found, shown)
    if options["picture"] is not None:
        title = f"{len(items):,} questions, {len(models)} models"
        write_png(shown, options["picture"], title)
    if options["as_json"]:
        print_json(told)
    else:
        show_eval(told, shown, options["picture"])


def _of_score(settings: Settings, options: EvalOptions) -> None:
    from scrimp.cli.score_drafts import Sources
    from scrimp.cli.score_eval import eval_score

    if options["train"] or options["by_task"]:
        raise click.UsageError("--train and --by-task are for the router, not for --score")
    sources = Sources(
        *(options["files"], options["lessons"], options["models"], options["reference"]),
        *(options["price"], options["as_json"]),
    )
    saved, png = options["saved"], options["picture"]
    eval_score(settings, sources, saved=saved, png=png, as_json=options["as_json"])


def _items(settings: Settings, options: EvalOptions) -> tuple[list[Item], tuple[str, ...], Reader]:
    """Questions with a label and a cost of every model. Raises ClickException for too few."""
    from scrimp.cli.route_labels import (
        Progress,
        open_reader,
        read_files,
        stated_prices,
        two_or_more,
        with_costs,
    )
    from scrimp.studies.labelled import complete, items_of, labels_of

    reader = open_reader()
    rows = with_costs(read_files(options["files"]), settings, stated_prices(options["price"]))
    told = Progress("Read", len(rows), quiet=options["as_json"])
    every = items_of(rows, reader, "local", told)
    told.end()
    models = two_or_more(labels_of(every), options["models"])
    items = complete(every, models)
    if len(items) < FEWEST:
        raise click.ClickException(
            f"{len(items)} of {len(every)} questions have a quality and a cost of each of "
            f"{', '.join(models)}: at least {FEWEST} are needed (--models names fewer models)"
        )
    return items, models, reader


def _predicted(
    settings: Settings,
    items: list[Item],
    models: tuple[str, ...],
    reader: Reader,
    options: EvalOptions,
) -> Predicted:
    from scrimp.cli.route_labels import Progress, read_files, stated_prices, with_costs
    from scrimp.studies.labelled import items_of
    from scrimp.studies.training import FOLDS, by_model, of_saved, predicted

    if options["saved"]:
        from scrimp.cli.route_saved import saved_ranking

        saved = saved_ranking(settings)
        if saved is None or saved.features != reader.version:
            raise click.ClickException("nothing is saved that can be tested (scrimp route train)")
        return of_saved(saved.predictor, items, models)
    if options["train"]:
        rows = with_costs(read_files(options["train"]), settings, stated_prices(options["price"]))
        seen = {(row.task, row.prompt) for row in rows}
        tested = {(row.task, row.prompt) for row in read_files(options["files"])}
        if both := len(seen & tested):
            raise click.ClickException(f"{both} questions stand in both: that would be cheating")
        taught = items_of(rows, reader, "local", lambda _: None)
        return by_model(taught, items, models, width=reader.width)
    told = Progress("Learned part", FOLDS, quiet=options["as_json"])
    try:
        by_task = options["by_task"]
        return predicted(items, models, width=reader.width, by_group=by_task, told=told)
    finally:
        told.end()


def document(items: list[Item], found: Predicted, shown: Picture) -> dict[str, Any]:
    """All numbers, for machines; the view shows some of them."""
    from scrimp.routing.picture_points import told

    return {
        "questions": len(items),
        **told(shown),
        "pair": _pair(items, found) if len(found.models) == 2 else None,
    }


def _pair(items: list[Item], found: Predicted) -> dict[str, Any]:
    """Of two models, what RouteLLM reports, with 95 % of 2,000 resamples."""
    import numpy as np

    from scrimp.routing.curve import Scored, bootstrap, curve, interval, measures, per_extra
    from scrimp.routing.picture_points import pair_of
    from scrimp.studies.labelled import table_of

    table = table_of(items, found.models)
    weak, strong = (int(place) for place in np.argsort(table.cost.mean(axis=0)))
    pair = pair_of(table, found.models[weak], found.models[strong])
    gain = found.good[:, strong] - found.good[:, weak]
    worth = per_extra(gain, found.cost[:, strong] - found.cost[:, weak])
    blind, lengths = np.zeros(len(items)), np.array([float(item.chars) for item in items])
    contenders = {
        "router": Scored(gain, worth),
        "blind mix": Scored(blind, blind),
        "prompt length": Scored(lengths, lengths),
        "oracle": Scored(pair.gain, per_extra(pair.gain, pair.extra)),
    }
    drawn = bootstrap(pair, contenders)
    told: dict[str, Any] = {"weak": found.models[weak], "strong": found.models[strong]}
    for name, scored in contenders.items():
        by_cost = None if scored.by_cost is None else curve(pair, scored.by_cost)
        value = measures(curve(pair, scored.by_share), by_cost)
        told[name] = {
            measure: _interval(interval(getattr(value, measure), drawn[name][measure]))
            for measure in _MEASURES
        }
    return told


def _interval(found: Interval) -> dict[str, float | None]:
    """NaN is no JSON: a measure that is never reached is null."""
    told = {"value": found.value, "low": found.low, "high": found.high}
    return {name: None if number != number else number for name, number in told.items()}  # noqa: PLR0124 (NaN)
