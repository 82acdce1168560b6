"""The command `scrimp`: names its sub-commands, loads the one that is asked for.

`scrimp --help` imports none of them. Whatever goes wrong ends in one line on stderr and an exit
code: 2 for usage and settings, 1 for all else.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from scrimp import __version__
from scrimp.errors import ConfigError, ScrimpError


@dataclass(frozen=True, slots=True)
class Lazy:
    """A sub-command that is not loaded yet: where it is, and its first line of help."""

    place: str
    summary: str


COMMANDS: dict[str, Lazy] = {
    "demo": Lazy("scrimp.cli.demo:demo_command", "Watch Scrimp at work on made-up traffic."),
    "init": Lazy("scrimp.cli.init:init_command", "Write a commented scrimp.toml."),
    "serve": Lazy("scrimp.cli.serve:serve_command", "Run the gateway."),
    "keys": Lazy("scrimp.cli.keys:keys_command", "Make, list, rotate and revoke keys."),
    "key": Lazy("scrimp.cli.key:key_command", "Make a key that stands in scrimp.toml."),
    "orgs": Lazy("scrimp.cli.members:orgs_command", "Make, list and delete organisations."),
    "teams": Lazy("scrimp.cli.members:teams_command", "Make, list and delete teams."),
    "users": Lazy("scrimp.cli.members:users_command", "Make, list and delete users."),
    "budget": Lazy("scrimp.cli.budget:budget_command", "Set, show, reset and delete budgets."),
    "tier": Lazy("scrimp.cli.tier:tier_command", "Set tiers, and put scopes into them."),
    "audit": Lazy("scrimp.cli.audit:audit_command", "Show who changed keys, budgets and tiers."),
    "jobs": Lazy("scrimp.cli.jobs:jobs_command", "Calls that wait: hand files in, fetch answers."),
    "alerts": Lazy("scrimp.cli.alerts:alerts_command", "Send a test alert, list recent ones."),
    "report": Lazy("scrimp.cli.report:report_command", "Show what calls cost, and what was saved."),
    "outputs": Lazy("scrimp.cli.outputs:outputs_command", "Show how long answers are."),
    "advise": Lazy(
        "scrimp.cli.advise:advise_command", "List missed savings, with settings to paste."
    ),
    "reconcile": Lazy(
        "scrimp.cli.reconcile:reconcile_command", "Compare the ledger with a provider's bill."
    ),
    "explain": Lazy("scrimp.cli.explain:explain_command", "Tell the story of one call."),
    "cache": Lazy(
        "scrimp.cli.cache_group:cache_command", "Look at remembered replies, forget or make them."
    ),
    "run": Lazy("scrimp.cli.run:run_command", "Make all calls of a file; go on where it stopped."),
    "compare": Lazy(
        "scrimp.cli.compare:compare_command", "Run models on your prompts, judged blind."
    ),
    "route": Lazy(
        "scrimp.cli.route_group:route_command", "Train, judge and explain the choice of models."
    ),
    "price": Lazy("scrimp.cli.price:price_command", "Show what a model costs."),
    "prices": Lazy("scrimp.cli.prices:prices_command", "Show, set, compare and update prices."),
    "reprice": Lazy(
        "scrimp.cli.reprice:reprice_command", "Show what past calls cost at other prices."
    ),
    "estimate": Lazy(
        "scrimp.cli.estimate:estimate_command", "Say what a plan will cost in a month."
    ),
    "compact": Lazy("scrimp.cli.compact:compact_command", "Write a prompt in fewer tokens."),
    "count": Lazy("scrimp.cli.count:count_command", "Count the tokens of a text."),
    "simulate": Lazy("scrimp.cli.simulate:simulate_command", "Run a provider to test against."),
    "doctor": Lazy("scrimp.cli.doctor:doctor_command", "Check that everything is in order."),
}


class LazyGroup(click.Group):
    """A group of `COMMANDS`, in their order, each loaded when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the library's shape
        """Names, in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """Load one sub-command."""
        lazy = COMMANDS.get(cmd_name)
        return None if lazy is None else load(lazy)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the sub-command; for a typo, name the nearest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(
                f"No such command '{args[0]}'" + (f", did you mean '{close[0]}'?" if close else "")
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        """The list in the help, without loading anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - the library's signature
        **extra: Any,
    ) -> Any:
        """Run, and end the process with our exit codes and one line for an error."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        args = list(sys.argv[1:] if args is None else args) or ["--help"]
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except (ScrimpError, click.ClickException, OSError) as error:
            code = _refuse(error)
        except click.Abort:
            code = 130
        sys.exit(code if isinstance(code, int) else 0)


def load(lazy: Lazy) -> click.Command:
    """Import a sub-command."""
    module, _, name = lazy.place.partition(":")
    command = getattr(importlib.import_module(module), name)
    if not isinstance(command, click.Command):
        msg = f"{lazy.place} is no command"
        raise TypeError(msg)
    return command


def _refuse(error: ScrimpError | click.ClickException | OSError) -> int:
    """Say what was wrong, in one line; the exit code."""
    from scrimp.cli.console import complain

    match error:
        case click.UsageError():
            help_at = error.ctx.command_path if error.ctx else "scrimp"
            complain(f"{error.format_message().rstrip('.')} (see {help_at} --help)")
            return 2
        case click.ClickException():
            complain(error.format_message())
            return error.exit_code
        case OSError():
            said = error.strerror or str(error)
            complain(f"{error.filename}: {said}" if error.filename else said)
            return 1
        case _:
            complain(str(error))
            return 2 if isinstance(error, ConfigError) else 1


def _show_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - the library's shape
    if asked:
        click.echo(f"scrimp {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    name="scrimp",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with `scrimp demo`, or `scrimp serve` and paste what it prints.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Make LLM bills small and keep them honest.

    A gateway for OpenAI and Anthropic clients that prices, caches and accounts every call.
    """


def main() -> None:
    """The console script."""
    cli(prog_name="scrimp")
