"""Measured amounts in a text, brought to one unit per kind: 5 km and 5,000 meters are the same.

Nothing is converted that is not exact by definition: no currencies, no months to days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from scrimp.quality.wordlists import UNITS

MOST: Final = 8
"""Amounts of one text that are looked at; a question has one or two."""
_DIGITS: Final = 3
"""Amounts agree when so many of their digits do: 26.2 miles are 42.2 km."""

_KINDS: Final = {
    "length": "mm .001,cm .01,meter 1,km 1000,inch .0254,foot .3048,yard .9144,mile 1609.344",
    "mass": "mg .001,gram 1,kg 1000,ton 1000000,ounce 28.349523125,lb 453.59237,stone 6350.29318",
    # the gallon, the pint and what is smaller are those of the United States
    "volume": "ml 1,liter 1000,teaspoon 4.92892159375,tablespoon 14.78676478125,cup 236.5882365,"
    "pint 473.176473,gallon 3785.411784",
    "data": "kb 1,mb 1000,gb 1000000,tb 1000000000",
    "time": "seconds 1,minute 60,hour 3600,day 86400,week 604800",
    "calendar": "month 1,year 12",
    "warmth": "kelvin 1,celsius 1,fahrenheit 1",
}
_FACTORS: Final = {
    name: (kind, Decimal(factor))
    for kind, listed in _KINDS.items()
    for name, factor in (one.split() for one in listed.split(","))
}
_BEFORE: Final = frozenset({"usd", "eur", "gbp", "jpy", "chf", "inr", "cny"})
"""What may stand before its number: $5."""
_BETWEEN: Final = frozenset({"degree", "degrees"})


def amounts(words: Sequence[str], number: Callable[[str], str]) -> list[str]:
    """Each amount as a word of its own. `words` are in small letters, units by their first name.

    `number` gives the number that a word is, or nothing.
    """
    found = []
    for unit, value in _measured(words, number):
        kind, factor = _FACTORS.get(unit, (unit, Decimal(1)))
        found.append(f"{kind} {_short(_warm(unit, value) * factor)}")
        if len(found) == MOST:
            break
    return found


def _measured(words: Sequence[str], number: Callable[[str], str]) -> Iterator[tuple[str, Decimal]]:
    for at, word in enumerate(words):
        if word not in UNITS:
            continue
        before = at - 1
        if before > 0 and words[before] in _BETWEEN:
            before -= 1
        value = _value(number(words[before])) if before >= 0 else None
        if word in _BEFORE and at + 1 < len(words):
            after = _value(number(words[at + 1]))
            value = after if after is not None else value
        if value is not None:
            yield word, value


def _value(written: str) -> Decimal | None:
    """None for what is no amount: a date, a version, a month, third."""
    if not written or len(written) > 18:
        return None
    try:
        return Decimal(written)
    except InvalidOperation:
        return None


def _warm(unit: str, value: Decimal) -> Decimal:
    match unit:
        case "celsius":
            return value + Decimal("273.15")
        case "fahrenheit":
            return (value + Decimal("459.67")) * 5 / 9
        case _:
            return value


def _short(value: Decimal) -> str:
    return f"{value:.{_DIGITS - 1}e}"
