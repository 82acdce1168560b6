"""The certificates of an engine's routes: one for each place, pair of models and promise.

Engines that share a store prove together: what each has done since it told last goes into one state
for all, and each decides by what it hears of that. Alone (without an `owner`) a proof settles at
once.

Which policies there are to be proven is fixed before the first label is seen: rungs are quantiles
of the scores of the first calls, which all go to the reference.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from scrimp.choosing import Place
from scrimp.errors import ConfigError
from scrimp.routing.bets import Event
from scrimp.routing.certificate import Certificate
from scrimp.routing.certificate_state import read
from scrimp.routing.standing import LossPromise, Standing, Verdict
from scrimp.values import Value

FIRST: Final = 64
"""So many scores make the rungs."""
MOST_NEWS: Final = 4096
"""What cannot be told for so long is as if it had not been."""
ALIVE_S: Final = 30.0
"""Who waits for labels, or has counted traffic, says so at least as often."""
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


class News(NamedTuple):
    """What one engine has done with one proof since it told last."""

    owner: str
    scores: tuple[float, ...]
    rungs: tuple[float, ...]
    first: int
    events: tuple[Event, ...]


class _Kept(msgspec.Struct, frozen=True):
    subjects: Subjects
    scores: tuple[float, ...]
    certificate: bytes


class Proof:
    """One certificate, from before it has rungs."""

    def __init__(self, subjects: Subjects, owner: str = "") -> None:
        self.subjects = subjects
        self.owner = owner
        self.scores: list[float] = []
        self.certificate: Certificate | None = None
        self.blind = False
        self._fresh: list[float] = []
        self._told_s = float("-inf")

    def decide(self, score: float, chance: float, *, barred: bool) -> Verdict | None:
        """None while there are no rungs yet: the call goes to the reference."""
        if self.certificate is not None:
            return self.certificate.decide(score, chance, barred=barred or self.blind)
        if not barred and np.isfinite(score) and len(self._fresh) < FIRST:
            self._fresh.append(float(score))
        if not self.owner:
            self._gather(self._fresh)
            self._fresh = []
        return None

    @property
    def seen(self) -> int:
        """How many of the first scores are there."""
        return min(FIRST, len(self.scores) + len(self._fresh))

    @property
    def worth_keeping(self) -> bool:
        """Not of what was asked once or twice: a prompt with the date in it is new every day."""
        return self.certificate is not None or self.seen >= _WORTH

    @property
    def serves(self) -> bool:
        """Whether anything goes to a cheaper model by it."""
        return self.certificate is not None and self.certificate.serves

    def standing(self) -> Standing | None:
        """How it stands; None before there are rungs."""
        return None if self.certificate is None else self.certificate.standing()

    def restart(self, why: str) -> None:
        """Nothing is proven any more."""
        if self.certificate is not None:
            self.certificate.restart(why)

    def save(self) -> bytes:
        """The state."""
        inner = b"" if self.certificate is None else self.certificate.save()
        return msgspec.msgpack.encode(_Kept(self.subjects, tuple(self.scores[:FIRST]), inner))

    def news(self, now_s: float) -> News | None:
        """What is to be told; None where there is nothing, and nobody wonders whether we live."""
        certificate = self.certificate
        if certificate is None:
            return News(self.owner, tuple(self._fresh), (), 0, ()) if self._fresh else None
        if len(certificate.news) > MOST_NEWS:
            certificate.forget_news()
        late = now_s - self._told_s > ALIVE_S
        if not certificate.news and not (late and (certificate.awaits or certificate.counted)):
            return None
        first, events = certificate.first, certificate.take_news()
        return News(self.owner, (), certificate.rungs, first, events)

    def told(self, news: News, now_s: float) -> None:
        """It was."""
        self._told_s = now_s
        del self._fresh[: len(news.scores)]
        if self.certificate is not None and self.certificate.rungs == news.rungs:
            self.certificate.told(len(news.events))

    def hear(self, other: Proof) -> None:
        """How it stands for all."""
        self.scores, mine = other.scores, self.certificate
        if other.certificate is None:
            return
        self._fresh = []
        if mine is not None and mine.rungs == other.certificate.rungs:
            mine.hear(other.certificate.bets)
            return
        self.certificate = Certificate(
            self.subjects.promise, other.certificate.rungs, None, self.owner
        )
        self.certificate.hear(other.certificate.bets)

    def take(self, news: News, now_s: float) -> None:
        """What one engine has done. Bets on other rungs than these were of another proof."""
        if self.certificate is None:
            self._gather(news.scores)
        elif self.certificate.rungs == news.rungs:
            self.certificate.bets.tell(news.owner, news.first, news.events, now_s)

    def _gather(self, scores: Sequence[float]) -> None:
        """Equal scores are one rung, with the traffic of all of them."""
        self.scores += scores
        if len(self.scores) < FIRST:
            return
        first = np.asarray(self.scores[:FIRST])
        rungs = sorted({float(one) for one in np.quantile(first, _SHARES, method="higher")})
        shares = [float((first <= rung).mean()) for rung in rungs]
        self.certificate = Certificate(self.subjects.promise, rungs, shares)


def merged(base: bytes, news: News, now_s: float, state: bytes | None) -> bytes:
    """The state for all with the news of one. Without a state it begins with `base`."""
    proof = (None if state is None else revived(state)) or revived(base)
    if proof is None:
        return base
    proof.take(news, now_s)
    return proof.save()


def left(owner: str, now_s: float, state: bytes | None) -> bytes:
    """The state for all when one has gone: what it has left open is as if it had not been."""
    proof = None if state is None else revived(state)
    if proof is None or proof.certificate is None:
        return state or b""
    proof.certificate.bets.tell(owner, 0, (), now_s)
    proof.certificate.bets.leave(owner)
    return proof.save()


class Proofs:
    """All of them, bounded: those with rungs and, apart from them, those that gather scores.

    So that thousands of prompts that were seen once push out none that is being proven. Where there
    are too many, the tenant with the most gives up the one that was asked for least recently.
    """

    def __init__(self, owner: str = "") -> None:
        self.owner = owner
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
        proof = self._gathering.pop(subjects, None) or Proof(subjects, self.owner)
        self._put(proof)
        return proof

    def take(self, state: bytes) -> None:
        """How one stands for all; what cannot be read is begun anew."""
        found = revived(state)
        if found is None:
            return
        subjects = found.subjects
        proof = self._begun.get(subjects) or self._gathering.pop(subjects, None)
        if proof is None or proof.certificate is None:
            proof = proof or Proof(subjects, self.owner)
            proof.hear(found)
            self._put(proof)
        else:
            proof.hear(found)

    def see(self, *, blind: bool) -> None:
        """Whether nobody can be told of anything, and so harm not be found."""
        for proof in self:
            proof.blind = blind

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
