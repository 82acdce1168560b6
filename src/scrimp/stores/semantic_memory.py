"""Answers by meaning in this process: nothing is shared, and all is gone at its end.

Everything but long searches and the tending of graphs happens on the event loop, so that no state
needs a lock.
"""

from __future__ import annotations

import asyncio
import heapq
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from itertools import count as numbers

from msgspec.structs import replace

from scrimp.errors import StoreError
from scrimp.meanings import (
    UNNAMED,
    About,
    Chosen,
    GroupFacts,
    Judged,
    Known,
    Neighbour,
    SemanticStats,
)
from scrimp.ports import CacheScope, Clock, StoredReply
from scrimp.remembered import check_chosen, matcher
from scrimp.stores.forgotten_log import ForgottenLog
from scrimp.stores.scope_counts import MAX_SCOPES, OTHERS
from scrimp.stores.semantic_groups import Group, Scope
from scrimp.stores.semantic_index import ScopeIndex
from scrimp.stores.semantic_plan import IndexOptions, SemanticLimits
from scrimp.stores.semantic_rules import (
    Kept,
    group_bytes,
    hour_of,
    is_forgotten,
    kept,
    meets,
    refuse_pattern,
)
from scrimp.stores.semantic_shares import Shares
from scrimp.stores.semantic_vectors import Row, ranked, read, wide

_ON_LOOP = 500  # comparing more would hold the event loop up
_SPARE = 8
_MOST = 4000


class MemorySemantic:
    """Implements `meanings.SemanticStore` on one event loop."""

    def __init__(
        self,
        clock: Clock,
        limits: SemanticLimits | None = None,
        index: IndexOptions | None = None,
    ) -> None:
        self._clock = clock
        self._limits = limits or SemanticLimits()
        self._index = index or IndexOptions()
        self._groups: dict[int, Group] = {}
        self._questions: dict[int, int] = {}
        self._scopes: dict[bytes, Scope] = {}
        self._shares = Shares()
        self._ends: list[tuple[float, int]] = []
        self._inserted: dict[str, int] = {}
        self._hour = 0
        self._books: dict[CacheScope, SemanticStats] = {}
        self._forgotten: ForgottenLog[Chosen] = ForgottenLog(clock)
        self._numbers = numbers(1)
        self._tending = ThreadPoolExecutor(1, "scrimp-tend")
        self._tended: Future[int] | None = None
        self._closed = False

    async def nearest(self, scope: bytes, vector: bytes, count: int) -> tuple[Neighbour, ...]:
        """The nearest known questions, nearest first."""
        self._check()
        known = self._scopes.get(scope)
        row = read(vector, known.dims if known else 0)
        if known is None or known.index is None:
            return ()
        index = known.index
        asked = count + _SPARE
        while True:
            few = index.graph is None and index.exact <= _ON_LOOP
            candidates = (
                index.near(row, asked) if few else await asyncio.to_thread(index.near, row, asked)
            )
            found = self._compared(row, candidates, count)
            if len(found) >= count or len(candidates) < asked or asked > _MOST:
                break
            asked *= 8  # many of them are past their time
        if index.crowded and not self._closed and (self._tended is None or self._tended.done()):
            self._tended = self._tending.submit(index.settle)
        return found

    async def facts(self, scope: bytes, groups: tuple[int, ...]) -> tuple[GroupFacts, ...]:
        """What is known of these groups, in order; groups that are gone are left out."""
        self._check()
        found = (self._alive(scope, number) for number in groups)
        return tuple(
            GroupFacts(one.number, len(one.questions), one.equal, one.different, one.quarantined)
            for one in found
            if one is not None
        )

    async def answer(self, scope: bytes, group: int) -> StoredReply | None:
        """The answer of a group; None when it is gone, past its time, or in quarantine."""
        self._check()
        found = self._alive(scope, group)
        if found is None or found.quarantined:
            return None
        self._shares.used(found.about.caller, group)
        self._scopes[scope].shares.used(found.about.caller, group)
        return found.answer

    async def add_root(
        self, scope: bytes, known: Known, answer: StoredReply, about: About = UNNAMED
    ) -> int | None:
        """A new group with its answer; the group's number, or None when it is declined."""
        self._check()
        question = kept(known, root=True)
        self._scope(scope, question.dims)
        if self._declines(question, answer, about) or not self._may_insert(about.caller):
            return None
        return self._put(scope, question, answer, about)

    async def add_alias(self, scope: bytes, known: Known, *, caller: str = "") -> bool:
        """Another question of a group. False when it is declined."""
        self._check()
        question = kept(known, root=False)
        place = self._scope(scope, question.dims)
        group = self._alive(scope, known.group)
        if group is None or group.quarantined:
            return False
        if len(group.questions) >= self._limits.group_questions or not self._may_insert(caller):
            return False
        self._add(place, group, question)
        return True

    async def judged(self, scope: bytes, verdict: Judged) -> None:
        """Write a verdict into the log, and into the facts of its group."""
        self._check()
        log = self._scope(scope).verdicts
        log.append(verdict)
        if len(log) > self._limits.verdicts:
            log.popleft()
        group = self._groups.get(verdict.group)
        if group is None or group.scope != scope:
            return
        group.equal += verdict.equal
        group.different += not verdict.equal
        book = self._book(group.answer.scope)
        cost = book.judge_nanousd + verdict.cost_nanousd
        self._books[book.scope] = replace(book, judged=book.judged + 1, judge_nanousd=cost)

    def tally(self, scope: CacheScope, *, hits: int = 0, misses: int = 0, audits: int = 0) -> None:
        """Count look-ups in the cache's books."""
        book = self._book(scope)
        self._books[book.scope] = replace(
            book, hits=book.hits + hits, misses=book.misses + misses, audits=book.audits + audits
        )

    async def verdicts(self, scope: bytes, last: int) -> tuple[Judged, ...]:
        """The newest verdicts of a scope, oldest first."""
        self._check()
        known = self._scopes.get(scope)
        log = known.verdicts if known else ()
        return tuple(log)[max(0, len(log) - last) :]

    async def load(self, scope: bytes) -> bytes | None:
        """The state that `save` kept for the scope."""
        self._check()
        known = self._scopes.get(scope)
        return known.state if known else None

    async def save(self, scope: bytes, state: bytes) -> None:
        """Keep the learned state of a scope."""
        self._check()
        self._scope(scope).state = state

    async def quarantine(self, scope: bytes, group: int) -> None:
        """Never serve this answer again."""
        self._check()
        if (found := self._alive(scope, group)) is not None:
            found.quarantined = True

    async def claim(self, scope: bytes, group: int, *, lease_s: float) -> bool:
        """True: this process has the answer made anew."""
        self._check()
        found, now = self._alive(scope, group), self._clock.now()
        if found is None or found.quarantined:
            return False
        if found.claimed_until is not None and found.claimed_until > now:
            return False
        found.claimed_until = now + timedelta(seconds=lease_s)
        return True

    async def renew(
        self, scope: bytes, group: int, known: Known, answer: StoredReply
    ) -> int | None:
        """A new group in place of this one; None when that is gone, or it is declined."""
        self._check()
        question = kept(known, root=True)
        self._scope(scope, question.dims)
        old = self._alive(scope, group)
        if old is None or old.quarantined or self._declines(question, answer, answer.about):
            return None
        self._forget(old)
        return self._put(scope, question, answer, answer.about)

    async def delete(self, scope: bytes, group: int) -> bool:
        """Forget a group. False when it was not there."""
        self._check()
        found = self._alive(scope, group)
        if found is not None:
            self._forget(found)
        return found is not None

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget every group that is chosen; how many there were. Raises InvalidRequest."""
        self._check()
        check_chosen(chosen)
        self._purge()
        meant = [
            group for group in self._groups.values() if meets(chosen, group.answer, group.about)
        ]
        doomed = meant
        if chosen.pattern:
            match = matcher(chosen.pattern)
            doomed = [one for one in meant if any(match(word) for word in one.words() if word)]
            questions = (kept for one in meant for kept in one.questions.values())
            if not doomed and (textless := sum(not one.text for one in questions)):
                raise refuse_pattern(chosen.pattern, textless)
        if not dry_run:
            self._forgotten.add(chosen)
            for group in doomed:
                self._forget(group)
        return len(doomed)

    async def stats(self, tenant: str | None = None) -> tuple[SemanticStats, ...]:
        """What is kept and counted."""
        self._check()
        self._purge()
        books = dict(self._books)
        for group in self._groups.values():
            scope = group.answer.scope
            book = books.get(scope) or SemanticStats(scope)
            books[scope] = replace(
                book,
                groups=book.groups + 1,
                questions=book.questions + len(group.questions),
                size_bytes=book.size_bytes + group.size_bytes,
            )
        return tuple(books[one] for one in sorted(books) if tenant in (None, one.tenant))

    async def close(self) -> None:
        """Forget all."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._tending.shutdown)
            self._groups.clear()
            self._questions.clear()
            self._scopes.clear()

    def _check(self) -> None:
        if self._closed:
            raise StoreError("the semantic cache is closed")

    def _compared(self, row: Row, candidates: list[int], count: int) -> tuple[Neighbour, ...]:
        now = self._clock.now()
        found = []
        for number in candidates:
            group = self._groups.get(self._questions.get(number, 0))
            if group is not None and group.answer.expires_at > now:
                question = group.questions[number]
                found.append((number, group.number, question.vector, question.sketch))
        return ranked(row, found, count)

    def _alive(self, scope: bytes, number: int) -> Group | None:
        group = self._groups.get(number)
        if group is None or group.scope != scope:
            return None
        return group if group.answer.expires_at > self._clock.now() else None

    def _declines(self, question: Kept, answer: StoredReply, about: About) -> bool:
        size_bytes = group_bytes(answer.reply.body or b"", about) + question.size_bytes
        if size_bytes > self._limits.max_bytes:
            return True
        since = self._forgotten.since(answer.asked_at)
        return is_forgotten(since, answer, about, question.text)

    def _put(self, scope: bytes, question: Kept, answer: StoredReply, about: About) -> int:
        place = self._scope(scope, question.dims)
        size_bytes = group_bytes(answer.reply.body or b"", about)
        about = replace(about, tags=tuple(dict.fromkeys(about.tags)))
        group = Group(next(self._numbers), scope, answer, about, size_bytes)
        self._groups[group.number] = group
        heapq.heappush(self._ends, (answer.expires_at.timestamp(), group.number))
        self._shares.came(about.caller, group.number, size_bytes)
        place.shares.came(about.caller, group.number, 0)
        self._add(place, group, question)
        return group.number

    def _add(self, place: Scope, group: Group, question: Kept) -> None:
        number = next(self._numbers)
        caller = group.about.caller
        group.questions[number] = question
        group.size_bytes += question.size_bytes
        self._questions[number] = group.number
        self._shares.grew(caller, question.size_bytes)
        place.shares.grew(caller, 1)
        if place.index is None:
            place.index = ScopeIndex(question.dims, self._index)
        place.index.add([number], wide([question.vector]))
        self._make_room(place)

    def _make_room(self, place: Scope) -> None:
        limits = self._limits
        self._purge()
        while place.shares.total > limits.scope_questions:
            self._evict(place.shares)
        while len(self._questions) > limits.max_questions or self._shares.total > limits.max_bytes:
            self._evict(self._shares)

    def _evict(self, shares: Shares) -> None:
        number = shares.next_out()
        if number is not None:
            self._forget(self._groups[number])

    def _purge(self) -> None:
        now = self._clock.now()
        while self._ends and self._ends[0][0] <= now.timestamp():
            _, number = heapq.heappop(self._ends)
            if number in self._groups:
                self._forget(self._groups[number])

    def _forget(self, group: Group) -> None:
        del self._groups[group.number]
        place, caller = self._scopes[group.scope], group.about.caller
        self._shares.went(caller, group.number, group.size_bytes)
        place.shares.went(caller, group.number, len(group.questions))
        for number in group.questions:
            del self._questions[number]
        if place.index is not None:
            place.index.remove(group.questions)

    def _scope(self, scope: bytes, dims: int = 0) -> Scope:
        """Made where needed. Raises StoreError when its vectors are of another size."""
        place = self._scopes.get(scope)
        if place is None:
            if len(self._scopes) >= MAX_SCOPES:
                empty = (key for key, one in self._scopes.items() if not one.shares.total)
                if (doomed := next(empty, None)) is not None:
                    del self._scopes[doomed]
            place = self._scopes[scope] = Scope(dims)
        if dims and place.dims and place.dims != dims:
            msg = (
                f"a vector has {dims} numbers, and those of its scope have {place.dims} "
                "(another embedder needs another scope)"
            )
            raise StoreError(msg)
        place.dims = place.dims or dims
        return place

    def _may_insert(self, caller: str) -> bool:
        """One more question of the caller is counted; False when it may add none in this hour."""
        if not caller:
            return True
        hour = hour_of(self._clock)
        if hour != self._hour:
            self._hour, self._inserted = hour, {}
        inserted = self._inserted.get(caller, 0)
        if inserted >= self._limits.caller_per_hour:
            return False
        self._inserted[caller] = inserted + 1
        return True

    def _book(self, scope: CacheScope) -> SemanticStats:
        if scope not in self._books and len(self._books) >= MAX_SCOPES:
            scope = OTHERS
        return self._books.setdefault(scope, SemanticStats(scope))
