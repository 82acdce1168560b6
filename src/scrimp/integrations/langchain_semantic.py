"""`ScrimpSemanticCache`: LangChain's answers by meaning, within an error bound.

The same prompt is answered word for word first; another one in other words only when few such
answers are wrong. What decides, learns and judges is the gateway's own semantic cache.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.outputs.generation import Generation

from scrimp.by_meaning import JudgeFunction
from scrimp.calls import Call, Caller, Reply, ReplyFacts
from scrimp.client.engine import Engine
from scrimp.errors import ConfigError, StoreError
from scrimp.integrations.langchain_cache import (
    DAY_S,
    MAX_BYTES,
    TENANT,
    ExactAnswers,
    generations_of,
    reply_of,
)
from scrimp.integrations.langchain_kept import KeptAnswers
from scrimp.integrations.langchain_words import body_saying, call_of, unworded, worded
from scrimp.levers.semantic_cache import Missed
from scrimp.meanings import SemanticStats
from scrimp.own_meanings import OpenedMeanings, OwnMeanings, check_own, open_own_meanings
from scrimp.own_replies import OwnReplies
from scrimp.pipeline.apart import Apart
from scrimp.ports import CacheScope, Next, StoreStats
from scrimp.remembered import Chosen
from scrimp.semantics.tables import SemanticCacheSection

_PATIENT_S = 2.0
"""How long a look-up may take: a model is slower, and embeddings may come from another machine."""
_PENDING = 1024
_RANGES = {
    "max_error": (0.001, 0.5, "a share of what is served, such as 0.02"),
    "score_threshold": (0.0, 1.0, "a cosine distance, such as 0.2"),
    "confidence": (0.5, 0.999, "a probability, such as 0.95"),
}


@dataclass(frozen=True, slots=True)
class SemanticOptions:
    """How answers by meaning are judged and kept.

    `judge` is asked first, with the question, the kept and the fresh answer; then what costs
    nothing; then `judge_model`. Without a model, how near two answers are decides. At
    `postgres_url` (a PostgreSQL with pgvector) or `redis_url` (a Redis 8 or newer) machines share
    the answers by meaning.
    """

    judge: JudgeFunction | None = None
    judge_model: BaseChatModel | None = None
    confidence: float = 0.95
    ttl_s: int = DAY_S
    max_bytes: int = MAX_BYTES
    max_temperature: float = 1.0
    tenant: str = TENANT
    postgres_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SemanticCacheStats:
    """`exact` counts what was answered word for word, `meanings` what was by meaning, by task type.

    `missing`: about so many verdicts more before the first answer is served by meaning.
    """

    exact: StoreStats
    meanings: tuple[SemanticStats, ...] = ()
    missing: int = 0


@dataclass(slots=True, eq=False)
class _Pending:
    """Questions that are being answered afresh, the newest."""

    asked: OrderedDict[bytes, tuple[Call, Missed]] = field(default_factory=OrderedDict)

    def add(self, key: bytes, call: Call, missed: Missed) -> None:
        self.asked[key] = call, missed
        while len(self.asked) > _PENDING:
            self.asked.popitem(last=False)


class ScrimpSemanticCache(KeptAnswers[OpenedMeanings, SemanticCacheStats]):
    """A semantic cache for `set_llm_cache`: of what it serves, `max_error` may be wrong at most.

    Until that is proven it serves by meaning nothing. With `score_threshold`, the cosine distance
    up to which an answer is served, nothing is promised. `embeddings` are LangChain's; without them
    a model of Scrimp's own runs here. Answers by meaning are kept in the file `path` (beside it,
    those by word), else in memory; with `redis_url` those by word are in that Redis. Raises
    ConfigError.
    """

    def __init__(
        self,
        embeddings: Embeddings | None = None,
        path: str | Path | None = None,
        *,
        max_error: float = 0.02,
        score_threshold: float | None = None,
        redis_url: str = "",
        options: SemanticOptions | None = None,
    ) -> None:
        options = options or SemanticOptions()
        if options.ttl_s <= 0 or options.max_bytes <= 0:
            given = f"ttl_s {options.ttl_s}, max_bytes {options.max_bytes}"
            raise ConfigError(f"both must be above 0: {given}")
        place = None if path is None else Path(path).expanduser()
        exact = None if redis_url or place is None else place.with_name(f"{place.name}.exact")
        section = _section(place, max_error, score_threshold, options)
        own = OwnMeanings(
            OwnReplies(exact, redis_url, options.max_bytes),
            section,
            partial(_encode, embeddings) if embeddings is not None else None,
            "" if embeddings is None else name_of(embeddings),
            options.judge,
            None if options.judge_model is None else _asking(options.judge_model),
            section.judge_model,
            server_url=options.postgres_url or options.redis_url,
        )
        check_own(own)
        self._place = place
        self._ttl_s = options.ttl_s
        self._caller = Caller(options.tenant)
        self._exact = ExactAnswers(CacheScope(options.tenant), options.ttl_s)
        self._pending = _Pending()
        super().__init__(Engine(partial(open_own_meanings, own)), "the semantic cache")

    def __repr__(self) -> str:
        """Where it is kept, without secrets."""
        return f"ScrimpSemanticCache({self._place or 'memory'})"

    def lookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """What was answered before, in these or other words, or None."""
        return self._engine.call(partial(self._look, prompt=prompt, llm_string=llm_string))

    async def alookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """The same, awaited."""
        return await self._engine.acall(partial(self._look, prompt=prompt, llm_string=llm_string))

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Remember an answer and learn from it, unless it was cut or refused."""
        if (reply := reply_of(return_val)) is not None:
            asked = (prompt, llm_string)
            self._engine.call(partial(self._keep, asked=asked, given=(reply, return_val)))

    async def aupdate(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """The same, awaited."""
        if (reply := reply_of(return_val)) is not None:
            asked = (prompt, llm_string)
            await self._engine.acall(partial(self._keep, asked=asked, given=(reply, return_val)))

    def settle(self) -> None:
        """Wait until all answers so far are learned from; `close` does it, too, for a while."""
        self._engine.call(_settle)

    async def _look(
        self, opened: OpenedMeanings, *, prompt: str, llm_string: str
    ) -> list[Generation] | None:
        key = self._exact.key(prompt, llm_string)
        try:
            if (stored := await self._exact.get(opened.replies, key)) is not None:
                return generations_of(stored)
        except StoreError as error:
            self._skip(error)
        made = opened.new_id(), opened.clock.now()
        call = call_of(prompt, llm_string, self._caller, self._ttl_s, made)
        if call is None:
            return None
        found = await opened.lever.find(call)
        if isinstance(found, Reply):
            return unworded(found)
        for line in call.trace.lines:
            if line.verdict == "skipped":
                self._skip(StoreError(str(dict(line.numbers).get("reason", ""))))
        if found is not None:
            self._pending.add(key, call, found)
        return None

    async def _keep(
        self,
        opened: OpenedMeanings,
        *,
        asked: tuple[str, str],
        given: tuple[Reply, Sequence[Generation]],
    ) -> None:
        reply, generations = given
        key = self._exact.key(*asked)
        call, missed = self._pending.asked.pop(key, (None, None))
        asked_at = None if call is None else call.started_at
        try:
            await self._exact.put(opened.replies, key, (reply, opened.clock.now(), asked_at))
        except StoreError as error:
            self._skip(error)
        if call is not None and missed is not None:
            opened.lever.learn(call, missed, worded(reply, generations))

    async def _clear(self, opened: OpenedMeanings) -> None:
        tenant = self._caller.tenant
        await opened.replies.clear(tenant)
        await opened.parts.store.invalidate(Chosen(tenant=tenant))

    async def _stats(self, opened: OpenedMeanings) -> SemanticCacheStats:
        tenant = self._caller.tenant
        missing = opened.parts.scopes.missing()
        return SemanticCacheStats(
            await opened.replies.stats(tenant),
            await opened.parts.stats(tenant),
            max(missing.values(), default=0),
        )


def name_of(embeddings: Embeddings) -> str:
    """What tells one model's vectors from another's: class, model and length, as far as it says."""
    kind = type(embeddings)
    told = [
        str(found)
        for name in ("model", "model_name", "model_id", "deployment", "dimensions", "size")
        if isinstance(found := getattr(embeddings, name, None), str | int)
    ]
    digest = hashlib.blake2b("\n".join(told).encode(), digest_size=8).hexdigest()
    return f"langchain:{kind.__module__}.{kind.__qualname__}/{digest}/1"


def _section(
    place: Path | None, max_error: float, score_threshold: float | None, options: SemanticOptions
) -> SemanticCacheSection:
    """The table that a gateway would have. Raises ConfigError."""
    _check("max_error", max_error)
    _check("confidence", options.confidence)
    if score_threshold is not None:
        _check("score_threshold", score_threshold)
    model = options.judge_model
    given: dict[str, object] = {
        "enabled": True,
        "engine": _engine(place, options),
        "path": str(place or ""),
        "max_error": max_error,
        "confidence": options.confidence,
        "threshold": None if score_threshold is None else 1 - score_threshold,
        "max_bytes": options.max_bytes,
        "limit_s": _PATIENT_S,
        "judge_model": "" if model is None else str(getattr(model, "model_name", "")) or "model",
        "max_temperature": options.max_temperature,
    }
    try:
        return msgspec.convert(given, SemanticCacheSection)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the semantic cache: {error}") from error


def _check(name: str, given: float) -> None:
    least, most, what = _RANGES[name]
    if not least <= given <= most:
        raise ConfigError(f"{name} {given}: {what}, from {least:g} to {most:g}")


def _engine(place: Path | None, options: SemanticOptions) -> str:
    if options.postgres_url and options.redis_url:
        raise ConfigError(
            "options name both a postgres_url and a redis_url (one of them is enough)"
        )
    if options.postgres_url or options.redis_url:
        return "postgres" if options.postgres_url else "redis"
    return "sqlite" if place else "memory"


def _encode(embeddings: Embeddings, texts: Sequence[str]) -> list[list[float]]:
    """In a thread of its own: LangChain's awaited clients would be bound to another event loop."""
    return [embeddings.embed_query(text) for text in texts]


def _asking(model: BaseChatModel) -> Next:
    """Sends a judging call to a chat model of LangChain's, past any cache."""
    uncached = model.model_copy(update={"cache": False})
    apart = Apart("the judging model")

    def invoke(turns: list[tuple[str, str]]) -> str:
        return str(uncached.invoke(turns).text)

    async def ask(call: Call) -> Reply:
        turns = [(one["role"], one["content"]) for one in call.request.fields["messages"]]
        try:
            said = await apart.run(partial(invoke, turns))
        except Exception as error:
            raise StoreError(f"the judging model failed: {type(error).__name__}") from error
        facts = ReplyFacts(finish="complete", complete=True)
        return Reply(200, (), body_saying(said), "json", facts, cacheable=False)

    return ask


async def _settle(opened: OpenedMeanings) -> None:
    await opened.parts.later.drained()
