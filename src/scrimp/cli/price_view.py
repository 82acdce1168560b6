"""How `scrimp price` shows rates and bills: as tables for people, as a document for machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from scrimp.cli.console import dim, heading, out
from scrimp.money import decimal_usd, format_usd
from scrimp.prices.rates import BUCKETS, PER_REQUEST, UNITS_PER_PRICE

if TYPE_CHECKING:
    from scrimp.calls import Cost
    from scrimp.prices import Rates

_PICO_PER_NANO = 1000
_MS_PER_S = 1000


@dataclass(frozen=True, slots=True)
class Quote:
    """Rates in force, where they come from, and the bill of the usage that was given."""

    rates: Rates
    at: datetime
    source: str
    bill: Cost | None


def listed(rates: Rates) -> Iterator[tuple[str, int, int]]:
    """Each rate: its kind, the prompt above which it holds (0: always), pico-dollars per unit."""
    for what, rate in zip(BUCKETS, rates.plan, strict=True):
        if rate is None:
            continue
        steps = (rate,) if isinstance(rate, int) else rate
        yield what, 0, steps[0]
        for index in range(1, len(steps), 2):
            yield what, steps[index], steps[index + 1]


def fees(rates: Rates) -> Iterator[tuple[str, str, int]]:
    """What is billed beside tokens: its name, of what there is one, pico-dollars for each."""
    for what, pico in rates.fees.items():
        yield what, "1 request" if what == PER_REQUEST else "1 call", pico
    if rates.per_ms is not None:
        yield "time", "1 second", rates.per_ms * _MS_PER_S


def list_price_nanousd(what: str, pico_per_unit: int) -> int:
    """The price as lists quote it: of a million tokens, or of a thousand searches."""
    return pico_per_unit * UNITS_PER_PRICE[what] // _PICO_PER_NANO


def document(quote: Quote) -> dict[str, Any]:
    """For machines: money as exact decimal dollars and as integers."""
    rates = quote.rates
    return {
        "model": rates.model,
        "provider": rates.provider,
        "at": quote.at.isoformat(),
        "since": rates.since and rates.since.isoformat(),
        "until": rates.until and rates.until.isoformat(),
        "price_version": rates.version,
        "source": quote.source,
        "rates": [
            {
                "what": what,
                "above_input_tokens": above,
                "units": UNITS_PER_PRICE[what],
                "usd": decimal_usd(list_price_nanousd(what, pico)),
                "picousd_per_unit": pico,
            }
            for what, above, pico in listed(rates)
        ],
        "fees": [
            {"what": what, "usd": decimal_usd(pico // _PICO_PER_NANO), "picousd_per_unit": pico}
            for what, _, pico in fees(rates)
        ],
        "bill": quote.bill and _bill(quote.bill),
    }


def _bill(bill: Cost) -> dict[str, Any]:
    return {
        "cost_usd": decimal_usd(bill.nanousd or 0),
        "cost_nanousd": bill.nanousd,
        "lines": [
            {
                "what": line.what,
                "quantity": line.quantity,
                "picousd_per_unit": line.pico_per_unit,
                "nanousd": line.nanousd,
            }
            for line in bill.lines
        ],
    }


def show(quote: Quote) -> None:
    """For people."""
    console, rates = out(), quote.rates
    seller = f" at {rates.provider}" if rates.provider else ""
    console.print(heading(f"{rates.model}{seller}, {quote.at:%Y-%m-%d}"))
    console.print(_rate_table(rates))
    if quote.bill is not None:
        console.print(heading("The bill"), _bill_table(quote.bill), sep="\n")
    for line in _remarks(quote):
        console.print(dim(line))


def _rate_table(rates: Rates) -> Table:
    """One line per kind; rates of long prompts get columns of their own."""
    prices: dict[str, dict[int, str]] = {}
    for what, above, pico in listed(rates):
        price = format_usd(list_price_nanousd(what, pico))
        prices.setdefault(what, {})[above] = price
    steps = sorted({above for row in prices.values() for above in row})
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("what")
    for above in steps:
        title = f"prompt over {above:,}" if above else "price"
        table.add_column(title, justify="right")
    table.add_column("for")
    for what, row in prices.items():
        unit = "1,000 searches" if what == "web_search" else "1M tokens"
        table.add_row(words(what), *(row.get(above, "") for above in steps), unit)
    for what, unit, pico in fees(rates):
        blank = [""] * (len(steps) - 1)
        table.add_row(words(what), format_usd(pico // _PICO_PER_NANO), *blank, unit)
    return table


def _bill_table(bill: Cost) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    table.add_column("what", footer="in all")
    table.add_column("units", justify="right")
    table.add_column("each (pico-USD)", justify="right")
    table.add_column("cost", justify="right", footer=format_usd(bill.nanousd or 0))
    for line in bill.lines:
        each, cost = f"{line.pico_per_unit:,}", format_usd(line.nanousd)
        table.add_row(words(line.what), f"{line.quantity:,}", each, cost)
    return table


def _remarks(quote: Quote) -> Iterator[str]:
    rates = quote.rates
    since = f" since {rates.since:%Y-%m-%d %H:%M} UTC" if rates.since else ""
    until = f"until {rates.until:%Y-%m-%d %H:%M} UTC" if rates.until else "no end is known"
    yield f"In force{since}, {until}."
    if rates.version.endswith("~scheduled"):
        yield "This price was announced, but not yet in force, when the book was compiled."
    yield f"Source: {quote.source}."
    yield f"Book version: {rates.version}"


def words(what: str) -> str:
    """A kind of usage for people."""
    return what.replace("cache_write", "cache write").replace("_", " ")
