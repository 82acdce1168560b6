"""`scrimp cache`: what the exact cache holds and how often it answered, and how to empty it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from scrimp.settings import Loaded

_Engine = Literal["sqlite", "redis", "postgres", "memory"]
_KEY_ENV = "SCRIMP_KEY"

tenant_option = click.option(
    "--tenant",
    metavar="NAME",
    help="Only this one's: key:NAME for a key, local without keys.",
)


@click.group(
    name="cache",
    short_help="Look at remembered replies, forget or make them.",
    epilog=examples(
        "scrimp cache stats",
        "scrimp cache stats --tenant key:ci --json",
        "scrimp cache invalidate --tag product:42 --dry-run",
        "scrimp cache clear --task code_review",
    ),
)
def cache_command() -> None:
    """Look at remembered replies, forget or make them.

    Works on the file or the Redis of the settings, whether or not a gateway runs. A cache in memory
    lives in the gateway's process: the one that runs is asked.
    """


@cache_command.command(
    name="stats",
    short_help="Show replies, bytes, hits and misses.",
    epilog=examples("scrimp cache stats", "scrimp cache stats --config prod.toml --json"),
)
@tenant_option
@config_option
@json_option
def stats_command(tenant: str | None, config: Path | None, *, as_json: bool) -> None:
    """Show what is remembered, and how often it answered, by tenant and task type.

    Hits and misses of a running gateway arrive within a second or so. Where one cache cannot be
    read, it says why and shows the other.
    """
    from scrimp.cli.cache_semantic import show_semantic
    from scrimp.cli.cache_view import show
    from scrimp.cli.console import note, print_json

    loaded = load_settings(config)
    exact, semantic = _both_stats(loaded, tenant)
    told = {"place": place_of(loaded), **exact}
    if as_json:
        print_json(told if semantic is None else told | {"semantic": semantic})
        return
    for name, part in (("exact", exact), ("semantic", semantic or {})):
        if "error" in part:
            note(f"{name} cache: {part['error']}")
    if "error" not in exact:
        show(told)
    if semantic is not None and "error" not in semantic:
        show_semantic(semantic)


@cache_command.command(
    name="clear",
    short_help="Forget remembered replies.",
    epilog=examples(
        "scrimp cache clear",
        "scrimp cache clear --tenant key:ci",
        "scrimp cache clear --tenant key:ci --task summarization",
    ),
)
@tenant_option
@click.option("--task", metavar="TYPE", help="Only replies of this task type.")
@config_option
@json_option
def clear_command(
    tenant: str | None, task: str | None, config: Path | None, *, as_json: bool
) -> None:
    """Forget remembered replies, by word and by meaning: all, or those of a tenant, of a task type.

    Gateways that run see it within five seconds. Hits and misses stay counted.
    """
    from scrimp.cli.console import print_json

    loaded = load_settings(config)
    found = _clear(loaded, tenant, task)
    if as_json:
        told = {"cleared": sum(found.values()), "caches": found}
        print_json({**told, "places": places_of(loaded, found)})
    else:
        say_forgotten("Forgot", loaded, found)


def say_forgotten(verb: str, loaded: Loaded, found: Mapping[str, int]) -> None:
    """A line for each cache that was asked, with its own number."""
    from scrimp.cli.console import say

    for name, place in places_of(loaded, found).items():
        number = found[name]
        kind = " by meaning" if name == "semantic_cache" else ""
        say(f"{verb} {number:,} {'reply' if number == 1 else 'replies'}{kind} in {place}.")


def places_of(loaded: Loaded, found: Iterable[str]) -> dict[str, str]:
    """Where each of these caches is."""
    where = {"exact_cache": place_of, "semantic_cache": _meanings_place}
    return {name: where[name](loaded) for name in found}


def _meanings_place(loaded: Loaded) -> str:
    """Where answers by meaning are, for people; never with a password."""
    from scrimp.semantics.tables import url_env_of

    section = loaded.settings.semantic_cache
    return _place(loaded, section.engine, loaded.settings.semantic_path, url_env_of(section))


def place_of(loaded: Loaded) -> str:
    """Where replies by word are, for people; never with a password."""
    section = loaded.settings.exact_cache
    return _place(loaded, section.engine, loaded.settings.cache_path, section.url_env)


def _place(loaded: Loaded, engine: _Engine, path: Path, url_env: str) -> str:
    from scrimp.cli.console import short_path

    match engine:
        case "sqlite":
            return short_path(path)
        case "redis":
            return f"the Redis of ${url_env}"
        case "postgres":
            return f"the PostgreSQL of ${url_env}"
        case "memory":
            return _gateway_memory(loaded)


def _gateway_memory(loaded: Loaded) -> str:
    server = loaded.settings.server
    return f"the memory of the gateway at {server.host}:{server.port}"


def _both_stats(loaded: Loaded, tenant: str | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What the exact and the semantic cache tell; `error` is why one of them tells nothing.

    Raises ScrimpError where neither does.
    """
    from scrimp.errors import ScrimpError

    failed: ScrimpError | None = None
    exact: dict[str, Any] = {}
    try:
        exact = _stats(loaded, tenant)
    except ScrimpError as error:
        failed, exact = error, {"error": str(error)}
    semantic: dict[str, Any] | None
    try:
        semantic = semantic_of(loaded, exact, tenant)
    except ScrimpError as error:
        semantic = {"error": str(error)}
    if semantic is None and loaded.settings.semantic_cache.enabled:
        semantic = {
            "error": f"answers by meaning are in {_gateway_memory(loaded)}, and it told "
            f"nothing of them (is it running? it wants {_KEY_ENV} where keys are, and no --tenant)"
        }
    if failed is not None and (semantic is None or "error" in semantic):
        raise failed
    return exact, semantic


def _stats(loaded: Loaded, tenant: str | None) -> dict[str, Any]:
    from scrimp.cached_replies import cache_stats
    from scrimp.gateway.views import stats_view

    if loaded.settings.exact_cache.engine != "memory":
        return stats_view(asyncio.run(cache_stats(loaded, tenant)))
    only_own(tenant)
    return ask_gateway(loaded, "GET", "/v1/scrimp/cache")


def semantic_of(
    loaded: Loaded,
    told: dict[str, Any],
    tenant: str | None,
    period: tuple[datetime, datetime] | None = None,
) -> dict[str, Any] | None:
    """What is known of answers by meaning: a running gateway knows most.

    Raises StoreError where there is no file or server of them.
    """
    if not loaded.settings.semantic_cache.enabled:
        return None
    from scrimp.cli.cache_semantic import semantic_stats
    from scrimp.errors import ScrimpError

    asked: dict[str, Any] | None = None
    if "semantic" not in told and tenant is None and not _asked_in_vain(loaded, told):
        try:
            asked = ask_gateway(loaded, "GET", "/v1/scrimp/cache", timeout_s=2.0)
        except ScrimpError:
            asked = None  # none runs here, or it wants a key: the file tells its counts
    return semantic_stats(loaded, told, asked, tenant, period)


def _asked_in_vain(loaded: Loaded, told: dict[str, Any]) -> bool:
    return "error" in told and loaded.settings.exact_cache.engine == "memory"


def _clear(loaded: Loaded, tenant: str | None, task: str | None) -> dict[str, int]:
    """How many were forgotten, by the name of the cache."""
    from scrimp.cached_replies import forget_cached
    from scrimp.remembered import Chosen

    if task is not None:
        check_task(task)
    if loaded.settings.exact_cache.engine != "memory":
        chosen = Chosen(tenant=tenant or "", task=task or "")
        found = {"exact_cache": asyncio.run(forget_cached(loaded, chosen))}
        return found | _clear_meanings(loaded, tenant, task)
    only_own(tenant)
    path = "/v1/scrimp/cache" + (f"/{task}" if task else "")
    return dict(ask_gateway(loaded, "DELETE", path)["caches"])


def _clear_meanings(loaded: Loaded, tenant: str | None, task: str | None) -> dict[str, int]:
    from scrimp.app import system_clock
    from scrimp.cli.console import note
    from scrimp.remembered import all_of

    section = loaded.settings.semantic_cache
    if not section.enabled:
        return {}
    if section.engine == "memory":
        note(
            "answers by meaning are in the memory of the gateway: ask it (DELETE /v1/scrimp/cache)"
        )
        return {}
    from scrimp.by_meaning import forget_by_meaning

    clock = system_clock()
    chosen = all_of(tenant or "", task or "", clock.now())
    gone = asyncio.run(forget_by_meaning(loaded, clock, chosen, dry_run=False))
    return {"semantic_cache": gone}


def check_task(task: str) -> None:
    """Raises click.BadParameter for what is no task type."""
    from scrimp.tasks import TTL_S

    if task not in TTL_S:
        raise click.BadParameter(
            f"{task!r} is no task type (one of: {', '.join(TTL_S)})", param_hint="--task"
        )


def only_own(tenant: str | None) -> None:
    """Raises ConfigError: over HTTP everybody reaches the own part."""
    from scrimp.errors import ConfigError

    if tenant is not None:
        raise ConfigError(
            "--tenant works on a cache that is shared (exact_cache.engine sqlite or redis); a "
            f"gateway's memory shows each key its own part (name the key: {_KEY_ENV}=sk-scrimp-…)"
        )


def ask_gateway(
    loaded: Loaded, method: str, path: str, body: object = None, *, timeout_s: float = 10.0
) -> dict[str, Any]:
    """Ask the running gateway. Raises StoreError, and InvalidRequest for what it refuses."""
    import http.client

    import msgspec

    from scrimp.errors import InvalidRequest, StoreError

    server = loaded.settings.server
    place = f"{server.host}:{server.port}"
    key = os.environ.get(_KEY_ENV, "")
    headers = {"Host": "localhost", "Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)  # noqa: S104 - read, not bound
    connection = http.client.HTTPConnection(host, server.port, timeout=timeout_s)
    try:
        connection.request(
            method, path, None if body is None else msgspec.json.encode(body), headers
        )
        answer = connection.getresponse()
        told: dict[str, Any] = msgspec.json.decode(answer.read(1 << 24), type=dict[str, Any])
    except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
        raise StoreError(
            f"replies are in the memory of a gateway, and none answers at {place} "
            '(start it: scrimp serve; or exact_cache.engine = "sqlite")'
        ) from error
    finally:
        connection.close()
    if answer.status == 401:
        raise StoreError(f"the gateway wants a key: export {_KEY_ENV}=sk-scrimp-… (its own part)")
    if answer.status != 200:
        said = told.get("error")
        words = said.get("message", said) if isinstance(said, dict) else said
        if answer.status < 500:
            raise InvalidRequest(str(words))
        raise StoreError(f"the gateway says {answer.status}: {words}")
    return told
