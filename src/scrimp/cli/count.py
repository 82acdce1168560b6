"""`scrimp count`: tokens of a text, with the bounds of the truth."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings


@click.command(
    name="count",
    short_help="Count the tokens of a text.",
    epilog=examples(
        'scrimp count "How much is this?"',
        "scrimp count --file prompt.txt --model claude-sonnet-4-5",
        "git diff | scrimp count - --json",
        'scrimp count --rough "How much is this?"',
    ),
)
@click.argument("text", required=False)
@click.option("--model", default="gpt-4o", show_default=True, help="Whose tokens to count.")
@click.option("--file", "file", type=Path, metavar="PATH", help="Read the text from a file.")
@click.option("--rough", is_flag=True, help="Words times 1.3: a rule of thumb, for comparison.")
@config_option
@json_option
def count_command(
    text: str | None,
    model: str,
    file: Path | None,
    config: Path | None,
    *,
    rough: bool,
    as_json: bool,
) -> None:
    """Count the tokens of a text (`-`: of standard input).

    OpenAI's models are counted exactly, others with an estimate whose range holds the truth: by
    what a gateway has learned from real usage, else by a ratio that was measured. The few tokens by
    which an API frames each message are not in it.
    """
    from scrimp.app import open_encoder
    from scrimp.cli.console import print_json, say
    from scrimp.shell.quoting import rough_count, shown_count

    given = _given(text, file)
    if rough:
        count = rough_count(given)
    else:
        count = open_encoder(load_settings(config).settings).count_now(model, given)
    if as_json:
        print_json(shown_count(model, count))
        return
    bounds = "" if count.low == count.high else f", between {count.low:,} and {count.high:,}"
    about = "" if count.low == count.high else "about "
    noun = "token" if count.tokens == 1 else "tokens"
    whose = "any model" if rough else model
    say(f"{about}{count.tokens:,} {noun} for {whose}{bounds} ({count.method})")


def _given(text: str | None, file: Path | None) -> str:
    """The text, from the one place that was named."""
    if (text is None) == (file is None):
        raise click.UsageError("name a text, - for standard input, or --file PATH (one of them)")
    if text is not None and text != "-":
        return text
    data = sys.stdin.buffer.read() if file is None else file.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        place = file or "standard input"
        raise click.ClickException(f"{place} is not UTF-8 at byte {error.start:,}") from None
