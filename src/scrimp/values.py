"""What all words are made of: frozen values that cost next to nothing to make.

A call makes some thirty of them. A frozen dataclass sets each field by a call of its own; a struct
of msgspec is made in one step, in C (docs/dev/decisions/0011).
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Value(msgspec.Struct, frozen=True):
    """A frozen value. `HIDDEN` names fields that its repr leaves out: prompts, credentials."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        """As a dataclass would, without what is hidden."""
        shown = (
            f"{name}={getattr(self, name)!r}"
            for name in self.__struct_fields__
            if name not in self.HIDDEN
        )
        return f"{type(self).__name__}({', '.join(shown)})"
