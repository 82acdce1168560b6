"""What `scrimp doctor` looks at. Each check reads, none changes anything or calls a provider."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from scrimp import __version__
from scrimp.app import open_encoder, open_ledger_reader
from scrimp.billing import book_of
from scrimp.bookfile import base_book, book_path, updated_book
from scrimp.cli.console import short_path
from scrimp.cli.doctor_alerts import alerts
from scrimp.cli.doctor_budgets import budgets
from scrimp.cli.doctor_cache import cache
from scrimp.cli.doctor_choice import choices
from scrimp.cli.doctor_control import keys
from scrimp.cli.doctor_fallback import fallbacks
from scrimp.cli.doctor_jobs import jobs
from scrimp.cli.doctor_port import ask_ready, port_findings
from scrimp.cli.doctor_semantic import semantic_cache
from scrimp.cli.finding import Finding
from scrimp.cli.options import load_settings
from scrimp.errors import ConfigError, StoreError
from scrimp.prices.book import PriceBook, load_book
from scrimp.served import targets_of
from scrimp.settings import Loaded, Settings

__all__ = ["Finding", "all_findings"]

_OLD_PRICES_DAYS = 60
_LITTLE_SPACE_BYTES = 200 * 2**20
_ONE_OF_EACH_VOCABULARY = ("gpt-4o", "gpt-4")
_OTHERS = 0o077


def all_findings(config: Path | None) -> Iterator[Finding]:
    """Every check in turn; those that need settings only when there are usable ones."""
    yield Finding("ok", "scrimp", f"{__version__}, Python {sys.version.split()[0]}, {_loop()}")
    try:
        loaded = load_settings(config)
        targets = targets_of(loaded.settings, book_of(loaded.settings, _undamaged(loaded.settings)))
    except ConfigError as error:
        yield Finding("fail", "settings", str(error), "mend the file, or name another: --config")
        yield from prices(Settings())
        yield from vocabularies()
        return
    yield Finding("ok", "settings", f"read from {short_path(loaded.source)}")
    yield from providers(loaded)
    yield from state(loaded.settings.state_path)
    yield from ledger(loaded.settings)
    yield from cache(loaded)
    yield from semantic_cache(loaded)
    yield from choices(loaded, targets)
    yield from fallbacks(loaded, targets)
    yield from budgets(loaded.settings, config)
    yield from keys(loaded.settings, config)
    yield from alerts(loaded)
    yield from jobs(loaded)
    yield from port_findings(loaded, ask_ready)
    yield from prices(loaded.settings)
    yield from vocabularies()


def _loop() -> str:
    try:
        return f"uvloop {version('uvloop')}"
    except PackageNotFoundError:
        return "asyncio (uvloop is faster)"


def providers(loaded: Loaded) -> Iterator[Finding]:
    """Whether each provider's key is there. Never the key itself."""
    settings = loaded.settings
    if not settings.providers:
        way_out = "export OPENAI_API_KEY=… or ANTHROPIC_API_KEY=…, or add one to scrimp.toml"
        yield Finding("fail", "providers", "none is configured: no call can be answered", way_out)
    for name, provider in settings.providers.items():
        if name in loaded.secrets:
            yield Finding("ok", "providers", f"{name}: {provider.key_env} is set")
        elif settings.auth.mode == "passthrough":
            yield Finding("ok", "providers", f"{name}: clients bring their own key")
        elif provider.key_env:
            said = f"{name}: {provider.key_env} is not set"
            yield Finding("warn", "providers", said, f"export {provider.key_env}=…")
        else:
            yield Finding("ok", "providers", f"{name}: asks for no key")


def state(folder: Path) -> Iterator[Finding]:
    """The state folder: there or makeable, writable, closed to others, with room."""
    shown = short_path(folder)
    if not folder.exists():
        yield Finding("ok", "state", f"{shown} is not there yet; scrimp serve makes it")
        return
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("fail", "state", f"{shown} cannot be written to", f"chmod u+rwx {shown}")
        return
    mode = folder.stat().st_mode & 0o777
    free = shutil.disk_usage(folder).free
    if mode & _OTHERS:
        said = f"{shown} is open to others (mode {mode:03o})"
        yield Finding("warn", "state", said, f"chmod 700 {shown}")
    elif free < _LITTLE_SPACE_BYTES:
        said = f"{shown} has {free // 2**20:,} MB left, less than {_LITTLE_SPACE_BYTES // 2**20:,}"
        yield Finding("warn", "state", said, "make room: the ledger grows by about 1 kB per call")
    else:
        yield Finding("ok", "state", f"{shown} (mode {mode:03o}, {free / 2**30:,.1f} GB free)")


def ledger(settings: Settings) -> Iterator[Finding]:
    """The ledger's file: whole, private, writable, its sums equal to its calls, nothing waiting."""
    path = settings.ledger_path
    shown = short_path(path)
    if not path.exists():
        yield Finding("ok", "ledger", f"{shown} is not there yet; scrimp serve makes it")
        return
    yield from _file_findings(path, shown)
    try:
        check = open_ledger_reader(settings).check()
    except StoreError as error:
        yield Finding("fail", "ledger", str(error), "restore it, or name another: ledger.path")
        return
    for problem in check.problems:
        way_out = "keep a copy of the file and start with another one: ledger.path"
        yield Finding("fail", "ledger", problem, way_out)
    if check.spilled:
        said = f"{check.spilled:,} entries wait in {shown}.spill.jsonl"
        yield Finding("warn", "ledger", said, "the next scrimp serve reads them back")
    if check.ok:
        calls = f"{check.calls:,} {'call' if check.calls == 1 else 'calls'}"
        said = f"whole, {calls}, every sum equals its calls (schema {check.schema_version})"
        yield Finding("ok", "ledger", said)


def _file_findings(path: Path, shown: str) -> Iterator[Finding]:
    mode = path.stat().st_mode & 0o777
    if not os.access(path, os.W_OK):
        yield Finding("fail", "ledger", f"{shown} cannot be written to", f"chmod 600 {shown}")
    elif mode & _OTHERS:
        said = f"{shown} can be read by others (mode {mode:03o})"
        yield Finding("warn", "ledger", said, f"chmod 600 {shown}")
    else:
        yield Finding("ok", "ledger", f"{shown} (mode {mode:03o})")


def prices(settings: Settings) -> Iterator[Finding]:
    """The price book: which one is in use, its version, how old it is, whether it is whole."""
    path = book_path(settings)
    try:
        updated = updated_book(settings)
    except ConfigError as error:
        said = str(error).partition(" (")[0]
        way_out = f"scrimp prices update, or without your update: rm {short_path(path)}"
        yield Finding("fail", "prices", said, way_out)
        return
    book = base_book(settings)
    age = (datetime.now(UTC).date() - book.compiled_on).days
    kept = f"updated, {short_path(path)}" if book is updated else "ships with scrimp"
    said = f"{book.source}, {max(age, 0)} days ago ({kept}; version {book.version})"
    if age > _OLD_PRICES_DAYS:
        way_out = "upgrade scrimp, or scrimp prices update"
        yield Finding("warn", "prices", said, way_out)
    else:
        yield Finding("ok", "prices", said)
    if updated is not None and book is not updated:
        older = f"{short_path(path)} is of {updated.compiled_on}, older than the book that ships"
        yield Finding("ok", "prices", f"{older}: not used")


def _undamaged(settings: Settings) -> PriceBook:
    """The book in use; of a damaged one the check of prices tells."""
    try:
        return base_book(settings)
    except ConfigError:
        return load_book()


def vocabularies() -> Iterator[Finding]:
    """The tokenizers' vocabularies: there and undamaged (read in full, checked by digest)."""
    encoder = open_encoder()
    try:
        methods = [encoder.count_now(model, "a").method for model in _ONE_OF_EACH_VOCABULARY]
    except ConfigError as error:
        yield Finding("fail", "vocabulary", str(error), "reinstall scrimp")
        return
    yield Finding("ok", "vocabulary", f"{' and '.join(methods)} are there and undamaged")
