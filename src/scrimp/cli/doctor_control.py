"""What `scrimp doctor` says of keys: their file, and names that stand in two places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from scrimp.cli.console import short_path
from scrimp.cli.control import at_desk, every
from scrimp.cli.finding import Finding
from scrimp.errors import StoreError
from scrimp.settings import Settings
from scrimp.shell.forms import KeyView

_OTHERS = 0o077


def keys(settings: Settings, config: Path | None) -> Iterator[Finding]:
    """The file of keys, where there is one: readable, private, at odds with nothing."""
    path = settings.control_path
    shown = short_path(path)
    if not path.exists():
        return
    mode = path.stat().st_mode & 0o777
    if mode & _OTHERS:
        said = f"{shown} can be read by others (mode {mode:03o})"
        yield Finding("warn", "keys", said, f"chmod 600 {shown}")
    try:
        found = at_desk(
            config,
            lambda desks: every(lambda after, limit: desks.people.keys(after=after, limit=limit)),
        )
    except StoreError as error:
        yield Finding("fail", "keys", str(error), "restore it from a copy: nobody is let in")
        return
    yield from _doubles(found)
    active = sum(one.status == "active" and not one.admin for one in found)
    admins = sum(one.status == "active" and one.admin for one in found)
    yield Finding("ok", "keys", f"{shown}: {active} for calls, {admins} for administrators")


def _doubles(found: list[KeyView]) -> Iterator[Finding]:
    names = [one.name for one in found]
    for name in sorted({one for one in names if names.count(one) > 1}):
        said = f"key '{name}' stands in scrimp.toml and was made beside it: only the first counts"
        yield Finding("warn", "keys", said, "rename the one in scrimp.toml")
