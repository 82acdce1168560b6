"""`scrimp.budget`: what a block, a function or an engine may spend at most.

Calls of Scrimp's inside a budget are held against it before they are sent. A function may also say
what it spends in other ways: before it runs (`cost`), after it (`spent`), or meanwhile (`spend`).
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack, cast

from scrimp.client.allowed import (
    Frame,
    Money,
    Remaining,
    limits_of,
    remaining_of,
    spent_nanousd,
)
from scrimp.client.counting import Counting, InMemory, by_name, in_file, waited_for
from scrimp.client.purses import Pocket, enter, leave, paying, runs_here, with_own
from scrimp.client.reserve import book
from scrimp.client.running import Admitted, admit
from scrimp.errors import ConfigError
from scrimp.limits import Amounts, Limit
from scrimp.pipeline.holds import parts_of

F = TypeVar("F", bound=Callable[..., Any])
Cost = Money | Callable[..., Money]
_LEAST_NANOUSD = 1


class BudgetOptions(TypedDict, total=False):
    """What may be said of a budget beside its amounts; see `budget`."""

    name: str
    store: str | Path
    zone: str
    soft: bool
    cost: Cost
    spent: Callable[[Any], Money]


@dataclass(frozen=True, slots=True)
class _Options:
    name: str = ""
    store: str | Path = ""
    zone: str = "UTC"
    soft: bool = False
    cost: Cost | None = None
    spent: Callable[[Any], Money] | None = None


def budget(
    usd: Money | Mapping[str, Money] | None = None,
    *,
    tokens: int | Mapping[str, int] | None = None,
    per: str = "",
    **options: Unpack[BudgetOptions],
) -> Budget:
    """At most so much, for what is done inside: a `with` or `async with` block, or a function.

    `usd` and `tokens` are amounts `per` minute, hour, day, week, month or a time such as `24h`;
    without `per` they hold as long as the budget lasts. A mapping names several windows:
    `{"day": 5, "month": "100"}`. Calendar windows are of `zone`. Over a `soft` budget calls are
    made cheaper before they are refused.

    It is counted in the memory of this process; budgets of one `name` are counted together. With
    `store`, the path of a file, they are so in all processes, and survive restarts.

    For a function, `cost` is what a run of it may spend (dollars, or a callable of its arguments):
    held before it runs. `spent` is a callable of its result: what it really spent, calls of
    Scrimp's included. Raises ConfigError.
    """
    if unknown := options.keys() - BudgetOptions.__annotations__.keys():
        msg = f"budget() got an unexpected keyword argument {min(unknown)!r}"
        raise TypeError(msg)
    given = _Options(**options)
    caller = sys._getframe(1)  # noqa: SLF001 (a budget without a name is called by its place)
    place = f"{Path(caller.f_code.co_filename).name[-60:]}:{caller.f_lineno}"
    frame = Frame("scrimp.budget", given.name or place, per, given.zone, soft=given.soft)
    limits = limits_of(frame, usd, tokens)
    return Budget(frame.name, limits, _counters(given), given.cost, given.spent)


def _counters(given: _Options) -> Counting:
    if given.store:
        if not given.name:
            raise ConfigError("scrimp.budget: store without a name (processes share it by name)")
        return in_file(Path(given.store).expanduser().resolve())
    return by_name() if given.name else InMemory()


class Budget:
    """Made by `scrimp.budget`. May be entered again and again, by many tasks and threads at once.

    Nested budgets all hold. A budget that is entered inside itself counts once.
    """

    def __init__(
        self,
        name: str,
        limits: tuple[Limit, ...],
        counters: Counting,
        cost: Cost | None = None,
        spent: Callable[[Any], Money] | None = None,
    ) -> None:
        self.name = name
        self.pocket = Pocket(limits, counters)
        self._spent = spent
        self._cost = cost
        self._fixed_nanousd = _LEAST_NANOUSD
        if cost is not None and not callable(cost):
            self._fixed_nanousd = spent_nanousd("scrimp.budget: cost", cost)

    def __repr__(self) -> str:
        """The name alone."""
        return f"<scrimp.budget {self.name!r}>"

    def remaining(self) -> tuple[Remaining, ...]:
        """How each of its limits stands now. Raises StoreError."""
        return waited_for(self.aremaining, self.pocket.counters.keeper)

    async def aremaining(self) -> tuple[Remaining, ...]:
        """The same, awaited."""
        standings = await self.pocket.counters.standing(self.pocket.limits)
        return tuple(map(remaining_of, standings))

    def spend(self, usd: Money = 0, *, tokens: int = 0) -> None:
        """Count what was spent by other ways than Scrimp's calls, here and in all budgets around.

        It is gone, so it is never refused; the next call is. With a file it waits until that has
        it. Raises ConfigError for what is no amount, StoreError.
        """
        nanousd = spent_nanousd("spend: usd", usd)
        if type(tokens) is not int or tokens < 0:
            raise ConfigError(f"spend: {str(tokens)[:40]} is no number of tokens")
        for run in runs_here():
            run.tells = True
        for counters, limits in parts_of(with_own(self.pocket)):
            counting = cast("Counting", counters)
            work = functools.partial(book, counting, limits, Amounts(nanousd, tokens, 0))
            waited_for(work, counting.keeper)

    def __enter__(self) -> Self:
        enter(self, with_own(self.pocket))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        leave(self)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        leave(self)

    def __call__(self, function: F) -> F:
        """The same function inside this budget. Raises ConfigError for a generator function."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigError(
                f"{function.__name__} is a generator function, whose body runs in pieces where its "
                "caller is: put `with budget:` around the calls in it, or around its loop"
            )
        if inspect.iscoroutinefunction(function):
            return cast("F", self._awaited(function))
        return cast("F", self._called(function))

    def _called(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inside(*args: object, **named: object) -> object:
            if not self._estimates:
                with self:
                    return function(*args, **named)
            nanousd, pockets = self._nanousd(args, named), paying(self.pocket)
            keeper = next((one.counters.keeper for one in pockets if one.counters.keeper), None)
            work = functools.partial(admit, pockets, nanousd, asks=self._spent is not None)
            with waited_for(work, keeper) as run:
                result = function(*args, **named)
                self._check(run, result)
                return result

        return inside

    def _awaited(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def inside(*args: object, **named: object) -> object:
            if not self._estimates:
                with self:
                    return await function(*args, **named)
            nanousd, pockets = self._nanousd(args, named), paying(self.pocket)
            with await admit(pockets, nanousd, asks=self._spent is not None) as run:
                result = await function(*args, **named)
                self._check(run, result)
                return result

        return inside

    @property
    def _estimates(self) -> bool:
        return self._cost is not None or self._spent is not None

    def _nanousd(self, args: tuple[object, ...], named: dict[str, object]) -> int:
        """What a run may spend. Where only its result tells, it may run while anything is left."""
        if callable(self._cost):
            return spent_nanousd("scrimp.budget: cost", self._cost(*args, **named))
        return self._fixed_nanousd

    def _check(self, run: Admitted, result: object) -> None:
        if self._spent is not None:
            run.spent_nanousd = spent_nanousd("scrimp.budget: spent", self._spent(result))
