"""`scrimp serve`: the gateway in the foreground."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scrimp.cli.options import config_option, examples, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

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
    "--log-level",
    type=click.Choice(LEVELS),
    default="warning",
    show_default=True,
    help="What to log to stderr; never prompts, never keys.",
)
@config_option
def serve_command(host: str | None, port: int | None, log_level: str, config: Path | None) -> None:
    """Run the gateway.

    Its first lines say what to paste into a client. Ctrl-C or SIGTERM ends it: calls in the air may
    finish, then the ledger is closed.
    """
    from scrimp.cli.console import dim, say
    from scrimp.cli.greeting import greeting
    from scrimp.cli.logs import log_to_stderr
    from scrimp.cli.signals import Stopping
    from scrimp.gateway.listening import bind, check_bind
    from scrimp.gateway.server import serve

    loaded = overridden(load_settings(config), host, port)
    check_bind(loaded)
    server = loaded.settings.server
    with bind(server.host, server.port) as listener, Stopping() as stopping:
        check_state(loaded)
        log_to_stderr(log_level)

        def started(url: str) -> None:
            stopping.served()
            say(*greeting(loaded, url))

        run(lambda: serve(loaded, listener, started=started))
        say(dim("Stopped; the ledger is closed."))


def check_state(loaded: Loaded) -> None:
    """Refuse to start where no state can be kept. Raises ConfigError."""
    from scrimp.errors import ConfigError
    from scrimp.gateway.secret import tenant_secret

    folder = loaded.settings.state_path
    try:
        tenant_secret(folder)
    except OSError as error:
        raise ConfigError(
            f"the state folder {folder} cannot be used: {error.strerror or error} "
            "(name another: state_dir in scrimp.toml, or $SCRIMP_STATE)"
        ) from error


def overridden(loaded: Loaded, host: str | None, port: int | None) -> Loaded:
    """The settings with what the command line says over them."""
    import msgspec

    server = loaded.settings.server
    server = msgspec.structs.replace(
        server,
        host=server.host if host is None else host,
        port=server.port if port is None else port,
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
