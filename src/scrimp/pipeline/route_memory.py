"""What routes learn, between the engine and its store: read at the start, told and heard meanwhile.

Engines that share the store prove together. Each tells what is new every two seconds, whatever it
is (the order of bets must not look at labels), and hears what the others have told. A store that
cannot be read or written costs no call: nothing new is proven then, and after a while nothing is
served cheap by a proof, since harm could not be seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from scrimp.choosing import Change, Lesson, RouteStore
from scrimp.errors import StoreError, kind_and_place
from scrimp.pipeline.proofs import News, Proof, Proofs, is_proof, left, merged
from scrimp.pipeline.saved_routes import (
    RANKING,
    VERSIONS,
    SavedRanking,
    read_ranking,
    read_versions,
    write_ranking,
    write_versions,
)
from scrimp.ports import Clock

log = logging.getLogger(__name__)

SHARED_EVERY_S: Final = 2.0
EVERY_S: Final = 15.0
BLIND_S: Final = 300.0
"""So long an engine that can tell and hear nothing serves by what it knew."""
_MOST_WAITING: Final = 4096
_RECALLED: Final = 4000
Hearing = Callable[[bytes], None]


class RouteMemory:
    """Keeps lessons and proofs. `run` beside the calls, until `stop`."""

    def __init__(self, store: RouteStore, proofs: Proofs, clock: Clock) -> None:
        self.store = store
        self.proofs = proofs
        self.versions: dict[str, str] = {}
        self._clock = clock
        self._known: dict[str, str] = {}
        self._waiting: deque[Lesson] = deque(maxlen=_MOST_WAITING)
        self._ranking: SavedRanking | None = None
        self._changes: dict[str, Change] = {}
        self._hearing: dict[str, Hearing] = {}
        self._heard = -1
        self._heard_s = clock.monotonic()
        self._failing = False
        self._sharing = asyncio.Lock()
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

    def change(self, name: str, change: Change) -> None:
        """Have a state of somebody else's changed; the last wish counts."""
        self._changes[name] = change

    def listen(self, name: str, hearing: Hearing) -> None:
        """Have somebody hear of a state, whenever it was changed."""
        self._hearing[name] = hearing

    async def state(self, name: str) -> bytes:
        """What was kept; nothing where it cannot be read."""
        try:
            return await self.store.load(name) or b""
        except StoreError:
            return b""

    async def begin(self) -> tuple[SavedRanking | None, list[Lesson]]:
        """Take up what was saved: the ranking, if there is one, and the newest lessons."""
        try:
            self._heard, states = await self.store.exchange({}, -1)
            self._hear(states, {})
            state = states.get(RANKING)
            ranking = None if state is None else read_ranking(state)
            lessons = await self.store.lessons(most=_RECALLED)
        except StoreError as error:
            log.warning("what routes have learned cannot be read: %s", error)
            return None, []
        return ranking, lessons

    async def run(self) -> None:
        """Tell and hear all the time, write now and then, and once more at the end."""
        due_s = self._clock.monotonic() + EVERY_S
        while not self._stopped.is_set():
            try:
                async with asyncio.timeout(SHARED_EVERY_S):
                    await self._stopped.wait()
            except TimeoutError:
                pass
            try:
                await self.share()
            except Exception as error:  # noqa: BLE001 (an edge: the app's other tasks must go on)
                log.error("sharing what routes prove broke: %s", kind_and_place(error))  # noqa: TRY400 (a traceback ends with the message)
            if self._clock.monotonic() >= due_s or self._stopped.is_set():
                due_s = self._clock.monotonic() + EVERY_S
                await self.write()

    def stop(self) -> None:
        """Write, and end."""
        self._stopped.set()

    async def flush(self) -> None:
        """All that is new."""
        await self.share()
        await self.write()

    async def write(self) -> None:
        """Lessons and the ranking. What cannot be written waits, as far as there is room."""
        lessons = tuple(self._waiting)
        self._waiting.clear()
        try:
            if lessons:
                await self.store.add(lessons)
            lessons = ()
            if (ranking := self._ranking) is not None:
                await self.store.save(RANKING, write_ranking(ranking))
                self._ranking = None if self._ranking is ranking else self._ranking
        except StoreError as error:
            log.warning("what routes learn cannot be written: %s", kind_and_place(error))
            self._waiting = deque((*lessons, *self._waiting), maxlen=_MOST_WAITING)

    async def share(self) -> None:
        """Tell what is new of proofs, and hear what others have told, all at one moment."""
        async with self._sharing:
            now_s = self._clock.now().timestamp()
            told = [
                (proof, news)
                for proof in self.proofs
                if proof.worth_keeping and (news := proof.news(now_s)) is not None
            ]
            others, versions = dict(self._changes), dict(self.versions)
            new = {
                name: is_now for name, is_now in versions.items() if self._known.get(name) != is_now
            }
            changes: dict[str, Change] = {
                proof.subjects.name: partial(merged, proof.save(), news, now_s)
                for proof, news in told
            }
            if new:
                changes[VERSIONS] = partial(_with_versions, new)
            try:
                self._heard, states = await self.store.exchange({**changes, **others}, self._heard)
            except StoreError as error:
                if not self._failing:  # told once, not every two seconds
                    log.warning("what routes prove is not shared: %s", kind_and_place(error))
                self._failing = True
                self.proofs.see(blind=self._clock.monotonic() - self._heard_s > BLIND_S)
                return
            self._done(told, now_s)
            for name, change in others.items():
                if self._changes.get(name) is change:
                    del self._changes[name]
            self._known |= new
            self._hear(states, new)

    async def leave(self) -> None:
        """Tell the rest, and that no label will come from here any more."""
        await self.share()
        now_s, owner = self._clock.now().timestamp(), self.proofs.owner
        changes: dict[str, Change] = {
            proof.subjects.name: partial(left, owner, now_s)
            for proof in self.proofs
            if proof.certificate is not None and owner in proof.certificate.bets.heard
        }
        try:
            if changes:
                await self.store.exchange(changes, self._heard)
        except StoreError as error:
            log.warning("what routes prove is not shared: %s", kind_and_place(error))

    def _done(self, told: list[tuple[Proof, News]], now_s: float) -> None:
        self._heard_s, self._failing = self._clock.monotonic(), False
        self.proofs.see(blind=False)
        for proof, news in told:
            proof.told(news, now_s)

    def _hear(self, states: Mapping[str, bytes], mine: Mapping[str, str]) -> None:
        """Versions with the proofs that they have begun anew: else each would do it once more."""
        for name, state in states.items():
            if is_proof(name):
                self.proofs.take(state)
            elif name == VERSIONS:
                heard = {n: told for n, told in read_versions(state).items() if n not in mine}
                for one, told in heard.items():
                    if self.versions.get(one) == self._known.get(one):  # nothing newer is seen here
                        self.versions[one] = told
                    self._known[one] = told
            elif name in self._hearing:
                self._hearing[name](state)


def _with_versions(new: Mapping[str, str], state: bytes | None) -> bytes:
    return write_versions({**({} if state is None else read_versions(state)), **new})
