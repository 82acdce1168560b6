"""The tables [cascade] and [cascade.tasks.…] of scrimp.toml. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from scrimp.checks.named import named
from scrimp.tasks import TTL_S

_Count = Annotated[int, Meta(ge=1, le=1_000_000)]
_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_MOST_STEPS = 4


class CascadeTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The cascade of one task type: other models, other checks. None: as the table above says."""

    enabled: bool = True
    models: tuple[str, ...] | None = None
    checks: tuple[str, ...] | None = None


class StopLossTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """When a cascade that costs more than going direct is switched off, and for how long.

    `margin` is the share that it may cost more, `least_calls` how many calls must have shown it.
    """

    enabled: bool = True
    margin: Annotated[float, Meta(ge=0, le=10)] = 0.05
    least_calls: _Count = 30
    rest_s: _Seconds = 3600.0


class CascadeSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Cheap first: `models` from cheap to dear; the model that was asked for is always the last.

    A draft is served when every one of `checks` passes (`name` or `name=argument`). `parallel` asks
    the second model of an `agreement` beside the first. Streams are left alone, or, with
    `hold_streams`, held back until a draft is accepted; a comment every `keep_alive_s` keeps the
    line open. `limit_s` is what a program's own check may take, `accept` the least score.
    """

    enabled: bool = True
    models: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    parallel: bool = False
    hold_streams: bool = False
    keep_alive_s: _Seconds = 15.0
    limit_s: Annotated[float, Meta(gt=0, le=600)] = 5.0
    accept: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop_loss: StopLossTable = StopLossTable()
    tasks: dict[str, CascadeTable] = {}


CASCADE_TABLES = (CascadeSection, CascadeTable, StopLossTable)


def check_cascade(section: CascadeSection) -> None:
    """Raises ValueError."""
    _check_steps("cascade", section.models, section.checks)
    for task, table in section.tasks.items():
        if task not in TTL_S:
            names = ", ".join(TTL_S)
            raise ValueError(f"cascade.tasks.{task} is no task type ({names})")
        models = section.models if table.models is None else table.models
        _check_steps(f"cascade.tasks.{task}", models, table.checks or ())


def _check_steps(where: str, models: tuple[str, ...], checks: tuple[str, ...]) -> None:
    if len(models) > _MOST_STEPS:
        raise ValueError(f"{where}.models names {len(models)} models; at most {_MOST_STEPS}")
    if len(set(models)) < len(models):
        raise ValueError(f"{where}.models names a model twice")
    for text in checks:
        try:
            named(text)
        except ValueError as error:
            raise ValueError(f"{where}.checks: {error}") from None


def checks_of(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Names and arguments. Raises ValueError."""
    return tuple([named(text) for text in texts])
