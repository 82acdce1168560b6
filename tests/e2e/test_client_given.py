"""What a program gives by a slip is refused before anything is paid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scrimp.errors import InvalidRequest
from tests.support.library import Library

MINI = "gpt-4o-mini"
RULES = "Sort each ticket. " * 60
Slip = Callable[[Any], object]

SLIPS: dict[str, Slip] = {
    "map of a text": lambda one: one.map("abc", model=MINI),
    "map of one call": lambda one: one.map({"prompt": "hi"}, model=MINI),
    "map of nothing": lambda one: one.map(None, model=MINI),
    "a report that is no function": lambda one: one.map(["hi"], model=MINI, progress=3),
    "vectors of a text": lambda one: one.embed_many("abc"),
    "vectors of a mapping": lambda one: one.embed_many({"a": 1}),
    "vectors by a truth": lambda one: one.embed_many(["a", "b"], batch=True),
    "vectors of a length in words": lambda one: one.embed("a", dimensions="5"),
    "half of a pair": lambda one: one.embed("\ud800"),
    "a packed text": lambda one: one.packed("abc", context=RULES, model=MINI),
    "a packed number": lambda one: one.packed(["a", 5], context=RULES, model=MINI),
    "packed without a context": lambda one: one.packed(["a"], model=MINI),
    "bytes to ask": lambda one: one.ask(b"hi", model=MINI),
    "nothing to ask": lambda one: one.ask(None, model=MINI),
    "half of a pair to ask": lambda one: one.ask("\ud800", model=MINI),
    "a preset that is a number": lambda one: one.ask("hi", model=MINI, brief=3),
    "a user that is a number": lambda one: one.ask("hi", model=MINI, user=5),
    "tags that are a text": lambda one: one.map(["hi"], model=MINI, tags="abc"),
    "bytes to sum up": lambda one: one.summarise_then_ask(b"doc", "q", model=MINI),
    "no question": lambda one: one.summarise_then_ask("doc", None, model=MINI),
    "words by a truth": lambda one: one.summarise_then_ask("doc", "q", model=MINI, words=True),
    "half a word": lambda one: one.summarise_then_ask("doc", "q", model=MINI, words=1.5),
}


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS)
def test_a_slip_costs_nothing(lib: Library, slip: Slip) -> None:
    """Its characters, keys or bytes are no calls."""
    with pytest.raises(InvalidRequest):
        slip(lib.scrimp)
    assert not lib.sim.requests


@pytest.mark.parametrize(
    ("function", "slip"),
    [
        ("ask", lambda one: one.ask("hi", model=MINI, max_token=5)),
        ("map", lambda one: one.map(["hi"], model=MINI, concurency=5)),
        ("packed", lambda one: one.packed(["a"], context=RULES, model=MINI, maxtokens=5)),
        ("embed", lambda one: one.embed("a", dimension=5)),
        ("embed", lambda one: one.embed_many(["a"], dimension=5)),
        ("defer", lambda one: one.defer("hi", model=MINI, webhok="https://example.com")),
        ("summarise_then_ask", lambda one: one.summarise_then_ask("doc", "q", word=5)),
    ],
)
def test_an_option_that_nobody_knows_is_no_option(lib: Library, function: str, slip: Slip) -> None:
    """As in any function of Python: a limit with a letter missing would be no limit."""
    with pytest.raises(TypeError, match=rf"{function}\(\) got an unexpected keyword argument"):
        slip(lib.scrimp)
    assert not lib.sim.requests


def test_what_iterates_is_a_list(lib: Library) -> None:
    """Generators and tuples are as good; `None` is no context."""
    found = lib.scrimp.map((word for word in ("a", "b")), model=MINI)
    assert [one.ok for one in found] == [True, True]
    assert len(lib.scrimp.embed_many(text for text in ("a", "b"))) == 2
    nothing: Any = None
    assert lib.scrimp.ask("hi", model=MINI, context=nothing).answer
