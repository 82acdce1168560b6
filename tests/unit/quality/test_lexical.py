"""What forbids to serve: differences that an embedding barely sees."""

from __future__ import annotations

import pytest

from scrimp.quality.lexical import Conflict, conflict, conflicts
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
    ("negation", "cookware that is magnetic", "cookware that is non-magnetic"),
    ("numbers", "is a dose of .5 grams safe", "is a dose of 5 grams safe"),
    ("units", "bake it at 200 degrees celsius", "bake it at 200 degrees fahrenheit"),
    ("units", "does it cost $20 to join", "does it cost \u20ac20 to join"),
    ("units", "what is the monthly fee", "what is the fee per year"),
    ("units", "is somebody there at 9 am", "is somebody there at 9 p.m."),
    ("opposites", "the biggest lake there is", "the smallest lake there is"),
    ("opposites", "may I park there at noon", "must I park there at noon"),
    ("opposites", "Brot mit Butter", "Brot ohne Butter"),
    ("language", "where is the bank and how", "wo ist die Bank und wie komme ich"),
]
OTHER_WORDS = [
    ("the fee", "the fee abroad"),
    ("the capital of france", "the capital of germany"),
    ("is the app available in spain", "is the app unavailable in spain"),
    ("may somebody enter the country", "may somebody leave the country"),
    ("can I get one card", "can I get several cards"),
    ("\u5982\u4f55\u6253\u5f00\u901a\u77e5", "\u5982\u4f55\u5173\u95ed\u901a\u77e5"),
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


@pytest.mark.parametrize(("one", "two"), OTHER_WORDS, ids=range(len(OTHER_WORDS)))
def test_other_words_in_one_sentence_are_left_to_verdicts(one: str, two: str) -> None:
    """No list holds all words that exclude each other: it is a reason, though no certain one."""
    for first, second in ((one, two), (two, one)):
        assert conflict(read(sketch(first)), read(sketch(second))) is None
        assert list(conflicts(read(sketch(first)), read(sketch(second)))) == ["words"]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("how can I open an account", "what do I need to do to open an account, please"),
        ("the fee of 5 kilometers", "the fee of 5 km"),
        ("it costs 20 dollars", "it costs 20 $"),
    ],
    ids=["fillers", "units", "signs"],
)
def test_what_serves_the_sentence_alone_is_no_other_word(one: str, two: str) -> None:
    """Neither are two names of one unit."""
    assert list(conflicts(read(sketch(one)), read(sketch(two)))) == []


@pytest.mark.parametrize(("one", "two"), FINE, ids=[fine[0] for fine in FINE])
def test_other_words_for_the_same_are_left_to_the_score(one: str, two: str) -> None:
    """Spelling, a clause moved as a whole, thousands' commas, other words: no conflict."""
    assert conflict(read(sketch(one)), read(sketch(two))) is None
