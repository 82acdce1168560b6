"""The memory of texts that were written shorter: bounded, and never wrong about a text."""

from __future__ import annotations

from scrimp.shrinking.memo import ShortTexts


def test_a_text_is_known_until_others_have_taken_its_place() -> None:
    """What is asked for again and again stays; what is not goes, and is worked out anew."""
    known = ShortTexts(20_000)
    known.keep("often", "o")
    known.keep("once", "1")
    for number in range(500):
        known.keep(f"text {number} " * 20, "t")
        assert (found := known.get("often")) is not None
        assert found.text == "o"
    assert known.get("once") is None
    assert len(known) < 120


def test_what_would_fill_it_alone_is_not_kept() -> None:
    """And nothing is taken for another."""
    known = ShortTexts(20_000)
    known.keep("x" * 5_000, "x")
    assert known.get("x" * 5_000) is None
    known.keep("a", "b")
    assert known.get("A") is None
    assert (found := known.get("a")) is not None
    assert (found.text, bytes(found.json)) == ("b", b'"b"')
