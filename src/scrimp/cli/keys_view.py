"""How `scrimp keys` and `scrimp teams` look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from scrimp.cli.console import dim, heading, out
from scrimp.identity import Member
from scrimp.shell.forms import KeyView

_STYLES = {"active": "", "expired": "yellow", "revoked": "dim"}


def show_keys(found: Sequence[KeyView]) -> None:
    """A line for each."""
    console = out()
    if not found:
        console.print(dim("There is no key: callers on this machine need none."))
        console.print(dim("Make one with: scrimp keys create NAME"))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("name", "key", "status", "team", "user", "may", "expires"):
        table.add_column(title, overflow="fold")
    for one in found:
        table.add_row(
            one.name,
            _shown(one),
            Text(one.status, _STYLES[one.status]),
            one.team,
            one.user,
            _may(one),
            _day(one.expires_at),
        )
    console.print(table)


def show_key(one: KeyView) -> None:
    """All that is known of it."""
    console = out()
    console.print(heading(f"Key {one.name}"))
    until = one.old_key_works_until
    rows = (
        ("key", _shown(one)),
        ("status", one.status),
        ("org", one.org),
        ("team", one.team),
        ("user", one.user),
        ("task", one.task),
        ("tags", ", ".join(one.tags)),
        ("may", _may(one)),
        ("made", _time(one.created_at)),
        ("expires", _time(one.expires_at)),
        ("revoked", _time(one.revoked_at)),
        ("old key", f"works until {_time(until)}" if until else ""),
    )
    for name, text in rows:
        if text:
            console.print(Text.assemble((f"  {name:<9}", "dim"), text))


def show_members(kind: str, found: Sequence[Member]) -> None:
    """A line for each organisation, team or user."""
    console = out()
    if not found:
        console.print(dim(f"There is no {kind} (make one: scrimp {kind}s create NAME)."))
        return
    titles = {"org": ("name",), "team": ("name", "org"), "user": ("name", "team", "org")}[kind]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for one in found:
        table.add_row(*(str(getattr(one, title)) for title in titles))
    console.print(table)


def _shown(one: KeyView) -> str:
    return "(scrimp.toml)" if one.source == "settings" else one.key


def _may(one: KeyView) -> str:
    if one.admin:
        return "administer"
    models = ", ".join(one.models) or "all models"
    return f"{models}; names end users" if one.trusted else models


def _day(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d}"


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
