"""Sketches: no text inside, any text outside."""

from __future__ import annotations

import pytest

from scrimp.quality.lexical import conflict
from scrimp.quality.measures import MOST
from scrimp.quality.sketch import MAX_WORDS, Sketch, read, sketch

ODD = (
    "",
    " \n\t ",
    "a" * 300_000,
    "word " * 200_000,
    "\x00\x01\xff\ufffe" * 500,
    "\ud800 half a pair",
    "Wo ist mein Paket? 我的包裹在哪里? Где моя посылка? أين طردي؟ 🚚",
    "''''''",
    "1,2,3.4.5-6/7",
    "5 km 1.2.3 kg $1e9 999999999999999999999 lb 2023-04-05 years " * 50,
)


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_any_text_has_a_sketch(text: str) -> None:
    """Empty, huge, binary-like, mixed: bounded bytes, read back, no conflict with itself."""
    kept = sketch(text, b"salt")
    assert len(kept) <= 22 + 6 * (MAX_WORDS + MOST)
    found = read(kept)
    assert found is not None
    assert conflict(found, found) is None
    assert sketch(text, b"salt") == kept


def test_a_sketch_holds_no_text_and_depends_on_its_salt() -> None:
    """Words are not in it, and two scopes do not share a hash."""
    text = "Transfer 4111111111111111 to Marianne"
    one, two = sketch(text, b"one"), sketch(text, b"two")
    assert b"Marianne" not in one
    assert b"4111" not in one
    first, second = read(one), read(two)
    assert first is not None
    assert second is not None
    assert not first.distinct & second.distinct


def test_damaged_and_foreign_sketches_are_none() -> None:
    """Cut, empty or of another version: unreadable, and an unreadable one forbids to serve."""
    kept = sketch("where is my parcel")
    assert read(b"") is None
    assert read(kept[:-1]) is None
    assert read(b"\x63" + kept[1:]) is None
    assert conflict(read(kept), None) == "unreadable"


def made(text: str) -> Sketch:
    """The sketch of a text, read."""
    found = read(sketch(text))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("a parcel of 5 km", "5,000 meters"),
        ("top up $5", "five dollars more"),
        ("26.2 miles", "42.2 kilometres"),
        ("20 degrees Celsius", "68 fahrenheit"),
        ("after 2 weeks", "14 days later"),
        ("1 year and 3 hours", "12 months, 180 minutes"),
    ],
)
def test_measured_amounts_are_told_in_one_unit(one: str, two: str) -> None:
    """Equal amounts in other units, words or signs are equal; each of the two texts has some."""
    assert made(one).amounts == made(two).amounts != frozenset()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("after 2 weeks", "after 3 weeks"),
        ("5 kg", "5 lb"),
        ("5 dollars", "5 euros"),
        ("30 days", "1 month"),
    ],
)
def test_other_amounts_are_others(one: str, two: str) -> None:
    """Neither rates of exchange nor lengths of months are made up."""
    assert made(one).amounts.isdisjoint(made(two).amounts)


@pytest.mark.parametrize("text", ["version 1.2.3", "in May 2023", "a week", "room 12", ""])
def test_numbers_without_a_unit_are_no_amounts(text: str) -> None:
    """Nor are units without a number."""
    assert not made(text).amounts


def test_a_sketch_that_counts_more_amounts_than_it_has_is_none() -> None:
    """A damaged head is not believed."""
    kept = bytearray(sketch("5 km"))
    kept[4:6] = b"\xff\xff"
    assert read(bytes(kept)) is None
