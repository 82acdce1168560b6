"""Labelled files: which model's answer to a prompt was how good, and what it cost. Pure.

Two shapes are read, as JSON lines or CSV. One line for one answer: `prompt`, `model`, `quality`,
`cost`. One line for all answers to a prompt: `prompt` and `models`, by name, each with `quality`
and `cost`; so writes `scrimp compare`. Quality is from 0 (wrong) to 1 (right), cost in US dollars.
An answer without a quality is no label and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import ROUND_UP, Decimal, DecimalException
from typing import Any, ClassVar

from msgspec.structs import replace

from scrimp.errors import InvalidRequest
from scrimp.lines import Record, records, text_in
from scrimp.money import NANO_PER_USD
from scrimp.values import Value

_MOST_USD = 1_000_000


class Label(Value, frozen=True):
    """One answer. `cost_nanousd` is None where the file does not say; `output_tokens`, too.

    `response` is the answer itself, where it was kept.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"response"})

    quality: float
    cost_nanousd: int | None = None
    output_tokens: int | None = None
    response: str = ""


class Row(Value, frozen=True):
    """One prompt and its labels by model. `line` is where it first stands."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"prompt"})

    line: int
    prompt: str
    labels: Mapping[str, Label]
    task: str = ""
    source: str = ""


def read_rows(data: bytes, source: str, *, quality: str = "quality") -> list[Row]:
    """Rows in the order of the file, a prompt once. Raises InvalidRequest with the line at fault.

    `quality` names the field that holds it. Lines of one task that repeat a prompt are one row,
    unless each has an `id` of its own; of two labels of a model the later holds.
    """
    found: dict[tuple[str, str, str], Row] = {}
    for line, record in records(data, source):
        where = f"{source}, line {line}"
        row = _row(record, line, where, quality)
        key = row.task, row.prompt, text_in(record, "id", where)
        if (before := found.get(key)) is not None:
            row = replace(before, labels={**before.labels, **row.labels})
        found[key] = row
    rows = [row for row in found.values() if row.labels]
    if not rows:
        raise InvalidRequest(
            f"{source}: holds no labels (one JSON object per line: prompt, model, {quality}, cost)"
        )
    return rows


def models_of(rows: list[Row]) -> tuple[str, ...]:
    """Every model that has a label, most labels first."""
    counts: dict[str, int] = {}
    for row in rows:
        for model in row.labels:
            counts[model] = counts.get(model, 0) + 1
    return tuple(sorted(counts, key=lambda model: (-counts[model], model)))


def with_all(rows: list[Row], models: tuple[str, ...]) -> list[Row]:
    """Those rows on which every one of the models has a label: only there they can be compared."""
    return [row for row in rows if all(model in row.labels for model in models)]


def nanousd_of(value: object, where: str) -> int | None:
    """Nano-dollars of a cost in dollars, rounded up. Raises InvalidRequest."""
    if value is None or value == "":
        return None
    try:
        usd = Decimal(str(value).strip().removeprefix("$"))
        good = not isinstance(value, bool) and usd.is_finite() and 0 <= usd <= _MOST_USD
    except DecimalException:
        good = False
    if not good:
        raise InvalidRequest(f"{where}: the cost {str(value)[:40]!r} is no amount of dollars")
    return int((usd * NANO_PER_USD).to_integral_value(ROUND_UP))


def _row(record: Record, line: int, where: str, quality: str) -> Row:
    prompt = text_in(record, "prompt", where)
    if not prompt.strip():
        raise InvalidRequest(f"{where}: has no 'prompt'")
    labels = dict(_labels(record, where, quality))
    task, source = text_in(record, "task", where), text_in(record, "source", where)
    return Row(line, prompt, labels, task, source)


def _labels(record: Record, where: str, quality: str) -> Iterator[tuple[str, Label]]:
    models = record.get("models")
    if models is None:
        model = text_in(record, "model", where)
        if not model:
            raise InvalidRequest(f"{where}: has neither 'model' nor 'models'")
        models = {model: record}
    if not isinstance(models, Mapping):
        raise InvalidRequest(f"{where}: 'models' is no object of answers by model")
    for name, told in models.items():
        if not isinstance(told, Mapping):
            raise InvalidRequest(f"{where}: what it says of {str(name)[:60]!r} is no object")
        label = _label(told, f"{where}, {str(name)[:60]!r}", quality)
        if label is not None:
            yield str(name), label


def _label(told: Mapping[str, Any], where: str, field: str) -> Label | None:
    quality = _quality(told.get(field), where)
    if quality is None:
        return None
    tokens = told.get("output_tokens", told.get("out_tokens_est"))
    return Label(
        quality,
        nanousd_of(told.get("cost"), where),
        tokens if isinstance(tokens, int) and tokens >= 0 else None,
        text_in(told, "response", where) or text_in(told, "answer", where),
    )


def _quality(value: object, where: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        quality = float(value) if isinstance(value, int | float | str) else math.nan
    except ValueError:
        quality = math.nan
    if not 0 <= quality <= 1:
        raise InvalidRequest(
            f"{where}: the quality {str(value)[:40]!r} is no number from 0 (wrong) to 1 (right)"
        )
    return quality
