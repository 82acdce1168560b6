"""What routes learn, between the engine and its store: read at the start, written now and then.

A store that cannot be read or written costs no call: routes then begin anew, or forget at the end.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final

from scrimp.choosing import Lesson, RouteStore
from scrimp.errors import StoreError, kind_and_place
from scrimp.pipeline.proofs import Proofs, is_proof
from scrimp.pipeline.saved_routes import (
    RANKING,
    VERSIONS,
    SavedRanking,
    read_ranking,
    read_versions,
    write_ranking,
    write_versions,
)

log = logging.getLogger(__name__)

EVERY_S: Final = 15.0
_MOST_WAITING: Final = 4096
_RECALLED: Final = 4000


class RouteMemory:
    """Keeps lessons and proofs. `run` beside the calls, until `stop`."""

    def __init__(self, store: RouteStore, proofs: Proofs) -> None:
        self.store = store
        self.proofs = proofs
        self.versions: dict[str, str] = {}
        self._known: dict[str, str] = {}
        self._waiting: deque[Lesson] = deque(maxlen=_MOST_WAITING)
        self._ranking: SavedRanking | None = None
        self._states: dict[str, bytes] = {}
        self._stopped = asyncio.Event()

    def add(self, lesson: Lesson) -> None:
        """Implements `Lessons`."""
        self._waiting.append(lesson)

    def keep(self, lessons: tuple[Lesson, ...]) -> None:
        """Several at once."""
        self._waiting.extend(lessons)

    def rank(self, ranking: SavedRanking) -> None:
        """Keep the one that serves from now on."""
        self._ranking = ranking

    def put(self, name: str, state: bytes) -> None:
        """Keep a state of somebody else's."""
        self._states[name] = state

    async def state(self, name: str) -> bytes:
        """What was kept; nothing where it cannot be read."""
        try:
            return await self.store.load(name) or b""
        except StoreError:
            return b""

    async def begin(self) -> tuple[SavedRanking | None, list[Lesson]]:
        """Take up what was saved: the ranking, if there is one, and the newest lessons."""
        try:
            for name in await self.store.names():
                if is_proof(name) and (state := await self.store.load(name)) is not None:
                    self.proofs.take(state)
            state = await self.store.load(VERSIONS)
            self.versions |= {} if state is None else read_versions(state)
            self._known = dict(self.versions)
            state = await self.store.load(RANKING)
            ranking = None if state is None else read_ranking(state)
            lessons = await self.store.lessons(most=_RECALLED)
        except StoreError as error:
            log.warning("what routes have learned cannot be read: %s", error)
            return None, []
        return ranking, lessons

    async def run(self) -> None:
        """Write now and then, and once more at the end."""
        while not self._stopped.is_set():
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._stopped.wait()
            except TimeoutError:
                pass
            await self.flush()

    def stop(self) -> None:
        """Write, and end."""
        self._stopped.set()

    async def flush(self) -> None:
        """Write what is new. What cannot be written waits, as far as there is room."""
        lessons = tuple(self._waiting)
        self._waiting.clear()
        try:
            if lessons:
                await self.store.add(lessons)
            lessons = ()
            await self._save()
        except StoreError as error:
            log.warning("what routes learn cannot be written: %s", kind_and_place(error))
            self._waiting = deque((*lessons, *self._waiting), maxlen=_MOST_WAITING)

    async def _save(self) -> None:
        """States that are new. Versions last: until then a proof of an older one begins anew."""
        if (ranking := self._ranking) is not None:
            await self.store.save(RANKING, write_ranking(ranking))
            self._ranking = None if self._ranking is ranking else self._ranking
        for name, state in tuple(self._states.items()):
            await self.store.save(name, state)
            if self._states.get(name) is state:
                del self._states[name]
        for proof in self.proofs:
            if proof.changed and proof.worth_keeping:
                state, proof.changed = proof.save(), False
                try:
                    await self.store.save(proof.subjects.name, state)
                except StoreError:
                    proof.changed = True
                    raise
        if self.versions != self._known:
            now = dict(self.versions)
            await self.store.save(VERSIONS, write_versions(now))
            self._known = now
