"""Which budgets hold here: a stack in the context, which tasks inherit and threads do not.

Calls leave for another thread; whoever sends one takes the purses along.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from scrimp.client.counting import Counting
from scrimp.limits import Limit


@dataclass(frozen=True, slots=True, eq=False)
class Pocket:
    """Implements `limits.Purse`. Its budget is known by this very tuple of limits.

    A way back to the budget would be a ring, and one that is made for each request stay behind.
    """

    limits: tuple[Limit, ...]
    counters: Counting
    lasting: bool = False


class Run:
    """One run of a function: whether calls were made in it, whether it tells what it spends."""

    __slots__ = ("calls", "tells")

    def __init__(self) -> None:
        self.calls = self.tells = False


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """What holds from here on: the pockets of this level and of all above it."""

    above: Level | None
    owner: object
    pockets: tuple[Pocket, ...]
    runs: tuple[Run, ...]


_here: ContextVar[Level | None] = ContextVar("scrimp_budgets", default=None)


def purses_here() -> tuple[Pocket, ...]:
    """What a call that begins here is held against."""
    level = _here.get()
    if level is None:
        return ()
    for run in level.runs:
        run.calls = True
    return level.pockets


def pockets_here() -> tuple[Pocket, ...]:
    """The same, to look at."""
    level = _here.get()
    return () if level is None else level.pockets


def paying(pocket: Pocket) -> tuple[Pocket, ...]:
    """The same for a function that begins here: to those around it, it is a call."""
    for run in runs_here():
        run.calls = True
    return with_own(pocket)


def runs_here() -> tuple[Run, ...]:
    """The functions that are running here, the outermost first."""
    level = _here.get()
    return () if level is None else level.runs


def with_own(pocket: Pocket) -> tuple[Pocket, ...]:
    """The pockets that hold here and this one; a budget that holds already counts once."""
    pockets = pockets_here()
    return pockets if _in(pocket, pockets) else (*pockets, pocket)


def enter(owner: object, pockets: tuple[Pocket, ...], run: Run | None = None) -> None:
    """These hold, until `leave`."""
    runs = runs_here()
    _here.set(Level(_here.get(), owner, pockets, runs if run is None else (*runs, run)))


def leave(owner: object) -> None:
    """The innermost level of this owner ends."""
    _here.set(_without(_here.get(), owner))


def _without(level: Level | None, owner: object) -> Level | None:
    """Blocks may be left in another order, and in a context in which they were not entered."""
    if level is None or level.owner is owner:
        return None if level is None else level.above
    above = _without(level.above, owner)
    kept = () if above is None else above.pockets
    before = () if level.above is None else level.above.pockets
    own = [one for one in level.pockets if not _in(one, before) and not _in(one, kept)]
    return Level(above, level.owner, (*kept, *own), level.runs)


def _in(pocket: Pocket, pockets: tuple[Pocket, ...]) -> bool:
    return any(one.limits is pocket.limits for one in pockets)
