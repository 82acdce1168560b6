"""What `scrimp.map` gives on a running loop: whoever looks at it as at a list waits for results."""

from __future__ import annotations

import copy
from collections.abc import Callable
from operator import add, eq
from typing import Any

import pytest

from scrimp.client.awaitable_results import Found, Later, Results

ONE: Any = "one"
TWO: Any = "two"


class Calls:
    """Calls that are made once, by who waits for them."""

    def __init__(self) -> None:
        self.made = 0

    def now(self) -> Found:
        """Both results."""
        self.made += 1
        return [ONE, TWO]

    async def later(self) -> Found:
        """The same, awaited."""
        return self.now()

    def results(self) -> Results:
        """Not begun."""
        return Results(later=Later(self.now, self.later))


LOOKS: dict[str, Callable[[Any], object]] = {
    "in": lambda found: TWO in found,
    "not in": lambda found: "three" not in found,
    "+": lambda found: add(found, ["three"]),
    "+ from the left": lambda found: add(["zero"], found),
    "+=": lambda found: found.__iadd__(["three"]),
    "*": lambda found: found * 2,
    "* from the left": lambda found: 2 * found,
    "==": lambda found: found == [ONE, TWO],
    "== from the left": lambda found: eq([ONE, TWO], found),
    "!=": lambda found: found != [],
    "<": lambda found: found < ["p"],
    ">=": lambda found: found >= ["p"],
    "index": lambda found: found.index(TWO),
    "count": lambda found: found.count(ONE),
    "copy": lambda found: found.copy(),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "len": len,
    "bool": bool,
    "at": lambda found: found[1],
    "slice": lambda found: found[:1],
    "list": list,
    "tuple": tuple,
    "sorted": lambda found: sorted(found, reverse=True),
    "reversed": lambda found: list(reversed(found)),
    "star": lambda found: [*found, "three"],
    "extends": lambda found: ["zero", *found].__iadd__(found),
    "joins": "-".join,
    "pop": lambda found: (found.pop(), list(found)),
    "append": lambda found: (found.append("three"), list(found)),
    "sort": lambda found: (found.sort(reverse=True), list(found)),
    "del": lambda found: (found.__delitem__(0), list(found)),
}


@pytest.mark.parametrize("look", LOOKS)
def test_it_is_the_list_that_the_results_make(look: str) -> None:
    """Whatever is done with it gives what a list of them gives; the calls are made once."""
    calls = Calls()
    assert LOOKS[look](calls.results()) == LOOKS[look]([ONE, TWO])
    assert calls.made == 1


def test_all_that_a_list_can_do_was_thought_of() -> None:
    """Another Python may bring another method."""
    others = {name for name in vars(list) if getattr(Results, name) is getattr(list, name)}
    assert others <= {"__class_getitem__", "__getattribute__", "__hash__", "__new__", "__sizeof__"}


async def test_it_is_awaited_and_is_a_list() -> None:
    """The same object, with the results in it; a copy of it makes no calls."""
    calls = Calls()
    results = calls.results()
    assert isinstance(results, list)
    assert repr(results) == "<results to be awaited>"
    assert await results is results
    assert (copy.copy(results), add(results, []), calls.made) == ([ONE, TWO], [ONE, TWO], 1)


def test_what_is_no_list_is_not_joined() -> None:
    """As with any list."""
    with pytest.raises(TypeError):
        add((ONE,), Calls().results())
