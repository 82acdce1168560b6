"""One run of `scrimp compare`: check everything, say what it costs, run, and sum up."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from scrimp.app import open_app
from scrimp.cli.compare_cost import Forecast, Forecaster
from scrimp.cli.compare_file import Kept
from scrimp.cli.compare_month import month_of, traffic_of
from scrimp.cli.compare_run import Asks, Bench
from scrimp.cli.compare_view import document, show, show_forecast
from scrimp.cli.console import note
from scrimp.cli.stopping import Stop
from scrimp.errors import ConfigError
from scrimp.money import format_usd
from scrimp.settings import Loaded
from scrimp.studies.comparing import Comparing, Means, Plan, Tally
from scrimp.studies.questions import Match, Question, matches
from scrimp.studies.summary import summary

if TYPE_CHECKING:
    from scrimp.cli.compare_options import CompareOptions

_SEED = 0
"""Of the resamples: the same records give the same intervals."""


async def work(
    loaded: Loaded,
    plan: Plan,
    questions: list[Question],
    kept: Kept,
    options: CompareOptions,
) -> tuple[dict[str, Any], Tally]:
    """All of it. Raises ScrimpError and what click knows."""
    traffic = traffic_of(plan.models[0], loaded.settings)
    async with open_app(loaded) as app:
        bench = Bench(app, Asks(plan.models, plan.judge, options["max_tokens"]))
        bench.check(questions)
        found = Forecaster(loaded.settings, bench).forecast(questions, kept.records, plan)
        _agree(found, plan, questions, options)
        check = partial(_check, how=options["match"]) if options["expect"] else None
        with Stop(_told) as stop:
            told = _Shown(quiet=options["as_json"])
            means = Means(
                ask=bench.ask,
                upper=found.upper,
                keep=kept.put,
                tell=told,
                stopping=lambda: stop.asked,
                grade=bench.grade if plan.judge else None,
                check=check,
            )
            comparing = Comparing(plan, means)
            records = await comparing.run(questions, kept.records)
            told.end()
    kept.finish(records)
    dice = random.Random(_SEED)  # noqa: S311 (no secret)
    result = summary(records, plan, lambda count: dice.choices(range(count), k=count))
    month = month_of(result, traffic)
    if not options["as_json"]:
        show(result, comparing.tally, month, options["output"])
    for failure in comparing.tally.failures:
        note(failure)
    return document(result, comparing.tally, month), comparing.tally


def _check(question: Question, text: str, *, how: Match) -> float | None:
    return None if question.expected is None else float(matches(text, question.expected, how))


def _agree(
    found: Forecast, plan: Plan, questions: Sequence[Question], options: CompareOptions
) -> None:
    """Say what it costs, and ask. Raises ConfigError, click.UsageError and click.Abort."""
    most = plan.most_nanousd
    if found.unpriced and most is not None:
        raise ConfigError(
            f"no price is known for {', '.join(sorted(found.unpriced))}, so --max-usd cannot hold "
            "(scrimp prices set, or run without it)"
        )
    if not options["as_json"]:
        show_forecast(found, plan, questions, kept=options["output"] is not None)
    if not found.steps or options["yes"]:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"this spends money, about {format_usd(found.expected_nanousd, places=4)}: say --yes"
        )
    click.confirm("Go on?", abort=True, err=True)


def _told() -> None:
    sys.stderr.write("\nWaiting for what is in the air (Ctrl-C again ends it at once).\n")


class _Shown:
    """One line on a terminal, written over and over; elsewhere nothing."""

    def __init__(self, *, quiet: bool) -> None:
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._on = terminal and not quiet

    def __call__(self, tally: Tally) -> None:
        if not self._on:
            return
        spent = format_usd(tally.spent_nanousd, places=4)
        failed = f", {tally.of('failed'):,} failed" if tally.of("failed") else ""
        sys.stderr.write(f"\r{tally.done:,} of {tally.steps:,}, {spent} spent{failed} ")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._on:
            sys.stderr.write("\n")
