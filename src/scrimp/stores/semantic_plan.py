"""What a store of answers by meaning is asked for: engine, place, room. Needs no extra."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Engine = Literal["memory", "sqlite", "postgres", "redis"]


@dataclass(frozen=True, slots=True)
class SemanticLimits:
    """Room. Beyond a limit, whoever holds most forgets the answer that was used longest ago.

    `caller_per_hour` counts a caller's new questions, aliases included; `group_questions` those of
    one answer; `verdicts` is how many of its log a scope keeps.
    """

    max_bytes: int = 1024 * 1024 * 1024
    max_questions: int = 1_000_000
    scope_questions: int = 1_000_000
    group_questions: int = 1000
    caller_per_hour: int = 2000
    verdicts: int = 20_000


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """`exact_up_to`: beyond it a scope gets a graph; then `tail` may wait to be moved into it.

    `pause_s` is left to others between two vectors that are moved.
    """

    exact_up_to: int = 5000
    tail: int = 256
    pause_s: float = 0.0002


@dataclass(frozen=True, slots=True)
class SemanticPlan:
    """`path` is the file of engine sqlite; `index_bytes` bounds its indexes in memory.

    `url` is the server of engines postgres and redis and may hold a password; it comes from
    `url_env`. `schema` is where in a PostgreSQL, and what names begin with in a Redis.
    """

    engine: Engine
    path: Path
    limits: SemanticLimits = field(default_factory=SemanticLimits)
    index: IndexOptions = field(default_factory=IndexOptions)
    index_bytes: int = 1024 * 1024 * 1024
    url: str = field(default="", repr=False)
    url_env: str = "SCRIMP_POSTGRES_URL"
    schema: str = "scrimp"
