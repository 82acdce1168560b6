"""What is written of answers by meaning into a Redis, and how it is packed and read."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from scrimp.errors import StoreError
from scrimp.meanings import About, Chosen, Judged, SemanticStats
from scrimp.ports import CacheScope, Clock, StoredReply
from scrimp.remembered import LOG_S, matcher
from scrimp.stores.redis_link import Argument, Command
from scrimp.stores.redis_semantic_scripts import (
    ADD_ALIAS,
    ADD_ROOT,
    CHOSEN,
    CLAIM,
    DELETE,
    FORGET,
    JUDGED,
    LOG,
    QUARANTINE,
    SAVE,
)
from scrimp.stores.reply_codec import pack
from scrimp.stores.scope_counts import MAX_SCOPES, OTHERS
from scrimp.stores.semantic_plan import SemanticLimits
from scrimp.stores.semantic_rules import (
    Kept,
    group_bytes,
    hour_of,
    is_forgotten,
    micros,
    refuse_pattern,
)

Run = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Does a script with these words."""
Page = Callable[[int], Awaitable[tuple[int, list[int]]]]
"""Some groups from a place on, and the place of the next ones (0: there are none)."""
Question = tuple[Kept, bytes]
"""As it is kept, and the vector that it was given with."""

_GRAPH_BYTES = 1536
"""What a question takes there beside its row and its numbers: links, names, its group's share."""
_NUMBER_BYTES = 4
_EFFORT = 200
_TRIES = 5
_MARK_BYTES = 8
_AT_ONCE = 50
_ONE_US = timedelta(microseconds=1)
_encode = msgspec.msgpack.Encoder().encode
_decode_chosen = msgspec.msgpack.Decoder(Chosen).decode
_decode_tags = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_encode_json = msgspec.json.Encoder().encode
_decode_book = msgspec.json.Decoder(CacheScope).decode
_FIGURES = {
    b"g": "groups",
    b"q": "questions",
    b"s": "size_bytes",
    b"h": "hits",
    b"m": "misses",
    b"a": "audits",
    b"j": "judged",
    b"c": "judge_nanousd",
}


class Writing:
    """Changes, each of them one script. Raises StoreError."""

    def __init__(self, run: Run, clock: Clock, limits: SemanticLimits, margin_s: float) -> None:
        self._run = run
        self._clock = clock
        self._limits = limits
        self._margin_s = margin_s

    async def add_root(
        self, scope: str, question: Question, answer: StoredReply, about: About, old: int = 0
    ) -> int | None:
        """The new group's number; None when it is declined.

        In place of the `old` one, if that is still alive, whatever the caller's limit.
        """
        reply = pack(answer)
        size_bytes = group_bytes(reply, about) + _size_of(question[0])
        if size_bytes > self._limits.max_bytes:
            return None
        words = {
            **self._adding(scope, question, about.caller),
            "size": size_bytes,
            "reply": reply,
            "expires": micros(answer.expires_at),
            "tenant": answer.scope.tenant,
            "task": answer.scope.task,
            "book": book_of(answer.scope),
            "stored": micros(answer.stored_at),
            "name": about.name,
            "model": about.model,
            "tags": _packed(tuple(dict.fromkeys(about.tags))),
        }
        if old:
            words["old"] = str(old)
        harmless = 0
        for _ in range(_TRIES):
            ago_us = self._ago_us(answer.asked_at)
            if ago_us > LOG_S * 1_000_000:
                return None  # nobody knows any more what was forgotten since
            told = await self._run(ADD_ROOT, {**words, "ago": ago_us, "harmless": harmless})
            if not isinstance(told, list):
                return int(_of_one_size(told, question[0])) or None
            since = [_decode_chosen(one[_MARK_BYTES:]) for one in told]
            if is_forgotten(since, answer, about, question[0].text):
                return None
            harmless = len(told)  # none of these means it: unless another comes between
        return None

    async def add_alias(self, scope: str, group: int, question: Question, caller: str) -> bool:
        """False when it is declined."""
        words = self._adding(scope, question, caller)
        told = await self._run(ADD_ALIAS, {**words, "group": str(group)})
        return bool(_of_one_size(told, question[0]))

    async def claim(self, scope: str, group: int, lease_s: float) -> bool:
        """Whether nobody else has it made anew now; by the server's clock."""
        words = {"group": str(group), "lease": round(lease_s * 1_000_000)}
        return bool(await self._run(CLAIM, {**self._common(scope), **words}))

    async def judged(self, scope: str, verdict: Judged) -> None:
        """Into the log, the group's facts and the books."""
        words = {
            "group": str(verdict.group),
            "verdict": _packed(verdict),
            "equal": verdict.equal,
            "cost": verdict.cost_nanousd,
            "verdicts": self._limits.verdicts,
        }
        await self._run(JUDGED, {**self._common(scope), **words})

    async def save(self, scope: str, state: bytes) -> None:
        """Learned state."""
        await self._run(SAVE, {**self._common(scope), "state": state})

    async def quarantine(self, scope: str, group: int) -> None:
        """Never served again."""
        await self._run(QUARANTINE, {**self._common(scope), "group": str(group)})

    async def delete(self, scope: str, group: int) -> bool:
        """False when it was not there any more."""
        words = {**self._common(scope), "group": str(group)}
        return bool(await self._run(DELETE, words))

    async def invalidate(self, chosen: Chosen, page: Page, *, dry_run: bool) -> int:
        """How many groups there were. Raises InvalidRequest for a pattern without texts."""
        if dry_run or chosen.pattern:  # a pattern that is refused must not be written down
            groups = await self._chosen(chosen, page)
            if dry_run:
                return len(groups)
        entry = secrets.token_bytes(_MARK_BYTES) + _packed(chosen)
        last = int(await self._run(LOG, {"entry": entry, "kept_s": LOG_S}))
        # what comes after was either asked for after, or is declined
        groups = [one for one in await self._chosen(chosen, page, again=True) if one <= last]
        gone = 0
        for start in range(0, len(groups), _AT_ONCE):
            ids = [str(group) for group in groups[start : start + _AT_ONCE]]
            gone += await self._run(FORGET, {"ids": ids})
        return gone

    async def _chosen(self, chosen: Chosen, page: Page, *, again: bool = False) -> list[int]:
        """Groups that are meant."""
        before = chosen.stored_before
        words = {
            "key": chosen.key,
            "tag": chosen.tag,
            "model": chosen.model,
            "tenant": chosen.tenant,
            "task": chosen.task,
            "before": -1 if before is None else micros(before),
            "words": bool(chosen.pattern),
        }
        match = matcher(chosen.pattern) if chosen.pattern else None
        found, textless, cursor = dict[int, None](), 0, 0
        while True:
            cursor, groups = await page(cursor)
            for start in range(0, len(groups), _AT_ONCE):
                ids = [str(group) for group in groups[start : start + _AT_ONCE]]
                for one in await self._run(CHOSEN, {**words, "ids": ids}):
                    if match is None:
                        found[int(one)] = None
                        continue
                    group, texts = int(one[0]), one[3]
                    textless += sum(not text for text in texts)
                    if any(match(word) for word in _words_of(one[1:]) if word):
                        found[group] = None
            if cursor == 0:
                break
        if match is not None and not found and textless and not again:
            raise refuse_pattern(chosen.pattern, textless)
        return list(found)

    def _common(self, scope: str) -> dict[str, Any]:
        return {"s": scope, "now": micros(self._clock.now())}

    def _adding(self, scope: str, given: Question, caller: str) -> dict[str, Any]:
        (question, vector), limits = given, self._limits
        return {
            **self._common(scope),
            "caller": caller,
            "hour": hour_of(self._clock),
            "per_hour": limits.caller_per_hour,
            "dims": question.dims,
            "vector": vector,
            "effort": _EFFORT,
            "row": question.vector + question.sketch,
            "text": question.text,
            "size": _size_of(question),
            "group_questions": limits.group_questions,
            "scope_questions": limits.scope_questions,
            "max_bytes": limits.max_bytes,
            "max_questions": limits.max_questions,
        }

    def _ago_us(self, asked_at: datetime | None) -> int:
        """How long ago by this clock, so that the server looks by its own; -1: it does not say."""
        if asked_at is None:
            return -1
        return max(0, (self._clock.now() - asked_at) // _ONE_US) + int(self._margin_s * 1_000_000)


def command_of(script: str, prefix: str, words: Mapping[str, Any]) -> Command:
    """A script as a command, with words that it reads by their names. Raises StoreError."""
    plain: dict[str, Any] = {"scopes": MAX_SCOPES, "others": book_of(OTHERS)}
    raw: list[Argument] = []
    for name, word in words.items():
        if isinstance(word, bytes):  # the server's MessagePack knows no bytes
            raw += [name, word]
        else:
            plain[name] = word
    return ("EVAL", script, 1, prefix, _packed(plain), *raw)


def book_of(scope: CacheScope) -> str:
    """A tenant and task type as a name."""
    return _packed(tuple(scope), _encode_json).decode()


def rows_of(told: Sequence[bytes]) -> Iterator[bytes]:
    """The rows that `ROWS` answered with, empty where there was none."""
    for one in told:
        sizes, _, rows = one.partition(b"\n")
        begins = 0
        for size in map(int, sizes.split()):
            yield rows[begins : begins + size]
            begins += size


def question_of(data: bytes, dims: int) -> tuple[int, int, bytes, bytes]:
    """Group, end, kept vector and sketch of a row."""
    group, expires_us, rest = data.split(b":", 2)
    size = 2 * dims
    return int(group), int(expires_us), rest[:size], rest[size:]


def stats_of(
    books: Iterable[bytes], figures: Sequence[bytes], tenant: str | None
) -> tuple[SemanticStats, ...]:
    """The books, by tenant and task; all or of one tenant."""
    found = {_decode_book(name): dict[str, int]() for name in books}
    for name, number in zip(figures[::2], figures[1::2], strict=True):
        found.setdefault(_decode_book(name[1:]), {})[_FIGURES[name[:1]]] = int(number)
    return tuple(
        SemanticStats(scope, **found[scope])
        for scope in sorted(found)
        if tenant in (None, scope.tenant)
    )


def _words_of(told: Sequence[Any]) -> list[str]:
    name, tags, texts = told
    return [name.decode(), *_decode_tags(tags), *(text.decode() for text in texts)]


def _size_of(question: Kept) -> int:
    return question.size_bytes + _NUMBER_BYTES * question.dims + _GRAPH_BYTES


def _of_one_size(told: Any, question: Kept) -> Any:
    """Raises StoreError where a scope has vectors of another size."""
    if isinstance(told, bytes) and told.startswith(b"dims "):
        known = int(told.removeprefix(b"dims "))
        raise StoreError(
            f"a vector has {question.dims} numbers, and those of its scope have {known} "
            "(another embedder needs another scope)"
        )
    return told


def _packed(words: object, encode: Callable[[object], bytes] = _encode) -> bytes:
    try:
        return encode(words)
    except UnicodeEncodeError:
        msg = "the semantic cache cannot hold this: half a surrogate pair"
        raise StoreError(msg) from None
