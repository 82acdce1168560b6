"""One stream of questions through the engine of scrimp.quality: what is served, and what is wrong.

The cache is empty at first and each text comes once. A label stands for the right answer; the judge
compares labels, and may be made to flip verdicts. What is not served is paid for, and inserted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scrimp.quality.engine import Engine
from scrimp.quality.sight import FEATURES, NEIGHBOURS, Around, Scope, Sight, Tally, Vectors, look
from scrimp.quality.sketch import read
from scrimp.quality.threshold import study
from scrimp.quality.words import Promise

ASKED = 5
"""So many groups are judged, most probable first, before a miss becomes a group of its own."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Texts as vectors and sketches, and the number of the right answer of each."""

    vectors: Vectors
    sketches: tuple[bytes, ...]
    labels: NDArray[np.int64]

    def picked(self, chosen: NDArray[np.int64]) -> Questions:
        """Some of them, in this order."""
        sketches = tuple(self.sketches[at] for at in chosen.tolist())
        return Questions(np.ascontiguousarray(self.vectors[chosen]), sketches, self.labels[chosen])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one permutation came to. Shares are of all calls, `wrong` of the served ones."""

    hits: float
    wrong: float
    late_hits: float
    late_wrong: float
    kept: bool
    audits: float
    verdicts: float
    first_served: int
    groups: int
    upper: float
    noise: float
    restarts: int


@dataclass
class Cache:
    """A scope in memory: exact neighbours by numpy, groups, verdicts."""

    room: int
    dims: int
    known: int = 0
    answers: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    equal: list[int] = field(default_factory=list)
    different: list[int] = field(default_factory=list)
    sketches: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Room for all."""
        self.vectors = np.zeros((self.room, self.dims), np.float32)
        self.groups = np.zeros(self.room, np.int64)
        self.total = np.zeros(self.dims, np.float64)

    def sight(self, vector: Vectors, asked: bytes) -> Sight | None:
        """What the engine's features see of a question."""
        if not self.known:
            return None
        cosines = self.vectors[: self.known] @ vector
        count = min(NEIGHBOURS, self.known)
        near = np.argpartition(-cosines, count - 1)[:count]
        near = near[np.argsort(-cosines[near])]
        groups = self.groups[near]
        around = Around(
            cosines[near].astype(np.float64),
            groups,
            self.vectors[near],
            tuple(self.sketches[at] for at in near.tolist()),
        )
        tallies = {
            group: Tally(self.sizes[group], self.equal[group], self.different[group])
            for group in set(groups.tolist())
        }
        centre = (self.total / self.known).astype(np.float32)
        return look(vector, read(asked), around, Scope(tallies, self.known, centre))

    def add(self, vector: Vectors, asked: bytes, group: int | None, answer: int) -> None:
        """A question that was paid for: an alias of a group, or the root of a new one."""
        if group is None:
            group = len(self.answers)
            self.answers.append(answer)
            for counts in (self.sizes, self.equal, self.different):
                counts.append(0)
        self.vectors[self.known], self.groups[self.known] = vector, group
        self.sketches.append(asked)
        self.total += vector
        self.sizes[group] += 1
        self.known += 1

    def forget_last(self, total: NDArray[np.float64]) -> None:
        """Take back the last `add` of a new group; `total` is what it was before."""
        self.known -= 1
        self.total = total
        self.sketches.pop()
        for kept in (self.answers, self.sizes, self.equal, self.different):
            kept.pop()

    def verdict(self, group: int, *, right: bool) -> None:
        """Counts for the group."""
        (self.equal if right else self.different)[group] += 1


class Judge:
    """Compares labels; flips a share of its verdicts, each asking anew."""

    def __init__(self, flip: float, dice: np.random.Generator) -> None:
        self._flip, self._dice = flip, dice
        self.asked = 0

    def __call__(self, kept: int, fresh: int) -> bool:
        """Whether they are the same answer, as far as it can tell."""
        self.asked += 1
        return (kept == fresh) != (self._flip > 0 and self._dice.random() < self._flip)


class Run:
    """A stream with an engine of its own."""

    def __init__(self, promise: Promise, room: int, dims: int, flip: float, seed: int) -> None:
        self.dice = np.random.default_rng(seed + 1000)
        self.judge = Judge(flip, self.dice)
        self.cache = Cache(room, dims)
        self.engine = Engine(promise, len(FEATURES))
        self.served: list[bool] = []
        self.wrong: list[bool] = []
        self.audits = 0

    def ask(self, vector: Vectors, asked: bytes, label: int) -> bool:
        """One call; whether it was served."""
        sight = self.cache.sight(vector, asked)
        served = sight is not None and self._judged(sight, label)
        self.served.append(served)
        self.wrong.append(served and sight is not None and self.cache.answers[sight.group] != label)
        if not served:
            group = self._alias(sight, label)
            self.cache.add(vector, asked, group, label)
            if self.engine.due:
                self.engine.adopt(study(self.engine.lesson()))
        return served

    def _judged(self, sight: Sight, label: int) -> bool:
        """Decide; judge what is not served."""
        engine = self.engine
        chance = float(self.dice.random())
        decision = engine.decide(sight.features, chance, barred=sight.barred)
        if decision.action == "serve":
            return True
        self.audits += decision.action == "audit"
        answer = self.cache.answers[sight.group]
        first = right = self.judge(answer, label)
        if engine.doubts(decision, right=right):
            more = self.judge(answer, label) + self.judge(answer, label)
            right = first + more >= 2
        engine.learn(sight.features, decision, right=right, overturned=right != first)
        self.cache.verdict(sight.group, right=right)
        self._found = sight.group if right else None
        return False

    def _alias(self, sight: Sight | None, label: int) -> int | None:
        """The group that answers it: the judged one, or one of the next probable."""
        if sight is None:
            return None
        if self._found is not None:
            return self._found
        for group in sight.order[1:ASKED]:
            if self.judge(self.cache.answers[group], label):
                return group
        return None

    def outcome(self) -> Outcome:
        """Sums."""
        served, wrong = np.array(self.served), np.array(self.wrong)
        half = len(served) // 2
        hits, bad, bound = int(served.sum()), int(wrong.sum()), self.engine.promise.max_error
        base = len(served) if self.engine.promise.per_call else max(1, hits)
        return Outcome(
            hits / len(served),
            bad / base,
            float(served[half:].mean()),
            float(wrong[half:].sum() / max(1, served[half:].sum())),
            bad / base <= bound,
            self.audits / len(served),
            self.judge.asked / len(served),
            int(np.argmax(served)) if hits else len(served),
            len(self.cache.answers),
            self.engine.proof().upper,
            self.engine.noise.share,
            self.engine.restarts,
        )


def run(questions: Questions, promise: Promise, seed: int, flip: float = 0.0) -> Run:
    """All of them, in a permutation of this seed."""
    order = np.random.default_rng(seed).permutation(len(questions.labels))
    picked = questions.picked(order)
    one = Run(promise, len(order) + 10_000, picked.vectors.shape[1], flip, seed)
    for vector, asked, label in zip(
        picked.vectors, picked.sketches, picked.labels.tolist(), strict=True
    ):
        one.ask(vector, asked, label)
    return one
