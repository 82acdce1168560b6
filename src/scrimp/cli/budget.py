"""`scrimp budget`: limits of what scopes may spend, what they have used, and starting anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scrimp.cli.allowing import allowing, table_fields
from scrimp.cli.control import Desks, at_desk, filled
from scrimp.cli.options import config_option, examples, json_option

if TYPE_CHECKING:
    from scrimp.limits import Standing
    from scrimp.shell.forms import BudgetView

_SCOPES = ("org", "team", "user", "key", "tag", "end_user")

whose_option = click.option(
    "--whose", default="", metavar="NAME", help="Of a budget for each of a kind: whose numbers."
)


@click.group(
    name="budget",
    short_help="Set, show, reset and delete budgets.",
    epilog=examples(
        "scrimp budget set ci --team ci --usd 5 --per day",
        "scrimp budget set alice --user alice --tokens 100000 --per day --soft",
        "scrimp budget set everyone --end-user '*' --usd 0.50 --rolling 24h",
        "scrimp budget show ci",
    ),
)
def budget_command() -> None:
    """Set, show, reset and delete budgets.

    Gateways that run see a change within a second. Those of scrimp.toml are shown and changed
    there.
    """


def _scoped(command: Any) -> Any:
    helps = {
        "org": "Calls of this organisation.",
        "team": "Calls of this team.",
        "user": "Calls of this user.",
        "key": "Calls by this key.",
        "tag": "Calls with this tag.",
        "end_user": "Calls for this end user of a trusted key; '*' is each of them.",
    }
    for name in reversed(_SCOPES):
        flag = f"--{name.replace('_', '-')}"
        command = click.option(flag, name, default="", help=helps[name])(command)
    return command


@budget_command.command(
    name="set",
    short_help="Make a budget, or replace it.",
    epilog=examples(
        "scrimp budget set ci --team ci --usd 5 --per day --burst 2",
        "scrimp budget set gpt --org acme --model gpt-4o --usd 9 --per week --zone Europe/Paris",
        "scrimp budget set safe --key ci --max-call-usd 0.25 --max-input-tokens 50000",
        "scrimp budget set web --key web --rpm 60 --parallel 4",
    ),
)
@click.argument("name")
@_scoped
@allowing
@click.option("--tier", default="", help="The tier that the scope is in.")
@config_option
@json_option
def set_command(name: str, config: Path | None, *, as_json: bool, **options: Any) -> None:
    """Make a budget of one scope (without one: of all calls), or replace it.

    What was used stays used: a limit that is raised goes on from there. '*' for a name gives each
    scope of the kind its own.
    """
    from scrimp.budgets.tables import BudgetTable
    from scrimp.cli.console import print_json, say
    from scrimp.cli.rules_view import allowance_lines, whose

    table = filled(BudgetTable, table_fields(options))
    made = at_desk(config, lambda desks: desks.rules.put_budget(name, table, by=desks.by))
    if as_json:
        print_json(made)
        return
    say(f"Budget {name!r} of {whose(made)}:")
    say(*(f"  {line}" for line in allowance_lines(made)))


@budget_command.command(name="list", short_help="Show all budgets.")
@config_option
@json_option
def list_command(config: Path | None, *, as_json: bool) -> None:
    """Show all budgets, those of scrimp.toml among them."""
    from scrimp.cli.console import print_json
    from scrimp.cli.rules_view import show_budgets

    found = at_desk(config, lambda desks: desks.rules.budgets())
    if as_json:
        print_json(found)
    else:
        show_budgets(found)


@budget_command.command(
    name="show",
    short_help="Show a budget, and what is used of it.",
    epilog=examples("scrimp budget show ci", "scrimp budget show everyone --whose ada --json"),
)
@click.argument("name")
@whose_option
@config_option
@json_option
def show_command(name: str, whose: str, config: Path | None, *, as_json: bool) -> None:
    """Show a budget: its limits, what is used, held and left, and when it resets."""
    from scrimp.cli.console import print_json
    from scrimp.cli.rules_view import show_budget, standing_views

    async def look(desks: Desks) -> tuple[BudgetView, tuple[Standing, ...]]:
        budget = await desks.rules.budget(name)
        if not whose and _each(budget):
            return budget, ()
        return budget, await _counted(desks, name, whose, reset=False)

    budget, standings = at_desk(config, look)
    if as_json:
        print_json({"budget": budget, "standing": standing_views(standings)})
    else:
        show_budget(budget, standings)


@budget_command.command(name="reset", short_help="Count a budget from 0 again.")
@click.argument("name")
@whose_option
@config_option
def reset_command(name: str, whose: str, config: Path | None) -> None:
    """Count a budget from 0 again in its current windows; calls in the air stay held."""
    from scrimp.cli.console import say

    at_desk(config, lambda desks: _counted(desks, name, whose, reset=True))
    say(f"Budget {name!r} counts from 0 again.")


@budget_command.command(name="delete", short_help="Delete a budget.")
@click.argument("name")
@config_option
def delete_command(name: str, config: Path | None) -> None:
    """Delete a budget: its scope is no longer limited by it, within a second."""
    from scrimp.cli.console import say

    at_desk(config, lambda desks: desks.rules.delete_budget(name, by=desks.by))
    say(f"Deleted budget {name!r}.")


def _each(budget: BudgetView) -> bool:
    return any(getattr(budget, kind) == "*" for kind in _SCOPES)


async def _counted(desks: Desks, name: str, whose: str, *, reset: bool) -> tuple[Standing, ...]:
    """How a budget stands, after it was reset if that is asked for."""
    from scrimp.app import open_counters
    from scrimp.shell.rules_desk import is_rate_limit

    found = await desks.rules.limits(name, whose)
    limits = tuple(one for one in found if not is_rate_limit(one))
    if not limits:
        return ()
    counters = open_counters(desks.loaded.settings)
    try:
        if reset:
            await counters.reset(limits)
            await desks.rules.note_reset(name, by=desks.by)
        return await counters.standing(limits)
    finally:
        await counters.close()
