"""Counts of texts that were counted before. Keeps no text: a digest of it and a number.

Chats send their history again with each turn; looking a message up costs a hash of it. The digest
is Python's own of strings (SipHash under a secret of the process, 64 bits) and how long they are:
nobody outside can make two texts meet, and of ten thousand million texts none is expected to.
Without its length a text of wide characters would meet the one whose bytes in memory are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ENTRY_BYTES = 160
"""A key, a number, and a slot in a table that is a third full at worst."""


_MOST_UNSURE = 256


def key_of(text: str) -> int:
    """By what a text is remembered."""
    return hash((text, len(text)))


def keys_of(texts: Sequence[str]) -> Iterable[int]:
    """Those of many, with no step of Python's for each."""
    return map(hash, zip(texts, map(len, texts), strict=True))


class TextMemo:
    """Two generations: what was asked for since the young one began is carried over.

    Threads may share it. What they lose of each other when a generation ends is counted again.
    """

    __slots__ = ("_most", "_unsure", "old", "young")

    def __init__(self, max_bytes: int) -> None:
        self._most = max(1, max_bytes // ENTRY_BYTES // 2)
        self.old: dict[int, int] = {}
        self._unsure: dict[int, tuple[int, int]] = {}
        self.young: dict[int, int] = {}

    def unsure(self, text: str) -> tuple[int, int] | None:
        """Tokens and doubt of a text whose count is not exact, or None."""
        return self._unsure.get(key_of(text)) if self._unsure else None

    def keep_unsure(self, text: str, tokens: int, doubt: int) -> None:
        """Remember both; there are few such texts, all of them very long."""
        if len(self._unsure) >= _MOST_UNSURE:
            self._unsure = {}
        self._unsure[key_of(text)] = tokens, doubt

    def find(self, text: str) -> int | None:
        """The tokens of this very text, or None."""
        key = key_of(text)
        found = self.young.get(key)
        if found is None and self.old:
            found = self.old.pop(key, None)
            if found is not None:
                self.keep(text, found)
        return found

    def keep(self, text: str, tokens: int) -> None:
        """Remember them."""
        if len(self.young) >= self._most:
            self.old, self.young = self.young, {}
        self.young[key_of(text)] = tokens

    def clear(self) -> None:
        """Forget all."""
        self.old, self.young, self._unsure = {}, {}, {}

    def __len__(self) -> int:
        return len(self.young) + len(self.old) + len(self._unsure)
