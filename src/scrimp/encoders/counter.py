"""One counting run: texts through the memo, new ones through the tokenizer, within a limit.

On the event loop a run may look at and count only so much; one that would take longer stops with
`TooLong`, and is begun again in a thread, where what it has counted is remembered.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scrimp.encoders.memo import TextMemo, key_of, keys_of
from scrimp.encoders.pieces import Tokenizer, count_tokens

ON_LOOP_NEW_CHARS = 4096
"""New text that is counted on the loop (~0.4 ms)."""
ON_LOOP_CHARS = 1_000_000
"""Text that is looked up on the loop (hashing takes ~0.5 ms)."""
_SHORT = 1000
"""Characters of a text that no tokenizer breaks on."""


class TooLong(Exception):
    """The rest takes longer than the loop may wait."""


class Run:
    """Counts texts. `doubts` say how many tokens off some of them may be.

    With `on_loop` it raises TooLong when the rest takes longer than the loop may wait.
    """

    __slots__ = ("_chars", "_memo", "_new_chars", "_tokenizer", "doubts")

    def __init__(self, tokenizer: Tokenizer, memo: TextMemo, *, on_loop: bool) -> None:
        self._tokenizer = tokenizer
        self._memo = memo
        self._new_chars = ON_LOOP_NEW_CHARS if on_loop else sys.maxsize
        self._chars = ON_LOOP_CHARS if on_loop else sys.maxsize
        self.doubts: list[int] = []

    def count_text(self, text: str) -> int:
        """Its tokens."""
        self._chars -= len(text)
        if self._chars < 0:
            raise TooLong
        tokens = self._memo.young.get(key_of(text))
        return self._anew(text) if tokens is None else tokens

    def count_texts(self, texts: list[str]) -> int:
        """The tokens of all of them; those that are known cost little more than their hashes."""
        self._chars -= sum(map(len, texts))
        if self._chars < 0:
            raise TooLong
        total, unknown = 0, 0
        for tokens in map(self._memo.young.get, keys_of(texts)):
            if tokens is None:
                unknown += 1
            else:
                total += tokens
        return total if not unknown else sum(map(self._count_one, texts))

    def most_of_each(self, texts: Sequence[str]) -> tuple[list[int], list[int]]:
        """The tokens of every one at most, of those that are not known as many as bytes.

        With it comes which are not known.
        """
        if sum(map(len, texts)) > self._chars:
            raise TooLong
        found = list(map(self._memo.young.get, keys_of(texts)))
        if None not in found:
            return [tokens for tokens in found if tokens is not None], []
        most, new = list[int](), list[int]()
        for at, (text, young) in enumerate(zip(texts, found, strict=True)):
            tokens = self._memo.find(text) if young is None else young
            if tokens is None:
                new.append(at)
            most.append(_bytes_of(text) if tokens is None else tokens)
        return most, new

    def _count_one(self, text: str) -> int:
        tokens = self._memo.young.get(key_of(text))
        return self._anew(text) if tokens is None else tokens

    def _anew(self, text: str) -> int:
        """Of another generation, not exact, or never counted."""
        memo = self._memo
        tokens = memo.find(text)
        if tokens is not None:
            return tokens
        if memo.unsure(text) is None:
            self._new_chars -= len(text)
            if self._new_chars < 0:
                raise TooLong
        tokens, doubt = count_one(self._tokenizer, memo, text)
        if doubt:
            self.doubts.append(doubt)
        return tokens


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def count_one(tokenizer: Tokenizer, memo: TextMemo, text: str) -> tuple[int, int]:
    """A run of one text that is not young: its tokens, and how many tokens off they may be."""
    if len(text) < _SHORT and (not memo.old or key_of(text) not in memo.old):
        try:  # most texts are such: each step around the tokenizer would show
            tokens = tokenizer.count(text)
        except UnicodeEncodeError:
            pass
        else:
            memo.keep(text, tokens)
            return tokens, 0
    known = memo.find(text)
    if known is not None:
        return known, 0
    found = memo.unsure(text)
    if found is None:
        found = tokens, doubt = count_tokens(tokenizer, text)
        if doubt:
            memo.keep_unsure(text, tokens, doubt)
        else:
            memo.keep(text, tokens)
    return found
