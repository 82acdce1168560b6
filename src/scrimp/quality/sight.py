"""What is seen of a question beside its neighbours: the group that may answer it, and features.

Constants were chosen on BANKING77 and looked at on HWU64;
they shape the score only. No promise rests on them: what is served is decided by verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from math import log, log1p
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from scrimp.quality.lexical import Conflict, conflicts, inversions, jaccard, opposites, reworded
from scrimp.quality.logistic import logit
from scrimp.quality.overlap import SHARED, Shared
from scrimp.quality.sketch import Sketch, read

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

NEIGHBOURS: Final = 60
"""How many of the nearest are looked at: below 30 the local field is noisy, above 60 it gains
nothing."""
_VOTE: Final = 25.0
"""How fast a neighbour's vote fades with the cosine: at .04 below the nearest it counts a third."""
_WIDTH: Final = 4.0
_RIDGE: Final = 0.3
_SHARP: Final = 8.0
_CENTRE: Final = 0.9
"""Vectors of one subject share a direction that tells nothing; most of it is taken out."""
_PROOFS: Final = 2
"""One verdict may be false; two that agree seldom are."""
_PROOFS_AMONG: Final = 20

FEATURES: Final = [
    "cosine",
    "margin",
    "nearest",
    "is_nearest",
    "vote",
    "field",
    "both",
    "group_size",
    "group_share",
    "group_errors",
    "around",
    "strength",
    "variance",
    "lead",
    "entropy",
    "known",
    "words_shared",
    "pairs_shared",
    "numbers",
    "amounts",
    "negation",
    "names",
    "order",
    "length_ratio",
    "length",
    *SHARED,
]


@dataclass(frozen=True, slots=True)
class Around:
    """The neighbours of a question, nearest first: cosines, groups, vectors, sketches.

    Sketches are bytes: few of them are looked at, and reading all takes longer than the rest.
    """

    cosines: Floats
    groups: NDArray[np.int64]
    vectors: Vectors
    sketches: tuple[bytes, ...]

    def sketch(self, at: int) -> Sketch | None:
        """One of them, read."""
        return read(self.sketches[at])


class Counts(Protocol):
    """What is known of a group: how many questions, and verdicts on it."""

    @property
    def size(self) -> int:
        """Its questions."""
        ...

    @property
    def equal(self) -> int:
        """Verdicts that its answer was right."""
        ...

    @property
    def different(self) -> int:
        """Verdicts that it was not."""
        ...

    @property
    def quarantined(self) -> bool:
        """Whether it is out of service."""
        ...


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of a group, for who has no others."""

    size: int
    equal: int = 0
    different: int = 0
    quarantined: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known of a scope: its groups, how many questions, the mean of its vectors."""

    tallies: Mapping[int, Counts]
    known: int
    centre: Vectors | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """The group that may answer, the features of that, what forbids it, and groups to ask about.

    `order` are groups by how likely they answer the question, the first being `group`.
    """

    group: int
    features: tuple[float, ...]
    conflict: Conflict | None
    quarantined: bool
    order: tuple[int, ...]

    @property
    def barred(self) -> bool:
        """Whether its answer must not be served, whatever the score."""
        return self.quarantined or self.conflict is not None


def look(vector: Vectors, asked: Sketch | None, around: Around, scope: Scope) -> Sight | None:
    """What is seen; None where nothing is near. A group without a tally is left out."""
    groups = around.groups.tolist()
    keep = [at for at, group in enumerate(groups) if group in scope.tallies]
    if not keep:
        return None
    if len(keep) < len(groups):
        around = Around(
            around.cosines[keep],
            around.groups[keep],
            around.vectors[keep],
            tuple(around.sketches[at] for at in keep),
        )
    field = Field(vector, around, scope.centre)
    return field.sight(asked, scope.tallies[field.group], scope.known)


class Field:
    """Votes of the neighbourhood by group: by closeness, and by a kernel ridge regression.

    The latter solves (K + ridge) w = k for the neighbours (Rasmussen & Williams 2006, Gaussian
    Processes for Machine Learning, eq. 2.25); a group's value is the sum of its weights, and
    1 - k.w is the posterior variance: how far the question is from all that is known.
    """

    def __init__(self, vector: Vectors, around: Around, centre: Vectors | None) -> None:
        """At least one neighbour is needed. `group` is then the one that may answer."""
        names, first, member = np.unique(around.groups, return_index=True, return_inverse=True)
        near = np.exp(_VOTE * (around.cosines - around.cosines[0]))
        self._around, self._first, self._member = around, first, member
        self._counts = np.bincount(member, minlength=len(names))
        self._vote = np.bincount(member, near, len(names)) / near.sum()
        gram, line = _kernel(vector, around, centre)
        gram.flat[:: len(gram) + 1] += _RIDGE
        weights = np.linalg.solve(gram, line)
        self._variance = 1.0 - float(line @ weights)
        self._field: Floats = np.bincount(member, weights, len(names)).astype(
            np.float64, copy=False
        )
        sharp = np.exp(_SHARP * (self._field - self._field.max()))
        self._sharp = sharp / sharp.sum()
        both = np.sqrt(self._vote * self._sharp) + 1e-9
        self._both = both / both.sum()
        ranked = np.argsort(-self._both, kind="stable")
        self._best = int(ranked[0])
        self._order: tuple[int, ...] = tuple(names[ranked[:8]].tolist())
        self.group = self._order[0]

    def sight(self, asked: Sketch | None, tally: Counts, known: int) -> Sight:
        """The features of `group`, whose counts `tally` is; `known` questions are in its scope."""
        around, best = self._around, self._best
        cosines, at = around.cosines, int(self._first[best])
        root = around.sketch(at)
        cosine, nearest = float(cosines[at]), float(cosines[0])
        second = _most_but(cosines[self._first], best, float(cosines[-1]) - 0.05)
        field = float(self._field[best])
        judged = tally.equal + tally.different
        features = (
            cosine,
            cosine - second,
            nearest,
            float(at == 0),
            logit(float(self._vote[best])),
            logit(float(self._sharp[best])),
            logit(float(self._both[best])),
            log1p(tally.size),
            float(self._counts[best]) / len(cosines),
            (tally.different + 0.2) / (judged + 1.0),
            float(cosines[:5].mean()),
            field,
            self._variance,
            field - _most_but(self._field, best, 0.0),
            -float((self._both * np.log(self._both)).sum()),
            log1p(known),
            *_lexical(asked, root),
            *Shared(asked, around.sketches, self._member, len(self._both)).features(best),
        )
        others = np.flatnonzero(self._member == best)[1:].tolist()
        return Sight(
            self.group,
            features,
            _unproven(asked, root, around, others),
            tally.quarantined,
            self._order,
        )


def _most_but(values: Floats, one: int, alone: float) -> float:
    """The largest of the others; `alone` where there are none."""
    if len(values) == 1:
        return alone
    others = values.copy()
    others[one] = -np.inf
    return float(others.max())


def _unproven(
    asked: Sketch | None, nearest: Sketch | None, around: Around, others: list[int]
) -> Conflict | None:
    """The conflict with the nearest member, unless verdicts showed that its kind does not matter.

    They did where two other members differ from the nearest in that very way: each of them was
    judged to be answered by the same answer.
    """
    for found in conflicts(asked, nearest):
        if asked is None or nearest is None or len(others) < _PROOFS:
            return found
        turned = opposites(asked, nearest) if found == "opposites" else set()
        read_now = (around.sketch(at) for at in others[:_PROOFS_AMONG])
        proofs = (one for one in read_now if one and _differs_so(found, one, nearest, turned))
        if sum(1 for _ in islice(proofs, _PROOFS)) < _PROOFS:  # no more are read than it takes
            return found
    return None


def _differs_so(kind: Conflict, one: Sketch, two: Sketch, turned: set[int]) -> bool:
    match kind:
        case "words":
            return reworded(one, two)
        case "opposites":
            return turned <= opposites(one, two)
        case _:
            return kind in conflicts(one, two)


def _kernel(vector: Vectors, around: Around, centre: Vectors | None) -> tuple[Floats, Floats]:
    vectors, cosines = around.vectors, around.cosines
    width = _WIDTH
    if centre is None:
        gram = vectors @ vectors.T
    else:
        shift = np.float32(_CENTRE) * centre
        vectors = vectors - shift
        vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None] + 1e-9
        moved = vector - shift
        moved = moved / np.float32(float(moved @ moved) ** 0.5 + 1e-9)
        gram, cosines = vectors @ vectors.T, vectors @ moved
        width /= 2  # centred vectors lie twice as far apart
    return _closeness(gram, width), _closeness(cosines, width)


def _closeness(cosines: NDArray[np.floating], width: float) -> Floats:
    """1 where a cosine is 1; in one array, since making others takes longer than the sums."""
    found = cosines.astype(np.float64)
    found -= 1
    found *= width
    return np.exp(found, out=found)


def _lexical(asked: Sketch | None, known: Sketch | None) -> tuple[float, ...]:
    if asked is None or known is None:
        return (0.0,) * 9
    mine, theirs = len(asked.words) + 1, len(known.words) + 1
    return (
        jaccard(asked.distinct, known.distinct),
        jaccard(asked.pairs, known.pairs),
        float(asked.numbers != known.numbers),
        jaccard(asked.amounts, known.amounts),
        float((asked.negations > 0) != (known.negations > 0)),
        float(bool(asked.names ^ known.names)),
        min(3.0, float(inversions(asked, known))),
        abs(log(mine / theirs)),
        log(mine),
    )
