"""`scrimp cache invalidate`: forget the answers that somebody means, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from scrimp.cli.cache import ask_gateway, only_own, places_of, say_forgotten, tenant_option
from scrimp.cli.options import config_option, examples, json_option, load_settings

if TYPE_CHECKING:
    from scrimp.remembered import Chosen, Forgets
    from scrimp.settings import Loaded


class InvalidateOptions(TypedDict):
    """The arguments of the command."""

    key: str | None
    tag: str | None
    pattern: str | None
    model: str | None
    older_than: str | None
    tenant: str | None
    task: str | None
    dry_run: bool
    config: Path | None
    as_json: bool


_CHOICES = ("key", "tag", "pattern", "model", "older_than", "task")


@click.command(
    name="invalidate",
    short_help="Forget the replies that are meant.",
    epilog=examples(
        "scrimp cache invalidate --tag product:42 --dry-run",
        "scrimp cache invalidate --tag product:42",
        "scrimp cache invalidate --pattern 'faq/returns*' --older-than 7d",
        "scrimp cache invalidate --model gpt-4o-mini --tenant key:web",
    ),
)
@click.option("--key", metavar="NAME", help="The name that a caller gave an answer.")
@click.option("--tag", metavar="TAG", help="A tag that a caller gave answers.")
@click.option(
    "--pattern",
    metavar="GLOB",
    help="Names, tags or answers that look like this (* ? [abc]; upper and lower case alike).",
)
@click.option("--model", metavar="MODEL", help="Answers of this model.")
@click.option("--older-than", metavar="TIME", help="Remembered longer ago: 90s, 30m, 24h, 7d.")
@tenant_option
@click.option("--task", metavar="TYPE", help="Only replies of this task type.")
@click.option("--dry-run", is_flag=True, help="Only say how many that would be.")
@config_option
@json_option
def invalidate_command(**options: Unpack[InvalidateOptions]) -> None:
    """Forget the remembered replies that are meant; all that is said must hold.

    Callers name answers with the headers x-scrimp-cache-name and x-scrimp-cache-tags. An answer
    that is still on its way is not remembered either, if it was asked for before. Gateways that run
    see it within five seconds.

    A pattern also looks into the texts of answers. Those of questions are not kept: a pattern that
    matches nothing is refused, so that nobody takes it for done.
    """
    from scrimp.cli.console import print_json

    if not any(options[name] for name in (*_CHOICES, "tenant")):  # type: ignore[literal-required]  # names of the dict
        raise click.UsageError(
            "nothing says which replies are meant (--key, --tag, --pattern, --model, --older-than, "
            "--tenant or --task; scrimp cache clear forgets all)"
        )
    loaded = load_settings(options["config"])
    told = _invalidate(options)
    if options["as_json"]:
        print_json({**told, "places": places_of(loaded, told["caches"])})
    else:
        say_forgotten("Would forget" if options["dry_run"] else "Forgot", loaded, told["caches"])


def _invalidate(options: InvalidateOptions) -> dict[str, Any]:
    """Raises InvalidRequest, StoreError, ConfigError."""
    from scrimp.remembered import Chosen, check_chosen
    from scrimp.shell.forgetting import Choice, chosen_of, invalidate

    loaded, tenant = load_settings(options["config"]), options["tenant"]
    said = {name: options[name] for name in _CHOICES if options[name]}  # type: ignore[literal-required]
    if loaded.settings.exact_cache.engine == "memory":
        only_own(tenant)
        body = {**said, "dry_run": options["dry_run"]}
        return ask_gateway(loaded, "POST", "/v1/scrimp/cache/invalidate", body)
    if said:
        chosen = chosen_of(Choice(**said), tenant or "", datetime.now(UTC))
    else:  # all of one tenant; over HTTP the tenant is the asker's, and nothing would be said
        check_chosen(chosen := Chosen(tenant=tenant or ""))
    dry_run = options["dry_run"]
    found = asyncio.run(invalidate(_caches(loaded), chosen, dry_run=dry_run))
    return {"invalidated": sum(found.values()), "dry_run": dry_run, "caches": found}


class _Place:
    """A cache that this process can reach itself."""

    def __init__(self, forget: Callable[..., Awaitable[int]]) -> None:
        self._forget = forget

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget, or count."""
        return await self._forget(chosen, dry_run=dry_run)


def _caches(loaded: Loaded) -> dict[str, Forgets]:
    """The exact cache, and the file of answers by meaning where there is one."""
    from scrimp.app import system_clock
    from scrimp.cached_replies import forget_cached
    from scrimp.cli.console import note

    found: dict[str, Forgets] = {"exact_cache": _Place(partial(forget_cached, loaded))}
    section = loaded.settings.semantic_cache
    if section.enabled and section.engine != "memory":
        from scrimp.by_meaning import forget_by_meaning

        forget = partial(forget_by_meaning, loaded, system_clock())
        found["semantic_cache"] = _Place(forget)
    elif section.enabled:
        note(
            "answers by meaning are in the memory of the gateway: ask it "
            "(POST /v1/scrimp/cache/invalidate)"
        )
    return found
