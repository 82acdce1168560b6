"""Exact money: amounts are integer nano-dollars, prices integer pico-dollars per unit.

Nothing here touches a float. $0.0375 per million tokens is not a whole nano-dollar per token, so
prices are finer than amounts by a thousand; a line item is rounded up once.
"""

from __future__ import annotations

import re

NANO_PER_USD = 10**9
PICO_PER_USD = 10**12
PICO_PER_NANO = 10**3

_AMOUNT = re.compile(r"(-?)\$?(?=\.?[0-9])([0-9]{0,18})(?:\.([0-9]{0,9})0*)?")


def line_nanousd(quantity: int, pico_per_unit: int) -> int:
    """Cost of one line item in nano-dollars, rounded up once.

    Raises ValueError for a negative quantity or price.
    """
    if quantity < 0 or pico_per_unit < 0:
        msg = f"a line item needs both >= 0: quantity {quantity}, price {pico_per_unit} pico-USD"
        raise ValueError(msg)
    return -(-quantity * pico_per_unit // PICO_PER_NANO)


def parse_usd(text: str) -> int:
    """Nano-dollars of a decimal number of US dollars, such as `0.40` or `$12`.

    Raises ValueError for anything that is not a plain number with at most nine decimals; a comma
    is refused, since half the world reads it as the decimal point.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        msg = f"not an amount of dollars with at most nine decimals: {text[:40]!r} (like 0.40)"
        raise ValueError(msg)
    sign, whole, decimals = found.groups(default="")
    nanousd = int(whole or "0") * NANO_PER_USD + int(decimals.ljust(9, "0"))
    return -nanousd if sign else nanousd


def format_usd(nanousd: int, *, places: int | None = None) -> str:
    """Dollars as text, such as `$0.0032525`.

    With `places` the amount is rounded half up to that many decimals (for people); without, it is
    exact, with trailing zeros dropped and at least two decimals.
    """
    sign = "-" if nanousd < 0 else ""
    whole = abs(nanousd)
    if places is not None and places < 9:
        step = 10 ** (9 - places)
        units = (whole + step // 2) // step
        dollars, rest = divmod(units, 10**places)
        sign = sign if units else ""
        return f"{sign}${dollars:,}" + (f".{rest:0{places}d}" if places else "")
    dollars, rest = divmod(whole, NANO_PER_USD)
    digits = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{sign}${dollars:,}.{digits}"


def decimal_usd(nanousd: int) -> str:
    """Dollars as a plain decimal for machines (headers, JSON, CSV): exact, no sign of currency."""
    if not nanousd:
        return "0"
    sign = "-" if nanousd < 0 else ""
    dollars, rest = divmod(abs(nanousd), NANO_PER_USD)
    digits = f"{rest:09d}".rstrip("0")
    return f"{sign}{dollars}.{digits}" if digits else f"{sign}{dollars}"
