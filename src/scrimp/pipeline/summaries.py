"""Summaries of turns that are left out: made by a cheap model, kept by what they sum up.

Each is a call of its own, with the purpose `summary`: it passes the money guards, is paid by
whoever made the call that it is for, and has an entry of its own. While the same turns are left
out the summary is the same, byte by byte, so that what follows it stays in the provider's cache.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from weakref import WeakValueDictionary

from msgspec.structs import replace

from scrimp.calls import Call, HeldSink, Reply, Target, Task, Trace
from scrimp.choosing import ITSELF
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import encode
from scrimp.dialects.shorten import shortened
from scrimp.errors import BudgetExceeded, StoreError, UpstreamError
from scrimp.ledger.steps import unserved_all
from scrimp.money import decimal_usd
from scrimp.ports import CacheScope, Clock, Next, ReplyStore, StoredReply
from scrimp.remembered import CacheControl
from scrimp.semantics.answers import declines, text_of
from scrimp.shrinking.summing import MOST_SUMMARIES, material, message, orders, pieces_of

TAG = "scrimp-summary"
"""Of all these calls, beside the tags of the call they are for: reports may name it."""

_PATHS = {"openai.chat": "/v1/chat/completions", "anthropic.messages": "/v1/messages"}
_JSON = (("content-type", "application/json"),)
_VERSION = (("anthropic-version", "2023-06-01"),)  # docs.anthropic.com, API versions
_KEPT = timedelta(days=7)
_VERSION_OF_KEYS = b"summary 1"


@dataclass(frozen=True, slots=True)
class SummarySettings:
    """Which model sums up, in how many words and tokens, for what a day, and for how long.

    `lever` pays for it: what a summary costs is a negative saving of that lever's.
    """

    target: Target
    lever: str
    words: int = 200
    max_tokens: int = 300
    most_nanousd: int | None = None
    limit_s: float = 30.0


@dataclass(frozen=True, slots=True)
class SummaryMeans:
    """What of an engine they take."""

    ask: Next
    store: ReplyStore
    clock: Clock
    new_id: Callable[[], str]
    dialects: Mapping[str, Dialect]


@dataclass(slots=True)
class _Spent:
    """What was spent today."""

    day: date = date.min
    nanousd: int = 0


@dataclass(slots=True)
class _Asked:
    """How many were asked for in one call."""

    times: int = 0


class Summaries:
    """One engine's."""

    def __init__(self, means: SummaryMeans, settings: SummarySettings) -> None:
        self._means = means
        self._settings = settings
        self._spent = _Spent()
        self._locks = WeakValueDictionary[bytes, asyncio.Lock]()

    @property
    def most_tokens(self) -> int:
        """What a summary may be at most, by the summing model's own count."""
        return MOST_SUMMARIES * self._settings.max_tokens

    async def of(self, call: Call, items: Sequence[Any]) -> tuple[dict[str, Any], int] | None:
        """A message that stands for these, and how often a model was asked for it.

        None where they say nothing, or where the call forbids that anything of it is kept. Raises
        ScrimpError where it cannot be had, and TimeoutError where it takes too long.
        """
        if call.cache.mode == "no-store":
            return None
        asked = _Asked()
        async with asyncio.timeout(self._settings.limit_s):
            texts = [await self._one(call, piece, asked) for piece in pieces_of(items)]
            while len(texts) > MOST_SUMMARIES:
                whole = len(texts) - len(texts) % MOST_SUMMARIES
                groups = [texts[at : at + MOST_SUMMARIES] for at in range(0, whole, MOST_SUMMARIES)]
                folded = [await self._one(call, "\n\n".join(group), asked) for group in groups]
                texts = [*folded, *texts[whole:]]
        if not texts:
            return None
        return message("\n\n".join(texts), len(items)), asked.times

    async def _one(self, call: Call, text: str, asked: _Asked) -> str:
        """The summary of a text: the one that is kept, or a new one."""
        key = self._key(call, text)
        async with self._alone(key):
            dialect = self._means.dialects[self._settings.target.dialect]
            kept = await self._means.store.get(key)
            if kept is not None:
                return text_of(kept.reply, dialect)
            asked.times += 1
            reply = await self._ask(call, text)
            told = text_of(reply, dialect).strip()
            finish = reply.facts.finish
            if not told or declines(told) or finish not in ("complete", "truncated"):
                raise UpstreamError(f"the summary is no text that ended well: {finish}", status=502)
            now, scope = self._means.clock.now(), CacheScope(call.caller.tenant, "summary")
            stored = StoredReply(reply, now, now + _KEPT, scope)
            if not await self._means.store.put(key, stored):
                raise StoreError("the summary cannot be kept, and would change with each call")
            return text_of(reply, dialect)

    def _key(self, call: Call, text: str) -> bytes:
        settings = self._settings
        digest = hashlib.sha256(_VERSION_OF_KEYS)
        named = (call.caller.tenant, settings.target.provider, settings.target.model)
        for part in (*named, str((settings.words, settings.max_tokens)), text):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.digest()

    def _alone(self, key: bytes) -> asyncio.Lock:
        """Two calls that leave out the same turns wait for one summary."""
        return self._locks.setdefault(key, asyncio.Lock())

    async def _ask(self, call: Call, text: str) -> Reply:
        today, most = self._means.clock.now().date(), self._settings.most_nanousd
        if today != self._spent.day:
            self._spent = _Spent(today)
        if most is not None and self._spent.nanousd >= most:
            raise BudgetExceeded(
                f"summaries have cost ${decimal_usd(self._spent.nanousd)} today, and may cost "
                f"${decimal_usd(most)} a day (trim.summary_usd_per_day)"
            )
        made = self._call(call, text)
        try:
            return await self._means.ask(made)
        finally:
            booked = made.trace.booked
            self._spent.nanousd += (booked.cost.high_nanousd or 0) if booked is not None else 0

    def _call(self, who: Call, text: str) -> Call:
        settings, target = self._settings, self._settings.target
        dialect = self._means.dialects[target.dialect]
        mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        fields = _fields(target, orders(settings.words, mark), material(text, mark))
        request = dialect.read_request(encode(fields))
        request = shortened(request, dialect, target.model, settings.max_tokens) or request
        own = who.caller.credential if target.provider == who.target.provider else None
        anthropic = target.dialect == "anthropic.messages"
        trace = Trace()
        trace.note(settings.lever, "summary", unserved_all())
        return replace(
            who,
            id=self._means.new_id(),
            purpose="summary",
            operation="chat",
            method="POST",
            path=_PATHS[target.dialect],
            headers=(*_JSON, *_VERSION) if anthropic else _JSON,
            request=request,
            target=target,
            caller=replace(who.caller, tags=(*who.caller.tags, TAG), credential=own),
            task=Task("summarisation", "none"),
            cache=CacheControl("no-store"),
            started_at=self._means.clock.now(),
            sink=HeldSink(),
            trace=trace,
            over_soft=False,
            wish=ITSELF,
        )


def _fields(target: Target, system: str, text: str) -> dict[str, Any]:
    user = {"role": "user", "content": text}
    if target.dialect == "anthropic.messages":
        return {"model": target.model, "max_tokens": 1, "system": system, "messages": [user]}
    messages = [{"role": "system", "content": system}, user]
    return {"model": target.model, "messages": messages}
