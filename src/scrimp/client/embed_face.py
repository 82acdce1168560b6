"""`embed` and `embed_many` of `scrimp.Scrimp`, waiting and awaited."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Unpack

from scrimp.client.desk import Desk
from scrimp.client.engine import Engine
from scrimp.client.given import called, only
from scrimp.client.purses import purses_here
from scrimp.client.vectors import (
    BATCH,
    MODEL,
    MOST,
    Embedded,
    Embeddings,
    EmbedOptions,
    Kind,
    OnProgress,
    checked,
)
from scrimp.client.wrapping import Labels
from scrimp.errors import InvalidRequest


class EmbedFace:
    """The part of `Scrimp` that makes vectors."""

    _engine: Engine[Desk]

    def embed(self, text: str, **options: Unpack[EmbedOptions]) -> Embedded:
        """The vector of a text, with the provider's key of the settings.

        Texts that threads and tasks embed at the same time share a request: of up to 100, flushed
        after a fiftieth of a second. `model` is OpenAI's small one unless named, `dimensions` its
        own. Raises Rejected and UpstreamError.
        """
        (checked_text,), kind = checked([text]), kind_of(options)
        return self._engine.call(partial(_one, text=checked_text, kind=kind))

    async def aembed(self, text: str, **options: Unpack[EmbedOptions]) -> Embedded:
        """The same, awaited."""
        (checked_text,), kind = checked([text]), kind_of(options)
        return await self._engine.acall(partial(_one, text=checked_text, kind=kind))

    def embed_many(
        self,
        texts: Iterable[str],
        *,
        batch: int = BATCH,
        progress: OnProgress | None = None,
        **options: Unpack[EmbedOptions],
    ) -> Embeddings:
        """The vectors of many texts in their order: `batch` in a request, four requests at once.

        `progress` is called after each request, on Scrimp's own thread: keep it short. Each request
        is priced, budgeted and booked; asked again, those that were answered come from the exact
        cache. Raises what the first request raised that failed.
        """
        return self._engine.call(_all_of(texts, batch, progress, options))

    async def aembed_many(
        self,
        texts: Iterable[str],
        *,
        batch: int = BATCH,
        progress: OnProgress | None = None,
        **options: Unpack[EmbedOptions],
    ) -> Embeddings:
        """The same, awaited."""
        return await self._engine.acall(_all_of(texts, batch, progress, options))


def kind_of(options: EmbedOptions) -> Kind:
    """What the request says beside the texts. Raises InvalidRequest."""
    only("embed", options, EmbedOptions)
    labels = Labels(options.get("user", ""), options.get("task", "")).headers()
    dimensions = options.get("dimensions", 0)
    if type(dimensions) is not int or dimensions < 0:
        raise InvalidRequest(f"dimensions is {dimensions}: give 1 or more, or leave it out")
    headers = tuple(labels.items())
    return Kind(options.get("model", "") or MODEL, dimensions, headers, purses_here())


def _size(batch: int) -> int:
    if type(batch) is not int or not 1 <= batch <= MOST:
        raise InvalidRequest(f"batch is {batch}: a request holds 1 to {MOST} texts")
    return batch


def _all_of(
    texts: Iterable[str], batch: int, progress: OnProgress | None, options: EmbedOptions
) -> Callable[[Desk], Coroutine[Any, Any, Embeddings]]:
    """What is to be done with many texts. Raises InvalidRequest."""
    given, kind, size = checked(texts), kind_of(options), _size(batch)
    return partial(_many, texts=given, kind=kind, batch=size, progress=called("progress", progress))


async def _one(desk: Desk, *, text: str, kind: Kind) -> Embedded:
    return await desk.embeds.one(text, kind)


async def _many(
    desk: Desk, *, texts: tuple[str, ...], kind: Kind, batch: int, progress: OnProgress | None
) -> Embeddings:
    return await desk.embeds.many(texts, kind, batch, progress)
