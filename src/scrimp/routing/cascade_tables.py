"""The tables [cascade] and [cascade.tasks.…] of scrimp.toml. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from scrimp.budgets.tables import nanousd_of
from scrimp.checks.named import named
from scrimp.tasks import TTL_S

_Count = Annotated[int, Meta(ge=1, le=1_000_000)]
_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_Share = Annotated[float, Meta(ge=0, le=1)]
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


class CertificateTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How far down drafts are served by their `score`: as far as this is proven. Off by default.

    `max_loss` is the mean quality that a route's drafts may lose against the model asked for (None:
    nothing is proven), `confidence` how surely. `explore` is the least share of accepted drafts
    that is compared, `judge_model` who compares, `usd_per_day` what that may cost. The others are
    as those of `[route]`.
    """

    max_loss: Annotated[float, Meta(gt=0, le=1)] | None = None
    confidence: Annotated[float, Meta(ge=0.5, le=0.999)] = 0.95
    explore: Annotated[float, Meta(ge=0, le=0.5)] = 0.02
    judge_model: str = ""
    judge_sensitivity: _Share = 1.0
    judge_specificity: _Share = 1.0
    usd_per_day: str = "1.00"
    callers_pay: bool = False


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
    certificate: CertificateTable = CertificateTable()
    tasks: dict[str, CascadeTable] = {}


CASCADE_TABLES = (CascadeSection, CascadeTable, StopLossTable, CertificateTable)


def check_cascade(section: CascadeSection) -> None:
    """Raises ValueError."""
    _check_steps("cascade", section.models, section.checks)
    _check_certificate(section)
    for task, table in section.tasks.items():
        if task not in TTL_S:
            names = ", ".join(TTL_S)
            raise ValueError(f"cascade.tasks.{task} is no task type ({names})")
        models = section.models if table.models is None else table.models
        _check_steps(f"cascade.tasks.{task}", models, table.checks or ())


def _check_certificate(section: CascadeSection) -> None:
    table = section.certificate
    comparing_nanousd(table)
    seen = table.judge_sensitivity + table.judge_specificity
    if seen <= 1:
        raise ValueError(
            f"cascade.certificate.judge_sensitivity and judge_specificity add up to {seen:g}: a "
            "judge that tosses a coin has 1, and tells nothing (more is needed)"
        )
    if table.max_loss is not None and section.accept is not None:
        raise ValueError(
            f"cascade.accept = {section.accept:g} and cascade.certificate.max_loss = "
            f"{table.max_loss:g} both say which score is enough: one of them is to decide"
        )
    if table.judge_model and table.judge_model in section.models:
        raise ValueError(
            f"cascade.certificate.judge_model '{table.judge_model}' would grade drafts of its own "
            "(name another model, best of another family)"
        )


def comparing_nanousd(table: CertificateTable) -> int:
    """What comparing may cost a day; nothing at all for "0". Raises ValueError."""
    if table.usd_per_day in ("0", "0.00"):
        return 0
    return nanousd_of("cascade.certificate.usd_per_day", table.usd_per_day)


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
