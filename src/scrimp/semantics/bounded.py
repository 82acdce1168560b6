"""The policy that keeps a bound: the engine of `quality` over what is seen of a question here.

Needs numpy (the extra `scrimp[semantic]`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import msgspec
import numpy as np

from scrimp.meanings import GroupFacts, Judged
from scrimp.quality.engine import Engine
from scrimp.quality.sight import FEATURES, NEIGHBOURS, Around, Field, Vectors
from scrimp.quality.sketch import read, sketch
from scrimp.quality.state import load, save
from scrimp.quality.threshold import study
from scrimp.quality.words import Action, Promise
from scrimp.quality.words import Decision as Chosen
from scrimp.semantics.deciding import Decision, Kind, Nearby, Policy, Standing, Weighed

MADE_FOR = "semantic/4"
"""Of what the features mean; embedder, model and prompt are in the scope already."""
FAR = 0.4
"""The cosine below which nobody is asked whether two answers are equal."""
_SAVE_EACH = 25
"""Verdicts; a state is half a megabyte, and the log has them all."""
_MEMORY = 10_000
"""Vectors that the centre of a scope is the mean of, about."""
_KINDS: dict[Action, Kind] = {
    "serve": "serve",
    "audit": "audit",
    "explore": "explore",
    "learn": "explore",
}


class _State(msgspec.Struct):
    engine: bytes = b""
    centre: bytes = b""
    seen: int = 0
    wrong: float = 0.0
    weight: float = 0.0


class Bounds:
    """Makes them. `dice` gives numbers in [0, 1)."""

    neighbours: ClassVar[int] = NEIGHBOURS

    def __init__(self, promise: Promise, dice: Callable[[], float]) -> None:
        self._promise = promise
        self._dice = dice

    def sketch(self, text: str, scope: bytes) -> bytes:
        """Hashes of its words, which differ from scope to scope."""
        return sketch(text, scope[:32])

    def of(self, state: bytes | None, verdicts: tuple[Judged, ...]) -> Policy:
        """As it was kept; without a state that can be read, the labels of the log."""
        kept = _State()
        if state is not None:
            try:
                kept = msgspec.msgpack.decode(state, type=_State)
            except msgspec.MsgspecError:
                kept = _State()
        engine = load(kept.engine or None, self._promise, len(FEATURES), MADE_FOR)
        if not kept.engine:
            _relearn(engine, verdicts)
        return Bounded(engine, self._dice, kept)


class Bounded:
    """One scope's."""

    def __init__(self, engine: Engine, dice: Callable[[], float], kept: _State) -> None:
        self._engine = engine
        self._dice = dice
        self._seen = kept.seen
        self._wrong, self._weight = kept.wrong, kept.weight
        self._centre: Vectors | None = np.frombuffer(kept.centre, "<f4") if kept.centre else None
        self._unsaved = 0
        promise = engine.promise
        per = " per call" if promise.per_call else ""
        self.bound = f"{promise.max_error:g}{per} at {promise.confidence:g}"

    @property
    def standing(self) -> Standing:
        """What is proven, and what is missing for it."""
        engine = self._engine
        proof = engine.proof()
        share = self._wrong / self._weight if self._weight else None
        alarm = "restarted" if engine.restarts and not engine.live else ""
        return Standing(len(engine.labels), share, proof.upper, proof.missing, alarm)

    def weigh(self, nearby: Nearby) -> Weighed:
        """The group that the neighbourhood votes for is the only one whose facts count."""
        found = nearby.neighbours
        if not found:
            return Weighed(nearby)
        around = Around(
            np.array([one.cosine for one in found], np.float64),
            np.array([one.group for one in found], np.int64),
            np.frombuffer(b"".join([one.vector for one in found]), "<f4").reshape(len(found), -1),
            tuple([one.sketch for one in found]),
        )
        field = Field(np.frombuffer(nearby.vector, "<f4"), around, self._centre)
        return Weighed(nearby, (field.group,), field)

    def decide(self, weighed: Weighed, facts: tuple[GroupFacts, ...]) -> Decision:
        """By the group that the neighbourhood votes for."""
        nearby, field, known = weighed.nearby, weighed.inner, self._seen
        self._move_centre(np.frombuffer(nearby.vector, "<f4"))
        if not isinstance(field, Field):
            return Decision("new", why="nothing_near")
        seen = field.sight(read(nearby.sketch), facts[0], known)
        if nearby.neighbours[0].cosine < FAR:
            return Decision("new", seen.group, order=seen.order, why="far")
        why: str | None = "quarantined" if seen.quarantined else seen.conflict
        chosen = self._engine.decide(seen.features, self._dice(), barred=why is not None)
        kind = _KINDS[chosen.action]
        if kind == "explore" and why is None:
            why = "learning" if chosen.action == "learn" else "uncertain"
        return Decision(
            kind,
            seen.group,
            chosen.chance,
            chosen.chance,
            chosen.propensity,
            seen.features,
            seen.order,
            why or "",
            chosen,
        )

    def doubts(self, decision: Decision, *, equal: bool) -> bool:
        """Where the verdict surprises."""
        chosen = decision.inner
        return isinstance(chosen, Chosen) and self._engine.doubts(chosen, right=equal)

    def learn(self, verdict: Judged, decision: Decision, *, overturned: bool = False) -> bool:
        """Of verdicts that were asked for; who speaks up by himself was not drawn by lot."""
        chosen = decision.inner
        if verdict.source == "user" or not isinstance(chosen, Chosen):
            return False
        was_live = self._engine.live
        right = verdict.equal
        self._engine.learn(verdict.features, chosen, right=right, overturned=overturned)
        if chosen.would:
            self._weight += 1 / chosen.propensity
            self._wrong += (not right) / chosen.propensity
        self._unsaved += 1
        if self._unsaved < _SAVE_EACH and self._engine.live == was_live:
            return False
        self._unsaved = 0
        return True

    def study(self) -> Callable[[], Callable[[], None]] | None:
        """The model and the threshold anew, where enough was learned."""
        if not self._engine.due:
            return None
        lesson = self._engine.lesson()

        def work() -> Callable[[], None]:
            return partial(self._engine.adopt, study(lesson))

        return work

    def state(self) -> bytes:
        """Everything."""
        centre = b"" if self._centre is None else self._centre.astype("<f4").tobytes()
        engine = save(self._engine, MADE_FOR)
        return msgspec.msgpack.encode(_State(engine, centre, self._seen, self._wrong, self._weight))

    def _move_centre(self, vector: Vectors) -> None:
        self._seen += 1
        if self._centre is None or len(self._centre) != len(vector):
            self._centre = vector
            return
        step = np.float32(1 / min(self._seen, _MEMORY))
        self._centre = self._centre + step * (vector - self._centre)


def _relearn(engine: Engine, verdicts: tuple[Judged, ...]) -> None:
    """Labels without their proof, which begins anew."""
    for verdict in verdicts:
        if len(verdict.features) == engine.width and verdict.propensity > 0:
            row = np.array(verdict.features, np.float64)
            propensity = verdict.propensity
            engine.labels.add(row, right=verdict.equal, propensity=propensity, barred=False)
