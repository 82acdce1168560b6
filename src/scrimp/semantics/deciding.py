"""What is decided of a question among its neighbours, and by whom: words, and one small protocol.

The lever knows this much of a policy; whether it holds a bound or a threshold is the policy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, Protocol

from scrimp.meanings import GroupFacts, Judged, Neighbour
from scrimp.values import Value

Kind = Literal["serve", "audit", "explore", "new"]
"""serve: answer with the group's · audit: it would be served, but is paid for and compared ·
explore: it may be equal, and is compared to learn · new: nothing is near enough to compare with."""


class Nearby(Value, frozen=True):
    """A question with its neighbours, nearest first."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"vector", "sketch", "neighbours"})

    vector: bytes
    sketch: bytes
    neighbours: tuple[Neighbour, ...]


class Weighed(Value, frozen=True):
    """A question whose neighbours were weighed. `groups` are those whose facts decide.

    `inner` is the policy's own.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"inner"})

    nearby: Nearby
    groups: tuple[int, ...] = ()
    inner: object = None


class Decision(Value, frozen=True):
    """What to do. `chance` is the policy's estimate that the group's answer is right (-1: none).

    `propensity` is the probability with which a decision like this is judged. `order` are groups
    that may answer, the likeliest first, `group` among them; `why` says in one word why it is not
    served. `features` and `score` go into the verdict as the decision saw them; `inner` is the
    policy's own, which it gets back with the verdict.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"features", "inner"})

    kind: Kind
    group: int = 0
    chance: float = -1.0
    score: float = -1.0
    propensity: float = 1.0
    features: tuple[float, ...] = ()
    order: tuple[int, ...] = ()
    why: str = ""
    inner: object = None


class Standing(Value, frozen=True):
    """How a scope does: what was judged, what is wrong among what is served, what is missing.

    `wrong_upper` is the upper bound of `wrong_share` at the confidence of the settings; both are
    None before anything was judged. `missing` is how many verdicts more it takes, about, until
    anything can be served: 0 when it can, None where nobody can say yet.
    """

    judged: int = 0
    wrong_share: float | None = None
    wrong_upper: float | None = None
    missing: int | None = None
    alarm: str = ""


class Policy(Protocol):
    """Decides for one scope, and learns from verdicts. Never waits; it is called on the loop."""

    @property
    def bound(self) -> str:
        """What is promised of what is served, for the trace and the client's headers."""
        ...

    @property
    def standing(self) -> Standing:
        """How the scope does."""
        ...

    def weigh(self, nearby: Nearby) -> Weighed:
        """Which groups' facts are needed: reading those of all takes longer than to choose one."""
        ...

    def decide(self, weighed: Weighed, facts: tuple[GroupFacts, ...]) -> Decision:
        """What to do with a question. `facts` are those of `weighed.groups`, of each."""
        ...

    def doubts(self, decision: Decision, *, equal: bool) -> bool:
        """Whether a verdict should be asked for twice more, the majority counting."""
        ...

    def learn(self, verdict: Judged, decision: Decision, *, overturned: bool = False) -> bool:
        """Take a verdict in. True when its state should be kept now."""
        ...

    def study(self) -> Callable[[], Callable[[], None]] | None:
        """Work that is due: to be called in a thread, and what it returns back on the loop."""
        ...

    def state(self) -> bytes:
        """What `Policies` gets back after a restart."""
        ...


class Policies(Protocol):
    """Makes the policy of a scope."""

    @property
    def neighbours(self) -> int:
        """How many neighbours a decision looks at."""
        ...

    def sketch(self, text: str, scope: bytes) -> bytes:
        """What decisions need of a text, without the text."""
        ...

    def of(self, state: bytes | None, verdicts: tuple[Judged, ...]) -> Policy:
        """The policy as it was kept, or, without a state that it can read, from the log."""
        ...
