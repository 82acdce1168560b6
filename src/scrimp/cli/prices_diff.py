"""How the differences between two price books are shown: names, and prices with both numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from scrimp.cli.console import dim, heading, out
from scrimp.cli.price_view import list_price_nanousd, words
from scrimp.money import PICO_PER_NANO, decimal_usd, format_usd
from scrimp.prices.changes import Change
from scrimp.prices.rates import UNITS_PER_PRICE, Rate

if TYPE_CHECKING:
    from scrimp.prices import PriceBook

_MOST = 40
_MS_PER_S = 1000


def document(
    found: Mapping[str, Sequence[str]], told: Sequence[Change], old: PriceBook, new: PriceBook
) -> dict[str, Any]:
    """For machines: names, and each price that differs in US dollars by its usual unit."""
    return {
        "from": old.version,
        "to": new.version,
        **{kind: list(names) for kind, names in found.items()},
        "changes": [
            {
                "model": one.model,
                "since": one.since.isoformat(),
                "tier": one.tier,
                "hours": one.hours,
                "what": one.what,
                "old_usd": _plain(one.what, one.old),
                "new_usd": _plain(one.what, one.new),
            }
            for one in told
        ],
    }


def show(
    found: Mapping[str, Sequence[str]], told: Sequence[Change], old: PriceBook, new: PriceBook
) -> None:
    """For people."""
    console = out()
    console.print(f"{old.version} to {new.version}", soft_wrap=True)
    lines = {kind: list(names) for kind, names in found.items()}
    priced = {one.model for one in told}
    silent = [name for name in lines["changed"] if name not in priced]
    lines["changed"] = [*_by_model(told), *(f"{name}: its tiers or places" for name in silent)]
    for kind, said in lines.items():
        console.print(heading(f"{kind}: {len(found[kind]):,}"))
        for line in said[:_MOST]:
            console.print(f"  {line}", soft_wrap=True)
        if len(said) > _MOST:
            console.print(dim(f"  and {len(said) - _MOST:,} more (--json has all)"))


def _by_model(told: Sequence[Change]) -> Iterator[str]:
    """One line for each model, day, tier and hours."""
    for (model, since, tier, hours), changes in groupby(
        told, key=lambda one: (one.model, one.since, one.tier, one.hours)
    ):
        when = " ".join(part for part in (tier, hours) if part)
        prices = (
            f"{_what(c.what)} {_said(c.what, c.old)} to {_said(c.what, c.new)}" for c in changes
        )
        yield f"{model} from {since}{f', {when}' if when else ''}: {', '.join(prices)}"


def _what(what: str) -> str:
    return "second" if what == "per_ms" else words(what)


def _nanousd(what: str, pico: int) -> int:
    """In the unit of price lists: a million tokens, a thousand searches, one call, one second."""
    if what in UNITS_PER_PRICE:
        return list_price_nanousd(what, pico)
    return pico * _MS_PER_S // PICO_PER_NANO if what == "per_ms" else pico // PICO_PER_NANO


def _said(what: str, rate: Rate | None) -> str:
    if rate is None:
        return "unknown"
    steps = (rate,) if isinstance(rate, int) else rate
    told = format_usd(_nanousd(what, steps[0]))
    for at in range(1, len(steps), 2):
        told += f"/{format_usd(_nanousd(what, steps[at + 1]))} above {steps[at]:,}"
    return told


def _plain(what: str, rate: Rate | None) -> str | dict[str, str] | None:
    if rate is None:
        return None
    if isinstance(rate, int):
        return decimal_usd(_nanousd(what, rate))
    told = {"usd": decimal_usd(_nanousd(what, rate[0]))}
    for at in range(1, len(rate), 2):
        told[f"above_{rate[at]}"] = decimal_usd(_nanousd(what, rate[at + 1]))
    return told
