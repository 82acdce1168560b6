"""`scrimp demo`: a day of made-up traffic through Scrimp, and the bill."""

from __future__ import annotations

import asyncio
import signal
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from scrimp.cli.options import examples, json_option

if TYPE_CHECKING:
    from rich.console import Console

    from scrimp.demo.runner import Show, Wanted

_SDKS = ("openai", "anthropic")
_INTERRUPTED = 130


@click.command(
    name="demo",
    short_help="Watch Scrimp at work on made-up traffic.",
    epilog=examples("scrimp demo", "scrimp demo --keep", "scrimp demo --scale 0.1 --json"),
)
@click.option(
    "--scale",
    type=click.FloatRange(0, 100, min_open=True),
    default=1.0,
    show_default=True,
    help="Size of the day; 1 is about 1,000 calls.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed, another day.")
@click.option("--keep", is_flag=True, help="Leave gateway and provider up, until Ctrl-C.")
@json_option
def demo_command(scale: float, seed: int, keep: bool, as_json: bool) -> int:  # noqa: FBT001 - flags come from click
    """Watch a day of made-up traffic go through a gateway, and see the bill.

    Nothing is spent and nothing leaves this machine: the provider is simulated. The calls come
    from the openai and anthropic SDKs. Ends with 0 only when every call succeeded and the
    provider's own bill equals the ledger.
    """
    if missing := [name for name in _SDKS if find_spec(name) is None]:
        from scrimp.errors import ConfigError

        raise ConfigError(
            f"the demo needs {' and '.join(missing)} (pip install {' '.join(missing)})"
        )
    from scrimp.demo.runner import Wanted

    try:
        return asyncio.run(_perform(Wanted(seed, scale, keep), as_json=as_json))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _INTERRUPTED


async def _perform(wanted: Wanted, *, as_json: bool) -> int:
    from scrimp.demo.runner import performed

    task = asyncio.current_task()
    if task is not None:
        # Ctrl-C too: a shell that starts this in the background has it ignored, and says nothing
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with performed(wanted, _console(as_json=as_json)) as show:
        _print(show, wanted, as_json=as_json)
        if wanted.keep:
            await _until_interrupted()
    return 0 if show.findings.good else 1


async def _until_interrupted() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        # Ctrl-C is the way to end --keep, so it is no failure.
        if (task := asyncio.current_task()) is not None:
            task.uncancel()


def _console(*, as_json: bool) -> Console | None:
    """Where the progress goes; a document for machines stays alone on standard output."""
    from rich.console import Console

    from scrimp.cli.console import out

    if not as_json:
        return out()
    errors = Console(stderr=True, highlight=False, emoji=False)
    return errors if errors.is_terminal else None


def _print(show: Show, wanted: Wanted, *, as_json: bool) -> None:
    from scrimp.cli.console import out, print_json, say, this_command
    from scrimp.demo.findings import to_json
    from scrimp.demo.report import report, where_next

    if as_json:
        kept = {"config": str(show.stage.config), "gateway_url": show.stage.gateway_url}
        print_json(to_json(show.findings) | (kept if wanted.keep else {}))
    else:
        out().print(report(show.findings))
        stage = show.stage if wanted.keep else None
        say(*where_next(stage, show.findings.hit_id, command=this_command()))
    sys.stdout.flush()
