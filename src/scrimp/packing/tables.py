"""The table [pack] of scrimp.toml. Pure."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from scrimp.errors import InvalidRequest
from scrimp.tasks import TTL_S

MOST_CALLS = 100
"""So many calls at most share a prompt: beyond that models lose count."""


class PackStopLossTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """When packing that saves nothing is switched off for a kind of call, and for how long."""

    enabled: bool = True
    items: Annotated[int, Meta(ge=2, le=10_000)] = 30
    rest_s: Annotated[float, Meta(gt=0, le=86_400)] = 600.0


class PackSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Short calls of one kind in one prompt, for these `tasks` and for calls that ask for it.

    A prompt leaves with `calls` items, or `wait_s` after the first of them. An item's text has at
    most `max_input_bytes`, and its call allows at most `max_output_tokens`.
    """

    enabled: bool = True
    tasks: tuple[str, ...] = ()
    calls: Annotated[int, Meta(ge=2, le=MOST_CALLS)] = 10
    wait_s: Annotated[float, Meta(gt=0, le=60)] = 0.5
    max_input_bytes: Annotated[int, Meta(ge=1, le=100_000)] = 4000
    max_output_tokens: Annotated[int, Meta(ge=1, le=4096)] = 256
    stop_loss: PackStopLossTable = PackStopLossTable()


PACKING_TABLES = (PackSection, PackStopLossTable)


class _Whole(Protocol):
    @property
    def pack(self) -> PackSection:
        """The table."""
        ...


def check_pack(settings: _Whole) -> None:
    """Raises ValueError."""
    for task in settings.pack.tasks:
        if task not in TTL_S:
            raise ValueError(f"pack.tasks has '{task}', which is no task type ({', '.join(TTL_S)})")


def pack_wish(text: str) -> int | Literal["on"] | None:
    """`x-scrimp-pack`: `on`, `off` (0), or how many calls at most. Raises InvalidRequest."""
    word = text.lower()
    if word in ("", "on"):
        return "on" if word else None
    if word == "off":
        return 0
    if word.isascii() and word.isdigit() and len(word) < 4 and 2 <= int(word) <= MOST_CALLS:
        return int(word)
    raise InvalidRequest(
        f"x-scrimp-pack {text[:40]!r} is neither on, off, nor a number of calls from 2 to "
        f"{MOST_CALLS}"
    )
