"""What texts became when they were written shorter, so that each is worked on once. Pure.

An agent sends each text again with every call. Two generations: what was asked for since the young
one began is carried over, so that a look-up costs a dictionary's and no list is kept in order.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

_ENTRY_CHARACTERS = 200
"""What an entry takes beside its texts, about."""


_encode = msgspec.json.Encoder().encode
_NOTHING = msgspec.Raw()


class Short(NamedTuple):
    """A text in fewer characters, and the same as it stands in JSON; no JSON of one that stayed."""

    text: str
    json: msgspec.Raw


class ShortTexts:
    """Holds `most` characters at most, all texts of an entry counted."""

    __slots__ = ("_most", "_old", "_size", "_young")

    def __init__(self, most: int) -> None:
        self._most = most // 2
        self._old: dict[str, Short] = {}
        self._young: dict[str, Short] = {}
        self._size = 0

    def get(self, text: str) -> Short | None:
        """What this very text became, or None."""
        found = self._young.get(text)
        if found is None and (found := self._old.pop(text, None)) is not None:
            self._keep(text, found)
        return found

    def keep(self, text: str, new: str) -> Short:
        """Remember it, unless it is so large that little else would be."""
        made = Short(new, _NOTHING if new == text else msgspec.Raw(_encode(new)))
        self._keep(text, made)
        return made

    def _keep(self, text: str, made: Short) -> None:
        size = len(text) + 2 * len(made.text) + _ENTRY_CHARACTERS
        if size > self._most // 8:
            return
        if self._size + size > self._most:
            self._old, self._young, self._size = self._young, {}, 0
        self._young[text] = made
        self._size += size

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
