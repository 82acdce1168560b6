"""One counting run: texts through the memo, new ones through the tokenizer, within a limit.

On the event loop a run may look at and count only so much; one that would take longer stops with
`TooLong`, and is begun again in a thread, where what it has counted is remembered.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from scrimp.encoders.memo import TextMemo
from scrimp.encoders.pieces import OrdinaryEncoder, count_tokens

ON_LOOP_NEW_CHARS = 4096
"""New text that is counted on the loop (~0.4 ms)."""
ON_LOOP_CHARS = 1_000_000
"""Text that is looked up on the loop (hashing takes ~0.5 ms)."""


class TooLong(Exception):
    """The rest takes longer than the loop may wait."""


@dataclass(frozen=True, slots=True)
class Run:
    """`count_text` gives a text's tokens; `doubts` say how many tokens off some of them may be."""

    count_text: Callable[[str], int]
    doubts: list[int]


def start_run(encoding: OrdinaryEncoder, memo: TextMemo, *, on_loop: bool) -> Run:
    """A run that has counted nothing. On the loop its `count_text` raises TooLong."""
    new_chars = ON_LOOP_NEW_CHARS if on_loop else sys.maxsize
    chars = ON_LOOP_CHARS if on_loop else sys.maxsize
    doubts: list[int] = []

    look_up = memo.young.get

    def anew(text: str) -> int:
        """Of another generation, not exact, or never counted."""
        nonlocal new_chars
        tokens = memo.find(text)
        if tokens is not None:
            return tokens
        found = memo.unsure(text)
        if found is None:
            new_chars -= len(text)
            if new_chars < 0:
                raise TooLong
            found = count_tokens(encoding, text)
            if not found[1]:
                memo.keep(text, found[0])
                return found[0]
            memo.keep_unsure(text, *found)
        doubts.append(found[1])
        return found[0]

    def count_text(text: str) -> int:
        nonlocal chars
        chars -= len(text)
        if chars < 0:
            raise TooLong
        tokens = look_up(hash(text))
        return anew(text) if tokens is None else tokens

    return Run(count_text, doubts)
