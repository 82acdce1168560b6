"""`scrimp init`: writes a scrimp.toml in which everything is there to be switched on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from scrimp.cli.options import examples


@click.command(
    name="init",
    short_help="Write a commented scrimp.toml.",
    epilog=examples("scrimp init", "scrimp init --path ~/.config/scrimp/scrimp.toml"),
)
@click.option(
    "--path",
    type=Path,
    metavar="PATH",
    default=Path("scrimp.toml"),
    show_default=True,
    help="Where to write it.",
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def init_command(path: Path, *, force: bool) -> None:
    """Write a commented scrimp.toml.

    Every setting is in it with its default, commented out. Provider keys never are: the file names
    the variables that hold them.
    """
    from scrimp.cli.console import say, this_command
    from scrimp.errors import ConfigError

    text = document(os.environ)
    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path} is there already (overwrite it: scrimp init --force)") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    found = found_providers(os.environ)
    names = ", ".join(f"{name} ({variable})" for name, variable in found)
    say(f"Wrote {path}: every setting with its default, commented out.")
    say(f"Providers in the environment: {names or 'none yet (export OPENAI_API_KEY=…)'}.")
    say(f"Next: {this_command()} serve")


def found_providers(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Providers that work without any file, with the variable that holds their key."""
    from scrimp.providers import DEFAULT_PROVIDERS

    return [(one.name, one.key_env) for one in DEFAULT_PROVIDERS if environ.get(one.key_env)]


def document(environ: Mapping[str, str]) -> str:
    """The file's text. Names of providers come from the environment, nothing else does."""
    from scrimp.cli.init_text import TEMPLATE

    names = ", ".join(f"{name} ({variable})" for name, variable in found_providers(environ))
    return TEMPLATE.replace("<FOUND>", names or "none")
