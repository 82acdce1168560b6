"""What forbids to serve: differences that an embedding barely sees."""

from __future__ import annotations

import pytest

from scrimp.quality.lexical import Conflict, conflict
from scrimp.quality.sketch import read, sketch

TRAPS: list[tuple[Conflict, str, str]] = [
    ("order", "flights from Oslo to Rome", "flights from Rome to Oslo"),
    ("order", "convert usd to eur", "convert eur to usd"),
    ("order", "the dog bit the postman", "the postman bit the dog"),
    ("numbers", "the tax rate in 2023", "the tax rate in 2024"),
    ("numbers", "what is 12 times 7", "what is 12 times 8"),
    ("numbers", "open for two days", "open for three days"),
    ("numbers", "the budget of May 3", "the budget of May"),
    ("opposites", "a pizza with cheese", "a pizza without cheese"),
    ("opposites", "flights before noon", "flights after noon"),
    ("opposites", "how do I enable alerts", "how do I disable alerts"),
    ("negation", "can I pay by card here", "can I not pay by card here"),
    ("names", "the weather in Paris", "the weather in Berlin"),
    ("language", "where is the bank and how", "wo ist die Bank und wie komme ich"),
]
FINE = [
    ("where is my new card", "where's my new card?"),
    ("After 2 weeks my card is still not here", "My card is not here after 2 weeks"),
    ("1,000 dollars in euros", "1000 dollars in euros"),
    ("I can't log in any more", "my login does not work"),
    ("how do I open an account", "what do I need for a new account"),
]


@pytest.mark.parametrize(("kind", "one", "two"), TRAPS, ids=[trap[1] for trap in TRAPS])
def test_a_trap_is_seen_both_ways(kind: Conflict, one: str, two: str) -> None:
    """Whichever was answered first, the other is not served from it."""
    assert conflict(read(sketch(one)), read(sketch(two))) == kind
    assert conflict(read(sketch(two)), read(sketch(one))) == kind


@pytest.mark.parametrize(("one", "two"), FINE, ids=[fine[0] for fine in FINE])
def test_other_words_for_the_same_are_left_to_the_score(one: str, two: str) -> None:
    """Spelling, a clause moved as a whole, thousands' commas, other words: no conflict."""
    assert conflict(read(sketch(one)), read(sketch(two))) is None
