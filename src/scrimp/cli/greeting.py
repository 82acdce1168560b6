"""The first lines of `scrimp serve`: what to paste, who answers, where it is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from scrimp import __version__
from scrimp.app import stored_keys
from scrimp.cli.console import dim, heading, short_path, this_command

if TYPE_CHECKING:
    from scrimp.settings import Loaded, Settings

_EVERYWHERE = {"http://0.0.0.0:": "http://127.0.0.1:", "http://[::]:": "http://[::1]:"}


def greeting(loaded: Loaded, url: str) -> list[str | Text]:
    """The lines, the most wanted ones first."""
    base = paste_url(url)
    return [
        heading(f"Scrimp {__version__} answers at {url}"),
        "",
        "Give it to a client:",
        f"  OPENAI_BASE_URL={base}/v1",
        f"  ANTHROPIC_BASE_URL={base}",
        "",
        *(_row(name, text) for name, text in _facts(loaded, url)),
        dim(f"Stop it with Ctrl-C. See what it saves with: {this_command()} report"),
    ]


def _workers(settings: Settings) -> str:
    """How many, and what each of them has for itself."""
    count, cache = f"{settings.server.workers} processes", settings.exact_cache
    if not cache.enabled:
        return count
    shared = cache.engine != "memory"
    mib = (cache.memory_bytes if shared else cache.max_bytes) // (1024 * 1024)
    if not shared:
        return f"{count}; each remembers answers of its own, up to {mib:,} MiB"
    return f"{count}; each has up to {mib:,} MiB of memory before the exact cache that they share"


def paste_url(url: str) -> str:
    """An address that a client on this machine can use, also when all addresses are served."""
    for everywhere, here in _EVERYWHERE.items():
        if url.startswith(everywhere):
            return here + url.removeprefix(everywhere)
    return url


def _row(name: str, text: str) -> Text:
    return Text.assemble((f"{name:<10}", "dim"), text)


def _facts(loaded: Loaded, url: str) -> list[tuple[str, str]]:
    settings = loaded.settings
    facts = [("providers", providers(loaded)), ("clients", _clients(loaded))]
    if paste_url(url) != url and not settings.server.allowed_hosts:
        facts.append(("machines", "others must be let in: server.allowed_hosts in scrimp.toml"))
    if settings.server.workers > 1:
        facts.append(("workers", _workers(settings)))
    facts.append(("ledger", short_path(settings.ledger_path)))
    facts.append(("settings", short_path(loaded.source)))
    return facts


def providers(loaded: Loaded) -> str:
    """Which providers are configured, or how to configure one."""
    settings = loaded.settings
    if not settings.providers:
        return "none yet: export OPENAI_API_KEY=… or ANTHROPIC_API_KEY=… and start again"
    brought = settings.auth.mode == "passthrough"
    return ", ".join(
        name
        if brought or not provider.key_env or name in loaded.secrets
        else f"{name} ({provider.key_env} is not set)"
        for name, provider in settings.providers.items()
    )


def _clients(loaded: Loaded) -> str:
    settings = loaded.settings
    if settings.auth.mode == "passthrough":
        return "bring their own provider keys"
    if settings.keys:
        count = len(settings.keys)
        if stored_keys(settings):
            return f"need one of {count} keys of scrimp.toml, or of: {this_command()} keys list"
        return f"need {'the key' if count == 1 else f'one of {count} keys'} of scrimp.toml"
    if stored_keys(settings):
        return f"need a key ({this_command()} keys list)"
    return "on this machine need no key (any API key will do)"
