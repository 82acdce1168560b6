"""The arguments of `scrimp jobs submit` and `scrimp jobs collect`, and what both take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import click

from scrimp.cli.options import config_option, json_option

Command = Callable[..., Any]


class SubmitOptions(TypedDict):
    """Of `submit`."""

    file: Path
    max_wait: str
    model: str
    column: str
    name: str
    output: Path | None
    budget: str | None
    ask_above: str
    estimate: bool
    retry_failed: bool
    user: str
    task: str
    tag: tuple[str, ...]
    url: str
    yes: bool
    config: Path | None
    as_json: bool


class CollectOptions(TypedDict):
    """Of `collect`."""

    file: Path
    output: Path
    model: str
    column: str
    name: str
    no_wait: bool
    forget: bool
    url: str
    config: Path | None
    as_json: bool


def of_both(command: Command) -> Command:
    """What says which lines there are, and where they wait: to be said alike to both."""
    for option in (
        json_option,
        config_option,
        click.option("--url", default="", help="At a gateway elsewhere; its key is in SCRIMP_KEY."),
        click.option(
            "--name", default="", help="Keeps this hand-in apart from others of the file."
        ),
        click.option(
            "--column", default="prompt", show_default=True, help="Where a line has its prompt."
        ),
        click.option("--model", default="", help="For lines that name none."),
    ):
        command = option(command)
    return command
