"""`scrimp compare`: models on your own prompts, judged blind; what each is worth, and costs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, get_args

import click

from scrimp.cli.compare_options import CompareOptions
from scrimp.cli.engine_run import engine_run
from scrimp.cli.options import config_option, examples, json_option, load_settings
from scrimp.studies.questions import Match

if TYPE_CHECKING:
    from scrimp.studies.comparing import Plan
    from scrimp.studies.questions import Question

_MOST_MODELS = 8
_INTERRUPTED = 130


@click.command(
    name="compare",
    short_help="Run models on your prompts, judged blind.",
    epilog=examples(
        "scrimp compare prompts.jsonl --models gpt-4o,gpt-4o-mini --judge claude-haiku-4-5",
        "scrimp compare sums.csv --models gpt-4o,gpt-4o-mini --expect answer --match number",
        "scrimp compare prompts.jsonl --models gpt-4o,gpt-4o-mini --judge claude-haiku-4-5 \\",
        "    -o compared.jsonl --max-usd 2.00 --yes",
        "scrimp route train compared.jsonl",
        "scrimp compare graded.csv --models gpt-4o,gpt-4o-mini --quality-column grade",
    ),
)
@click.argument("file", type=Path)
@click.option("--models", required=True, metavar="A,B,…", help="The first beside each other one.")
@click.option("--judge", default="", metavar="MODEL", help="Grades answers; none of the models.")
@click.option("--expect", default="", metavar="FIELD", help="Where FILE says the right answer.")
@click.option(
    "--match",
    type=click.Choice(get_args(Match)),
    default="contains",
    show_default=True,
    help="How an answer is held against it; number takes the last one.",
)
@click.option("--ungraded", is_flag=True, help="Only run them; qualities are written in by hand.")
@click.option(
    "--quality-column",
    default="",
    metavar="FIELD",
    help="FILE has answers and grades (0 to 1); nothing is asked.",
)
@click.option("-o", "--output", type=Path, metavar="OUT", help="Keep it; run again to go on.")
@click.option("--first", type=click.IntRange(1), metavar="N", help="Only the first N prompts.")
@click.option("--max-usd", metavar="USD", help="Spend no more than this.")
@click.option(
    "--max-tokens",
    type=click.IntRange(1, 1_000_000),
    default=4096,
    show_default=True,
    help="Of an answer, where a body does not say.",
)
@click.option("--concurrency", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--yes", is_flag=True, help="Do not ask before money is spent.")
@config_option
@json_option
def compare_command(**options: Unpack[CompareOptions]) -> None:
    """Run models on your own prompts and say what each is worth, and what it costs.

    FILE (- is standard input) has JSON lines with a prompt, or with messages and the other fields
    of a call; or it is a CSV with a column prompt. Who answers is hidden from the judge, each pair
    is shown in both orders, and only a win in both counts as one. Answers that were cut, declined
    or never came are not scored.

    Every call is priced, held against your budgets and booked in the ledger (purpose audit, tag
    scrimp-compare); none is answered from a cache. Ctrl-C ends it once what is in the air is there;
    with -o the same command goes on later, and pays for nothing twice. OUT is a labelled file:
    scrimp route train reads it.

    With --quality-column nobody is asked and nothing is paid: FILE has a line for each answer
    (prompt, model, FIELD, cost), or for all answers to a prompt, as scrimp compare writes them.
    """
    from scrimp.cli.compare_file import Kept
    from scrimp.cli.compare_graded import compare_graded
    from scrimp.cli.compare_work import work
    from scrimp.cli.console import print_json

    loaded = load_settings(options["config"])
    plan = _plan(options)
    if options["quality_column"]:
        compare_graded(loaded.settings, plan, _data(options["file"]), options)
        return
    questions = _questions(options)
    with Kept(options["output"]) as kept:
        told, tally = engine_run(work(loaded, plan, questions, kept, options))
    if options["as_json"]:
        print_json(told)
    if tally.of("stopped"):
        raise SystemExit(_INTERRUPTED)
    if tally.of("failed"):
        raise SystemExit(1)


def _plan(options: CompareOptions) -> Plan:
    """Who is compared, and how. Raises click.UsageError."""
    from scrimp.studies.comparing import Plan

    models = tuple(name.strip() for name in options["models"].split(",") if name.strip())
    if not 1 < len(models) <= _MOST_MODELS:
        raise click.UsageError(f"--models takes 2 to {_MOST_MODELS} models, {len(models)} given")
    if len(set(models)) < len(models):
        raise click.UsageError("--models names one of them twice")
    given: dict[str, str | bool] = {
        "judge": options["judge"],
        "expect": options["expect"],
        "ungraded": options["ungraded"],
        "quality-column": options["quality_column"],
    }
    ways = [name for name, value in given.items() if value]
    if not ways:
        raise click.UsageError(
            "nobody grades the answers: say --judge MODEL, --expect FIELD (the right answers stand "
            "in the file), --quality-column FIELD (the grades do), or --ungraded"
        )
    if len(ways) > 1:
        raise click.UsageError(f"--{ways[0]} or --{ways[1]}, not both")
    most = _dollars(options["max_usd"])
    return Plan(models, options["judge"], options["concurrency"], most)


def _questions(options: CompareOptions) -> list[Question]:
    """What is asked. Raises InvalidRequest, OSError."""
    from scrimp.studies.questions import read_questions

    file, output = options["file"], options["output"]
    if output is not None and output.exists() and file.exists() and output.samefile(file):
        raise click.UsageError("-o names the file of the prompts: name another one")
    found = read_questions(_data(file), str(file), expect=options["expect"])
    return found[: options["first"]]


def _data(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()


def _dollars(text: str | None) -> int | None:
    from scrimp.money import parse_usd

    if text is None:
        return None
    try:
        return parse_usd(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--max-usd") from error
