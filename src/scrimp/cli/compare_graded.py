"""`scrimp compare` of a file that has its answers and grades already: nobody is asked."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scrimp.cli.compare_options import CompareOptions
    from scrimp.routing.rows import Row
    from scrimp.settings import Settings
    from scrimp.studies.comparing import Plan
    from scrimp.studies.records import Record

_SEED = 0
"""Of the resamples: the same file gives the same intervals."""


def compare_graded(settings: Settings, plan: Plan, data: bytes, options: CompareOptions) -> None:
    """Say what the grades come to. Raises InvalidRequest, and click.UsageError."""
    from scrimp.cli.compare_month import month_of, traffic_of
    from scrimp.cli.compare_view import document, show
    from scrimp.cli.console import print_json
    from scrimp.routing.rows import models_of, read_rows
    from scrimp.studies.comparing import Tally
    from scrimp.studies.summary import summary

    if options["output"] is not None:
        raise click.UsageError("--quality-column asks nobody: there is nothing to keep with -o")
    column = options["quality_column"]
    rows = read_rows(data, str(options["file"]), quality=column)[: options["first"]]
    graded = models_of(rows)
    for name in plan.models:
        if name not in graded:
            raise click.UsageError(
                f"no answer of {name!r} has a {column!r} (those of {', '.join(graded)} have)"
            )
    dice = random.Random(_SEED)  # noqa: S311 (no secret)
    records = [_record(row, plan) for row in rows]
    found = summary(records, plan, lambda count: dice.choices(range(count), k=count))
    month = month_of(found, traffic_of(plan.models[0], settings))
    if options["as_json"]:
        print_json(document(found, Tally(), month))
    else:
        show(found, Tally(), month, None)


def _record(row: Row, plan: Plan) -> Record:
    from scrimp.studies.records import Answer, Record

    answers = {
        name: Answer("complete", label.response, label.cost_nanousd, quality=label.quality)
        for name, label in row.labels.items()
        if name in plan.models
    }
    return Record(str(row.line), row.line, row.prompt, row.task, answers)
