"""`scrimp.map`, `scrimp.embed` and others: methods of `Scrimp` on one engine of the process.

It is opened at the first call, with the settings that the gateway would find, and drained at exit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from functools import partial
from typing import Unpack

from scrimp.client.awaitable_results import Later, Results
from scrimp.client.face import Scrimp
from scrimp.client.mapping import Asked, MapOptions
from scrimp.client.summarising import Summarised, SummaryOptions
from scrimp.client.vectors import BATCH, Embedded, Embeddings, EmbedOptions, OnProgress

_lock = threading.Lock()
_engines: list[Scrimp] = []


def summarise_then_ask(
    document: str, question: str, **options: Unpack[SummaryOptions]
) -> Summarised:
    """Ask about a long document: a cheap model summarises it first, another answers from that.

    `model` answers, `summary_model` reads the document, in pieces; both are chosen where they are
    not named, by the settings or the provider. A summary has at most `words` (200) and `max_tokens`
    (300). Where summaries are expected to cost more than they save, the document itself is asked.
    It waits for the answer: on an event loop use `Scrimp.asummarise_then_ask`. Raises ConfigError
    where the settings are wrong, and as `Scrimp.ask` does.
    """
    return shared_engine().summarise_then_ask(document, question, **options)


def map(  # noqa: A001 (it is what the built-in one is, for calls)
    calls: Iterable[Asked], **options: Unpack[MapOptions]
) -> Results:
    """Make many calls, as fast as their providers take them; a result for each, in their order.

    As `Scrimp.map`, with the settings that the gateway would find. On an event loop say `await
    scrimp.map(calls)`: the calls begin then, and leaving it ends them; elsewhere it waits for the
    results. Raises ConfigError where the settings are wrong.
    """
    engine = shared_engine()
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return Results(engine.map(calls, **options))
    now, later = partial(engine.map, calls, **options), partial(engine.amap, calls, **options)
    return Results(later=Later(now, later))


def embed(text: str, **options: Unpack[EmbedOptions]) -> Embedded:
    """The vector of a text; what threads embed at the same time shares a request.

    As `Scrimp.embed`, with the settings that the gateway would find. Raises ConfigError where they
    are wrong.
    """
    return shared_engine().embed(text, **options)


def embed_many(
    texts: Iterable[str],
    *,
    batch: int = BATCH,
    progress: OnProgress | None = None,
    **options: Unpack[EmbedOptions],
) -> Embeddings:
    """The vectors of many texts in their order, `batch` (100) in a request.

    As `Scrimp.embed_many`, with the settings that the gateway would find. Raises ConfigError where
    they are wrong.
    """
    return shared_engine().embed_many(texts, batch=batch, progress=progress, **options)


def shared_engine() -> Scrimp:
    """The one engine, with the settings that were found when it was first asked for."""
    with _lock:
        if not _engines:
            _engines.append(Scrimp())
        return _engines[0]
