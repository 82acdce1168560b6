"""The port of scales: what each message of a conversation weighs, in tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from scrimp.ports import Count, Encoder
from scrimp.values import Value


class Weighed(Value, frozen=True):
    """A whole request, and what each item of its conversation adds to it, at most."""

    whole: Count
    items: tuple[int, ...]


class Scales(Encoder, Protocol):
    """An encoder that also weighs."""

    async def weigh(
        self, model: str, fields: Mapping[str, Any], dialect: str, *, enough: int
    ) -> Weighed | None:
        """None where it is proven that the request has at most `enough` tokens.

        The proof takes texts that were never counted for as many tokens as they have bytes, so that
        nothing is counted that need not be.
        """
        ...
