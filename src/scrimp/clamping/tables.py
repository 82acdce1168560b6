"""The tables [clamp_output] and [clamp_output.tasks.…] of scrimp.toml. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from scrimp.clamping.placing import MOST_STOPS
from scrimp.clamping.presets import brief_of
from scrimp.tasks import TTL_S

_Tokens = Annotated[int, Meta(ge=16, le=10_000_000)]


class ClampTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One task type. `max_tokens` is set where a call sets no limit, beside what thinking needs.

    `brief` is a preset: `concise`, `json`, `json object` (by the provider's JSON mode, too),
    `code`, `one paragraph`, `3 sentences`. `stop` are stop sequences.
    """

    max_tokens: _Tokens | None = None
    brief: str = ""
    stop: tuple[str, ...] = ()


class ClampOutputSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Shorter outputs. `enforce` sets the limits that were measured, which else are advice.

    They are the 99th percentile and `headroom` per cent. A client's `own` limit is kept, or, where
    it is larger, lowered; never raised. An answer that was cut is reported; gone on with where its
    model can (`continue`), `continues` times at most; or, where it cannot and the limit was not the
    client's, asked for `again` without it. `hold_streams` does that for streams, too: they are held
    back until they are whole, with a comment every `keep_alive_s`.
    """

    enabled: bool = False
    enforce: bool = False
    headroom: Annotated[int, Meta(ge=0, le=1000)] = 25
    own: Literal["keep", "lower"] = "keep"
    truncated: Literal["report", "continue", "again"] = "report"
    continues: Annotated[int, Meta(ge=1, le=8)] = 2
    hold_streams: bool = False
    keep_alive_s: Annotated[float, Meta(gt=0, le=86_400)] = 15.0
    tasks: dict[str, ClampTable] = {}


CLAMP_TABLES = (ClampOutputSection, ClampTable)


def check_clamp(section: ClampOutputSection) -> None:
    """Raises ValueError."""
    for task, table in section.tasks.items():
        where = f"clamp_output.tasks.{task}"
        if task not in TTL_S:
            raise ValueError(f"{where} is no task type ({', '.join(TTL_S)})")
        try:
            brief_of(table.brief)
        except ValueError as error:
            raise ValueError(f"{where}.brief: {error}") from None
        if len(table.stop) > MOST_STOPS:
            raise ValueError(
                f"{where}.stop has {len(table.stop)} sequences; at most {MOST_STOPS} are sent"
            )
        if not all(one.strip() for one in table.stop):
            raise ValueError(f"{where}.stop: each must hold more than white space")
