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

_LETTER = "A-Za-z\u0430-\u044f\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3"
_AFTER_LETTER = r"\x00-&(-@\[-`{-\x7f\u3001\u3002\uff01\uff0c\uff1f"
_SAFE = re.compile(rf"[{_LETTER}](?=[{_AFTER_LETTER}])|[0-9](?=[\x00-/:-\x7f])")
"""After a letter and before what is neither letter nor mark nor apostrophe; after a last digit.

In cl100k and o200k no token reaches across: their patterns end a word there whatever follows (only
an apostrophe may go on with it) and numbers hold digits only; they look ahead only from white
space, and never look behind. So both sides are matched as they are in the whole text.
"""

_HALF = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_CHUNK = 16_384  # the interpreter's lock is free for others after each


class Tokenizer(Protocol):
    """What is asked of a vocabulary."""

    def count(self, text: str) -> int:
        """Tokens; special tokens in the text are ordinary text.

        Raises UnicodeEncodeError for halves of characters.
        """
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


def whole_characters(text: str) -> str:
    """The text with a replacement character for each half of a character, as tiktoken has it.

    JSON may carry halves; pairs of them are one character. tiktoken would mend a whole piece at
    once, and stop the loop for as long.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(_mended(text))
    return text


def _mended(text: str) -> Iterator[str]:
    start, size = 0, len(text)
    while start < size:
        end = min(start + _CHUNK, size)
        if end < size and "\udc00" <= text[end] <= "\udfff":
            end += 1  # may be the second half of a pair
        yield _HALF.sub("\ufffd", _PAIR.sub(_joined, text[start:end]))
        start = end


def _joined(pair: re.Match[str]) -> str:
    high, low = ord(pair[0][0]), ord(pair[0][1])
    return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00)


def count_tokens(tokenizer: Tokenizer, text: str) -> tuple[int, int]:
    """Tokens of a text, and how many tokens off the number may be (0: exact).

    Texts are cut where the tokenizer itself would cut, which changes nothing. Only an unbroken run
    of more than MAX_PIECE characters without such a place is cut by force: each such cut can move
    the number by a few tokens.
    """
    if len(text) <= MAX_PIECE:
        try:
            return tokenizer.count(text), 0
        except UnicodeEncodeError:
            return tokenizer.count(whole_characters(text)), 0
        except BaseException as error:
            # A panic in tiktoken's native code is no Exception, and would tear down the caller's
            # task group. Everything else that is no Exception (cancellation, exit) must go on.
            if type(error).__name__ != "PanicException":
                raise
            size = len(text.encode("utf-8", "surrogatepass"))
            return size // 2, size - size // 2
    tokens = doubt = 0
    for piece, forced in pieces(whole_characters(text)):
        number, unsure = count_tokens(tokenizer, piece)
        tokens += number
        doubt += unsure + (_CUT_SLACK if forced else 0)
    return tokens, doubt
