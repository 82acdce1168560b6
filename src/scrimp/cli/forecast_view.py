"""How an estimate of what a file of calls may cost is shown, whoever is to make the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrimp.cli.console import note, say
from scrimp.money import decimal_usd, format_usd

if TYPE_CHECKING:
    from scrimp.cli.run_cost import Forecast


def show_costs(found: Forecast, begin: str, *, but: str = "", price: str = "price") -> None:
    """`begin` about so much, at most so much, and what has no `price`; nothing without calls."""
    if not found.calls:
        return
    sampled = found.counted < found.calls and not found.unpriced
    of = f" (by {found.counted:,} of them)" if sampled else ""
    expected = format_usd(found.expected_nanousd, places=4)
    most = format_usd(found.upper_nanousd, places=4)
    say(
        f"{begin} about {expected}, at most {'about ' if sampled else ''}{most}{of}{but}: "
        f"{found.input_tokens:,} tokens in, about {found.output_tokens:,} out."
    )
    if found.unpriced:
        note(f"no {price} is known for {', '.join(found.unpriced[:5])}: that is not in it")


def costs_document(found: Forecast) -> dict[str, Any]:
    """The same for machines."""
    return {
        "counted": found.counted,
        "expected_nanousd": found.expected_nanousd,
        "upper_nanousd": found.upper_nanousd,
        "expected_usd": decimal_usd(found.expected_nanousd),
        "upper_usd": decimal_usd(found.upper_nanousd),
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "unpriced": list(found.unpriced),
    }
