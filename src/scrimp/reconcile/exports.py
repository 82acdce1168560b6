"""Exports of providers, whatever their shape: found out by their fields, summed by day and model.

A JSON document is read whole, CSV line by line, so that its size does not matter.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from scrimp.errors import ConfigError
from scrimp.reconcile import anthropic_shapes, openai_shapes
from scrimp.reconcile.numbers import decimals, instant, shown
from scrimp.reconcile.openai_shapes import Fields
from scrimp.reconcile.words import BilledRow, Vendor

_Line = Callable[[Fields, str], BilledRow]
_Result = Callable[[Fields, Fields, str], BilledRow]


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of export: whose, what it tells, and whether its amounts are rounded for people."""

    name: str
    vendor: Vendor
    tells: Literal["tokens", "dollars"]
    rounded: bool = False


OPENAI_USAGE = Shape("OpenAI usage API (/v1/organization/usage/...)", "openai", "tokens")
OPENAI_COSTS = Shape("OpenAI costs API (/v1/organization/costs)", "openai", "dollars")
OPENAI_ACTIVITY = Shape("OpenAI activity export (CSV)", "openai", "tokens")
OPENAI_COST = Shape("OpenAI cost export (CSV)", "openai", "dollars")
CLAUDE_USAGE = Shape(
    "Anthropic usage report (/v1/organizations/usage_report/messages)", "anthropic", "tokens"
)
CLAUDE_COSTS = Shape(
    "Anthropic cost report (/v1/organizations/cost_report)", "anthropic", "dollars"
)
CLAUDE_ACTIVITY = Shape("Claude Console usage export (CSV)", "anthropic", "tokens")
CLAUDE_COST = Shape("Claude Console cost export (CSV)", "anthropic", "dollars", rounded=True)

SHAPES = (
    OPENAI_USAGE,
    OPENAI_COSTS,
    OPENAI_ACTIVITY,
    OPENAI_COST,
    CLAUDE_USAGE,
    CLAUDE_COSTS,
    CLAUDE_ACTIVITY,
    CLAUDE_COST,
)

_TABLES: tuple[tuple[Shape, tuple[str, ...], _Line], ...] = (
    (CLAUDE_ACTIVITY, anthropic_shapes.USAGE_COLUMNS, anthropic_shapes.usage_line),
    (CLAUDE_COST, anthropic_shapes.COST_COLUMNS, anthropic_shapes.cost_line),
    (OPENAI_COST, openai_shapes.COST_COLUMNS, openai_shapes.cost_line),
    (
        OPENAI_ACTIVITY,
        openai_shapes.ACTIVITY_COLUMNS,
        lambda fields, where: openai_shapes.usage_row(fields, fields, where),
    ),
)
_PICKED = {OPENAI_ACTIVITY: "input_tokens", OPENAI_COST: "amount_value"}
"""The cell without which a line is a day on which nothing was used."""


_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Found:
    """One row of an export, with its shape. `row` is None for an empty bucket: `span` was covered.

    `identity` tells equal rows; `decimals` is how finely the amount is written. `more` says that
    the provider has further pages.
    """

    shape: Shape
    row: BilledRow | None
    identity: int = 0
    decimals: int = 0
    span: tuple[datetime, datetime] | None = None
    more: bool = False


def accepted() -> str:
    """What can be read, for error messages."""
    return "; ".join(shape.name for shape in SHAPES)


def rows_of_json(raw: bytes, source: str) -> Iterator[Found]:
    """Rows of a page, of a list of pages, or of a list of buckets. Raises ConfigError."""
    try:
        document = _decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is not JSON: {shown(str(error))}") from None
    for number, bucket, more in _buckets(document):
        where = f"{source}, bucket {number}"
        if not isinstance(bucket, dict) or not isinstance(bucket.get("results"), list):
            raise _unknown(source, "a bucket without a list of results")
        if more:
            yield Found(_shape_of_bucket(bucket, source), None, more=True)
        yield from _results(bucket, where, source)


def rows_of_csv(lines: Iterable[str], source: str) -> Iterator[Found]:
    """Rows of a table with a header, separated by commas, semicolons or tabs."""
    reader = iter(_table(lines, source))
    header = [name.strip().removeprefix("\ufeff") for name in next(reader, [])]
    shape, line_of = _shape_of_header(header, source)
    picked = _PICKED.get(shape)
    for number, cells in enumerate(reader, start=2):
        if not any(cells):
            continue
        where = f"{source}, line {number}"
        if len(cells) != len(header):
            raise ConfigError(f"{where}: {len(cells)} cells under a header of {len(header)}")
        fields = dict(zip(header, cells, strict=True))
        if picked and not fields[picked]:
            starts = instant(fields["start_time"], f"{where}, start_time")
            ends = instant(fields.get("end_time"), f"{where}, end_time")
            yield Found(shape, None, span=(starts, ends))
            continue
        amount = fields.get("cost_usd") or fields.get("amount_value") or ""
        yield Found(
            shape, line_of(fields, where), identity=hash(tuple(cells)), decimals=decimals(amount)
        )


def _buckets(document: Any) -> Iterator[tuple[int, Any, bool]]:
    """Buckets, numbered, and whether they end a page after which the provider has more."""
    pages = document if isinstance(document, list) else [document]
    number = 0
    for at, page in enumerate(pages):
        buckets = page.get("data") if isinstance(page, dict) and "data" in page else [page]
        unfinished = isinstance(page, dict) and page.get("has_more") is True
        more = unfinished and at == len(pages) - 1
        for bucket in buckets if isinstance(buckets, list) else [buckets]:
            number += 1
            yield number, bucket, more
            more = False


def _results(bucket: dict[str, Any], where: str, source: str) -> Iterator[Found]:
    shape = _shape_of_bucket(bucket, source)
    if not bucket["results"]:
        yield Found(shape, None, span=_span(bucket, where))
    for at, fields in enumerate(bucket["results"], start=1):
        place = f"{where}, result {at}"
        if not isinstance(fields, dict):
            raise ConfigError(f"{place} is {shown(fields)}, not an object")
        shape, row_of = _shape_of_result(fields, bucket, source)
        row = row_of(fields, bucket, place)
        yield Found(shape, row, identity=hash((row.starts, msgspec.json.encode(fields))))


def _span(bucket: Fields, where: str) -> tuple[datetime, datetime]:
    claude = "starting_at" in bucket
    names = ("starting_at", "ending_at") if claude else ("start_time", "end_time")
    first, end = (instant(bucket.get(name), f"{where}, {name}") for name in names)
    return first, end


def _shape_of_bucket(bucket: Mapping[str, Any], source: str) -> Shape:
    """By its first result; by its times alone when it is empty."""
    results = bucket["results"]
    if results and isinstance(results[0], dict):
        return _shape_of_result(results[0], bucket, source)[0]
    if "starting_at" in bucket:
        return CLAUDE_USAGE
    if "start_time" in bucket:
        return OPENAI_USAGE
    raise _unknown(source, "a bucket without a time")


def _shape_of_result(fields: Fields, bucket: Fields, source: str) -> tuple[Shape, _Result]:
    if "starting_at" in bucket:
        if "uncached_input_tokens" in fields:
            return CLAUDE_USAGE, anthropic_shapes.usage_row
        if "amount" in fields:
            return CLAUDE_COSTS, anthropic_shapes.cost_row
    elif fields.get("object") in openai_shapes.USAGE_OBJECTS:
        return OPENAI_USAGE, openai_shapes.usage_row
    elif fields.get("object") == openai_shapes.COSTS_OBJECT:
        return OPENAI_COSTS, openai_shapes.costs_row
    what = fields.get("object")
    named = isinstance(what, str) and what.startswith("organization.")
    raise _unknown(source, shown(what) if named else "results that are neither usage nor costs")


def _shape_of_header(header: list[str], source: str) -> tuple[Shape, _Line]:
    for shape, columns, line_of in _TABLES:
        if set(columns) <= set(header):
            return shape, line_of
    told = "1 column" if len(header) == 1 else f"{len(header)} columns"
    raise _unknown(source, f"a table of {told}, but not the right ones")


def _unknown(source: str, found: str) -> ConfigError:
    return ConfigError(f"{source} is no export that is known: {found} (accepted: {accepted()})")


def _table(lines: Iterable[str], source: str) -> Iterator[list[str]]:
    """Cells, with the separator that the header uses."""
    given = iter(lines)
    first = next(given, "")
    separator = max(",;\t", key=first.count)

    def whole() -> Iterator[str]:
        yield first
        yield from given

    try:
        yield from csv.reader(whole(), delimiter=separator)
    except csv.Error as error:
        raise ConfigError(f"{source} is not CSV: {error}") from None
