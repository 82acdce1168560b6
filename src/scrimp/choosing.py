"""Words and ports of model choice: what a call allows, what is learned, where lessons are kept.

Nothing here does I/O. A quality is a number from 0 (wrong) to 1 (right); a loss is the quality of
the reference model's answer minus that of the answer that was served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from scrimp.values import Value

Depth = Literal["rules", "learned", "certified"]
"""By rules alone · by what was learned, unproven · by what was learned, within a proven loss."""
Rung = Literal["simple", "medium", "complex", "expert"]
RUNGS: tuple[Rung, ...] = ("simple", "medium", "complex", "expert")
LessonSource = Literal["shadow", "check", "feedback", "file"]
"""Compared with the reference · passed or failed a check · a user said · from a labelled file."""


class Wish(Value, frozen=True, omit_defaults=True):
    """What one call asks of the choice of its model (`scrimp/auto:…`, `x-scrimp-route`).

    `mode` is `default` (as the settings say), `off` (the model that was named and no other), `auto`
    (the cheapest that will do) or `cheap` (the cheapest that can). `required` is absolute: that
    model or a refusal. `models` narrows the candidates. One dial at most is set: `max_loss` (mean
    quality below the reference, 0 to 1), `floor` (least chance of a good answer), `budget_nanousd`
    (most that the call may cost). `constrained` caps the rung at the middle, `low_latency` takes
    the fastest. `checks` are a cascade's, as `(name, argument)`; `cascade` and
    `fallback` are None where the settings decide. With `pack` it may share a prompt with so many
    calls at most (`x-scrimp-pack`; 0: with none). `brief` is a preset for the form of the answer
    (`scrimp.clamping.presets`), empty where the settings decide.
    """

    mode: Literal["default", "off", "auto", "cheap"] = "default"
    depth: Depth | None = None
    required: str = ""
    models: tuple[str, ...] = ()
    max_loss: float | None = None
    floor: float | None = None
    budget_nanousd: int | None = None
    constrained: bool = False
    low_latency: bool = False
    deadline_ms: int | None = None
    rung: Rung | None = None
    region: str = ""
    cascade: bool | None = None
    checks: tuple[tuple[str, str], ...] = ()
    fallback: bool | None = None
    instead: tuple[str, ...] = ()
    pack: int | Literal["on"] | None = None
    brief: str = ""


NO_WISH = Wish()
ITSELF = Wish("off", cascade=False, fallback=False)
"""Of calls that no client made: asked is the model that was named, or none."""


class Place(Value, frozen=True):
    """Which route: a tenant's calls of one task type under one system prompt (its hash)."""

    tenant: str = ""
    task: str = ""
    prompt: str = ""


class Lesson(Value, frozen=True, omit_defaults=True):
    """One verdict on one model's answer: all that training needs, without any text.

    `features` are those of the question (of the answer, too, for a check), as `version` packs them.
    `propensity` is the probability with which this verdict was asked for. `loss` is set where the
    answer was compared with the reference's: in [-1, 1], above 0 where the reference was better.
    `cost_nanousd` is what the answer cost, or was expected to.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"features"})

    place: Place
    at: datetime
    call: str
    model: str
    quality: float
    features: bytes
    version: str
    source: LessonSource
    propensity: float = 1.0
    loss: float | None = None
    reference: str = ""
    cost_nanousd: int | None = None


Change = Callable[[bytes | None], bytes]


class Lessons(Protocol):
    """Takes lessons from levers."""

    def add(self, lesson: Lesson) -> None:
        """Hand it over; returns at once and never raises, so a `finally` may use it."""
        ...


class RouteStore(Protocol):
    """What routes have learned, and the lessons that they learned from. Raises StoreError."""

    async def add(self, lessons: tuple[Lesson, ...]) -> None:
        """Keep lessons. Beyond limits the oldest make room: of a place, of who has most."""
        ...

    async def lessons(self, place: Place | None = None, *, most: int = 10_000) -> list[Lesson]:
        """The newest of a place, or of all (of each tenant its share), oldest first."""
        ...

    async def load(self, name: str) -> bytes | None:
        """What was saved under a name."""
        ...

    async def save(self, name: str, state: bytes) -> None:
        """In place of the one before. Of names with `:` the oldest make room beyond a limit."""
        ...

    async def names(self) -> tuple[str, ...]:
        """What states there are."""
        ...

    async def exchange(
        self, changes: Mapping[str, Change], since: int
    ) -> tuple[int, Mapping[str, bytes]]:
        """Change states, by name, and look at all that were saved after number `since`.

        All at one moment: nobody comes between. Gives the number of the newest, to ask again with;
        -1 gives every state. A change makes the new state of the one before (None: there is none);
        it is pure, and may be called from another thread.
        """
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
