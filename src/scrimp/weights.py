"""The port of scales: what each message of a conversation weighs, in tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from scrimp.ports import Count, Encoder
from scrimp.values import Value

Left = Callable[[Sequence[tuple[int, int]]], Count]
"""What a request has without items of its conversation, from each first one up to a last."""


class Weighed(Value, frozen=True):
    """A whole request, and what each item of its conversation adds to it, at most.

    `left` tells what counting would tell of the request without some items, none of which may be
    instructions; it is None where only counting tells.
    """

    whole: Count
    items: tuple[int, ...]
    left: Left | None = None


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
