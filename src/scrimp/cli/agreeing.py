"""Asks before much money is spent."""

from __future__ import annotations

import sys

import click

from scrimp.money import format_usd, parse_usd


def agree(nanousd: int, above: str, *, priced: bool, yes: bool) -> None:
    """Go on below `above` dollars where all is priced, else only when somebody says so.

    Raises click.UsageError where nobody can be asked, and click.Abort.
    """
    if yes or (priced and nanousd <= parse_usd(above)):
        return
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"this spends money, about {format_usd(nanousd, places=4)}: say --yes, or look first "
            "with --estimate"
        )
    click.confirm("Go on?", abort=True, err=True)


def dollars(_ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """An amount of an option as it was typed. Raises click.BadParameter."""
    if value is not None:
        try:
            parse_usd(value)
        except ValueError as error:
            raise click.BadParameter(str(error), param=param) from error
    return value
