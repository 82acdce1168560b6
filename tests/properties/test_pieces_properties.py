"""Cutting a text for the tokenizer loses nothing and changes no count."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.encoders import pieces as module
from scrimp.encoders.pieces import pieces
from scrimp.tokens.encodings import CL100K, O200K
from tests.support.vocabularies import shared_vocabulary

words = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            " ",
            "  ",
            "\n",
            " \n\n ",
            "\t",
            "don't",
            "I'LL",
            "word",
            "X",
            "123",
            "\n/",
            "..",
            "é",
            "e\u0301",
            "中",
            "中,",
            "\u3002",
            "я",
            "'s",
            "'\u017f",
            '"',
            ", ",
            "{",
            "٣",
            "1,",
            "a1",
            "\x00",
        ]
    ),
)
texts = st.lists(words, max_size=60).map("".join)


@given(texts, st.integers(2, 12))
def test_nothing_is_lost(text: str, size: int) -> None:
    """The pieces make up the text, and none is longer than allowed."""
    with mock.patch.multiple(module, MAX_PIECE=size, _TARGET=size // 2):
        found = list(pieces(text))
    assert "".join(piece for piece, _ in found) == text
    assert all(0 < len(piece) <= size for piece, _ in found)


@pytest.mark.parametrize("name", [CL100K, O200K])
@given(text=texts, size=st.integers(2, 12))
def test_a_cut_that_was_not_forced_changes_no_token(name: str, text: str, size: int) -> None:
    """Joined over forced cuts, the tokens of the pieces are the tokens of the whole."""
    encoding = shared_vocabulary(name)
    with mock.patch.multiple(module, MAX_PIECE=size, _TARGET=size // 2):
        found = list(pieces(text))
    tokens: list[int] = []
    joined = ""
    for piece, forced in found:
        joined += piece
        if not forced:
            tokens += encoding.encode_ordinary(joined)
            joined = ""
    assert tokens + encoding.encode_ordinary(joined) == encoding.encode_ordinary(text)
