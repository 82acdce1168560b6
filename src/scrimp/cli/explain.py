"""`scrimp explain`: one call's way through Scrimp, in words."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings

if TYPE_CHECKING:
    from scrimp.ports import Entry
    from scrimp.settings import Settings

_NEWEST = 1000
_WHOLE_ID = 36


@click.command(
    name="explain",
    short_help="Tell the story of one call.",
    epilog=examples("scrimp explain last", "scrimp explain 0199f2c1-7d0e --json"),
)
@click.argument("call_id")
@config_option
@json_option
def explain_command(call_id: str, config: Path | None, *, as_json: bool) -> None:
    """Tell the story of one call: levers, attempts, usage, price, saving.

    CALL_ID is the x-scrimp-id of the reply, the beginning of one of the newest 1,000 ids, or `last`
    for the newest call.
    """
    from msgspec import structs

    from scrimp.app import open_ledger_reader
    from scrimp.cli.console import heading, out, print_json
    from scrimp.gateway.views import call_view
    from scrimp.ledger.adjustment import amounts_now
    from scrimp.ledger.explain import explain

    settings = load_settings(config).settings
    entry = _find(settings, call_id.strip().lower())
    adjustments = open_ledger_reader(settings).adjustments(entry)
    if as_json:
        added = [structs.asdict(one) for one in adjustments]
        now = structs.asdict(amounts_now(entry, adjustments))
        print_json({**call_view(entry), "adjustments": added, "now": now})
        return
    console = out()
    first, *rest = explain(entry, adjustments)
    console.print(heading(first))
    for line in rest:
        for part in _hanging(line, console.width) if console.is_terminal else [line]:
            console.print(part, soft_wrap=True)


def _hanging(line: str, width: int) -> list[str]:
    """The line in parts that fit, those after the first further in: lists stay readable."""
    margin = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, width, subsequent_indent=margin, break_on_hyphens=False)


def _find(settings: Settings, asked: str) -> Entry:
    """The call that was meant. Raises StoreError, or click's error for none and for several."""
    from scrimp.app import open_ledger_reader

    reader = open_ledger_reader(settings)
    if asked == "last":
        newest = reader.recent(1)
        if not newest:
            raise click.ClickException("no calls yet (send one through scrimp serve)")
        return newest[0]
    if len(asked) >= _WHOLE_ID or len(asked) < 4:
        found = reader.find(asked)
        if found is None:
            raise click.ClickException(f"no call {asked[:60]!r} in {settings.ledger_path}")
        return found
    matching = [entry for entry in reader.recent(_NEWEST) if entry.id.startswith(asked)]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        msg = f"none of the newest {_NEWEST:,} calls begins with {asked!r} (give the whole id)"
        raise click.ClickException(msg)
    msg = (
        f"{len(matching):,} calls begin with {asked!r}, such as {matching[0].id} (give more of it)"
    )
    raise click.ClickException(msg)
