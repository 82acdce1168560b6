"""What the memory of a process holds of answers by meaning: groups, and the scopes they are in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from scrimp.meanings import About, Judged
from scrimp.ports import StoredReply
from scrimp.stores.semantic_index import ScopeIndex
from scrimp.stores.semantic_rules import Kept
from scrimp.stores.semantic_shares import Shares


@dataclass(slots=True, eq=False)
class Group:
    """One answer with its questions. Until `claimed_until` somebody has it made anew."""

    number: int
    scope: bytes
    answer: StoredReply
    about: About
    size_bytes: int
    questions: dict[int, Kept] = field(default_factory=dict)
    equal: int = 0
    different: int = 0
    quarantined: bool = False
    claimed_until: datetime | None = None

    def words(self) -> tuple[str, ...]:
        """What a pattern may match."""
        texts = (one.text for one in self.questions.values())
        return (self.about.name, *self.about.tags, *texts)


@dataclass(slots=True, eq=False)
class Scope:
    """What is found and learned together."""

    dims: int = 0
    index: ScopeIndex | None = None
    state: bytes | None = None
    shares: Shares = field(default_factory=Shares)
    verdicts: deque[Judged] = field(default_factory=deque)
