"""What `scrimp.map` gives: a list of results, that may be awaited where an event loop runs.

There nothing may wait for the calls but who awaits them, so they begin when it is awaited. Who
looks at it without that (a notebook, whose cells run on a loop) waits for them then.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, SupportsIndex, overload

from scrimp.many.results import Result

Found = list[Result]


@dataclass(frozen=True, slots=True)
class Later:
    """How results are made that are still to be: by a thread that waits, or by a task."""

    waited: Callable[[], Found]
    awaited: Callable[[], Coroutine[Any, Any, Found]]


class Results(list[Result]):
    """Results in the order of their calls."""

    __slots__ = ("_begun", "_later")

    def __init__(self, found: Iterable[Result] = (), *, later: Later | None = None) -> None:
        super().__init__(found)
        self._later = later
        self._begun = False

    def __await__(self) -> Generator[Any, None, Results]:
        """Itself, with the results in it. Raises RuntimeError when somebody awaits it already."""
        if (later := self._take()) is not None:
            found = yield from later.awaited().__await__()
            self._keep(found)
        return self

    def _take(self) -> Later | None:
        """What is to be done, once only: calls cost money."""
        if self._later is not None and self._begun:
            msg = "these calls were begun before, and are still being made or were left"
            raise RuntimeError(msg)
        self._begun = True
        return self._later

    def _keep(self, found: Found) -> None:
        self._later = None
        super().extend(found)

    def _whole(self) -> None:
        if self._later is not None and (later := self._take()) is not None:
            self._keep(later.waited())

    def __iter__(self) -> Iterator[Result]:
        self._whole()
        return super().__iter__()

    def __reversed__(self) -> Iterator[Result]:
        self._whole()
        return super().__reversed__()

    def __len__(self) -> int:
        self._whole()
        return super().__len__()

    @overload
    def __getitem__(self, at: SupportsIndex, /) -> Result: ...
    @overload
    def __getitem__(self, at: slice[Any, Any, Any], /) -> Found: ...
    def __getitem__(self, at: SupportsIndex | slice[Any, Any, Any], /) -> Result | Found:
        self._whole()
        return super().__getitem__(at)

    def __eq__(self, other: object, /) -> bool:
        self._whole()
        return super().__eq__(other)

    __hash__ = None

    def __repr__(self) -> str:
        """Without making calls: debuggers ask for it."""
        return "<results to be awaited>" if self._later is not None else super().__repr__()
