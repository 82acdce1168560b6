"""Labels for `scrimp route`: from files (also packed with gzip), from the ledger's lessons."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from scrimp.errors import ConfigError, InvalidRequest, PriceUnknown

if TYPE_CHECKING:
    from scrimp.routing.rows import Label, Row
    from scrimp.routing.text_features import Reader
    from scrimp.settings import Settings

_CHARS_PER_TOKEN = 4
_MILLION = 10**6
Prices = dict[str, tuple[int, int]]
"""Pico-dollars per input and output token, by model."""


def read_files(files: Sequence[Path]) -> list[Row]:
    """Rows of all files, in order. Raises InvalidRequest with the line at fault, OSError."""
    from scrimp.routing.rows import read_rows

    found: list[Row] = []
    for path in files:
        try:
            data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
            data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        except (EOFError, gzip.BadGzipFile) as error:
            raise InvalidRequest(f"{path}: a broken gzip file") from error
        found.extend(read_rows(data, str(path)))
    return found


def stated_prices(texts: Sequence[str]) -> Prices:
    """From `MODEL=INPUT,OUTPUT`, dollars per million tokens. Raises click.BadParameter."""
    from scrimp.money import parse_usd

    found: Prices = {}
    for text in texts:
        model, _, amounts = text.rpartition("=")
        one, _, two = amounts.partition(",")
        try:
            picos = [parse_usd(amount) * 1000 / _MILLION for amount in (one, two)]
        except ValueError as error:
            said = f"{text!r} is not MODEL=INPUT,OUTPUT in dollars: {error}"
            raise click.BadParameter(said, param_hint="--price") from error
        found[model] = (round(picos[0]), round(picos[1]))
    return found


def with_costs(rows: list[Row], settings: Settings, stated: Prices) -> list[Row]:
    """Costs that the file leaves out, from tokens and prices. Raises PriceUnknown.

    Input is counted as a token for each four characters: good enough to compare models with.
    """
    prices = dict(stated)
    found = []
    for row in rows:
        labels = {
            name: _with_cost(row, name, label, prices, settings)
            for name, label in row.labels.items()
        }
        found.append(replace(row, labels=labels))
    return found


def _with_cost(row: Row, name: str, label: Label, prices: Prices, settings: Settings) -> Label:
    if label.cost_nanousd is not None or label.output_tokens is None:
        return label
    if name not in prices:
        prices[name] = price_of(name, settings)
    per_input, per_output = prices[name]
    pico = len(row.prompt) // _CHARS_PER_TOKEN * per_input + label.output_tokens * per_output
    return replace(label, cost_nanousd=-(-pico // 1000))


def price_of(model: str, settings: Settings) -> tuple[int, int]:
    """Pico-dollars per input and output token. Raises PriceUnknown with the way out."""
    from scrimp.billing import book_of, sold_as
    from scrimp.prices.pricing import explain

    way_out = f"say --price {model}=INPUT,OUTPUT, in dollars per million tokens"
    book = book_of(settings)
    try:
        name, provider = sold_as(model, None, settings, book)
        rates = dict(explain(name, provider, datetime.now(UTC), book))
    except PriceUnknown as error:
        raise PriceUnknown(f"{error}; or {way_out}") from error
    if "input" not in rates or "output" not in rates:
        raise PriceUnknown(f"no price per token for {model!r} ({way_out})")
    return rates["input"], rates["output"]


def open_reader() -> Reader:
    """Reads questions as the gateway does. Raises ConfigError where the extra is missing."""
    try:
        from scrimp.by_choice import reader_of

        return reader_of()
    except ImportError as error:
        raise ConfigError(
            f"scrimp route needs pip install 'scrimp[routing]' ({error.name} is missing)"
        ) from error


def two_or_more(counts: Mapping[str, int], named: str) -> tuple[str, ...]:
    """The models to be compared, most labels first. Raises click.UsageError."""
    models = tuple(name.strip() for name in named.split(",") if name.strip())
    for name in models:
        if name not in counts:
            raise click.UsageError(f"no label of {name!r} (there are: {', '.join(counts)})")
    models = models or tuple(sorted(counts, key=lambda name: (-counts[name], name)))
    if len(models) < 2:
        raise click.UsageError(f"labels of {len(models)} model: at least 2 are needed")
    return models


class Progress:
    """One line on a terminal, written over and over; elsewhere nothing."""

    def __init__(self, words: str, total: int, *, quiet: bool) -> None:
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._on = terminal and not quiet
        self._words = words
        self._total = total

    def __call__(self, done: int) -> None:
        """So many are done."""
        if self._on and (done % 50 == 0 or done == self._total or self._total < 50):
            sys.stderr.write(f"\r{self._words} {done:,} of {self._total:,} ")
            sys.stderr.flush()

    def end(self) -> None:
        """Wipe it."""
        if self._on:
            sys.stderr.write("\r" + " " * 60 + "\r")
