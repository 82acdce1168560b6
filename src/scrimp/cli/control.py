"""What commands share that look after keys, members, budgets and tiers.

The file is asked, whether or not a gateway runs; gateways see a change within a second.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scrimp.cli.options import load_settings, moment

if TYPE_CHECKING:
    from scrimp.identity import ControlStore
    from scrimp.settings import Loaded
    from scrimp.shell.desk import Desk
    from scrimp.shell.rules_desk import RulesDesk

T = TypeVar("T")
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Desks:
    """What is open, and who asks."""

    loaded: Loaded
    control: ControlStore
    people: Desk
    rules: RulesDesk
    by: str


def at_desk(config: Path | None, work: Callable[[Desks], Awaitable[T]]) -> T:
    """What the work returns. Raises ScrimpError."""
    from scrimp.app import open_control, system_clock
    from scrimp.shell.desk import Desk
    from scrimp.shell.rules_desk import RulesDesk

    loaded = load_settings(config)
    settings = loaded.settings

    async def open_and_work() -> T:
        control = open_control(settings)
        try:
            people = Desk(control, settings, system_clock())
            rules = RulesDesk(control, settings, people)
            return await work(Desks(loaded, control, people, rules, by()))
        finally:
            await control.close()

    return asyncio.run(open_and_work())


def by() -> str:
    """Who types, for the audit log."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a user without a name, as containers have them
        return "cli"


async def every(page: Callable[[str, int], Awaitable[tuple[T, ...]]]) -> list[T]:
    """All pages, one after the other."""
    found: list[T] = []
    while True:
        after = str(getattr(found[-1], "name", "")) if found else ""
        part = await page(after, _PAGE)
        found += part
        if len(part) < _PAGE:
            return found


def later(text: str, now: datetime) -> datetime:
    """A time to come: `90d`, `12h`, `2027-01-31`, or an ISO time. Raises click.BadParameter."""
    number, unit = text[:-1], text[-1:].lower()
    if unit in ("d", "h") and number.isdecimal() and len(number) < 6:
        return now + int(number) * timedelta(**{"hours" if unit == "h" else "days": 1})
    try:
        return moment(text, now)
    except click.BadParameter:
        msg = f"not a time to come: {text!r} (write 90d, 12h, 2027-01-31 or 2027-01-31T12:00Z)"
        raise click.BadParameter(msg) from None


def filled(kind: type[T], fields: dict[str, Any]) -> T:
    """A form with these fields, checked as the admin API checks it. Raises click.UsageError."""
    import msgspec

    from scrimp.shell.forms import in_words

    try:
        return msgspec.convert(fields, kind, strict=True)
    except msgspec.ValidationError as error:
        raise click.UsageError(in_words(error)) from error
