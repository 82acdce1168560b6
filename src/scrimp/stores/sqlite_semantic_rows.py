"""What is done to the tables of answers by meaning, on the one connection that writes."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scrimp.errors import StoreError
from scrimp.meanings import About, Chosen, Judged
from scrimp.ports import CacheScope, Clock, StoredReply
from scrimp.remembered import matcher
from scrimp.stores.reply_codec import belongs
from scrimp.stores.scope_counts import MAX_SCOPES, OTHERS
from scrimp.stores.semantic_plan import SemanticLimits
from scrimp.stores.semantic_rules import (
    Kept,
    group_bytes,
    hour_of,
    is_forgotten,
    refuse_pattern,
)
from scrimp.stores.semantic_untold import Looks
from scrimp.stores.sqlite_forgotten import forgotten_since, micros, write_down

_AT_ONCE = 1000
_GONE_KEPT = 200_000
_PRUNE_EVERY = 256

_NEW_GROUP = """
INSERT INTO groups (scope, book, caller, stored_us, expires_us, used, size_bytes, name, model)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_NEW_QUESTION = """
INSERT INTO questions (scope, grp, expires_us, root, vector, sketch, text)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_GROW = "UPDATE groups SET questions = questions + 1, size_bytes = size_bytes + ? WHERE id = ?"
_GROUP = """
SELECT expires_us, questions, quarantined FROM groups WHERE id = ? AND +scope = ?
"""
_CLAIM = """
UPDATE groups SET claimed_us = ? WHERE id = ? AND +scope = (SELECT id FROM scopes WHERE scope = ?)
  AND NOT quarantined AND +expires_us > ? AND claimed_us <= ?
"""
_LIVE = """
SELECT 1 FROM groups WHERE id = ? AND +scope = (SELECT id FROM scopes WHERE scope = ?)
  AND NOT quarantined AND +expires_us > ?
"""
_VERDICT = """
INSERT INTO verdicts
  (scope, grp, at_us, equal, served, propensity, score, cost_nanousd, source, features)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_OUTCOME = """
UPDATE groups SET equal = equal + ?, different = different + ? WHERE id = ? AND +scope = ?
"""
_BOOK_VERDICT = """
UPDATE books SET judged = judged + 1, judge_nanousd = judge_nanousd + ?
WHERE id = (SELECT book FROM groups WHERE id = ? AND +scope = ?)
"""
_PRUNE_VERDICTS = """
DELETE FROM verdicts WHERE scope = ? AND id <=
  (SELECT id FROM verdicts WHERE scope = ? ORDER BY id DESC LIMIT 1 OFFSET ?)
"""
_LARGEST_OF_SCOPE = "SELECT caller FROM holders WHERE scope = ? ORDER BY questions DESC LIMIT 1"
_OLDEST_OF_SCOPE = """
SELECT id FROM groups WHERE scope = ? AND caller = ? ORDER BY used LIMIT 1
"""
_LARGEST = "SELECT id FROM callers ORDER BY size_bytes DESC LIMIT 1"
_OLDEST = "SELECT id FROM groups WHERE caller = ? ORDER BY used LIMIT 1"
_CHOSEN = """
SELECT groups.id FROM groups JOIN books ON books.id = groups.book
WHERE groups.expires_us > :now
  AND (:key = '' OR groups.name = :key)
  AND (:model = '' OR groups.model = :model)
  AND iif(books.tenant = :others,
    (SELECT belongs(reply) FROM answers WHERE answers.id = groups.id),
    (:tenant = '' OR books.tenant = :tenant) AND (:task = '' OR books.task = :task))
  AND (:before IS NULL OR groups.stored_us < :before)
  AND (:tag = '' OR EXISTS (SELECT 1 FROM tags WHERE tag = :tag AND grp = groups.id))
"""
_MATCHING = """
  AND ((groups.name <> '' AND matches(groups.name))
    OR EXISTS (SELECT 1 FROM tags WHERE grp = groups.id AND matches(tag))
    OR EXISTS (SELECT 1 FROM questions WHERE grp = groups.id AND text <> '' AND matches(text)))
"""
# One statement for many: each page is kept once for its undoing, and not once for each group.
_FORGET = "DELETE FROM groups WHERE id IN (SELECT value FROM json_each(?))"
_LEAVE = """
DELETE FROM groups WHERE id IN (SELECT value FROM json_each(?))
  AND +expires_us > ? AND +scope = (SELECT id FROM scopes WHERE scope = ?) RETURNING id
"""
_TEXTLESS = "SELECT count(*) FROM questions WHERE text = '' AND grp IN ({})"


@dataclass(frozen=True, slots=True)
class NewGroup:
    """An answer that is to be kept, and its bytes."""

    question: Kept
    answer: StoredReply
    packed: bytes
    about: About


class Rows:
    """Statements over one open file. Raises sqlite3.Error, StoreError or InvalidRequest."""

    def __init__(
        self, connection: sqlite3.Connection, clock: Clock, limits: SemanticLimits
    ) -> None:
        self.connection = connection
        self.evicted = 0
        self._clock = clock
        self._limits = limits
        self._used = 0

    def add_root(self, scope: bytes, new: NewGroup, *, limited: bool = True) -> int | None:
        """The new group's number; None when it is declined. `limited`: by the caller's limit."""
        answer, about = new.answer, new.about
        size_bytes = group_bytes(new.packed, about)
        if size_bytes + new.question.size_bytes > self._limits.max_bytes:
            return None
        since = forgotten_since(self.connection, answer.asked_at, self._now_us())
        if is_forgotten(since, answer, about, new.question.text):
            return None
        row = self._scope(scope, new.question.dims)
        caller = self._caller(about.caller, limited=limited)
        if caller is None:
            return None
        expires_us = micros(answer.expires_at)
        cursor = self.connection.execute(
            _NEW_GROUP,
            (
                *(row, self._book(answer.scope), caller, micros(answer.stored_at), expires_us),
                *(self._use(), size_bytes, about.name, about.model),
            ),
        )
        group = int(cursor.lastrowid or 0)
        self.connection.execute("INSERT INTO answers VALUES (?, ?)", (group, new.packed))
        tags = [(tag, group) for tag in dict.fromkeys(about.tags)]
        self.connection.executemany("INSERT INTO tags VALUES (?, ?)", tags)
        self._add_question(row, group, expires_us, new.question)
        self._make_room(row)
        return group

    def claim(self, scope: bytes, group: int, lease_s: float) -> bool:
        """Whether nobody else has it made anew now."""
        now_us = self._now_us()
        until_us = now_us + round(lease_s * 1_000_000)
        values = (until_us, group, scope, now_us, now_us)
        return self.connection.execute(_CLAIM, values).rowcount > 0

    def renew(self, scope: bytes, group: int, new: NewGroup) -> int | None:
        """The number of the group that stands in place of this one; None: nothing changed."""
        if self.connection.execute(_LIVE, (group, scope, self._now_us())).fetchone() is None:
            return None
        number = self.add_root(scope, new, limited=False)
        if number is not None:
            self.connection.execute("DELETE FROM groups WHERE id = ?", (group,))
        return number

    def add_alias(self, scope: bytes, group: int, question: Kept, caller: str) -> bool:
        """False when it is declined."""
        row = self._scope(scope, question.dims)
        found = self.connection.execute(_GROUP, (group, row)).fetchone()
        if found is None:
            return False
        expires_us, questions, quarantined = found
        full = questions >= self._limits.group_questions
        if full or quarantined or expires_us <= self._now_us() or self._caller(caller) is None:
            return False
        self._add_question(row, group, expires_us, question)
        self._make_room(row)
        return True

    def judged(self, scope: bytes, verdict: Judged) -> None:
        """Into the log, the group's facts and the books."""
        row = self._scope(scope)
        cost = verdict.cost_nanousd
        cursor = self.connection.execute(
            _VERDICT,
            (
                *(row, verdict.group, micros(verdict.at), verdict.equal, verdict.served),
                *(verdict.propensity, verdict.score, cost, verdict.source),
                array("d", verdict.features).tobytes(),
            ),
        )
        outcome = (int(verdict.equal), int(not verdict.equal))
        self.connection.execute(_OUTCOME, (*outcome, verdict.group, row))
        self.connection.execute(_BOOK_VERDICT, (cost, verdict.group, row))
        if int(cursor.lastrowid or 0) % _PRUNE_EVERY == 0:
            self.connection.execute(_PRUNE_VERDICTS, (row, row, self._limits.verdicts))

    def save(self, scope: bytes, state: bytes) -> None:
        """Learned state."""
        self.connection.execute(
            "UPDATE scopes SET state = ?, changed_us = ? WHERE id = ?",
            (state, self._now_us(), self._scope(scope)),
        )

    def quarantine(self, scope: bytes, group: int) -> None:
        """Never served again."""
        statement = "UPDATE groups SET quarantined = 1 WHERE id = ? AND +scope = ?"
        self.connection.execute(statement, (group, self._scope(scope)))

    def delete(self, leaving: Iterable[tuple[bytes, int]]) -> set[tuple[bytes, int]]:
        """Forget these (scope, group); those that were there."""
        groups: dict[bytes, list[int]] = {}
        for scope, group in leaving:
            groups.setdefault(scope, []).append(group)
        now_us = self._now_us()
        return {
            (scope, group)
            for scope, numbers in groups.items()
            for (group,) in self.connection.execute(_LEAVE, (json.dumps(numbers), now_us, scope))
        }

    def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """How many groups there were."""
        before = chosen.stored_before
        values = {
            "now": self._now_us(),
            "key": chosen.key,
            "model": chosen.model,
            "others": OTHERS.tenant,
            "tenant": chosen.tenant,
            "task": chosen.task,
            "tag": chosen.tag,
            "before": None if before is None else micros(before),
        }
        statement = _CHOSEN
        self.connection.create_function("belongs", 1, lambda reply: belongs(reply, chosen))
        if chosen.pattern:
            match = matcher(chosen.pattern)
            self.connection.create_function("matches", 1, match, deterministic=True)
            statement += _MATCHING
        doomed = self.connection.execute(statement, values).fetchall()
        if chosen.pattern and not doomed:
            textless = self._textless(values)
            if textless:
                raise refuse_pattern(chosen.pattern, textless)
        if not dry_run:
            write_down(self.connection, chosen, self._now_us())
            numbers = [number for (number,) in doomed]
            for start in range(0, len(numbers), _AT_ONCE):
                some = json.dumps(numbers[start : start + _AT_ONCE])
                self.connection.execute(_FORGET, (some,))
        return len(doomed)

    def touch(self, groups: Iterable[int]) -> None:
        """These were used, in this order."""
        self.connection.executemany(
            "UPDATE groups SET used = ? WHERE id = ?", [(self._use(), group) for group in groups]
        )

    def tally(self, counts: Mapping[CacheScope, Looks]) -> None:
        """Add look-ups."""
        statement = """
        UPDATE books SET hits = hits + ?, misses = misses + ?, audits = audits + ? WHERE id = ?
        """
        rows = [(*looks, self._book(book)) for book, looks in counts.items()]
        self.connection.executemany(statement, rows)

    def purge(self) -> None:
        """Forget what is past its time, and what nobody can need any more."""
        execute = self.connection.execute
        execute("DELETE FROM groups WHERE expires_us <= ?", (self._now_us(),))
        forgotten = execute("SELECT coalesce(max(id), 0) - ? FROM gone", (_GONE_KEPT,)).fetchone()
        if execute("DELETE FROM gone WHERE id <= ?", forgotten).rowcount:
            execute("UPDATE store SET forgotten = ?", forgotten)
        execute("DELETE FROM callers WHERE size_bytes = 0 AND hour < ?", (hour_of(self._clock),))

    def check(self) -> None:
        """Raise what `is_damage` knows when the file is not whole."""
        found: str = self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            error = sqlite3.DatabaseError(found)
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error

    def _add_question(self, scope: int, group: int, expires_us: int, question: Kept) -> None:
        words = (question.root, question.vector, question.sketch, question.text)
        self.connection.execute(_NEW_QUESTION, (scope, group, expires_us, *words))
        self.connection.execute(_GROW, (question.size_bytes, group))

    def _make_room(self, scope: int) -> None:
        execute = self.connection.execute
        limits = self._limits
        for purged in (False, True):
            held = execute("SELECT questions FROM scopes WHERE id = ?", (scope,)).fetchone()[0]
            questions, size_bytes = execute("SELECT questions, size_bytes FROM store").fetchone()
            over = questions > limits.max_questions or size_bytes > limits.max_bytes
            if held <= limits.scope_questions and not over:
                return
            if not purged:
                execute("DELETE FROM groups WHERE expires_us <= ?", (self._now_us(),))
        while held > limits.scope_questions and self._evict_of_scope(scope):
            held = execute("SELECT questions FROM scopes WHERE id = ?", (scope,)).fetchone()[0]
        while (questions > limits.max_questions or size_bytes > limits.max_bytes) and self._evict():
            questions, size_bytes = execute("SELECT questions, size_bytes FROM store").fetchone()

    def _evict_of_scope(self, scope: int) -> bool:
        holder = self.connection.execute(_LARGEST_OF_SCOPE, (scope,)).fetchone()
        return holder is not None and self._forget(_OLDEST_OF_SCOPE, (scope, *holder))

    def _evict(self) -> bool:
        holder = self.connection.execute(_LARGEST).fetchone()
        return holder is not None and self._forget(_OLDEST, holder)

    def _forget(self, query: str, values: tuple[int, ...]) -> bool:
        found = self.connection.execute(query, values).fetchone()
        if found is None:
            return False
        self.evicted += self.connection.execute("DELETE FROM groups WHERE id = ?", found).rowcount
        return True

    def _textless(self, values: Mapping[str, object]) -> int:
        found: int = self.connection.execute(_TEXTLESS.format(_CHOSEN), values).fetchone()[0]
        return found

    def _scope(self, scope: bytes, dims: int = 0) -> int:
        """Its row, made where needed. Raises StoreError when its vectors are of another size."""
        execute = self.connection.execute
        found = execute("SELECT id, dims FROM scopes WHERE scope = ?", (scope,)).fetchone()
        if found is None:
            self._limit_scopes()
            execute(
                "INSERT INTO scopes (scope, dims, changed_us) VALUES (?, ?, ?)",
                (scope, dims, self._now_us()),
            )
            return self._scope(scope, dims)
        row, known = int(found[0]), int(found[1])
        if dims and not known:
            execute("UPDATE scopes SET dims = ? WHERE id = ?", (dims, row))
        elif dims and known != dims:
            msg = (
                f"a vector has {dims} numbers, and those of its scope have {known} "
                "(another embedder needs another scope)"
            )
            raise StoreError(msg)
        return row

    def _limit_scopes(self) -> None:
        """Learned state of scopes without questions does not pile up."""
        execute = self.connection.execute
        if execute("SELECT count(*) FROM scopes").fetchone()[0] >= MAX_SCOPES:
            doomed = execute(
                "SELECT id FROM scopes WHERE questions = 0 ORDER BY changed_us LIMIT 256"
            ).fetchall()
            self.connection.executemany("DELETE FROM verdicts WHERE scope = ?", doomed)
            self.connection.executemany("DELETE FROM scopes WHERE id = ?", doomed)

    def _book(self, book: CacheScope) -> int:
        execute = self.connection.execute
        find = "SELECT id FROM books WHERE tenant = ? AND task = ?"
        found = execute(find, book).fetchone()
        if found is None:
            if book != OTHERS and execute("SELECT count(*) FROM books").fetchone()[0] >= MAX_SCOPES:
                return self._book(OTHERS)
            execute("INSERT INTO books (tenant, task) VALUES (?, ?)", book)
            found = execute(find, book).fetchone()
        return int(found[0])

    def _caller(self, name: str, *, limited: bool = True) -> int | None:
        """Its row, with one more question counted; None when it may add none in this hour."""
        execute = self.connection.execute
        execute("INSERT INTO callers (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
        find = "SELECT id, hour, inserted FROM callers WHERE name = ?"
        row, hour, inserted = execute(find, (name,)).fetchone()
        now = hour_of(self._clock)
        inserted = inserted if hour == now else 0
        if not limited:
            return int(row)
        if name and inserted >= self._limits.caller_per_hour:
            return None
        execute("UPDATE callers SET hour = ?, inserted = ? WHERE id = ?", (now, inserted + 1, row))
        return int(row)

    def _use(self) -> int:
        """Grows with each use, and is the time where processes share a file."""
        self._used = max(self._now_us(), self._used + 1)
        return self._used

    def _now_us(self) -> int:
        return micros(self._clock.now())
