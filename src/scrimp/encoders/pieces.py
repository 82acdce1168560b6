"""Counting a text of any length: cut so that a tokenizer neither fails nor counts differently.

tiktoken's regular expression gives up on about a million blanks in a row, and its work on one
unbroken run grows faster than the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

MAX_PIECE = 200_000
_TARGET = 50_000
_CUT_SLACK = 16

_SAFE = re.compile(r"[A-Za-z](?=[ \n\t])")
"""After an ASCII letter and before white space: in cl100k and o200k no token reaches across.

Their patterns end a word before white space whatever follows, look ahead only from white space,
and never look behind; so both sides are matched as they are in the whole text.
"""


class OrdinaryEncoder(Protocol):
    """The part of tiktoken.Encoding that is used."""

    def encode_ordinary(self, text: str) -> list[int]:
        """Token ids; special tokens in the text are ordinary text."""
        ...


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Pieces that make up the text, each with whether its end was cut by force."""
    start, end = 0, len(text)
    while end - start > MAX_PIECE:
        safe = _SAFE.search(text, start + _TARGET, start + MAX_PIECE)
        cut = safe.end() if safe else start + MAX_PIECE
        yield text[start:cut], safe is None
        start = cut
    if start < end:
        yield text[start:], False


def count_tokens(encoding: OrdinaryEncoder, text: str) -> tuple[int, int]:
    """Tokens of a text, and how many tokens off the number may be (0: exact).

    Texts are cut where the tokenizer itself would cut, which changes nothing. Only an unbroken run
    of more than MAX_PIECE characters without such a place is cut by force: each such cut can move
    the number by a few tokens.
    """
    if len(text) <= MAX_PIECE:
        return _count_piece(encoding, text)
    tokens = doubt = 0
    for piece, forced in pieces(text):
        number, unsure = _count_piece(encoding, piece)
        tokens += number
        doubt += unsure + (_CUT_SLACK if forced else 0)
    return tokens, doubt


def _count_piece(encoding: OrdinaryEncoder, piece: str) -> tuple[int, int]:
    try:
        return len(encoding.encode_ordinary(piece)), 0
    except BaseException as error:
        # A panic in tiktoken's native code is no Exception, and would tear down the caller's task
        # group. Everything else that is no Exception (cancellation, exit) must go on.
        if type(error).__name__ != "PanicException":
            raise
        size = len(piece.encode("utf-8", "surrogatepass"))
        return size // 2, size - size // 2
