"""What is seen of a question beside its neighbours: the group that may answer it, and features.

Constants were chosen on BANKING77 and looked at on HWU64;
they shape the score only. No promise rests on them: what is served is decided by verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from scrimp.quality.lexical import Conflict, conflicts, inversions, jaccard, opposites, reworded
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
    keep = [at for at, group in enumerate(around.groups.tolist()) if group in scope.tallies]
    if not keep:
        return None
    if len(keep) < len(around.cosines):
        around = Around(
            around.cosines[keep],
            around.groups[keep],
            around.vectors[keep],
            tuple(around.sketches[at] for at in keep),
        )
    return _Field(vector, around, scope.centre).sight(asked, around, scope)


class _Field:
    """Votes of the neighbourhood by group: by closeness, and by a kernel ridge regression.

    The latter solves (K + ridge) w = k for the neighbours (Rasmussen & Williams 2006, Gaussian
    Processes for Machine Learning, eq. 2.25); a group's value is the sum of its weights, and
    1 - k.w is the posterior variance: how far the question is from all that is known.
    """

    def __init__(self, vector: Vectors, around: Around, centre: Vectors | None) -> None:
        names, first, member = np.unique(around.groups, return_index=True, return_inverse=True)
        near = np.exp(_VOTE * (around.cosines - around.cosines[0]))
        self.groups, self.first, self.member = names, first, member
        self.counts = np.bincount(member, minlength=len(names))
        self.vote = np.bincount(member, near, len(names)) / near.sum()
        gram, line = _kernel(vector, around, centre)
        gram.flat[:: len(gram) + 1] += _RIDGE
        weights = np.linalg.solve(gram, line)
        self.variance = 1.0 - float(line @ weights)
        self.field: Floats = np.bincount(member, weights, len(names)).astype(np.float64, copy=False)
        sharp = np.exp(_SHARP * (self.field - self.field.max()))
        self.sharp = sharp / sharp.sum()
        both = np.sqrt(self.vote * self.sharp) + 1e-9
        self.both = both / both.sum()

    def sight(self, asked: Sketch | None, around: Around, scope: Scope) -> Sight:
        """The best group and its features."""
        ranked = np.argsort(-self.both, kind="stable")
        best = int(ranked[0])
        group, at = int(self.groups[best]), int(self.first[best])
        cosines, tally = around.cosines, scope.tallies[group]
        cosine, nearest = float(cosines[at]), float(cosines[0])
        second = _most_but(cosines[self.first], best, float(cosines[-1]) - 0.05)
        field = float(self.field[best])
        judged = tally.equal + tally.different
        features = (
            cosine,
            cosine - second,
            nearest,
            float(at == 0),
            _logit(float(self.vote[best])),
            _logit(float(self.sharp[best])),
            _logit(float(self.both[best])),
            float(np.log1p(tally.size)),
            float(self.counts[best]) / len(cosines),
            (tally.different + 0.2) / (judged + 1.0),
            float(cosines[:5].mean()),
            field,
            self.variance,
            field - _most_but(self.field, best, 0.0),
            -float((self.both * np.log(self.both)).sum()),
            float(np.log1p(scope.known)),
            *_lexical(asked, around.sketch(at)),
            *Shared(asked, around.sketches, self.member, len(self.groups)).features(best),
        )
        return Sight(
            group,
            features,
            _unproven(asked, around, np.flatnonzero(around.groups == group)),
            tally.quarantined,
            tuple(int(self.groups[one]) for one in ranked[:8]),
        )


def _most_but(values: Floats, one: int, alone: float) -> float:
    """The largest of the others; `alone` where there are none."""
    if len(values) == 1:
        return alone
    others = values.copy()
    others[one] = -np.inf
    return float(others.max())


def _unproven(asked: Sketch | None, around: Around, members: NDArray[np.int64]) -> Conflict | None:
    """The conflict with the nearest member, unless verdicts showed that its kind does not matter.

    They did where two other members differ from the nearest in that very way: each of them was
    judged to be answered by the same answer.
    """
    nearest = around.sketch(int(members[0]))
    for found in conflicts(asked, nearest):
        if asked is None or nearest is None or len(members) <= _PROOFS:
            return found
        turned = opposites(asked, nearest) if found == "opposites" else set()
        read_now = (around.sketch(at) for at in members[1 : _PROOFS_AMONG + 1].tolist())
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
    return (
        np.exp(width * (gram.astype(np.float64) - 1)),
        np.exp(width * (np.asarray(cosines, np.float64) - 1)),
    )


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
        float(abs(np.log(mine / theirs))),
        float(np.log(mine)),
    )


def _logit(share: float) -> float:
    clipped = min(max(share, 1e-4), 1 - 1e-4)
    return float(np.log(clipped / (1 - clipped)))
