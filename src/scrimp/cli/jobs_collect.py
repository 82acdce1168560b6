"""`scrimp jobs collect`: the answers of a file that was handed in, in its order."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from scrimp.cli.engine_run import engine_run
from scrimp.cli.jobs_options import CollectOptions, of_both
from scrimp.cli.options import check_output, examples, load_settings

_INTERRUPTED = 130


@click.command(
    name="collect",
    short_help="Write the answers of a file that was handed in.",
    epilog=examples(
        "scrimp jobs collect calls.jsonl -o answers.jsonl",
        "scrimp jobs collect calls.jsonl -o answers.jsonl --no-wait",
        "scrimp jobs collect prompts.csv --model gpt-4o-mini -o answers.jsonl --json",
    ),
)
@click.argument("file", type=Path)
@click.option(
    "-o", "--output", type=Path, metavar="OUT", required=True, help="Results, in the order of FILE."
)
@click.option("--no-wait", is_flag=True, help="Write what is here now.")
@click.option("--forget", is_flag=True, help="Leave out answers to lines that are gone from FILE.")
@of_both
def collect_command(**options: Unpack[CollectOptions]) -> None:
    """Write the answers of a file that `scrimp jobs submit` has handed in.

    Waits until they are here, and shows how many are and what they cost; meanwhile this process
    sends, looks and fetches where no running Scrimp does. OUT is as `scrimp run` writes it: a line
    for each of FILE's, in their order. Ctrl-C writes what is here, and the same command goes on
    later. Nothing is asked, and nothing paid, that was not handed in.

    Exit code 0: every line has its answer. 1: some failed, wait still, or have no job. 130:
    interrupted.
    """
    from scrimp.cli.console import print_json
    from scrimp.cli.jobs_collect_work import collect

    check_output(options["output"], options["file"])
    told = engine_run(collect(load_settings(options["config"]), options))
    if options["as_json"]:
        print_json(told)
    if told["ended"] == "interrupted":
        raise SystemExit(_INTERRUPTED)
    if told["ended"] != "done":
        raise SystemExit(1)
