"""`scrimp audit`: who changed keys, members, budgets and tiers, and when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scrimp.cli.control import at_desk
from scrimp.cli.options import config_option, examples, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrimp.identity import AuditLine

_UNTOLD = ("name", "kind", "created_at", "suffix")


@click.command(
    name="audit",
    short_help="Show who changed keys, budgets and tiers.",
    epilog=examples("scrimp audit", "scrimp audit --limit 200 --json"),
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@config_option
@json_option
def audit_command(limit: int, config: Path | None, *, as_json: bool) -> None:
    """Show who changed keys, members, budgets and tiers, newest first.

    The log is only ever added to, and holds no key.
    """
    from scrimp.cli.console import dim, print_json, say

    lines = at_desk(config, lambda desks: desks.control.audit(limit=limit))
    if as_json:
        print_json([_document(line) for line in lines])
        return
    if not lines:
        say(dim("Nothing was changed yet."))
    for line in lines:
        what = f"{line.at:%Y-%m-%d %H:%M:%S} UTC  {line.by:<16} {line.action:<7} {line.kind} "
        differences = ", ".join(_differences(line))
        say(what + repr(line.name) + (f": {differences}" if differences else ""))


def _differences(line: AuditLine) -> Iterator[str]:
    """Fields that a change of something that was there has changed."""
    before, after = _decoded(line.before), _decoded(line.after)
    if before is None or after is None:
        return
    for field, value in after.items():
        if field not in _UNTOLD and before.get(field) != value:
            yield f"{field} {_short(before.get(field))} → {_short(value)}"


def _short(value: object) -> str:
    import msgspec

    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:59]}…"


def _document(line: AuditLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "at": line.at,
        "by": line.by,
        "action": line.action,
        "kind": line.kind,
        "name": line.name,
        "before": _decoded(line.before),
        "after": _decoded(line.after),
    }


def _decoded(text: str) -> dict[str, Any] | None:
    from scrimp.gateway.admin_words import document

    return document(text)
