"""`scrimp jobs submit`: the calls of a file into batches of the providers, at half the price."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from scrimp.cli.agreeing import dollars
from scrimp.cli.engine_run import engine_run
from scrimp.cli.jobs_options import SubmitOptions, of_both
from scrimp.cli.options import check_output, examples, load_settings

_INTERRUPTED = 130


def _time(_ctx: click.Context, param: click.Parameter, value: str) -> str:
    from scrimp.batches.tables import seconds_of

    try:
        seconds = seconds_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param=param) from error
    if not seconds:
        raise click.BadParameter("0 is no wait (scrimp run asks at once)", param=param)
    return value


@click.command(
    name="submit",
    short_help="Hand the calls of a file in: half the price, within a day.",
    epilog=examples(
        "scrimp jobs submit calls.jsonl",
        "scrimp jobs submit calls.jsonl --estimate",
        "scrimp jobs submit prompts.csv --model gpt-4o-mini --max-wait 12h --yes",
        "scrimp jobs submit calls.jsonl --budget 2.50 --yes",
        "scrimp jobs submit calls.jsonl -o answers.jsonl",
        "scrimp jobs collect calls.jsonl -o answers.jsonl",
    ),
)
@click.argument("file", type=Path)
@click.option(
    "--max-wait",
    metavar="TIME",
    default="24h",
    show_default=True,
    callback=_time,
    help="When answers must be here: 90m, 12h, 7d.",
)
@click.option(
    "-o", "--output", type=Path, metavar="OUT", help="What it has answers to is not handed in."
)
@click.option(
    "--budget",
    metavar="USD",
    callback=dollars,
    help="The jobs of FILE cost no more, all its hand-ins together.",
)
@click.option(
    "--ask-above",
    metavar="USD",
    default="1.00",
    show_default=True,
    callback=dollars,
    help="Ask before more may be spent.",
)
@click.option("--estimate", is_flag=True, help="Only say what it would cost.")
@click.option("--retry-failed", is_flag=True, help="Hand in again what failed or was called off.")
@click.option("--user", default="", help="Whom the calls are booked on.")
@click.option("--task", default="", metavar="TYPE", help="The task type of all of them.")
@click.option("--tag", multiple=True, metavar="TAG", help="A tag for all of them; may be repeated.")
@click.option("--yes", is_flag=True, help="Do not ask before money is spent.")
@of_both
def submit_command(**options: Unpack[SubmitOptions]) -> None:
    """Hand the calls of a file to the providers' batch APIs, at half the price.

    FILE (- is standard input) is what `scrimp run` takes: a body, a line of a batch file or a
    prompt per line, or a CSV. Every line becomes a job, which is on the disk before this command
    says so; it ends when the providers have all of them, and then this machine may be switched off.
    `scrimp jobs collect` fetches the answers.

    Handed in again, a file finds the jobs that it has, after a crash too, and pays for nothing
    twice; equal lines have a job each. A line that cannot wait (no batches for its model, tools
    that the provider runs) is refused, and never asked at the plain price. What a batch leaves
    without an answer may be asked by itself at the end of its time: see [defer].

    Jobs are forgotten some days after their end ([defer] keep = "7d"); a line is paid for again
    then, unless -o names the file with its answer.

    --budget cannot be overspent: each line is handed in only where its worst case, at the plain
    price, fits beside what the file's jobs have cost and may yet. What is left over is told; the
    same command hands in more of it once answers are here that have cost less.
    """
    from scrimp.cli.console import print_json
    from scrimp.cli.jobs_submit_work import submit

    if options["output"] is not None:
        check_output(options["output"], options["file"])
    told = engine_run(submit(load_settings(options["config"]), options))
    if options["as_json"]:
        print_json(told)
    if told.get("ended") == "interrupted":
        raise SystemExit(_INTERRUPTED)
    if told.get("ended", "done") != "done":
        raise SystemExit(1)
