"""What is done to the tables of answers by meaning in a PostgreSQL, by one writer at a time."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from scrimp.errors import StoreError
from scrimp.meanings import About, Chosen, Judged
from scrimp.ports import CacheScope, Clock, StoredReply
from scrimp.remembered import LOG_S, matcher
from scrimp.stores.reply_codec import belongs
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
from scrimp.stores.semantic_untold import Looks

_SECOND_US = 1_000_000
_MICROSECOND = timedelta(microseconds=1)
_PRUNE_EVERY = 256
_AT_ONCE = 500
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Chosen).decode

_NEW_GROUP = """
INSERT INTO groups
  (scope, book, caller, stored_us, expires_us, size_bytes, name, model, tags, reply)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id
"""
_NEW_QUESTION = """
INSERT INTO questions (scope, grp, expires_us, root, vector, near, sketch, text)
VALUES ($1, $2, $3, $4, $5, $6::TEXT::HALFVEC, $7, $8)
"""
_GROW = "UPDATE groups SET questions = questions + 1, size_bytes = size_bytes + $1 WHERE id = $2"
_GROUP = "SELECT expires_us, questions, quarantined FROM groups WHERE id = $1 AND scope = $2"
_CALLER = """
INSERT INTO callers AS known (name, hour, inserted) VALUES ($1, $2, 1)
ON CONFLICT (name) DO UPDATE SET
  inserted = CASE WHEN known.hour = excluded.hour THEN known.inserted + 1 ELSE 1 END,
  hour = excluded.hour
WHERE known.name = '' OR known.hour <> excluded.hour OR known.inserted < $3
RETURNING id
"""
_KEEP_CALLER = """
INSERT INTO callers AS known (name) VALUES ($1)
ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id
"""
_CLAIM = """
UPDATE groups SET claimed_us = server_us() + $1
WHERE id = $2 AND scope = (SELECT id FROM scopes WHERE scope = $3)
  AND NOT quarantined AND expires_us > $4 AND claimed_us <= server_us()
"""
_LIVE = """
SELECT id FROM groups WHERE id = $1 AND scope = (SELECT id FROM scopes WHERE scope = $2)
  AND NOT quarantined AND expires_us > $3
"""
_VERDICT = """
INSERT INTO verdicts
  (scope, grp, at_us, equal, served, propensity, score, cost_nanousd, source, features)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id
"""
_OUTCOME = """
UPDATE groups SET equal = equal + $1, different = different + $2 WHERE id = $3 AND scope = $4
"""
_BOOK_VERDICT = """
UPDATE books SET judged = judged + 1, judge_nanousd = judge_nanousd + $1
WHERE id = (SELECT book FROM groups WHERE id = $2 AND scope = $3)
"""
_PRUNE_VERDICTS = """
DELETE FROM verdicts WHERE scope = $1 AND id <=
  (SELECT id FROM verdicts WHERE scope = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)
"""
_TALLY = """
UPDATE books SET hits = hits + $1, misses = misses + $2, audits = audits + $3 WHERE id = $4
"""
_ROOM = """
SELECT scopes.questions, store.questions, store.size_bytes FROM store, scopes WHERE scopes.id = $1
"""
_FORGET_OF_SCOPE = """
DELETE FROM groups WHERE id = (
  SELECT id FROM groups WHERE scope = $1 AND caller =
    (SELECT caller FROM holders WHERE scope = $1 ORDER BY questions DESC LIMIT 1)
  ORDER BY used LIMIT 1)
"""
_FORGET = """
DELETE FROM groups WHERE id = (
  SELECT id FROM groups WHERE caller =
    (SELECT id FROM callers ORDER BY size_bytes DESC LIMIT 1)
  ORDER BY used LIMIT 1)
"""
_CHOSEN = """
SELECT groups.id, groups.name, groups.tags, CASE WHEN books.tenant = $8 THEN groups.reply END
FROM groups JOIN books ON books.id = groups.book
WHERE groups.expires_us > $1
  AND ($2 = '' OR groups.name = $2)
  AND ($3 = '' OR groups.model = $3)
  AND (books.tenant = $8 OR (($4 = '' OR books.tenant = $4) AND ($5 = '' OR books.task = $5)))
  AND ($6::BIGINT IS NULL OR groups.stored_us < $6)
  AND ($7 = '' OR groups.tags @> ARRAY[$7])
"""
_TEXTS = "SELECT grp, text FROM questions WHERE grp = ANY($1::BIGINT[])"
_LOG = "INSERT INTO forgotten (at_us, chosen) VALUES (server_us(), $1)"
_UNLOG = "DELETE FROM forgotten WHERE at_us < server_us() - $1"
_SINCE = "SELECT chosen FROM forgotten WHERE at_us >= server_us() - $1 ORDER BY at_us DESC"


@dataclass(frozen=True, slots=True)
class NewGroup:
    """An answer that is to be kept, and its bytes."""

    question: Kept
    near: str
    answer: StoredReply
    packed: bytes
    about: About


class Rows:
    """Statements in one transaction that no other writer shares. Raises what asyncpg raises."""

    def __init__(
        self, connection: Any, clock: Clock, limits: SemanticLimits, margin_s: float
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._limits = limits
        self._margin_s = margin_s

    async def add_root(self, scope: bytes, new: NewGroup, *, limited: bool = True) -> int | None:
        """The new group's number; None when it is declined. `limited`: by the caller's limit."""
        answer, about, limits = new.answer, new.about, self._limits
        size_bytes = group_bytes(new.packed, about)
        if size_bytes + new.question.size_bytes > limits.max_bytes:
            return None
        since = await self._forgotten_since(answer.asked_at)
        if is_forgotten(since, answer, about, new.question.text):
            return None
        row = await self._scope(scope, new.question.dims)
        if (caller := await self._caller(about.caller, limited=limited)) is None:
            return None
        book, expires_us = await self._book(answer.scope), micros(answer.expires_at)
        group: int = await self._connection.fetchval(
            _NEW_GROUP,
            *(row, book, caller, micros(answer.stored_at), expires_us, size_bytes),
            *(about.name, about.model, list(dict.fromkeys(about.tags)), new.packed),
        )
        await self._add_question((row, group, expires_us), new.question, new.near)
        return group

    async def claim(self, scope: bytes, group: int, lease_s: float) -> bool:
        """Whether nobody else has it made anew now; by the server's clock."""
        lease_us = round(lease_s * _SECOND_US)
        values = (lease_us, group, scope, self._now_us())
        done: str = await self._connection.execute(_CLAIM, *values)
        return done != "UPDATE 0"

    async def renew(self, scope: bytes, group: int, new: NewGroup) -> int | None:
        """The number of the group that stands in place of this one; None: nothing changed."""
        live = await self._connection.fetchval(_LIVE, group, scope, self._now_us())
        if live is None or (number := await self.add_root(scope, new, limited=False)) is None:
            return None
        await self._connection.execute("DELETE FROM groups WHERE id = $1", group)
        return number

    async def add_alias(
        self, scope: bytes, group: int, asked: tuple[Kept, str], caller: str
    ) -> bool:
        """False when it is declined."""
        question, near = asked
        row = await self._scope(scope, question.dims)
        found = await self._connection.fetchrow(_GROUP, group, row)
        if found is None:
            return False
        expires_us, questions, quarantined = found
        full = questions >= self._limits.group_questions
        if full or quarantined or expires_us <= self._now_us():
            return False
        if await self._caller(caller) is None:
            return False
        await self._add_question((row, group, expires_us), question, near)
        return True

    async def judged(self, scope: bytes, verdict: Judged) -> None:
        """Into the log, the group's facts and the books."""
        row, cost, execute = (
            await self._scope(scope),
            verdict.cost_nanousd,
            self._connection.execute,
        )
        number = await self._connection.fetchval(
            _VERDICT,
            *(row, verdict.group, micros(verdict.at), verdict.equal, verdict.served),
            *(verdict.propensity, verdict.score, cost, verdict.source),
            array("d", verdict.features).tobytes(),
        )
        outcome = (int(verdict.equal), int(not verdict.equal))
        await execute(_OUTCOME, *outcome, verdict.group, row)
        await execute(_BOOK_VERDICT, cost, verdict.group, row)
        if number % _PRUNE_EVERY == 0:
            await execute(_PRUNE_VERDICTS, row, self._limits.verdicts)

    async def save(self, scope: bytes, state: bytes) -> None:
        """Learned state."""
        row = await self._scope(scope)
        statement = "UPDATE scopes SET state = $1, changed_us = $2 WHERE id = $3"
        await self._connection.execute(statement, state, self._now_us(), row)

    async def quarantine(self, scope: bytes, group: int) -> None:
        """Never served again."""
        statement = "UPDATE groups SET quarantined = true WHERE id = $1 AND scope = $2"
        await self._connection.execute(statement, group, await self._scope(scope))

    async def delete(self, scope: bytes, group: int) -> bool:
        """False when it was not there any more."""
        statement = """
        DELETE FROM groups WHERE id = $1 AND expires_us > $2
          AND scope = (SELECT id FROM scopes WHERE scope = $3)
        """
        done: str = await self._connection.execute(statement, group, self._now_us(), scope)
        return done != "DELETE 0"

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """How many groups there were."""
        before = chosen.stored_before
        found = await self._connection.fetch(
            _CHOSEN,
            *(self._now_us(), chosen.key, chosen.model, chosen.tenant, chosen.task),
            *(None if before is None else micros(before), chosen.tag, OTHERS.tenant),
        )
        found = [row for row in found if row[3] is None or belongs(row[3], chosen)]
        doomed = [row[0] for row in found]
        if chosen.pattern:
            doomed = await self._matching(chosen.pattern, found)
        if not dry_run:
            await self._connection.execute(_LOG, _encode(chosen))
            await self._connection.execute(_UNLOG, LOG_S * _SECOND_US)
            statement = "DELETE FROM groups WHERE id = ANY($1::BIGINT[])"
            await self._connection.execute(statement, doomed)
        return len(doomed)

    async def touch(self, groups: Sequence[int]) -> None:
        """These were used, in this order."""
        statement = "UPDATE groups SET used = nextval('uses') WHERE id = $1"
        await self._connection.executemany(statement, [(group,) for group in groups])

    async def tally(self, counts: Mapping[CacheScope, Looks]) -> None:
        """Add look-ups."""
        rows = [(*looks, await self._book(book)) for book, looks in counts.items()]
        await self._connection.executemany(_TALLY, rows)

    async def purge(self) -> None:
        """Forget what is past its time, and callers that hold nothing."""
        execute = self._connection.execute
        await execute("DELETE FROM groups WHERE expires_us <= $1", self._now_us())
        old = "DELETE FROM callers WHERE size_bytes = 0 AND hour < $1"
        await execute(old, hour_of(self._clock))

    async def _matching(self, pattern: str, found: Sequence[Any]) -> list[int]:
        """Those whose names, tags or texts match. Raises InvalidRequest as the store does."""
        match, doomed, textless = matcher(pattern), set[int](), 0
        for group, name, tags, _ in found:
            if any(match(word) for word in (name, *tags) if word):
                doomed.add(group)
        groups = [row[0] for row in found]
        for start in range(0, len(groups), _AT_ONCE):
            part = groups[start : start + _AT_ONCE]
            for group, text in await self._connection.fetch(_TEXTS, part):
                textless += not text
                if text and match(text.decode()):
                    doomed.add(group)
        if not doomed and textless:
            raise refuse_pattern(pattern, textless)
        return sorted(doomed)

    async def _forgotten_since(self, asked_at: datetime | None) -> list[Chosen] | None:
        """By the server's clock alone: whoever asks says how long ago it asked."""
        if asked_at is None:
            return []
        age_us = (self._clock.now() - asked_at) // _MICROSECOND
        if age_us > LOG_S * _SECOND_US:
            return None
        since_us = max(0, age_us) + int(self._margin_s * _SECOND_US)
        rows = await self._connection.fetch(_SINCE, since_us)
        return [_decode(row["chosen"]) for row in rows]

    async def _add_question(self, place: tuple[int, int, int], question: Kept, near: str) -> None:
        text = question.text.encode()
        words = (question.root, question.vector, near, question.sketch, text)
        await self._connection.execute(_NEW_QUESTION, *place, *words)
        await self._connection.execute(_GROW, question.size_bytes, place[1])
        await self._make_room(place[0])

    async def _make_room(self, scope: int) -> None:
        limits, execute = self._limits, self._connection.execute
        purged = False
        while True:
            held, questions, size_bytes = await self._connection.fetchrow(_ROOM, scope)
            over = questions > limits.max_questions or size_bytes > limits.max_bytes
            if held <= limits.scope_questions and not over:
                return
            if not purged:
                await execute("DELETE FROM groups WHERE expires_us <= $1", self._now_us())
                purged = True
                continue
            own = held > limits.scope_questions
            done = await (execute(_FORGET_OF_SCOPE, scope) if own else execute(_FORGET))
            if done == "DELETE 0":
                return

    async def _scope(self, scope: bytes, dims: int = 0) -> int:
        """Its row, made where needed. Raises StoreError when its vectors are of another size."""
        find = "SELECT id, dims FROM scopes WHERE scope = $1"
        found = await self._connection.fetchrow(find, scope)
        if found is None:
            await self._limit_scopes()
            add = "INSERT INTO scopes (scope, dims, changed_us) VALUES ($1, $2, $3) RETURNING id"
            made: int = await self._connection.fetchval(add, scope, dims, self._now_us())
            return made
        row, known = int(found["id"]), int(found["dims"])
        if dims and not known:
            await self._connection.execute("UPDATE scopes SET dims = $1 WHERE id = $2", dims, row)
        elif dims and known != dims:
            raise other_size(dims, known)
        return row

    async def _limit_scopes(self) -> None:
        """Learned state of scopes without questions does not pile up."""
        if await self._connection.fetchval("SELECT count(*) FROM scopes") < MAX_SCOPES:
            return
        query = "SELECT id FROM scopes WHERE questions = 0 ORDER BY changed_us LIMIT 256"
        doomed = [row["id"] for row in await self._connection.fetch(query)]
        for table, column in (("verdicts", "scope"), ("scopes", "id")):
            statement = f"DELETE FROM {table} WHERE {column} = ANY($1::BIGINT[])"  # noqa: S608
            await self._connection.execute(statement, doomed)

    async def _book(self, book: CacheScope) -> int:
        find = "SELECT id FROM books WHERE tenant = $1 AND task = $2"
        found = await self._connection.fetchval(find, *book)
        if found is None:
            many = await self._connection.fetchval("SELECT count(*) FROM books") >= MAX_SCOPES
            if many and book != OTHERS:
                return await self._book(OTHERS)
            add = "INSERT INTO books (tenant, task) VALUES ($1, $2) RETURNING id"
            found = await self._connection.fetchval(add, *book)
        return int(found)

    async def _caller(self, name: str, *, limited: bool = True) -> int | None:
        """Its row, with one more question counted; None when it may add none in this hour."""
        if not limited:
            row: int = await self._connection.fetchval(_KEEP_CALLER, name)
            return row
        values = (name, hour_of(self._clock), self._limits.caller_per_hour)
        found: int | None = await self._connection.fetchval(_CALLER, *values)
        return found

    def _now_us(self) -> int:
        return micros(self._clock.now())


def other_size(dims: int, known: int) -> StoreError:
    """An embedder that changed under an old scope."""
    return StoreError(
        f"a vector has {dims} numbers, and those of its scope have {known} "
        "(another embedder needs another scope)"
    )
