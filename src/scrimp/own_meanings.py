"""A semantic cache without an engine around it: opened here for who brings its own way of a call.

Beside `app.py` a place that opens adapters, as `own_replies.py` is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import uuid_utils

from scrimp.by_meaning import (
    ByMeaning,
    JudgeFunction,
    embedder_plan,
    lever_of,
    panel_of,
    parts_with,
    plan_of,
    policies_of,
    secret_of,
)
from scrimp.calls import Target
from scrimp.clock import SystemClock
from scrimp.dialects import DIALECTS
from scrimp.embedders.opened import OpenEmbedder, open_embedder, open_local
from scrimp.judges.model import ModelJudge, ModelJudgeSettings
from scrimp.levers.semantic_cache import SemanticCache
from scrimp.own_replies import OwnReplies, check_own_replies, open_own_replies
from scrimp.pipeline.later import Later
from scrimp.pipeline.semantic_parts import SemanticParts
from scrimp.ports import Clock, Next, ReplyStore
from scrimp.semantics.tables import SemanticCacheSection
from scrimp.settings import Loaded, Settings
from scrimp.state_secret import state_secret
from scrimp.stores.semantic_open import check_semantic, open_semantic

Encode = Callable[[Sequence[str]], Sequence[Sequence[float]]]
_GRACE_S = 5.0
"""How long what was asked for last may still be learned when all is closed."""


@dataclass(frozen=True, slots=True)
class OwnMeanings:
    """`exact` keeps the answers by word. `section` is the table of the settings.

    `encode` makes vectors under `encode_id`; without it the embedder of the section does. `ask`
    sends a judging call to the model `judge_name`; `judge` is a function of the user's.
    `server_url` is where machines share them; it may hold a password.
    """

    exact: OwnReplies
    section: SemanticCacheSection
    encode: Encode | None = None
    encode_id: str = ""
    judge: JudgeFunction | None = None
    ask: Next | None = None
    judge_name: str = ""
    server_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class OpenedMeanings:
    """Both caches at work, and the time that they go by."""

    replies: ReplyStore
    lever: SemanticCache
    parts: SemanticParts
    clock: Clock
    new_id: Callable[[], str]


@asynccontextmanager
async def open_own_meanings(own: OwnMeanings) -> AsyncIterator[OpenedMeanings]:
    """On the running event loop, until the block ends. Raises ConfigError, OSError."""
    loaded = _loaded(own)
    settings = loaded.settings
    async with open_own_replies(own.exact) as exact:
        clock = exact.clock
        store = open_semantic(plan_of(loaded), clock)
        secret, policies = _secret(settings), policies_of(own.section)
        embedder, later = _embedder(own), Later()
        opened = ByMeaning(
            store.store, embedder, policies, secret, later, own.judge, beside=store.run
        )
        panel = panel_of(own.section, opened, _model(own, clock))
        parts = parts_with(own.section, opened, panel, clock)
        lever = lever_of(settings, parts, clock, secret)
        async with asyncio.TaskGroup() as group:
            group.create_task(opened.run(), name="scrimp meanings")
            try:
                yield OpenedMeanings(exact.replies, lever, parts, clock, _new_id)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GRACE_S):
                        await opened.later.drained()
            finally:
                opened.stop()


def check_own(own: OwnMeanings) -> None:
    """Raises ConfigError where it cannot be opened, as without an extra. Nothing is opened."""
    check_own_replies(own.exact)
    check_semantic(plan_of(_loaded(own)), SystemClock())
    _embedder(own)


def _loaded(own: OwnMeanings) -> Loaded:
    settings = Settings(semantic_cache=own.section)
    return Loaded(settings, "a program", {}, semantic_url=own.server_url)


def _embedder(own: OwnMeanings) -> OpenEmbedder:
    plan = embedder_plan(own.section)
    if own.encode is None:
        return open_embedder(plan)
    from scrimp.embedders.foreign import ForeignModel  # noqa: PLC0415 - an optional extra

    return open_local(ForeignModel(own.encode_id, own.encode), plan)


def _secret(settings: Settings) -> bytes:
    """Beside the file, so that all who share it have the same."""
    path = settings.semantic_path
    if settings.semantic_cache.engine != "sqlite":
        return secret_of(settings)
    return state_secret(path.parent, path.name)


def _model(own: OwnMeanings, clock: Clock) -> ModelJudge | None:
    if own.ask is None:
        return None
    target = ModelJudgeSettings(Target("langchain", own.judge_name, "openai.chat"))
    return ModelJudge(own.ask, DIALECTS, clock, target, _new_id, mark=lambda: secrets.token_hex(8))


def _new_id() -> str:
    return str(uuid_utils.uuid7())
