"""`ScrimpCache`: LangChain's answers in Scrimp's own stores of replies, for the same prompt again.

One private event loop does the work for threads and for every event loop alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from langchain_core.messages.base import message_to_dict
from langchain_core.messages.utils import messages_from_dict
from langchain_core.outputs.chat_generation import ChatGeneration
from langchain_core.outputs.generation import Generation

from scrimp.calls import Reply, ReplyFacts
from scrimp.client.engine import Engine
from scrimp.errors import ConfigError, StoreError
from scrimp.integrations.langchain_kept import KeptAnswers
from scrimp.own_replies import Opened, OwnReplies, check_own_replies, open_own_replies
from scrimp.ports import CacheScope, ReplyStore, StoredReply, StoreStats
from scrimp.remembered import About

DAY_S = 24 * 3600
MAX_BYTES = 256 * 2**20
TENANT = "langchain"

_WEAK_ENDS = frozenset({"length", "max_tokens", "content_filter", "refusal", "error"})
"""How answers end that are cut or refused: the next one may be better, so none is remembered."""


@dataclass(frozen=True, slots=True)
class ExactAnswers:
    """How answers are kept word for word: under a hash of tenant, prompt and model."""

    scope: CacheScope
    ttl_s: int

    def key(self, prompt: str, llm_string: str) -> bytes:
        """Of a prompt."""
        digest = hashlib.sha256(b"langchain")
        for part in (self.scope.tenant, prompt, llm_string):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.digest()

    async def get(self, replies: ReplyStore, key: bytes) -> Reply | None:
        """The answer, or None. Raises StoreError."""
        stored = await replies.get(key, self.scope)
        return None if stored is None else stored.reply

    async def put(
        self, replies: ReplyStore, key: bytes, came: tuple[Reply, datetime, datetime | None]
    ) -> None:
        """An answer, when it came, and when it was asked for. Raises StoreError."""
        reply, now, asked_at = came
        about, ends = About(model=reply.facts.model), now + timedelta(seconds=self.ttl_s)
        await replies.put(key, StoredReply(reply, now, ends, self.scope, about, asked_at))


class ScrimpCache(KeptAnswers[Opened, StoreStats]):
    """An exact cache: the same prompt to the same model with the same parameters is not sent again.

    Kept at `redis_url`, else in the file `path` (both shared by processes), else in memory; for
    `ttl_s`, in at most `max_bytes` (Redis has its own limit). Caches of another `tenant` share
    nothing, whatever they share it in: LangChain itself does not tell keys or users apart. A store
    that is down is a miss, said once in the log and counted in `skipped`. Raises ConfigError.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        redis_url: str = "",
        ttl_s: int = DAY_S,
        max_bytes: int = MAX_BYTES,
        tenant: str = TENANT,
    ) -> None:
        if path is not None and redis_url:
            raise ConfigError("a cache is in a file or in Redis: give path or redis_url, not both")
        if ttl_s <= 0 or max_bytes <= 0:
            raise ConfigError(f"both must be above 0: ttl_s {ttl_s}, max_bytes {max_bytes}")
        own = OwnReplies(None if path is None else Path(path).expanduser(), redis_url, max_bytes)
        check_own_replies(own)
        self._own = own
        self._exact = ExactAnswers(CacheScope(tenant), ttl_s)
        super().__init__(Engine(partial(open_own_replies, own)), "the cache")

    def __repr__(self) -> str:
        """Where it is kept, without secrets."""
        return f"ScrimpCache({self._own!r})"

    def lookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """What was answered before, or None."""
        return self._engine.call(partial(self._look, key=self._exact.key(prompt, llm_string)))

    async def alookup(self, prompt: str, llm_string: str) -> list[Generation] | None:
        """The same, awaited."""
        return await self._engine.acall(
            partial(self._look, key=self._exact.key(prompt, llm_string))
        )

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Remember an answer, unless it was cut or refused."""
        if reply := reply_of(return_val):
            key = self._exact.key(prompt, llm_string)
            self._engine.call(partial(self._keep, key=key, reply=reply))

    async def aupdate(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """The same, awaited."""
        if reply := reply_of(return_val):
            key = self._exact.key(prompt, llm_string)
            await self._engine.acall(partial(self._keep, key=key, reply=reply))

    async def _look(self, opened: Opened, *, key: bytes) -> list[Generation] | None:
        try:
            reply = await self._exact.get(opened.replies, key)
        except StoreError as error:
            self._skip(error)
            return None
        return None if reply is None else generations_of(reply)

    async def _keep(self, opened: Opened, *, key: bytes, reply: Reply) -> None:
        try:
            await self._exact.put(opened.replies, key, (reply, opened.clock.now(), None))
        except StoreError as error:
            self._skip(error)

    async def _clear(self, opened: Opened) -> None:
        await opened.replies.clear(self._exact.scope.tenant)

    async def _stats(self, opened: Opened) -> StoreStats:
        return await opened.replies.stats(self._exact.scope.tenant)


def reply_of(generations: Sequence[Generation]) -> Reply | None:
    """An answer as its store keeps it; None for one that is not to be remembered."""
    if not generations or any(end_of(one) in _WEAK_ENDS for one in generations):
        return None
    try:
        body = msgspec.json.encode([_words_of(one) for one in generations])
    except (TypeError, ValueError, RecursionError):  # something in it that JSON has no words for
        return None
    facts = ReplyFacts(model=_meta(generations[0], "model_name"), finish="complete", complete=True)
    return Reply(200, (), body, "json", facts, cacheable=True)


def generations_of(reply: Reply) -> list[Generation] | None:
    """The answer; None for bytes that are none, such as those of another version of LangChain."""
    try:
        return [generation_of(one) for one in msgspec.json.decode(reply.body or b"")]
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError):
        return None


def end_of(generation: Generation) -> str:
    """How the provider says that an answer ended; empty when it does not."""
    info = generation.generation_info or {}
    for name in ("finish_reason", "stop_reason"):
        if found := info.get(name) or _meta(generation, name):
            return str(found).lower()
    return ""


def _words_of(generation: Generation) -> dict[str, Any]:
    words: dict[str, Any] = {"info": generation.generation_info}
    if isinstance(generation, ChatGeneration):
        return {**words, "message": message_to_dict(generation.message)}
    return {**words, "text": generation.text}


def generation_of(words: dict[str, Any]) -> Generation:
    """An answer as it was. Raises what a library raises for words that are none."""
    if (told := words.get("message")) is None:
        return Generation(text=words["text"], generation_info=words["info"])
    (message,) = messages_from_dict([told])
    return ChatGeneration(message=message, generation_info=words["info"])


def _meta(generation: Generation, name: str) -> str:
    message = getattr(generation, "message", None)
    return str(getattr(message, "response_metadata", {}).get(name) or "")
