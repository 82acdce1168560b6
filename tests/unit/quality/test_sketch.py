"""Sketches: no text inside, any text outside."""

from __future__ import annotations

import pytest

from scrimp.quality.lexical import conflict
from scrimp.quality.sketch import MAX_WORDS, read, sketch

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
)


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_any_text_has_a_sketch(text: str) -> None:
    """Empty, huge, binary-like, mixed: bounded bytes, read back, no conflict with itself."""
    kept = sketch(text, b"salt")
    assert len(kept) <= 22 + 6 * MAX_WORDS
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
