"""The table [defer] of scrimp.toml. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

_Seconds = Annotated[float, Meta(ge=0)]
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME = re.compile(r"(\d{1,9})([smhd]?)")
LONGEST_S = 30 * 86400


class DeferSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Calls that may wait. `least` is the wait that is long enough for a batch.

    `flex` is the one that is long enough for the flex tier ("0": never). `providers` have a batch
    API. A batch leaves when it is full, or its oldest call waits for `gather_s`; it is looked at
    each `poll_s`. What is not answered `alone_s` before its time is asked by itself. A batch whose
    beginning nobody confirmed is looked for, and begun again after `lost_s`. After `tries` batches
    a call is asked by itself. `keys` names keys whose calls may wait. Answers are kept for `keep`.
    """

    enabled: bool = False
    providers: tuple[str, ...] = ("openai", "anthropic")
    least: str = "1h"
    flex: str = "0"
    gather_s: _Seconds = 60.0
    poll_s: Annotated[float, Meta(gt=0)] = 60.0
    alone_s: _Seconds = 900.0
    lost_s: Annotated[float, Meta(gt=0)] = 120.0
    tries: Annotated[int, Meta(ge=1, le=10)] = 2
    most_items: Annotated[int, Meta(ge=1, le=50_000)] = 10_000
    most_bytes: Annotated[int, Meta(ge=1)] = 64 * 1024 * 1024
    keep: str = "7d"
    keys: dict[str, str] = {}
    path: str = ""


DEFER_TABLES = (DeferSection,)


class _Whole(Protocol):
    @property
    def defer(self) -> DeferSection:
        """The table."""
        ...


def seconds_of(text: str) -> int:
    """Seconds of a time such as `90`, `30m`, `24h` or `7d`. Raises ValueError."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a time: {text[:40]!r} (write it like 90s, 30m, 24h or 7d)")
    seconds = int(found[1]) * _UNITS_S[found[2] or "s"]
    if seconds > LONGEST_S:
        raise ValueError(f"too long: {text[:40]!r} (at most {LONGEST_S // 86400}d)")
    return seconds


def check_defer(settings: _Whole) -> None:
    """Raises ValueError that names the field."""
    section = settings.defer
    times = {"least": section.least, "flex": section.flex, "keep": section.keep}
    times |= {f"keys.{name}": text for name, text in section.keys.items()}
    for name, text in times.items():
        try:
            seconds_of(text)
        except ValueError as error:
            raise ValueError(f"defer.{name}: {error}") from None
