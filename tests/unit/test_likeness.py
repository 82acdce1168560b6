"""What counts as a timestamp, an id or a nonce, and what does not."""

from __future__ import annotations

import time

import pytest

from scrimp.likeness import IGNORABLE, STAMPS, alike

ALL = frozenset(IGNORABLE)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T03:11:18Z",
        "2026-11-23T03:11:18.123456+01:00",
        "2026-11-23 03:11",
        "2026/11/23, 03:11:18,042",
        "2026-11-23 03:11:18 UTC",
        "1795403478",
        "1795403478123",
        "1795403478.25",
        "550e8400-e29b-41d4-a716-446655440000",
        "550E8400-E29B-41D4-A716-446655440000",
        "0123456789abcdef",
    ],
)
def test_a_stamp_is_ignored_wherever_it_stands(text: str) -> None:
    """Between words, at the ends, in brackets, after a line break or a sign of equality."""
    for before, after in (
        ("", ""),
        ("at ", "."),
        ("(", ")"),
        ("a\n", "\nb"),
        ("t=", ", x"),
        ("é ", ""),
    ):
        assert "\0" in alike(before + text + after, STAMPS), (before, after)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23",  # people ask about dates
        "2026-13-23T03:11:18Z",
        "2026-11-23T25:11:18Z",
        "12026-11-23T03:11:18",
        "03:11:18",
        "call 0301795403478",
        "2095403478",
        "+49-1795403478-12",
        "deadbeefdeadbeef",  # no digit in it
        "1234567890123456",  # no letter in it
        "abc0123456789abcdefg",
        "550e8400-e29b-41d4-a716-44665544000",
        "1795403478 apples?"[:9] + " apples",
    ],
)
def test_what_only_looks_like_one_counts(text: str) -> None:
    """When in doubt two prompts are two."""
    assert alike(text, STAMPS) == text


def test_each_kind_is_asked_for_by_itself() -> None:
    """A setting that names timestamps leaves ids alone."""
    text = "2026-11-23T03:11:18Z 550e8400-e29b-41d4-a716-446655440000 0123456789abcdef"
    assert alike(text, frozenset({"timestamps"})).count("\0") == 1
    assert alike(text, frozenset({"uuids"})).count("\0") == 1
    assert alike(text, frozenset({"nonces"})).count("\0") == 1
    assert alike(text, STAMPS) == "\0t \0u \0n"


def test_no_text_can_pretend_to_hold_a_stamp() -> None:
    """A NUL of its own is doubled."""
    assert alike("at \0t", STAMPS) != alike("at 2026-11-23T03:11:18Z", STAMPS)
    assert alike("at \0\0t", STAMPS) != alike("at \0t", STAMPS)


def test_whitespace_that_means_something_stays() -> None:
    """Indentation, tables and code are no matter of taste."""
    assert alike("one  two  \n\n\n\nthree", frozenset({"whitespace"})) == "one two\n\nthree"
    for text in ("if a:\n    b\nc", "if a:\n    b\n    c", "| a  | b |", "```\nx  y\n```"):
        assert alike(text, frozenset({"whitespace"})) == text
    assert alike("Größe ÄB", frozenset({"case"})) == "größe äb"


def test_hostile_texts_take_no_time() -> None:
    """Long runs that nearly are stamps are passed once."""
    began = time.process_time()
    for text in (
        "0" * 1_000_000,
        "2026-11-23 " * 90_000,
        "0a" * 500_000 + "-",
        "1" * 999_999 + "x",
    ):
        alike(text, ALL - {"whitespace", "case"})
    assert time.process_time() - began < 10
