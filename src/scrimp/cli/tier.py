"""`scrimp tier`: named sets of limits, and who is in which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scrimp.cli.allowing import allowing, table_fields
from scrimp.cli.control import Desks, at_desk, filled
from scrimp.cli.options import config_option, examples, json_option

kind_argument = click.argument(
    "kind", type=click.Choice(["org", "team", "user", "key", "tag", "end-user"])
)


@click.group(
    name="tier",
    short_help="Set tiers, and put scopes into them.",
    epilog=examples(
        "scrimp tier set free --tokens 100000 --per day --rpm 20",
        "scrimp tier assign free end-user '*'",
        "scrimp tier assign pro team red",
    ),
)
def tier_command() -> None:
    """Set tiers (named sets of limits), and put scopes into them.

    Gateways that run see a change within a second.
    """


@tier_command.command(
    name="set",
    short_help="Make a tier, or replace it.",
    epilog=examples("scrimp tier set pro --usd 20 --per month --max-call-usd 1"),
)
@click.argument("name")
@allowing
@config_option
@json_option
def set_command(name: str, config: Path | None, *, as_json: bool, **options: Any) -> None:
    """Make a tier, or replace it for all who are in it."""
    from scrimp.budgets.tables import TierTable
    from scrimp.cli.console import print_json, say
    from scrimp.cli.rules_view import allowance_lines

    table = filled(TierTable, table_fields(options))
    made = at_desk(config, lambda desks: desks.rules.put_tier(name, table, by=desks.by))
    if as_json:
        print_json(made)
        return
    say(f"Tier {name!r}:")
    say(*(f"  {line}" for line in allowance_lines(made)))


@tier_command.command(name="list", short_help="Show all tiers.")
@config_option
@json_option
def list_command(config: Path | None, *, as_json: bool) -> None:
    """Show all tiers with their limits."""
    from scrimp.cli.console import print_json
    from scrimp.cli.rules_view import show_tiers

    found = at_desk(config, lambda desks: desks.rules.tiers())
    if as_json:
        print_json(found)
    else:
        show_tiers(found)


@tier_command.command(name="delete", short_help="Delete a tier that nobody is in.")
@click.argument("name")
@config_option
def delete_command(name: str, config: Path | None) -> None:
    """Delete a tier that nobody is in."""
    from scrimp.cli.console import say

    at_desk(config, lambda desks: desks.rules.delete_tier(name, by=desks.by))
    say(f"Deleted tier {name!r}.")


@tier_command.command(
    name="assign",
    short_help="Put a scope into a tier.",
    epilog=examples("scrimp tier assign pro team red", "scrimp tier assign free end-user '*'"),
)
@click.argument("name")
@kind_argument
@click.argument("scope")
@config_option
def assign_command(name: str, kind: str, scope: str, config: Path | None) -> None:
    """Put a scope into a tier; it leaves the one that it was in. '*' is each of its kind."""
    from scrimp.cli.console import say
    from scrimp.shell.rules_desk import scope_kind

    found = scope_kind(kind.replace("-", "_"))
    at_desk(config, lambda desks: desks.rules.assign(found, scope, name, by=desks.by))
    say(f"{kind} {scope!r} is in tier {name!r}.")


@tier_command.command(name="unassign", short_help="Take a scope out of its tier.")
@kind_argument
@click.argument("scope")
@config_option
def unassign_command(kind: str, scope: str, config: Path | None) -> None:
    """Take a scope out of its tier."""
    from scrimp.cli.console import say
    from scrimp.shell.rules_desk import scope_kind

    found = scope_kind(kind.replace("-", "_"))

    async def take_out(desks: Desks) -> None:
        await desks.rules.unassign(found, scope, by=desks.by)

    at_desk(config, take_out)
    say(f"{kind} {scope!r} is in no tier.")
