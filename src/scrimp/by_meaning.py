"""How the semantic cache is put together: beside `app.py`, the one other place that opens adapters.

Nothing of it is imported, opened or run while `[semantic_cache] enabled` is false.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from scrimp.budgets.tables import nanousd_of
from scrimp.clock import SystemClock
from scrimp.dialects import DIALECTS
from scrimp.embedders.opened import EmbedderPlan, OpenEmbedder, open_embedder
from scrimp.errors import ConfigError, StoreError
from scrimp.judges.closeness import Closeness
from scrimp.judges.function import Function, JudgeFunction
from scrimp.judges.model import ModelJudge, ModelJudgeSettings
from scrimp.judges.panel import Panel
from scrimp.judges.plain import COMPARED, ERRORS, Plain
from scrimp.levers.semantic_cache import SemanticCache, SemanticCacheSettings
from scrimp.meanings import Judge, SemanticStats, SemanticStore
from scrimp.pipeline.again import Again
from scrimp.pipeline.embedding_calls import EmbeddingCalls, Means
from scrimp.pipeline.later import Later
from scrimp.pipeline.semantic_learning import Learning, LearningRules
from scrimp.pipeline.semantic_parts import SemanticParts
from scrimp.pipeline.semantic_renewals import Renewals
from scrimp.pipeline.semantic_scopes import Scopes, with_standings
from scrimp.pipeline.semantic_servings import Feedback, Servings
from scrimp.ports import CacheScope, Clock, Next
from scrimp.providers import spoken
from scrimp.remembered import Chosen
from scrimp.routing.stand_ins import Admits, StandIns, itself
from scrimp.semantics.bypass import BypassRules
from scrimp.semantics.deciding import Policies, Standing
from scrimp.semantics.scope import ScopeRules
from scrimp.semantics.tables import (
    SemanticCacheSection,
    judges_of,
    pools_of,
    url_env_of,
)
from scrimp.semantics.threshold import ThresholdRules, Thresholds
from scrimp.settings import Loaded, Settings, ttl_seconds
from scrimp.state_secret import state_secret
from scrimp.stores.at_work import Beside
from scrimp.stores.semantic_open import (
    check_semantic,
    forget,
    look,
    open_semantic,
    server_policy,
)
from scrimp.stores.semantic_plan import SemanticLimits, SemanticPlan
from scrimp.stores.sqlite_semantic_file import file_states
from scrimp.targets import Targets, judging_target

__all__ = ["ByMeaning", "Engine", "JudgeFunction", "join", "open_by_meaning"]

_JUDGE = "semantic_cache.judge_model"


@dataclass(frozen=True, slots=True)
class ByMeaning:
    """The adapters, open. `secret` keys the scopes; `judge` is a function of the user's.

    `beside` is what a store does beside the calls, until it is closed; `calls` asks an endpoint for
    embeddings.
    """

    store: SemanticStore
    embedder: OpenEmbedder
    policies: Policies
    secret: bytes
    later: Later
    judge: JudgeFunction | None = None
    beside: Beside | None = None
    calls: EmbeddingCalls | None = None

    async def run(self) -> None:
        """Beside the calls, until `stop`; then everything is closed."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.embedder.run(), name="scrimp embedder")
                group.create_task(self._warm(), name="scrimp embedder begins")
                if self.beside is not None:
                    group.create_task(self.beside(), name="scrimp meanings")
                await self.later.run()
                await self.embedder.embedder.close()
                await self.store.close()
        finally:
            await self.store.close()

    async def _warm(self) -> None:
        """Load the model before a call waits for it."""
        with suppress(StoreError):  # it says so again when it is needed
            await self.embedder.embedder.embed(("Hello",))

    def stop(self) -> None:
        """Let it end in order."""
        self.later.stop()


def open_by_meaning(
    loaded: Loaded, clock: Clock, judge: JudgeFunction | None = None
) -> ByMeaning | None:
    """None where it is switched off. Raises ConfigError, such as for an extra that is missing."""
    settings, section = loaded.settings, loaded.settings.semantic_cache
    if not section.enabled:
        return None
    check_embedder(settings)
    store = open_semantic(plan_of(loaded), clock)
    calls = EmbeddingCalls()
    embedder = open_embedder(embedder_plan(section), calls)
    policies, secret = policies_of(section), secret_of(settings)
    return ByMeaning(store.store, embedder, policies, secret, Later(), judge, store.run, calls)


def secret_of(settings: Settings) -> bytes:
    """What keys the scopes: all who share a store have the same.

    Machines share no file for a secret, and a server that has their scopes would have it, too.
    """
    if settings.semantic_cache.engine in ("postgres", "redis"):
        return sha256(b"scrimp semantic cache").digest()
    if settings.semantic_cache.engine == "memory":
        return secrets.token_bytes(32)
    return state_secret(settings.state_path, "semantic")


def plan_of(loaded: Loaded) -> SemanticPlan:
    """Which store, and where."""
    settings, section = loaded.settings, loaded.settings.semantic_cache
    limits = SemanticLimits(max_bytes=section.max_bytes, caller_per_hour=section.new_per_hour)
    return SemanticPlan(
        section.engine,
        settings.semantic_path,
        limits,
        url=loaded.semantic_url,
        url_env=url_env_of(section),
        schema=section.schema,
    )


def check(loaded: Loaded, targets: Targets, clock: Clock) -> None:
    """Raises ConfigError where it cannot be used: an extra is missing, or nobody serves a model."""
    settings, section = loaded.settings, loaded.settings.semantic_cache
    check_semantic(plan_of(loaded), clock)
    check_embedder(settings)
    if "model" in judges_of(section):
        judging_target(section.judge_model, targets, _JUDGE)


def check_embedder(settings: Settings) -> None:
    """Raises ConfigError for one that cannot be opened, or that nobody serves. Opens nothing."""
    section = settings.semantic_cache
    if section.embedder == "endpoint":
        _check_provider(settings, section.embedder_provider, section.embedder_model)
    open_embedder(embedder_plan(section), EmbeddingCalls())


def _check_provider(settings: Settings, name: str, model: str) -> None:
    provider = settings.providers.get(name)
    if provider is None or not model:
        raise ConfigError(
            f"semantic_cache.embedder_provider '{name}' is not configured, or no embedder_model is "
            "named (name one of [providers], and its model)"
        )
    if "openai.embeddings" not in spoken(provider.dialects, provider.base_url):
        raise ConfigError(
            f"semantic_cache.embedder_provider '{name}' has no embeddings, it speaks "
            f"{', '.join(provider.dialects)} (name one that speaks openai.embeddings)"
        )


async def semantic_counts(loaded: Loaded, tenant: str | None) -> tuple[SemanticStats, ...]:
    """What a file or server of answers by meaning counts, without an engine. Raises StoreError."""
    return await look(plan_of(loaded), SystemClock(), tenant)


async def semantic_policy(loaded: Loaded) -> str:
    """What the Redis of answers by meaning does when it is full. Raises StoreError."""
    return await server_policy(plan_of(loaded), SystemClock())


async def semantic_standings(
    loaded: Loaded, tenant: str | None
) -> tuple[tuple[SemanticStats, ...], dict[CacheScope, int | None]]:
    """The same with what is wrong and how many verdicts are missing, as far as a file tells.

    It has what scopes have learned as it was last saved; others say None. Raises StoreError.
    """
    stats = await semantic_counts(loaded, tenant)
    section, plan = loaded.settings.semantic_cache, plan_of(loaded)
    known: dict[CacheScope, list[Standing]] = {}
    if section.engine == "sqlite":
        states = await asyncio.to_thread(file_states, plan.path)
        with suppress(ImportError):  # the extra; a file tells its counts without it
            policies = policies_of(section)
            for books, state in states:
                known.setdefault(books, []).append(policies.of(state, ()).standing)
    told = tuple(with_standings(one, known.get(one.scope, ())) for one in stats)
    missing = {
        one.scope: max((s.missing or 0 for s in known[one.scope]), default=0)
        if one.scope in known
        else (None if section.threshold is None else 0)
        for one in stats
    }
    return told, missing


async def forget_by_meaning(loaded: Loaded, clock: Clock, chosen: Chosen, *, dry_run: bool) -> int:
    """Forget, or count, in such a file or server. Raises StoreError, InvalidRequest."""
    return await forget(plan_of(loaded), clock, chosen, dry_run=dry_run)


def embedder_plan(section: SemanticCacheSection) -> EmbedderPlan:
    """Which embedder."""
    return EmbedderPlan(
        name=section.embedder,
        model=section.embedder_model,
        dims=section.embedder_dims,
        provider=section.embedder_provider,
        timeout_s=max(2.0, section.limit_s),
    )


@dataclass(frozen=True, slots=True)
class Engine:
    """What of the engine it works with: its way, its targets, its ids.

    `again` asks anew for what is served past its time; without it nothing is.
    """

    handle: Next
    targets: Targets
    clock: Clock
    new_id: Callable[[], str]
    again: Again | None = None


def join(
    settings: Settings, opened: ByMeaning, engine: Engine
) -> tuple[SemanticParts, SemanticCache]:
    """What was opened, joined to an engine. Raises ConfigError for a judge that nobody serves."""
    if opened.calls is not None:
        dialect = DIALECTS["openai.embeddings"]
        opened.calls.begin(Means(engine.handle, engine.clock, engine.new_id, dialect))
    parts = parts_of(settings, opened, engine)
    admits = StandIns(settings.route, settings.cascade, engine.targets, DIALECTS)
    lever = lever_of(
        *(settings, parts, engine.clock, opened.secret), admits=admits, again=engine.again
    )
    return parts, lever


def parts_of(settings: Settings, opened: ByMeaning, engine: Engine) -> SemanticParts:
    """All but the lever. Raises ConfigError likewise."""
    judge = _panel(settings.semantic_cache, opened, engine)
    return parts_with(settings.semantic_cache, opened, judge, engine.clock)


def parts_with(
    section: SemanticCacheSection, opened: ByMeaning, judge: Panel, clock: Clock
) -> SemanticParts:
    """All but the lever, with this judge."""
    store = opened.store
    embedder = opened.embedder.embedder
    scopes, servings = Scopes(store, embedder, opened.policies), Servings()
    rules = LearningRules(
        *(clock, DIALECTS, section.compared, section.keep_texts, section.max_reply_bytes),
        stale_s=ttl_seconds(section.stale_while_revalidate),
    )
    return SemanticParts(
        store,
        embedder,
        scopes,
        Learning(store, scopes, judge, opened.later, rules),
        servings,
        Feedback(store, scopes, servings, clock),
        opened.later,
        judge.errors,
    )


def lever_of(
    settings: Settings,
    parts: SemanticParts,
    clock: Clock,
    secret: bytes,
    *,
    admits: Admits = itself,
    again: Again | None = None,
) -> SemanticCache:
    """The lever over its parts."""
    section = settings.semantic_cache
    given = {**settings.exact_cache.ttl, **section.ttl}
    ttl_s = {task: ttl_seconds(text) for task, text in given.items()}
    words = frozenset(word.lower() for word in section.never)
    scope = ScopeRules(secret, parts.embedder.id, section.corpus, pools_of(section))
    lever = SemanticCacheSettings(
        scope,
        BypassRules(max_temperature=section.max_temperature, words=words),
        ttl_s,
        section.limit_s,
        admits,
    )
    renewals = None
    if again is not None and ttl_seconds(section.stale_while_revalidate):
        renewals = Renewals(parts.store, parts.learning, again)
    return SemanticCache(parts, clock, DIALECTS, lever, renewals=renewals)


def policies_of(section: SemanticCacheSection) -> Policies:
    """What decides: a bound that is kept, or a threshold."""
    if section.threshold is not None:
        return Thresholds(ThresholdRules(section.threshold, section.audits), random.random)
    from scrimp.quality.words import Promise  # noqa: PLC0415 - an optional extra
    from scrimp.semantics.bounded import Bounds  # noqa: PLC0415 - the same

    promise = Promise(
        section.max_error, section.confidence, section.slack, per_call=section.per == "call"
    )
    return Bounds(promise, random.random)


def _panel(section: SemanticCacheSection, opened: ByMeaning, engine: Engine) -> Panel:
    asked = "model" in judges_of(section)
    return panel_of(section, opened, _model_judge(section, engine) if asked else None)


def panel_of(section: SemanticCacheSection, opened: ByMeaning, model: ModelJudge | None) -> Panel:
    """Who judges, together; `model` is the one that asks a model."""
    judges: list[Judge] = []
    errors: dict[str, Callable[[], float]] = {}
    if opened.judge is not None:
        judges.append(Function(opened.judge, DIALECTS))
        errors["function"] = partial(float, ERRORS["function"])
    for name in judges_of(section):
        errors[name] = partial(float, ERRORS[name])
        if name == "model":
            if model is not None:
                judges.append(model)
                errors[name] = lambda: model.error
        elif name == "embedding":
            judges.append(Closeness(opened.embedder.embedder, DIALECTS))
        else:
            judges.append(Plain(name, COMPARED[name], DIALECTS))
    return Panel(judges, errors)


def _model_judge(section: SemanticCacheSection, engine: Engine) -> ModelJudge:
    most = nanousd_of("semantic_cache.judge_usd_per_day", section.judge_usd_per_day)
    target = judging_target(section.judge_model, engine.targets, _JUDGE)
    return ModelJudge(
        engine.handle,
        DIALECTS,
        engine.clock,
        ModelJudgeSettings(target, most),
        engine.new_id,
        mark=lambda: secrets.token_hex(8),
    )
