"""All of `scrimp route`: each part adds its command to the group."""

from __future__ import annotations

import click

from scrimp.cli.options import examples
from scrimp.cli.route_eval import eval_command
from scrimp.cli.route_explain import explain_command
from scrimp.cli.route_status import status_command
from scrimp.cli.route_train import train_command

__all__ = ["route_command"]


@click.group(
    name="route",
    short_help="Train, judge and explain the choice of models.",
    epilog=examples(
        "scrimp route train compared.jsonl",
        "scrimp route eval compared.jsonl --picture curve.png",
        'scrimp route explain "What is the capital of France?"',
        "scrimp route status",
    ),
)
def route_command() -> None:
    """Train, judge and explain the choice of the cheapest model that will do.

    Labels come from scrimp compare, from files of your own, or from what the gateway has learned.
    """


route_command.add_command(train_command)
route_command.add_command(eval_command)
route_command.add_command(explain_command)
route_command.add_command(status_command)
