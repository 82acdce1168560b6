"""A real gateway in a thread of its own, in front of anything that has an address."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from scrimp.app import App, open_app
from scrimp.gateway.listening import address, bind
from scrimp.gateway.metrics import Metrics
from scrimp.gateway.server import GatewayServer, server_of
from scrimp.ports import Entry
from scrimp.settings import Loaded, parse
from scrimp.stores.sqlite_ledger_read import LedgerReader

_START_LIMIT_S = 20.0


class RunningGateway:
    """One gateway: its address, its settings, its ledger as a reader sees it."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.url = ""
        self.app: App
        self._server: GatewayServer
        self._loop: asyncio.AbstractEventLoop
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="gateway under test", daemon=True)

    @property
    def openai_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"{self.url}/v1"

    def start(self) -> None:
        """Serve; returns when calls are answered."""
        self._thread.start()
        assert self._ready.wait(_START_LIMIT_S), "the gateway did not start"
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Drain and end, as SIGTERM would. May be called twice."""
        if self._thread.is_alive():
            self._server.should_exit = True
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def settle(self) -> None:
        """Wait until every finished call is in the ledger."""

        async def wait() -> None:
            await self.app.outbox.drained()
            await self.app.ledger.flush()

        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(wait(), self._loop).result(_START_LIMIT_S)

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        self.settle()
        recent = LedgerReader(self.loaded.settings.ledger_path).recent(10_000)
        return sorted(recent, key=lambda entry: entry.id)

    def tasks(self) -> int:
        """How many tasks run on its event loop now."""

        async def count() -> int:
            return len(asyncio.all_tasks()) - 1

        return asyncio.run_coroutine_threadsafe(count(), self._loop).result(_START_LIMIT_S)

    def _main(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as error:  # noqa: BLE001 (handed to the thread that started this one)
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = self.loaded.settings.server
        metrics = Metrics()
        async with open_app(self.loaded, watch=metrics.add) as app:
            self.app = app
            listener = bind(server.host, 0)
            self.url = address(listener)
            secret = self.loaded.events_secret
            self._server = server_of(app, self._ready.set, metrics, events_secret=secret)
            await self._server.serve(sockets=[listener])


@contextmanager
def gateway(
    upstream: str,
    *,
    more: str = "",
    providers: str | None = None,
    cache_url: str = "",
    events_secret: str = "",
    semantic_url: str = "",
) -> Iterator[RunningGateway]:
    """A gateway whose `openai` and `anthropic` providers are `upstream`, on a free port.

    `more` is TOML for the top of the settings (`[exact_cache]` tables and the like), `providers`
    replaces the table of providers, `cache_url` is that of the cache's Redis, `semantic_url` that
    of a PostgreSQL. Retries wait a millisecond unless `more` says otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="scrimp-test-") as folder:
        if providers is None:
            providers = (
                f'[providers.openai]\nbase_url = "{upstream}/v1"\n'
                f'dialects = ["openai.chat", "openai.responses"]\nkey_env = "OPENAI_KEY"\n'
                f'[providers.anthropic]\nbase_url = "{upstream}/v1"\n'
                f'dialects = ["anthropic.messages"]\nkey_env = "ANTHROPIC_KEY"\n'
            )
        retry = "" if "[retry]" in more else "[retry]\nbase_s = 0.001\nmax_wait_s = 0.002\n"
        text = f'state_dir = "{Path(folder) / "state"}"\n{more}\n{retry}{providers}'
        settings = parse(text.encode(), source="the test")
        secrets = {
            name: f"sk-provider-{name}"
            for name, provider in settings.providers.items()
            if provider.key_env
        }
        loaded = Loaded(
            settings,
            "the test",
            secrets,
            cache_url,
            events_secret=events_secret,
            semantic_url=semantic_url,
        )
        running = RunningGateway(loaded)
        running.start()
        try:
            yield running
        finally:
            running.stop()
