"""`scrimp.Scrimp`: the engine in your own process, under your own OpenAI and Anthropic clients.

Nothing runs before it is first used; from then on one private thread does the work for threads and
for every event loop alike.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from scrimp.app import open_app
from scrimp.client.desk import Desk
from scrimp.client.engine import GRACE_S, Engine
from scrimp.client.mailbox import Mailbox
from scrimp.client.transport import AsyncTransport, Parcel, SyncTransport, Under
from scrimp.client.wrapping import (
    Homes,
    Labels,
    is_async,
    library_of,
    vendor_of,
    with_transport,
)
from scrimp.settings import Loaded, Settings, complete, load, read
from scrimp.shell.secret import tenant_secret

C = TypeVar("C")

Given = Mapping[str, Any] | Settings | Loaded | Path | str | None
"""A mapping (the tables of `scrimp.toml`), a path, or None: found as the gateway finds it."""


class Scrimp:
    """One engine in this process. Use it as a context manager, or `close` it, or let it be.

    `settings` is a path of a `scrimp.toml`, its tables as a mapping, or None: then the file is
    found as the gateway finds it (SCRIMP_CONFIG, ./scrimp.toml, the user's folder), and without
    one the environment says which providers there are. Raises ConfigError.
    """

    def __init__(self, settings: Given = None) -> None:
        self._loaded = loaded_of(settings)
        self._engine: Engine[Desk] = Engine(partial(_open, self._loaded))

    def __repr__(self) -> str:
        """Without secrets."""
        return f"Scrimp({self._loaded.source!r})"

    def wrap(
        self,
        client: C,
        *,
        user: str = "",
        task: str = "",
        tags: tuple[str, ...] = (),
        prices_as: str = "",
    ) -> C:
        """The same client over Scrimp: priced, cached, retried, booked. No server is needed.

        It keeps its class, its key, its base URL and its time limits; the one that was given is not
        changed. `user`, `task` and `tags` label its calls. `prices_as` names the provider whose
        prices hold, for a base URL that neither the settings nor Scrimp know. Raises ConfigError
        for what is no OpenAI or Anthropic client.
        """
        given: Any = client
        vendor, http_client = vendor_of(client), given._client  # noqa: SLF001 (where both SDKs keep it)
        library = library_of(http_client)
        homes = Homes(str(given.base_url), vendor, self._loaded.settings, prices_as)
        labels = Labels(user, task, tuple(tags)).headers()
        under = Under(self._engine, _serve, homes, library, http_client, list(labels.items()))
        awaited = is_async(library, http_client)
        transport = AsyncTransport(under) if awaited else SyncTransport(under)
        return with_transport(client, http_client, library, transport)

    def close(self, grace_s: float = GRACE_S) -> None:
        """End: calls in the air may go on for `grace_s`, then everything is booked.

        Clients that were wrapped cannot be used afterwards. May be called twice.
        """
        self._engine.close(grace_s)

    async def aclose(self, grace_s: float = GRACE_S) -> None:
        """The same, while the event loop goes on."""
        if self._engine.started:
            await asyncio.to_thread(self._engine.close, grace_s)
        else:
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def loaded_of(settings: Given) -> Loaded:
    """Settings in any form that `Scrimp` takes. Raises ConfigError."""
    match settings:
        case Loaded():
            return settings
        case Settings():
            return complete(settings, os.environ, source="the program")
        case None:
            return load(os.environ)
        case str() | Path():
            return load(os.environ, Path(settings))
        case _:
            return complete(read(settings, source="the program"), os.environ, source="the program")


@asynccontextmanager
async def _open(loaded: Loaded) -> AsyncIterator[Desk]:
    """What the engine's loop works with."""
    secret = tenant_secret(loaded.settings.state_path)
    async with open_app(loaded) as app:
        yield Desk(app, tenant_secret=secret)


async def _serve(parcel: Parcel, desk: Desk, mailbox: Mailbox) -> None:
    await desk.serve(parcel, mailbox)
