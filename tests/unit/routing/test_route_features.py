"""Features of a question: fixed width, no text kept, the same everywhere, packed in little."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from scrimp.routing.text_features import (
    DENSE,
    LEXICAL,
    WIDTH,
    Floats,
    Meta,
    Reader,
    bounded,
    pack,
    shape_of,
    unpack,
)
from scrimp.routing.wording import NAMES, counted

CHOICE = (
    "Which gas do plants take in?\nA. Oxygen\nB. Carbon dioxide\nC. 12\nD. None of these\nAnswer:"
)


def ones(_text: str) -> Floats:
    """An embedding that says nothing."""
    return np.ones(256, np.float32)


def number(text: str, name: str) -> float:
    """One of what is counted."""
    return counted(text).numbers[NAMES.index(name)]


def test_options_are_read_apart_from_the_question() -> None:
    """Four options, one with a number, one that denies the rest; the last ends at its line."""
    assert number(CHOICE, "options") == 4.0
    assert number(CHOICE, "option_numbers") == 0.25
    assert number(CHOICE, "option_all") == 1.0
    assert number(CHOICE, "ends_asking") == 1.0
    assert number(CHOICE, "option_most") == pytest.approx(np.log1p(len("Carbon dioxide")))


def test_a_text_without_options_has_none() -> None:
    """A sentence that begins with a letter and a stop is no choice."""
    assert number("A. Smith wrote this. Why?", "options") == 0.0


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "\ud800", "1" * 9000, "é" * 50, "\nA. \nB. ", "\x00\x01", "?" * 70]
)
def test_any_text_gives_numbers(text: str) -> None:
    """Empty, endless, foreign and broken texts are rows like any other."""
    row = Reader(ones).read(text)
    assert row.shape == (WIDTH,)
    assert np.isfinite(row).all()


def test_without_an_embedding_the_rest_is_read() -> None:
    """Its part is zeros, and the version says so: such rows are not compared with others."""
    bare, full = Reader(), Reader(ones, "ones/1")
    one, two = bare.read(CHOICE), full.read(CHOICE)
    assert not one[LEXICAL:DENSE].any()
    assert two[LEXICAL:DENSE].all()
    np.testing.assert_array_equal(one[:LEXICAL], two[:LEXICAL])
    assert bare.version != full.version
    assert full.version.endswith("ones/1")


def test_what_a_call_asks_for_is_part_of_the_row() -> None:
    """Tools and turns make another row of the same text."""
    reader = Reader()
    plain, asking = reader.read("hello"), reader.read("hello", Meta(turns=5, tools=3, schema=True))
    assert set(np.flatnonzero(plain != asking)) <= set(range(len(NAMES), LEXICAL))
    assert (plain != asking).sum() == 3


def test_packing_keeps_a_row_to_half_precision() -> None:
    """Words exactly, the rest to three digits, in under two kilobytes."""
    row = Reader(ones).read(CHOICE)
    packed = pack(row)
    again = unpack(packed)
    np.testing.assert_array_equal(again[DENSE:], row[DENSE:])
    np.testing.assert_allclose(again[:DENSE], row[:DENSE], rtol=1e-3, atol=1e-6)
    assert len(packed) < 1000
    assert pack(again) == packed


def test_rows_of_another_width_are_all_numbers() -> None:
    """A check's features pack as well."""
    row = np.arange(7, dtype=np.float32)
    np.testing.assert_array_equal(unpack(pack(row), 7), row)
    assert shape_of(7).dense == 7


@pytest.mark.parametrize("data", [b"", b"x" * 11, b"\x00" * (DENSE * 2 + 1)])
def test_bytes_that_are_no_row_are_refused(data: bytes) -> None:
    """Too short, or torn in the middle."""
    with pytest.raises(ValueError, match="no row of"):
        unpack(data)


def test_a_word_beyond_the_last_place_is_refused() -> None:
    """Rows of a wider version are not read as narrow ones."""
    torn = b"\x00" * (DENSE * 2) + b"\xff\xff"
    with pytest.raises(ValueError, match="place 32767"):
        unpack(torn)


def test_of_a_long_text_both_ends_are_read() -> None:
    """The middle is left out; a short text is whole."""
    text = "first " + "x" * 100_000 + " last"
    found = bounded(text)
    assert len(found) < 4000
    assert found.startswith("first ")
    assert found.endswith(" last")
    assert bounded(CHOICE) == CHOICE


def test_features_do_not_depend_on_the_process() -> None:
    """Words go to places by a fixed hash, not by Python's own."""
    one, two = Reader().read("alpha beta"), Reader().read("beta alpha")
    np.testing.assert_array_equal(one[DENSE:], two[DENSE:])
    assert np.flatnonzero(Reader().read("alpha")[DENSE:]).tolist() == [zlib.crc32(b"alpha") % 1024]
