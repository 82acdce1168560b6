"""`scrimp key`: makes a virtual key, shows it once, and gives the settings only its digest."""

from __future__ import annotations

import json
from typing import TypedDict, Unpack

import click

from scrimp.cli.options import examples, json_option


class KeyOptions(TypedDict):
    """Whose calls the key makes, and what it may."""

    team: str
    user: str
    task: str
    tags: tuple[str, ...]
    models: tuple[str, ...]
    as_json: bool


@click.command(
    name="key",
    short_help="Make a key that stands in scrimp.toml.",
    epilog=examples(
        "scrimp key ci --team platform --tag env:ci",
        "scrimp key ana --user ana@example.com --model gpt-4o-mini >> scrimp.toml",
    ),
)
@click.argument("name")
@click.option("--team", default="", help="Team that its calls are booked on.")
@click.option("--user", default="", help="User that its calls are booked on.")
@click.option("--task", default="", help="Task type of its calls, unless they name their own.")
@click.option("--tag", "tags", multiple=True, help="Tag on each of its calls (may be repeated).")
@click.option("--model", "models", multiple=True, help="Allow only this model (may be repeated).")
@json_option
def key_command(name: str, **options: Unpack[KeyOptions]) -> None:
    """Make a key that stands in scrimp.toml (a gateway that runs: scrimp keys create).

    The key is shown once and kept nowhere; scrimp.toml gets its SHA-256 only. Once one key is
    listed, every call needs one. In a pipe, standard output is the stanza alone and the key goes to
    stderr.
    """
    from scrimp.cli.console import dim, heading, note, out, print_json, say
    from scrimp.settings import parse
    from scrimp.shell.new_keys import kept, new_key

    key = new_key()
    digest = kept(key).sha256
    text = stanza(name, digest, options)
    parse(text.encode(), source="the new key")
    if options["as_json"]:
        print_json({"name": name, "key": key, "sha256": digest, "stanza": text})
    elif out().is_terminal:
        say(heading("The key (shown this once; clients send it as their API key)"))
        say("", f"  {key}", "")
        say(heading("For scrimp.toml (then restart scrimp serve)"), "", text.rstrip())
        say("", dim("Calls are booked on this name: scrimp report --by key"))
    else:
        note(f"key {name!r}, shown this once: {key}")
        say("", text.rstrip())


def stanza(name: str, digest: str, options: KeyOptions) -> str:
    """The `[[keys]]` table of a key; what was not given is left out."""
    lines = ["[[keys]]", f"name = {_quoted(name)}", f"sha256 = {_quoted(digest)}"]
    singles = (("team", options["team"]), ("user", options["user"]), ("task", options["task"]))
    lines += [f"{field} = {_quoted(value)}" for field, value in singles if value]
    lists = (("tags", options["tags"]), ("models", options["models"]))
    lines += [
        f"{field} = [{', '.join(_quoted(one) for one in given)}]" for field, given in lists if given
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's, except that TOML wants DEL escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
