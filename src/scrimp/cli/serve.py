"""`scrimp serve`: the gateway in the foreground."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scrimp.cli.options import config_option, examples, load_settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    from scrimp.cli.signals import Stopping
    from scrimp.gateway.workers import Plan
    from scrimp.settings import Loaded

LEVELS = ("debug", "info", "warning", "error")


@click.command(
    name="serve",
    short_help="Run the gateway.",
    epilog=examples("OPENAI_API_KEY=… scrimp serve", "scrimp serve --port 8080 --config prod.toml"),
)
@click.option("--host", help="Address to listen on [default: 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one [default: 4141].")
@click.option(
    "--workers",
    type=click.IntRange(1, 128),
    help="Processes, each with one event loop [default: 1].",
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="warning",
    show_default=True,
    help="What to log to stderr; never prompts, never keys.",
)
@config_option
def serve_command(
    host: str | None, port: int | None, workers: int | None, log_level: str, config: Path | None
) -> None:
    """Run the gateway.

    Its first lines say what to paste into a client. Ctrl-C or SIGTERM ends it: calls in the air may
    finish, then the ledger is closed. With two workers or more SIGHUP reads the settings anew and
    replaces one worker after the other, without a lost call.
    """
    from scrimp.cli.console import dim, say
    from scrimp.cli.logs import log_to_stderr
    from scrimp.cli.signals import Stopping
    from scrimp.gateway.listening import bind_each, check_bind
    from scrimp.gateway.workers import Plan

    def settings() -> Loaded:
        """As they are in the file now."""
        loaded = overridden(load_settings(config), host, port, workers)
        check_bind(loaded)
        return loaded

    def newer_settings() -> Loaded:
        """The same, for workers that are about to start."""
        newer = settings()
        check_state(newer)
        return newer

    loaded = settings()
    server = loaded.settings.server
    with ExitStack() as stack:
        listeners = bind_each(server.host, server.port, server.workers)
        for listener in listeners:
            stack.enter_context(listener)
        stopping = stack.enter_context(Stopping())
        check_state(loaded)
        log_to_stderr(log_level)
        if server.workers == 1:
            serve_alone(loaded, listeners[0], stopping)
        else:
            plan = Plan(
                worker_command(log_level), listeners, newer_settings, lambda line: say(dim(line))
            )
            serve_by_workers(loaded, plan, stopping)
        say(dim("Stopped; the ledger is closed."))


def serve_alone(loaded: Loaded, listener: socket.socket, stopping: Stopping) -> None:
    """In this process."""
    from scrimp.cli.console import say
    from scrimp.cli.greeting import greeting
    from scrimp.gateway.hangup import ignored_hang_ups
    from scrimp.gateway.server import serve

    def started(url: str) -> None:
        stopping.served()
        say(*greeting(loaded, url))

    with ignored_hang_ups():
        run(lambda: serve(loaded, listener, started=started))


def serve_by_workers(loaded: Loaded, plan: Plan, stopping: Stopping) -> None:
    """In processes of their own, which this one looks after."""
    from scrimp.cli.console import say
    from scrimp.cli.greeting import greeting
    from scrimp.gateway.listening import address
    from scrimp.gateway.workers import Workers

    def started() -> None:
        stopping.served()
        say(*greeting(loaded, address(plan.listeners[0])))

    async def looking_after() -> None:
        await Workers(plan, loaded).run(started)

    asyncio.run(looking_after())


def worker_command(log_level: str) -> tuple[str, ...]:
    """How a worker is started. `-P`: nothing in the folder that we stand in is code of ours."""
    return (sys.executable, "-P", "-m", "scrimp.cli.worker", log_level)


def check_state(loaded: Loaded) -> None:
    """Refuse to start where no state can be kept. Raises ConfigError."""
    from scrimp.errors import ConfigError
    from scrimp.shell.secret import tenant_secret

    folder = loaded.settings.state_path
    try:
        tenant_secret(folder)
    except OSError as error:
        raise ConfigError(
            f"the state folder {folder} cannot be used: {error.strerror or error} "
            "(name another: state_dir in scrimp.toml, or $SCRIMP_STATE)"
        ) from error


def overridden(
    loaded: Loaded, host: str | None, port: int | None, workers: int | None = None
) -> Loaded:
    """The settings with what the command line says over them."""
    import msgspec

    server = loaded.settings.server
    server = msgspec.structs.replace(
        server,
        host=server.host if host is None else host,
        port=server.port if port is None else port,
        workers=server.workers if workers is None else workers,
    )
    settings = msgspec.structs.replace(loaded.settings, server=server)
    return msgspec.structs.replace(loaded, settings=settings)


def run(serving: Callable[[], Coroutine[None, None, None]]) -> None:
    """On uvloop where there is one."""
    try:
        import uvloop
    except ImportError:  # not on Windows
        asyncio.run(serving())
    else:
        uvloop.run(serving())
