"""`scrimp compact`: a prompt or a conversation in fewer tokens, before anybody pays for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from scrimp.cli.options import examples as shown_examples
from scrimp.cli.options import json_option


@click.command(
    name="compact",
    short_help="Write a prompt in fewer tokens.",
    epilog=shown_examples(
        "scrimp compact prompt.txt --preview",
        "scrimp compact prompt.txt --lossy > shorter.txt",
        "scrimp compact messages.json --json",
        "kubectl get pods -o json | scrimp compact - --preview",
    ),
)
@click.argument("file", metavar="FILE")
@click.option("--preview", is_flag=True, help="Show both numbers and the lines that differ.")
@click.option("--lossy", is_flag=True, help="Also shorten wordy phrases, and leave out examples.")
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many examples stay, with --lossy.",
)
@click.option("--model", default="gpt-4o", show_default=True, help="Whose tokens to count.")
@json_option
def compact_command(
    file: str, model: str, examples: int, *, preview: bool, lossy: bool, as_json: bool
) -> None:
    """Write a prompt (`-`: standard input) in fewer tokens, without loss unless --lossy is given.

    FILE is a text, or JSON: a list of messages, or a request with some. JSON loses its white space
    and stands in columns; texts lose white space at the ends of lines. What reads files, what is
    signed, code and quotations stay as they are.
    """
    from scrimp.cli.console import print_json, say
    from scrimp.client.shrinking import compact

    text = _given(file)
    request, name, prompt = _read(text)
    found = compact(prompt, lossy=lossy, examples=examples, model=model)
    after = found.after if request is None else {**request, name: found.after}
    if as_json:
        print_json(
            {
                "before_tokens": found.before_tokens.tokens,
                "after_tokens": found.after_tokens.tokens,
                "saved_tokens": found.saved_tokens,
                "method": found.after_tokens.method,
                "lossy": found.lossy,
                "after": after,
            }
        )
    elif preview:
        say(found.preview())
    else:
        whole = isinstance(after, str)
        click.echo(after if whole else json.dumps(after, ensure_ascii=False))


def _read(text: str) -> tuple[dict[str, Any] | None, str, Any]:
    """The request that holds the messages (or None), in which field, and the prompt itself."""
    try:
        told = json.loads(text)
    except ValueError:
        return None, "", text
    if isinstance(told, dict):
        for name in ("messages", "input"):
            if _are_messages(told.get(name)):
                return told, name, told[name]
    return None, "", told if _are_messages(told) else text


def _are_messages(value: Any) -> bool:
    """True for objects that all have a role, or the type of an item."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and ("role" in one or "call_id" in one) for one in value)
    )


def _given(file: str) -> str:
    data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = "standard input" if file == "-" else file
        raise click.ClickException(f"{place} is not UTF-8 at byte {error.start:,}") from None
