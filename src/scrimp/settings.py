"""What `scrimp.toml` may say, checked; and what holds when there is no file.

Reading the environment and the file happens only in `load`. Secrets are read from the variables
that the file names; they are never written in it and never shown in a repr.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
import platformdirs

from scrimp.alerts import tables as alerts
from scrimp.batches.tables import DEFER_TABLES, check_defer
from scrimp.batches.tables import variables as job_variables
from scrimp.budgets.tables import SECTIONS, BudgetTable, TierTable, check_tables
from scrimp.clamping.tables import CLAMP_TABLES, ClampTable, check_clamp
from scrimp.errors import ConfigError
from scrimp.likeness import IGNORABLE
from scrimp.notices import AlertKind
from scrimp.packing.tables import PACKING_TABLES, check_pack
from scrimp.prefixes.tables import PREFIX_TABLES
from scrimp.prices.own import PriceSettings, PriceTables, UnpricedSection
from scrimp.providers import DEFAULT_PROVIDERS, SpokenDialect
from scrimp.routing.cascade_tables import CASCADE_TABLES, CascadeTable, check_cascade
from scrimp.routing.fallback_tables import FALLBACK_TABLES, check_fallback
from scrimp.routing.tables import ROUTE_TABLES, check_route
from scrimp.sections import (
    AdminSection,
    AuthSettings,
    EventsSection,
    ExactCacheSection,
    KeySettings,
    LedgerSection,
    MetricsSection,
    ModelSettings,
    ProviderSettings,
    RetrySection,
    ServerSettings,
    Settings,
    TimeoutSettings,
)
from scrimp.semantics.tables import JudgeName, SemanticCacheSection, check_table, url_env_of
from scrimp.shrinking.tables import SHRINKING_TABLES, check_shrinking
from scrimp.tasks import TTL_S

__all__ = [
    "KeySettings",
    "Loaded",
    "ProviderSettings",
    "ServerSettings",
    "Settings",
    "complete",
    "load",
    "parse",
    "read",
    "ttl_seconds",
    "with_alerts",
]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_S = 3650 * _UNITS_S["d"]


class Loaded(msgspec.Struct, frozen=True):
    """Settings with where they came from and the secrets that they name (provider → key).

    `cache_url` is the URL of the exact cache's Redis, `semantic_url` that of the semantic cache's
    server; both may hold a password. `alert_secrets` are values of the variables that
    `[alerts]` and `[defer.webhook]` name, by their names. `events_secret` is what
    events from outside are signed with; empty where none are taken.
    """

    settings: Settings
    source: str
    secrets: dict[str, str]
    cache_url: str = ""
    alert_secrets: dict[str, str] = {}
    events_secret: str = ""
    semantic_url: str = ""

    def __repr__(self) -> str:
        """Without secrets."""
        return f"Loaded(source={self.source!r}, secrets of {sorted(self.secrets)})"


def load(environ: Mapping[str, str], path: Path | None = None) -> Loaded:
    """Settings from `path`, else SCRIMP_CONFIG, ./scrimp.toml, the user's folder, else defaults.

    Without a table of providers, those whose key is in the environment are configured. Raises
    ConfigError in one line that names the file and the field.
    """
    found = _find(environ, path)
    settings = Settings() if found is None else parse(_read(found), source=str(found))
    return complete(settings, environ, source=str(found) if found else "the environment")


def complete(settings: Settings, environ: Mapping[str, str], *, source: str) -> Loaded:
    """Settings with what only the environment knows: secrets, and what is not set otherwise."""
    if not settings.providers:
        settings = msgspec.structs.replace(settings, providers=_from_environment(environ))
    if (state := environ.get("SCRIMP_STATE")) and not settings.state_dir:
        settings = msgspec.structs.replace(settings, state_dir=state)
    secrets = {
        name: environ[provider.key_env]
        for name, provider in settings.providers.items()
        if provider.key_env and environ.get(provider.key_env)
    }
    cache_url = environ.get(settings.exact_cache.url_env, "")
    semantic_url = environ.get(url_env_of(settings.semantic_cache), "")
    named = (*alerts.variables(settings.alerts), *job_variables(settings.defer))
    told = {name: environ[name] for name in named if name in environ}
    events_secret = environ.get(settings.events.secret_env, "")
    return Loaded(settings, source, secrets, cache_url, told, events_secret, semantic_url)


def with_alerts(loaded: Loaded) -> Loaded:
    """The same where there is a program to tell: on, unless the settings say off."""
    settings = loaded.settings
    enabled = settings.alerts.enabled is not False
    told = msgspec.structs.replace(settings.alerts, enabled=enabled)
    settings = msgspec.structs.replace(settings, alerts=told)
    return msgspec.structs.replace(loaded, settings=settings)


def parse(data: bytes, *, source: str) -> Settings:
    """Settings from TOML. Raises ConfigError."""
    try:
        tables = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from error
    return read(tables, source=source)


def read(tables: Mapping[str, Any], *, source: str) -> Settings:
    """Settings from the tables that the file would hold. Raises ConfigError."""
    raw = _with_known_providers(dict(tables))
    try:
        settings = msgspec.convert(raw, Settings, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_in_words(str(error), raw)}") from error
    _check(settings, source)
    return settings


def ttl_seconds(text: str) -> int:
    """Seconds of a time such as `90`, `30m`, `24h` or `7d`. Raises ConfigError."""
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", text.strip())
    if match is None:
        raise ConfigError(f"not a time: {text!r} (write it like 90s, 30m, 24h or 7d)")
    seconds = int(match[1]) * _UNITS_S[match[2] or "s"]
    if seconds > _LONGEST_S:
        raise ConfigError(f"too long: {text!r} (at most {_LONGEST_S // _UNITS_S['d']}d)")
    return seconds


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _find(environ: Mapping[str, str], path: Path | None) -> Path | None:
    named = path or (Path(environ["SCRIMP_CONFIG"]) if environ.get("SCRIMP_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"no such file: {named} (scrimp init writes one)")
        return named
    usual = (Path("scrimp.toml"), Path(platformdirs.user_config_dir("scrimp")) / "scrimp.toml")
    return next((place for place in usual if place.is_file()), None)


def _from_environment(environ: Mapping[str, str]) -> dict[str, ProviderSettings]:
    return {
        default.name: ProviderSettings(
            base_url=default.base_url,
            dialects=default.dialects,
            key_env=default.key_env,
        )
        for default in DEFAULT_PROVIDERS
        if environ.get(default.key_env)
    }


def _check_late(source: str, name: str, text: str) -> None:
    try:
        ttl_seconds(text)
    except ConfigError as error:
        raise ConfigError(f"{source}: {name}.stale_while_revalidate: {error}") from error


def _check(settings: Settings, source: str) -> None:
    for name, provider in settings.providers.items():
        if not provider.base_url.startswith(("http://", "https://")):
            raise ConfigError(f"{source}: providers.{name}.base_url must be an http(s) address")
        if not provider.dialects:
            raise ConfigError(f"{source}: providers.{name}.dialects is empty")
    for task, text in settings.exact_cache.ttl.items():
        if task not in TTL_S:
            names = ", ".join(TTL_S)
            raise ConfigError(f"{source}: exact_cache.ttl.{task} is no task type ({names})")
        try:
            ttl_seconds(text)
        except ConfigError as error:
            raise ConfigError(f"{source}: exact_cache.ttl.{task}: {error}") from error
    for name in ("exact_cache", "semantic_cache"):
        _check_late(source, name, getattr(settings, name).stale_while_revalidate)
    _check_keys(settings.keys, source)
    try:
        check_tables(settings)
        alerts.check_tables(settings)
        check_table(settings)
        check_route(settings.route, settings.aliases)
        check_cascade(settings.cascade)
        check_fallback(settings.fallback)
        check_shrinking(settings)
        check_clamp(settings.clamp_output)
        check_pack(settings)
        check_defer(settings)
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from error


def _check_keys(keys: tuple[KeySettings, ...], source: str) -> None:
    """A name is a tenant and a digest is a key: neither may stand for two."""
    names: set[str] = set()
    digests: set[str] = set()
    for key in keys:
        if key.task and key.task not in TTL_S:
            tasks = ", ".join(TTL_S)
            raise ConfigError(
                f"{source}: key '{key.name}' has an unknown task '{key.task}' (one of {tasks})"
            )
        if key.name in names:
            raise ConfigError(f"{source}: two keys have the name '{key.name}' (rename one)")
        if key.sha256 in digests:
            raise ConfigError(f"{source}: key '{key.name}' has the sha256 of another key")
        names.add(key.name)
        digests.add(key.sha256)


def _with_known_providers(raw: dict[str, Any]) -> dict[str, Any]:
    """Tables of providers that Scrimp knows need not repeat what it knows of them.

    A table with a `base_url` of its own gets no `key_env`: a provider's key goes to that provider,
    and elsewhere only when the file says so.
    """
    tables = raw.get("providers")
    if not isinstance(tables, dict):
        return raw
    filled = dict(tables)
    for one in DEFAULT_PROVIDERS:
        if isinstance(table := tables.get(one.name), dict):
            known: dict[str, Any] = {"dialects": list(one.dialects)}
            if "base_url" not in table:
                known |= {"base_url": one.base_url, "key_env": one.key_env}
            filled[one.name] = known | table
    return {**raw, "providers": filled}


_NAMED: dict[str, Any] = {
    "providers": ProviderSettings,
    "models": ModelSettings,
    "prices": PriceTables,
    "aliases": str,
    "exact_cache.ttl": str,
    "budgets": BudgetTable,
    "limits": BudgetTable,
    "tiers": TierTable,
    "cascade.tasks": CascadeTable,
    "clamp_output.tasks": ClampTable,
}
_FIELDS = {
    field.name
    for section in (
        *(Settings, ServerSettings, AuthSettings, ProviderSettings, TimeoutSettings),
        *(ModelSettings, PriceSettings, ExactCacheSection, RetrySection, LedgerSection),
        EventsSection,
        *(AdminSection, MetricsSection, KeySettings, UnpricedSection, *SECTIONS),
        *(*alerts.SECTIONS, SemanticCacheSection, *ROUTE_TABLES, *FALLBACK_TABLES),
        *CASCADE_TABLES,
        *SHRINKING_TABLES,
        *CLAMP_TABLES,
        *PREFIX_TABLES,
        *PACKING_TABLES,
        *DEFER_TABLES,
    )
    for field in msgspec.structs.fields(section)
}
_NAME_RULE = "must be 1 to 64 letters, digits, dots, hyphens or underscores"
_SHA256_RULE = "must be 64 hex digits in lower case (scrimp key NAME makes one)"
_HINTS = {
    "engine": "one of memory, sqlite, redis",
    "budget.engine": "one of auto, memory, sqlite",
    "semantic_cache.engine": "one of memory, sqlite, postgres, redis",
    "schema": "must be small letters, digits and underscores, at most 63",
    "semantic_cache.per": "one of hit, call",
    "depth": "one of rules, learned, certified",
    "calls": "one of auto, all",
    "ignore": f"any of {', '.join(IGNORABLE)}",
    "rung": "one of simple, medium, complex, expert",
    "first": "one of turns, tool_results",
    "json": "one of off, minify, columns",
    "own": "one of keep, lower",
    "truncated": "one of report, continue, again",
    "judges": f"any of {', '.join(get_args(JudgeName))}",
    "mute": f"any of {', '.join(get_args(AlertKind))}",
    "tls": "one of starttls, tls, none",
    "mode": "one of keys, passthrough",
    "policy": "one of allow, refuse, assume",
    "weekdays": "any of mon, tue, wed, thu, fri, sat, sun",
    "dialects": f"one of {', '.join(get_args(SpokenDialect))}",
}


def _in_words(message: str, raw: Mapping[str, Any]) -> str:
    """The library's `Expected int, got str - at $.server.port`, with the place first."""
    what, _, place = message.partition(" - at ")
    if place.startswith("`key` in"):
        return f"{place.rpartition('$.')[2].strip('`')}: a name {_NAME_RULE}"
    where = _named(place.strip("`").removeprefix("$").removeprefix("."), raw)
    said = _reason(what, where)
    return f"{where}: {said}" if where else said


def _reason(what: str, where: str) -> str:
    field = where.rpartition(".")[2].partition("[")[0]
    said = what[:1].lower() + what[1:]
    if what.startswith("Object contains unknown field"):
        name = what.split("`")[1]
        close = difflib.get_close_matches(name, _FIELDS - {name}, n=1)
        meant = f" (did you mean '{close[0]}'?)" if close else ""
        return f"no setting has the name '{name}'{meant}"
    if what.startswith("Object missing required field"):
        return f"'{what.split('`')[1]}' is missing"
    if "regex" in what:
        return _SHA256_RULE if field == "sha256" else _NAME_RULE
    if where.startswith("prices.") and "expected `str`" in said:
        return f'{said} (write it in quotes, so that it is exact: {field} = "0.15")'
    hint = _HINTS.get(where) or _HINTS.get(field)
    return f"{said} ({hint})" if hint and "enum" in what else said


def _named(where: str, raw: Mapping[str, Any]) -> str:
    """The library's `providers[...]` with the name of the table that it means."""
    section, dots, rest = where.partition("[...]")
    table: Any = raw
    for part in section.split("."):
        table = table.get(part) if isinstance(table, dict) else None
    if not dots or section not in _NAMED or not isinstance(table, dict):
        return where
    for name, value in table.items():
        try:
            msgspec.convert(value, _NAMED[section], strict=True)
        except msgspec.ValidationError:
            return f"{section}.{name}{rest}"
    return where
