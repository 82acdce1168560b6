"""`scrimp jobs`: calls that wait for a batch, how each stands, and calling one off."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scrimp.cli.jobs_collect import collect_command
from scrimp.cli.jobs_submit import submit_command
from scrimp.cli.options import config_option, examples, json_option, load_settings

if TYPE_CHECKING:
    from scrimp.shell.jobs_desk import JobsDesk

_STYLES = {"done": "green", "failed": "bold red", "cancelled": "dim"}


@click.group(
    name="jobs",
    short_help="Calls that wait: hand files in, fetch answers.",
    epilog=examples(
        "scrimp jobs submit calls.jsonl",
        "scrimp jobs collect calls.jsonl -o answers.jsonl",
        "scrimp jobs list",
        "scrimp jobs show ID --json",
        "scrimp jobs cancel ID",
    ),
)
def jobs_command() -> None:
    """Calls that may wait for the providers' batches, at half the price.

    `submit` hands the calls of a file in, `collect` writes their answers. The others look at all
    calls that were put off ([defer] in scrimp.toml), of all keys, in the file that the gateways of
    this machine share; answers to a key's own calls are fetched by that key (GET
    /v1/scrimp/jobs/ID/answer), and never shown here.
    """


jobs_command.add_command(submit_command)
jobs_command.add_command(collect_command)


@jobs_command.command(name="list", short_help="Show jobs, the newest first.")
@click.option("--after", default="", help="The last id of the page before.")
@click.option("--given-up", is_flag=True, help="Those over of which no webhook could be told.")
@config_option
@json_option
def list_command(after: str, config: Path | None, *, given_up: bool, as_json: bool) -> None:
    """Show up to a hundred jobs: when they must be answered, how they stand, what they cost.

    --given-up shows the newest hundred whose webhook did not take the news for so long that nobody
    tries any more ([defer.webhook] give_up): who waits for them must ask.
    """
    from scrimp.cli.console import dim, out, print_json

    page = _given_up(config) if given_up else asyncio.run(_desk(config).page(None, after=after))
    if as_json:
        print_json(_plain(page))
        return
    console = out()
    if not page["data"]:
        console.print(dim("No job is here."))
    for one in page["data"]:
        console.print(_line(one), soft_wrap=True)
    if page["next"]:
        console.print(dim(f"more: scrimp jobs list --after {page['next']}"))


@jobs_command.command(name="show", short_help="Show one job.")
@click.argument("job_id", metavar="ID")
@config_option
@json_option
def show_command(job_id: str, config: Path | None, *, as_json: bool) -> None:
    """Show one job. Exit code 1 when it is not there."""
    _show(asyncio.run(_desk(config).show(job_id, None)), as_json=as_json)


@jobs_command.command(name="cancel", short_help="Call a job off that was not sent.")
@click.argument("job_id", metavar="ID")
@config_option
@json_option
def cancel_command(job_id: str, config: Path | None, *, as_json: bool) -> None:
    """Call a job off. Exit code 1 when it is in a batch already: then it may be paid."""
    _show(asyncio.run(_desk(config).cancel(job_id, None)), as_json=as_json)


def _desk(config: Path | None) -> JobsDesk:
    from scrimp.app import system_clock
    from scrimp.deferring import jobs_of
    from scrimp.shell.jobs_desk import JobsDesk

    return JobsDesk(jobs_of(load_settings(config).settings, system_clock()).desk)


def _given_up(config: Path | None) -> dict[str, Any]:
    from scrimp.app import system_clock
    from scrimp.deferring import jobs_of
    from scrimp.shell.jobs_desk import MOST, view

    news = jobs_of(load_settings(config).settings, system_clock()).news
    return {"data": [view(one) for one in news.given_up(limit=MOST)], "next": None}


def _plain(told: Any) -> Any:
    """Times as text."""
    import msgspec

    return msgspec.to_builtins(told)


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    from scrimp.cli.console import out, print_json

    if as_json:
        print_json(_plain(told))
        return
    console = out()
    for name, value in _plain(told).items():
        if value is not None:
            text = value if not isinstance(value, dict) else f"{value['why']}: {value['message']}"
            console.print(f"{name:<14} {text}", soft_wrap=True, markup=False, highlight=False)


def _line(told: dict[str, Any]) -> Any:
    from rich.text import Text

    cost = "" if told["cost_usd"] is None else f"  ${told['cost_usd']}"
    why = "" if told["error"] is None else f"  {told['error']['why']}"
    return Text.assemble(
        (f"{told['created_at']:%Y-%m-%d %H:%M}Z  ", "dim"),
        f"{told['id']}  ",
        (f"{told['status']:<11}", _STYLES.get(told["status"], "yellow")),
        f"  {told['model']}{cost}{why}",
    )
