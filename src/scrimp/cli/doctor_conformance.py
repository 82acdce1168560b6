"""`scrimp doctor --conformance URL`: known answers of every provider, played through a gateway."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from scrimp.billing import book_of
from scrimp.cli.console import print_json, say
from scrimp.cli.doctor_conformance_view import Heard, document, how_to_point, show
from scrimp.cli.options import load_settings
from scrimp.conformance.corpus import Case, load_cases
from scrimp.conformance.player import Gateway, Player, playable
from scrimp.conformance.readers import verify
from scrimp.conformance.replay import ReplayProvider
from scrimp.conformance.verdict import Verdict
from scrimp.errors import ConfigError
from scrimp.prices.book import PriceBook

_KEY_ENV = "SCRIMP_KEY"
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed."""

    config: Path | None
    url: str
    listen: str
    providers: tuple[str, ...]
    as_json: bool


def perform(wanted: Wanted) -> int:
    """Play, print, and the exit code. Raises ConfigError."""
    cases = _chosen(wanted.providers)
    if not wanted.url.startswith(("http://", "https://")):
        raise ConfigError(f"--conformance wants a gateway's URL, as http://HOST:PORT: {wanted.url}")
    host, port = _address(wanted.listen)
    book = book_of(load_settings(wanted.config).settings)
    try:
        heard = asyncio.run(_played(wanted, cases, (host, port), book))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _INTERRUPTED
    if wanted.as_json:
        print_json(document(heard))
    else:
        show(heard)
    return 0 if heard.good else 1


async def _played(
    wanted: Wanted, cases: list[Case], listen: tuple[str, int], book: PriceBook
) -> Heard:
    verdicts: list[Verdict] = []
    live = [case for case in cases if playable(case)]
    provider = ReplayProvider(live)
    async with provider.listening(*listen) as url:
        gateway = Gateway(wanted.url, os.environ.get(_KEY_ENV, ""))
        if gateway.at("") == url:
            raise ConfigError(f"{url} is the replaying provider itself: name a gateway's URL")
        if live and not wanted.as_json:
            say(*how_to_point(wanted.url, url, len(live), wanted.providers))
        with _progress(len(live), quiet=wanted.as_json) as advance:

            def done(verdict: Verdict) -> None:
                verdicts.append(verdict)
                advance()

            if live:
                await Player(gateway, provider, book).play(live, done)
    read = [verify(case, book) for case in cases]
    played = sorted(verdicts, key=lambda verdict: verdict.case)
    return Heard(wanted.url, url, tuple(played), tuple(read), must_serve=bool(wanted.providers))


def _chosen(providers: tuple[str, ...]) -> list[Case]:
    cases = load_cases()
    known = sorted({case.provider for case in cases})
    if strange := sorted(set(providers) - set(known)):
        raise ConfigError(f"no cases of {', '.join(strange)} (there are: {', '.join(known)})")
    return [case for case in cases if not providers or case.provider in providers]


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--listen wants HOST:PORT, such as 127.0.0.1:9999: {text}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _progress(total: int, *, quiet: bool) -> AbstractContextManager[Callable[[], None]]:
    """What to call after each case; a bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        return nullcontext(lambda: None)
    return _Bar(console, total)


class _Bar:
    """A progress bar that goes away when it is done."""

    def __init__(self, console: Console, total: int) -> None:
        columns = (TextColumn("Playing"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task("", total=total)

    def __enter__(self) -> Callable[[], None]:
        self._progress.start()
        return lambda: self._progress.advance(self._task)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
