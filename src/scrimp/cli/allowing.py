"""Options of `scrimp budget set` and `scrimp tier set`, and the table that they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_OPTIONS = (
    click.option("--usd", metavar="AMOUNT", help="At most this many dollars, such as 5 or 0.50."),
    click.option("--tokens", type=int, help="At most this many tokens."),
    click.option("--calls", type=int, help="At most this many calls."),
    click.option("--per", metavar="WINDOW", help="minute, hour, day, week, month or lifetime."),
    click.option("--rolling", metavar="TIME", help="Or in the last 24h, 7d …, at any moment."),
    click.option("--zone", help="Time zone of calendar windows [default: UTC]."),
    click.option("--hard/--soft", default=None, help="Refuse, or degrade [soft for tokens]."),
    click.option("--burst", type=int, help="At most so many times the even share at once."),
    click.option("--burst-window", metavar="TIME", help="In which time [default: 1h]."),
    click.option("--model", help="Count calls of this model only."),
    click.option("--provider", help="Count calls of this provider only."),
    click.option("--max-call-usd", "call_usd", metavar="AMOUNT", help="The most of one call."),
    click.option("--max-input-tokens", "call_input_tokens", type=int, help="The same in tokens."),
    click.option("--rpm", "requests_per_minute", type=int, help="Calls in any minute."),
    click.option("--tpm", "tokens_per_minute", type=int, help="Tokens in any minute."),
    click.option("--parallel", type=int, help="Calls at once."),
)


def allowing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options on a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def table_fields(options: dict[str, Any]) -> dict[str, Any]:
    """What was given, by the names of the table in scrimp.toml. Raises click.UsageError."""
    given = {name: value for name, value in options.items() if value not in (None, "")}
    rolling = given.pop("rolling", None)
    if rolling is not None:
        if "per" in given:
            msg = "--per and --rolling are two windows: give one"
            raise click.UsageError(msg)
        given["per"] = rolling
    return given
