"""`scrimp run`: a file of calls, as fast as providers take them; results in order, once paid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from scrimp.cli.agreeing import dollars
from scrimp.cli.engine_run import engine_run
from scrimp.cli.options import check_output, config_option, examples, json_option, load_settings
from scrimp.cli.run_options import RunOptions

if TYPE_CHECKING:
    from scrimp.cli.run_file import Kept
    from scrimp.cli.run_view import Ended
    from scrimp.settings import Loaded

_INTERRUPTED = 130


@click.command(
    name="run",
    short_help="Make all calls of a file; go on where it stopped.",
    epilog=examples(
        "scrimp run calls.jsonl -o answers.jsonl",
        "scrimp run calls.jsonl --estimate",
        "scrimp run prompts.csv --model gpt-4o-mini -o answers.jsonl --budget 2.50 --yes",
        "scrimp run calls.jsonl -o answers.jsonl --retry-failed",
    ),
)
@click.argument("file", type=Path)
@click.option("-o", "--output", type=Path, metavar="OUT", help="Results, in the order of FILE.")
@click.option("--model", default="", help="For lines that name none.")
@click.option("--column", default="prompt", show_default=True, help="Where a line has its prompt.")
@click.option(
    "--budget", metavar="USD", callback=dollars, help="All runs with this OUT spend no more."
)
@click.option(
    "--ask-above",
    metavar="USD",
    default="1.00",
    show_default=True,
    callback=dollars,
    help="Ask before a run that may cost more.",
)
@click.option("--estimate", is_flag=True, help="Only say what it would cost.")
@click.option("--retry-failed", is_flag=True, help="Ask again what failed before.")
@click.option("--forget", is_flag=True, help="Leave out answers to lines that are gone from FILE.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1024),
    default=64,
    show_default=True,
    help="Calls in the air at most.",
)
@click.option("--user", default="", help="Whom the calls are booked on.")
@click.option("--task", default="", metavar="TYPE", help="The task type of all of them.")
@click.option("--tag", multiple=True, metavar="TAG", help="A tag for all of them; may be repeated.")
@click.option("--url", default="", help="Through a gateway elsewhere; its key is in SCRIMP_KEY.")
@click.option("--yes", is_flag=True, help="Do not ask before money is spent.")
@config_option
@json_option
def run_command(**options: Unpack[RunOptions]) -> None:
    """Make all calls of a file, as fast as the providers take them.

    FILE (- is standard input) has one call per line: a body as an SDK sends it, a line of OpenAI's
    or Anthropic's batch files, or a prompt with model, system and any other fields; or it is a CSV
    with a column prompt. It may be as long as you like. OUT gets a line for each, in their order,
    in the form of OpenAI's batch output, with cost and source; what failed stands there with its
    error.

    What it costs is said first. Every call takes the way of all others: caches, levers, budgets,
    ledger. Ctrl-C ends it once what is in the air is there; the same command goes on later, after
    a crash too, and pays for no answer twice that has arrived.
    """
    from scrimp.cli.console import print_json

    loaded = load_settings(options["config"])
    told, ended = _told(loaded, options)
    if options["as_json"]:
        print_json(told)
    if ended is None:
        return
    if ended.why == "interrupted":
        raise SystemExit(_INTERRUPTED)
    if ended.failed or ended.not_asked:
        raise SystemExit(1)


def _told(loaded: Loaded, options: RunOptions) -> tuple[dict[str, Any], Ended | None]:
    from scrimp.cli.run_file import Kept

    out, file = options["output"], options["file"]
    if out is None:
        if not options["estimate"]:
            raise click.UsageError("say where results go (-o OUT), or --estimate")
        return _worked(loaded, options, None)
    check_output(out, file)
    with Kept(out) as kept:
        return _worked(loaded, options, kept)


def _worked(
    loaded: Loaded, options: RunOptions, kept: Kept | None
) -> tuple[dict[str, Any], Ended | None]:
    from scrimp.cli.run_work import work

    return engine_run(work(loaded, options, kept))
