"""Words and ports of answers by meaning: vectors, neighbours, groups of one answer, verdicts.

Nothing here does I/O. A vector is the bytes of its float32 numbers, little-endian, of length 1.
Texts are kept only where settings say so; what decisions need of one is its sketch (hashes).
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal, Protocol

from scrimp.calls import Call, Cost, Reply
from scrimp.ports import CacheScope, StoredReply
from scrimp.remembered import UNNAMED, About, Chosen
from scrimp.values import Value

__all__ = [
    "UNNAMED",
    "About",
    "Chosen",
    "Embedder",
    "GroupFacts",
    "Judge",
    "Judged",
    "Known",
    "Neighbour",
    "Opinion",
    "SemanticStats",
    "SemanticStore",
    "VerdictSource",
]

VerdictSource = Literal[
    "equal", "json", "numbers", "code", "embedding", "model", "user", "function"
]


class Embedder(Protocol):
    """Turns texts into vectors, off the event loop, a bounded number at once.

    `id` names model, quantisation and normaliser: vectors of different ids are never compared.
    """

    @property
    def id(self) -> str:
        """What made the vectors, such as `all-MiniLM-L6-v2/fp32/1`."""
        ...

    @property
    def dims(self) -> int:
        """How many numbers a vector has."""
        ...

    async def embed(self, texts: tuple[str, ...]) -> tuple[bytes, ...]:
        """One vector per text, in order. Raises StoreError when it cannot."""
        ...

    async def close(self) -> None:
        """Let go of models and connections."""
        ...


class Known(Value, frozen=True):
    """A question that was answered: what is kept of it. `group` are all that share one answer.

    `root` marks the question that the answer was made for; the others are its aliases, each
    judged against the root's answer, never against another alias.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"text", "sketch", "vector"})

    group: int
    vector: bytes
    sketch: bytes
    text: str = ""
    root: bool = False


class Neighbour(Value, frozen=True):
    """A known question near to one that is asked. `cosine` is exact, not the index's estimate."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"sketch", "vector"})

    id: int
    group: int
    cosine: float
    vector: bytes
    sketch: bytes


class GroupFacts(Value, frozen=True):
    """What is known of the answer of one group: its size, its judged servings, whether it is out.

    `equal` and `different` count verdicts; one confirmed wrong serving puts it in quarantine.
    """

    group: int
    size: int
    equal: int = 0
    different: int = 0
    quarantined: bool = False


class Judged(Value, frozen=True):
    """One verdict on whether the group's answer was right for that question.

    `features` are those that the decision saw, `propensity` the probability with which it was
    judged (1.0 for one that was not served), `cost_nanousd` what judging cost.
    """

    group: int
    features: tuple[float, ...]
    equal: bool
    propensity: float
    source: VerdictSource
    served: bool
    at: datetime
    score: float = -1.0
    cost_nanousd: int = 0


class SemanticStore(Protocol):
    """Known questions by meaning, and the answers of their groups. Raises StoreError.

    Everything belongs to one scope: the HMAC of whatever must never be shared and of the embedder's
    id, so that nothing is ever found across scopes, nor compared with vectors of another embedder.
    A vector that is not of the scope's size, or not of length 1, raises StoreError. All engines
    pass one contract test.
    """

    async def nearest(self, scope: bytes, vector: bytes, count: int) -> tuple[Neighbour, ...]:
        """The nearest known questions, nearest first.

        None of groups that are gone or past their time; those of groups in quarantine are among
        them, because that they are near is worth knowing.
        """
        ...

    async def facts(self, scope: bytes, groups: tuple[int, ...]) -> tuple[GroupFacts, ...]:
        """What is known of these groups, in order; groups that are gone are left out."""
        ...

    async def answer(self, scope: bytes, group: int) -> StoredReply | None:
        """The answer of a group; None when it is gone, past its time, or in quarantine.

        Asking for it is a use: where room is short, what was used last goes last.
        """
        ...

    async def add_root(
        self, scope: bytes, known: Known, answer: StoredReply, about: About = UNNAMED
    ) -> int | None:
        """A new group with its answer (`known.group` is ignored); the group's number.

        None when it is declined: too large, over the caller's limit, or asked for (`asked_at`)
        before it was forgotten. Its tenant and task type are those of the answer's scope.
        """
        ...

    async def add_alias(self, scope: bytes, known: Known, *, caller: str = "") -> bool:
        """Another question that the group's answer was judged right for.

        False when it is declined: the group is gone, in quarantine, or full, or the caller is over
        its limit.
        """
        ...

    async def judged(self, scope: bytes, verdict: Judged) -> None:
        """Write a verdict into the log, and into the facts of its group.

        Quarantine is another step. The log of a scope keeps its newest verdicts, those of groups
        that are gone too.
        """
        ...

    def tally(self, scope: CacheScope, *, hits: int = 0, misses: int = 0, audits: int = 0) -> None:
        """Count look-ups in the cache's books; never waits and never fails."""
        ...

    async def verdicts(self, scope: bytes, last: int) -> tuple[Judged, ...]:
        """The newest verdicts of a scope, oldest first."""
        ...

    async def load(self, scope: bytes) -> bytes | None:
        """The state that `save` kept for the scope."""
        ...

    async def save(self, scope: bytes, state: bytes) -> None:
        """Keep the learned state of a scope."""
        ...

    async def quarantine(self, scope: bytes, group: int) -> None:
        """Never serve this answer again until it is made anew."""
        ...

    async def claim(self, scope: bytes, group: int, *, lease_s: float) -> bool:
        """True: this process has the answer made anew, and nobody else for so long.

        False when another one does, or the answer is gone, past its time, or in quarantine.
        """
        ...

    async def renew(
        self, scope: bytes, group: int, known: Known, answer: StoredReply
    ) -> int | None:
        """A new group in place of this one, whose questions and verdicts go with it; its number.

        None, and nothing changes, when the old one is gone, past its time or in quarantine by now,
        or when it is declined as by `add_root`; but one for one is within any caller's limit.
        """
        ...

    async def delete(self, scope: bytes, group: int) -> bool:
        """Forget a group. False when it was not there."""
        ...

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget every group that is chosen; how many there were. With `dry_run` only count them.

        What was asked for before and comes after is not kept, either. Raises InvalidRequest when
        nothing is set, and when a pattern matches no name or tag and there are questions whose text
        is not kept.
        """
        ...

    async def stats(self, tenant: str | None = None) -> tuple[SemanticStats, ...]:
        """What is kept, by scope of the cache's books."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


class SemanticStats(Value, frozen=True):
    """What a semantic cache knows of one tenant and task type.

    `wrong_share` estimates the share of served answers that were wrong, `wrong_upper` is its upper
    bound at the confidence of the settings; None until anything was judged. Both are the policy's
    to say: a store leaves them None.
    """

    scope: CacheScope
    groups: int = 0
    questions: int = 0
    size_bytes: int = 0
    hits: int = 0
    misses: int = 0
    audits: int = 0
    judged: int = 0
    wrong_share: float | None = None
    wrong_upper: float | None = None
    judge_nanousd: int = 0


class Opinion(Value, frozen=True):
    """What a judge says: `equal` None when it cannot tell. `cost` is what asking it cost."""

    equal: bool | None
    source: VerdictSource
    cost: Cost


class Judge(Protocol):
    """Says whether two answers to a call would do the same for who asked."""

    async def __call__(self, call: Call, kept: Reply, fresh: Reply) -> Opinion:
        """Blind: it is not told which answer is which. Raises ScrimpError when it cannot work."""
        ...
