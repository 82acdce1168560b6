"""Cutting long texts so that a tokenizer neither fails nor counts differently.

tiktoken's regular expression gives up on about a million blanks in a row, and its work on one
unbroken run grows faster than the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_PIECE = 200_000
_TARGET = 50_000

_SAFE = re.compile(r"[A-Za-z](?=[ \n\t])")
"""After an ASCII letter and before white space: in cl100k and o200k no token reaches across.

Their patterns end a word before white space whatever follows, look ahead only from white space,
and never look behind; so both sides are matched as they are in the whole text.
"""


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
