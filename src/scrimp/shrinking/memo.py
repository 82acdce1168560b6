"""What texts became when they were written shorter, so that each is worked on once. Pure.

An agent sends each text again with every call. Two generations: what was asked for since the young
one began is carried over, so that a look-up costs a dictionary's and no list is kept in order.
"""

from __future__ import annotations

_ENTRY_CHARACTERS = 200
"""What an entry takes beside its texts, about."""


class ShortTexts:
    """Holds `most` characters at most, both texts of an entry counted."""

    __slots__ = ("_most", "_old", "_size", "_young")

    def __init__(self, most: int) -> None:
        self._most = most // 2
        self._old: dict[str, str] = {}
        self._young: dict[str, str] = {}
        self._size = 0

    def get(self, text: str) -> str | None:
        """What this very text became, or None."""
        found = self._young.get(text)
        if found is None and (found := self._old.pop(text, None)) is not None:
            self.keep(text, found)
        return found

    def keep(self, text: str, new: str) -> None:
        """Remember it, unless it is so large that little else would be."""
        size = len(text) + len(new) + _ENTRY_CHARACTERS
        if size > self._most // 8:
            return
        if self._size + size > self._most:
            self._old, self._young, self._size = self._young, {}, 0
        self._young[text] = new
        self._size += size

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
