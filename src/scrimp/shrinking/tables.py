"""The tables [trim] and [compact] of scrimp.toml. Pure."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from scrimp.budgets.tables import nanousd_of
from scrimp.shrinking.fitting import First

_Size = Annotated[int, Meta(ge=0)]


class TrimSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Old turns left out. `window` is the model's own as the price book knows it, or tokens.

    `last` is how many messages stay at most (0: as many as fit). `reserve_output` is kept free for
    the answer where the call does not limit it. `step` is how much goes at once: per cent of the
    window, or of `last`. With `native` a provider edits the context itself where its API can. A
    `summary_model` sums up what is left out, in `summary_words` for each 6,000 tokens or so.
    """

    enabled: bool = False
    last: _Size = 0
    window: Literal["auto"] | Annotated[int, Meta(ge=256)] = "auto"
    reserve_output: _Size = 4000
    first: First = "turns"
    step: Annotated[int, Meta(ge=0, le=90)] = 25
    native: bool = False
    summary_model: str = ""
    summary_words: Annotated[int, Meta(ge=20, le=2000)] = 200
    summary_tokens: Annotated[int, Meta(ge=50, le=4000)] = 300
    summary_usd_per_day: str = "1.00"
    summary_limit_s: Annotated[float, Meta(gt=0, le=600)] = 30.0


class CompactSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Texts written shorter. `exact` names tools whose results are never touched.

    `phrases` and `examples` (the most that stay; 0: all) lose something.
    """

    enabled: bool = False
    json: Literal["off", "minify", "columns"] = "columns"
    terminal: bool = True
    repeats: bool = True
    spaces: bool = True
    exact: tuple[str, ...] = ()
    phrases: bool = False
    examples: _Size = 0


class _Whole(Protocol):
    @property
    def trim(self) -> TrimSection:
        """The table."""
        ...


SHRINKING_TABLES = (TrimSection, CompactSection)


def check_shrinking(settings: _Whole) -> None:
    """Raises ValueError."""
    trim = settings.trim
    nanousd_of("trim.summary_usd_per_day", trim.summary_usd_per_day)
    if isinstance(trim.window, int) and trim.window <= trim.reserve_output:
        raise ValueError(
            f"trim.window is {trim.window:,} tokens and trim.reserve_output is "
            f"{trim.reserve_output:,}: nothing is left for the conversation (raise the window, or "
            "reserve less)"
        )
