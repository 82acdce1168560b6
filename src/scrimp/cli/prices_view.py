"""How `scrimp prices` shows a model's dated prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from scrimp.cli.console import dim, heading, out
from scrimp.cli.price_view import list_price_nanousd, words
from scrimp.errors import PriceUnknown
from scrimp.money import PICO_PER_NANO, decimal_usd
from scrimp.prices.rates import PER_REQUEST

if TYPE_CHECKING:
    from scrimp.prices import PriceBook, PriceRow

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def model_document(model: str, provider: str, book: PriceBook) -> dict[str, Any]:
    """All that the book knows of a model. Raises PriceUnknown."""
    found = book.find(model, provider)
    if found is None:
        raise PriceUnknown(f"no price for model {model!r} at {provider}")
    standard = "your own settings" if found.own else book.source_of(found.provider)
    today = datetime.now(UTC).date()
    tiers = {
        name: [_row(row, standard, today) for row in rows] for name, rows in found.tiers.items()
    }
    return {
        "model": model,
        "known_as": found.id,
        "provider": found.provider,
        "book_version": book.version,
        "context_window": found.context_window,
        "max_output_tokens": found.max_output_tokens,
        "prices": [_row(row, standard, today) for row in found.rows],
        "tiers": tiers,
        "residency": {
            place: f"{up}/{down}" for place, (up, down) in found.residency.items() if up != down
        },
    }


def _row(row: PriceRow, source: str, today: date) -> dict[str, Any]:
    rates = {}
    for what, rate in row.rates.items():
        steps = (rate,) if isinstance(rate, int) else rate
        told = {"usd": decimal_usd(list_price_nanousd(what, steps[0]))}
        for at in range(1, len(steps), 2):
            told[f"above_{steps[at]}"] = decimal_usd(list_price_nanousd(what, steps[at + 1]))
        rates[what] = told
    fees = {name: decimal_usd(fee // PICO_PER_NANO) for name, fee in row.fees.items()}
    if row.per_ms is not None:
        fees["second"] = decimal_usd(row.per_ms)
    return {
        "when": " ".join(_when(row)) or "always",
        "scheduled": row.scheduled,
        "in_future": row.since is not None and row.since > today,
        "unpriced": row.unpriced,
        "rates": rates,
        "fees_usd_each": fees,
        "source": row.source or source,
    }


def _when(row: PriceRow) -> Iterator[str]:
    if row.since is not None:
        yield f"from {row.since}"
    if row.until is not None:
        yield f"until {row.until}"
    if row.weekdays:
        yield ",".join(_DAYS[day] for day in row.weekdays)
    if row.minutes is not None:
        start, end = row.minutes
        yield f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d} UTC"


def show_model(document: Mapping[str, Any]) -> None:
    """For people; the last line of prices that holds at a time is the one in force."""
    console = out()
    seller = f" at {document['provider']}" if document["provider"] else ""
    console.print(heading(f"{document['model']}{seller}"))
    for row in document["prices"]:
        _print_row(row, "")
    for tier, rows in document["tiers"].items():
        for row in rows:
            _print_row(row, f"{tier}: ")
    for place, factor in document["residency"].items():
        where = "any other place" if place == "*" else place
        console.print(f"run in {where}: token rates times {factor}")
    for name in ("context_window", "max_output_tokens"):
        if document[name]:
            console.print(f"{words(name)}: {document[name]:,}")
    sources = dict.fromkeys(row["source"] for row in document["prices"])
    for source in sources:
        console.print(dim(f"Source: {source}"), soft_wrap=True)
    console.print(dim(f"Book version: {document['book_version']}"))


def _print_row(row: Mapping[str, Any], tier: str) -> None:
    marked = " (scheduled: not in force yet)" if row["in_future"] else ""
    if row["scheduled"]:
        marked = " (announced, not in force when the book was made)"
    told = [f"{words(what)} {_steps(rate)}" for what, rate in row["rates"].items()]
    told += [f"{words(_fee(name))} ${usd} each" for name, usd in row["fees_usd_each"].items()]
    if row["unpriced"]:
        told.append(f"unknown: {row['unpriced']}")
    out().print(f"{tier}{row['when']}{marked}: {', '.join(told)}", soft_wrap=True)


def _fee(name: str) -> str:
    return "each request" if name == PER_REQUEST else name


def _steps(rate: Mapping[str, str]) -> str:
    return "/".join(
        f"${usd}" if step == "usd" else f"${usd} above {int(step.removeprefix('above_')):,}"
        for step, usd in rate.items()
    )
