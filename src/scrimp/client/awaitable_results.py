"""What `scrimp.map` gives: a list of results, that may be awaited where an event loop runs.

There nothing may wait for the calls but who awaits them, so they begin when it is awaited. Who
looks at it without that (a notebook, whose cells run on a loop) waits for them then.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any, SupportsIndex

from scrimp.many.results import Result

Found = list[Result]


@dataclass(frozen=True, slots=True)
class Later:
    """How results are made that are still to be: by a thread that waits, or by a task."""

    waited: Callable[[], Found]
    awaited: Callable[[], Coroutine[Any, Any, Found]]


class Results(list[Result]):
    """Results in the order of their calls. All that a list can do waits for them (`_OF_A_LIST`)."""

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

    def __radd__(self, other: Found) -> Found:
        if not isinstance(other, list):
            return NotImplemented
        return [*other, *self]

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[type[Found], tuple[Found]]:
        """Copies and pickles are plain lists: calls are made for one."""
        return list, (list(self),)

    def __repr__(self) -> str:
        """Without making calls: debuggers ask for it."""
        return "<results to be awaited>" if self._later is not None else super().__repr__()


_OF_A_LIST = (
    *("__add__", "__contains__", "__delitem__", "__eq__", "__ge__", "__getitem__", "__gt__"),
    *("__iadd__", "__imul__", "__iter__", "__le__", "__len__", "__lt__", "__mul__", "__ne__"),
    *("__reversed__", "__rmul__", "__setitem__", "append", "clear", "copy", "count", "extend"),
    *("index", "insert", "pop", "remove", "reverse", "sort"),
)
"""What reads or changes what is in a list."""


def _waiting(name: str) -> Callable[..., Any]:
    """A method of a list that waits for the results first."""
    plain = getattr(list, name)

    @wraps(plain)
    def wait(self: Results, /, *given: Any, **named: Any) -> Any:
        self._whole()
        return plain(self, *given, **named)

    return wait


for _name in _OF_A_LIST:
    setattr(Results, _name, _waiting(_name))
