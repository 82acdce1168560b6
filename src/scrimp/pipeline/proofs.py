"""The certificates of an engine's routes: one for each place, pair of models and promise.

Which policies there are to be proven is fixed before the first label is seen: rungs are quantiles
of the scores of the first calls, which all go to the reference.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from scrimp.choosing import Place
from scrimp.errors import ConfigError
from scrimp.routing.certificate import Certificate
from scrimp.routing.certificate_state import read
from scrimp.routing.standing import LossPromise, Standing, Verdict
from scrimp.values import Value

FIRST: Final = 64
"""So many scores make the rungs."""
_SHARES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)
_MOST: Final = 512
_WORTH: Final = 8
_PREFIX: Final = "certificate:"
DRAFTS: Final = "drafts:"
"""Begins the ranking of a cascade's certificate: its scores are those of drafts."""


class Subjects(Value, frozen=True):
    """Whose calls, from which model, down to which others, by which ranking, under which promise.

    Another ranking makes other policies of the same scores: what was proven of one says nothing of
    another.
    """

    place: Place
    reference: str
    others: tuple[str, ...]
    promise: LossPromise
    ranking: str = ""

    @property
    def name(self) -> str:
        """Of its state in a store."""
        return _PREFIX + hashlib.blake2b(msgspec.msgpack.encode(self), digest_size=16).hexdigest()

    @property
    def of_drafts(self) -> bool:
        """Whether it is a cascade's: drafts of `others` that are served by their score."""
        return self.ranking.startswith(DRAFTS)


class _Kept(msgspec.Struct, frozen=True):
    subjects: Subjects
    scores: tuple[float, ...]
    certificate: bytes


class Proof:
    """One certificate, from before it has rungs."""

    def __init__(self, subjects: Subjects) -> None:
        self.subjects = subjects
        self.scores: list[float] = []
        self.certificate: Certificate | None = None
        self.changed = False

    def decide(self, score: float, chance: float, *, barred: bool) -> Verdict | None:
        """None while there are no rungs yet: the call goes to the reference."""
        self.changed = True
        if self.certificate is not None:
            return self.certificate.decide(score, chance, barred=barred)
        if not barred and np.isfinite(score):
            self.scores.append(float(score))
        if len(self.scores) >= FIRST:
            self._begin()
        return None

    @property
    def worth_keeping(self) -> bool:
        """Not of what was asked once or twice: a prompt with the date in it is new every day."""
        return self.certificate is not None or len(self.scores) >= _WORTH

    @property
    def serves(self) -> bool:
        """Whether anything goes to a cheaper model by it."""
        return self.certificate is not None and self.certificate.ladder.live >= 0

    def standing(self) -> Standing | None:
        """How it stands; None before there are rungs."""
        return None if self.certificate is None else self.certificate.standing()

    def restart(self, why: str) -> None:
        """Nothing is proven any more."""
        self.changed = True
        if self.certificate is not None:
            self.certificate.restart(why)

    def save(self) -> bytes:
        """The state."""
        inner = b"" if self.certificate is None else self.certificate.save()
        return msgspec.msgpack.encode(_Kept(self.subjects, tuple(self.scores[:FIRST]), inner))

    def _begin(self) -> None:
        """Equal scores are one rung, with the traffic of all of them."""
        scores = np.asarray(self.scores)
        rungs = sorted({float(one) for one in np.quantile(scores, _SHARES, method="higher")})
        shares = [float((scores <= rung).mean()) for rung in rungs]
        self.certificate = Certificate(self.subjects.promise, rungs, shares)


class Proofs:
    """All of them, bounded: those with rungs and, apart from them, those that gather scores.

    So that thousands of prompts that were seen once push out none that is being proven. Where there
    are too many, the tenant with the most gives up the one that was asked for least recently.
    """

    def __init__(self) -> None:
        self._begun: OrderedDict[Subjects, Proof] = OrderedDict()
        self._gathering: OrderedDict[Subjects, Proof] = OrderedDict()

    def __iter__(self) -> Iterator[Proof]:
        """Every proof."""
        return iter((*self._begun.values(), *self._gathering.values()))

    def of(self, subjects: Subjects) -> Proof:
        """The proof, begun where there is none yet."""
        proof = self._begun.get(subjects)
        if proof is not None:
            self._begun.move_to_end(subjects)
            return proof
        proof = self._gathering.pop(subjects, None) or Proof(subjects)
        self._put(proof)
        return proof

    def take(self, state: bytes) -> None:
        """Take up a saved one; what cannot be read is begun anew."""
        proof = revived(state)
        if proof is not None and proof.subjects not in self._begun:
            self._put(proof)

    def _put(self, proof: Proof) -> None:
        """As the newest of its kind."""
        kind = self._gathering if proof.certificate is None else self._begun
        kind[proof.subjects] = proof
        if len(kind) > _MOST:
            counts = Counter(one.place.tenant for one in kind)
            most = max(counts.values())
            del kind[next(one for one in kind if counts[one.place.tenant] == most)]


def revived(state: bytes) -> Proof | None:
    """A saved proof, or None where it is of another version or damaged."""
    try:
        kept = msgspec.msgpack.decode(state, type=_Kept)
    except msgspec.DecodeError:
        return None
    proof = Proof(kept.subjects)
    proof.scores = list(kept.scores)
    inner = read(kept.certificate) if kept.certificate else None
    if inner is not None:
        try:
            certificate = Certificate(inner.promise, inner.rungs)
        except ConfigError:  # damaged
            return None
        if certificate.load(kept.certificate):
            proof.certificate = certificate
    return proof


def noticed(versions: dict[str, str], proofs: Proofs, name: str, told: str) -> None:
    """Another version behind a name is another model: what was proven of it holds no more."""
    if not told:
        return
    before = versions.setdefault(name, told)
    if before == told:
        return
    versions[name] = told
    for proof in proofs:
        if name in (proof.subjects.reference, *proof.subjects.others):
            proof.restart(f"'{name}' is {told} now, it was {before}")


def is_proof(name: str) -> bool:
    """Whether a state of this name is a certificate's."""
    return name.startswith(_PREFIX)
