"""The tables [fallback] and [fallback.circuit] of scrimp.toml. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_Positive = Annotated[float, Meta(gt=0)]
_Milliseconds = Annotated[int, Meta(ge=1, le=3_600_000)]
_Refusal = Annotated[int, Meta(ge=400, le=499)]


class CircuitTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """When an upstream is left alone for a while, and when it is trusted again.

    It opens when `failure_rate` of at least `least_calls` attempts within `window_s` failed, for
    `open_s`, each time `growth` times longer up to `longest_open_s`. Then one call at a time
    probes, for `probe_s` at most; `probes` in a row that go well close it.
    """

    failure_rate: Annotated[float, Meta(ge=0.05, le=1)] = 0.5
    least_calls: Annotated[int, Meta(ge=1, le=10_000)] = 10
    window_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0
    open_s: Annotated[float, Meta(gt=0, le=3600)] = 5.0
    growth: Annotated[float, Meta(ge=1, le=10)] = 2.0
    longest_open_s: Annotated[float, Meta(gt=0, le=86_400)] = 300.0
    probes: Annotated[int, Meta(ge=1, le=100)] = 3
    probe_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0


class FallbackSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Other targets after an error: `models` by the model that fails, `default` for all others.

    `also_on` are further statuses that lead on. `dearer`: whether what may cost more is asked, up
    to `max_times_dearer`. `deadline_ms` is how long a call may take in all, `least_ms` what another
    try needs of it. `retry_wait_s` is the longest wait before a retry while another target stands
    ready. `larger_window`: a prompt that is too long goes to a model that takes it.
    """

    enabled: bool = True
    default: tuple[str, ...] = ()
    models: dict[str, tuple[str, ...]] = {}
    also_on: tuple[_Refusal, ...] = ()
    larger_window: bool = True
    dearer: Literal["within_budget", "never"] = "within_budget"
    max_times_dearer: _Positive | None = None
    deadline_ms: _Milliseconds | None = None
    least_ms: _Milliseconds = 2_000
    retry_wait_s: Annotated[float, Meta(ge=0, le=3600)] = 1.0
    circuit: CircuitTable = CircuitTable()


FALLBACK_TABLES = (FallbackSection, CircuitTable)


def check_fallback(section: FallbackSection) -> None:
    """Raises ValueError."""
    for name, chain in (("default", section.default), *section.models.items()):
        where = "fallback.default" if name == "default" else f'fallback.models."{name}"'
        for model in chain:
            if not model.strip():
                raise ValueError(f"{where} holds an empty name")
            if model == name:
                raise ValueError(f"{where} names '{model}' itself (name other models)")
            if chain.count(model) > 1:
                raise ValueError(f"{where} names '{model}' twice (once is enough)")
    circuit = section.circuit
    if circuit.open_s > circuit.longest_open_s:
        raise ValueError(
            f"fallback.circuit.open_s is {circuit.open_s:g} and longest_open_s "
            f"{circuit.longest_open_s:g} (it may not be shorter)"
        )
    deadline_ms = section.deadline_ms
    if deadline_ms is not None and section.least_ms >= deadline_ms:
        raise ValueError(
            f"fallback.deadline_ms is {deadline_ms} and least_ms {section.least_ms}: there would "
            "never be time for another try (raise deadline_ms, or lower least_ms)"
        )
