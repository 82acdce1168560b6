"""Numbers and times of an export, read exactly: no float, no guess, no half-read value.

Every function raises ConfigError that names the place and the value.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from scrimp.errors import ConfigError

_MOST_COUNT = 10**15
_MOST_USD = 10**12
_MOST_DIGITS = 60
_PLAIN_DIGITS = 15
_OLDEST_YEAR, _NEWEST_YEAR = 2015, 2200
_SHOWN = 60


def shown(value: Any) -> str:
    """A value for people: short, and without anything that a terminal would obey."""
    text = value if isinstance(value, str) else repr(value)
    if len(text) <= _SHOWN and text.isprintable():
        return text
    safe = "".join(one if one.isprintable() else "?" for one in text[:_SHOWN])
    return safe + ("…" if len(text) > _SHOWN else "")


def count(value: Any, where: str) -> int:
    """A whole number, such as `59200` or `59200.0`; nothing (null, an empty cell) is 0."""
    if value is None or value == "":
        return 0
    if type(value) is str and len(value) <= _PLAIN_DIGITS and value.isdecimal():
        return int(value)  # a table may have millions of them
    number = _decimal(value, where)
    if abs(number) > _MOST_COUNT or number != number.to_integral_value():
        raise ConfigError(f"{where}: {shown(value)!r} is no number of tokens or requests")
    return int(number)


def atto_usd(value: Any, where: str, *, cents: bool = False) -> int:
    """An amount of dollars (or of cents) in 10**-18 dollars; negative ones are credits.

    What is finer than that is rounded, half to even.
    """
    number = _decimal(value, where)
    if abs(number) > _MOST_USD * (100 if cents else 1):
        raise ConfigError(f"{where}: {shown(value)!r} is more than any bill")
    sign, digits, exponent = number.as_tuple()
    whole = int("".join(map(str, digits)) or "0")
    power = int(exponent) + (16 if cents else 18)
    scaled = whole * 10**power if power >= 0 else _divided(whole, 10**-power)
    return -scaled if sign else scaled


def decimals(value: Any) -> int:
    """How many decimals an amount is written with."""
    _, _, after = str(value).strip().partition(".")
    return len(after)


def instant(value: Any, where: str) -> datetime:
    """A time in UTC: Unix seconds, RFC 3339, or a bare date (its midnight)."""
    try:
        if isinstance(value, str) and not _is_number(value):
            found = _written(value.strip())
        else:
            seconds = count(value, where)
            found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        raise ConfigError(f"{where}: {shown(value)!r} is no time") from None
    if not _OLDEST_YEAR <= found.year < _NEWEST_YEAR:
        raise ConfigError(f"{where}: {shown(value)!r} is no time of a bill")
    return found


def _written(text: str) -> datetime:
    if len(text) == len("2026-11-01"):
        return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
    found = datetime.fromisoformat(text.removesuffix(" UTC"))
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _decimal(value: Any, where: str) -> Decimal:
    """The number as it is written; `1,234` is refused: half the world reads 1.234."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ConfigError(f"{where}: {shown(value)!r} is no number")
    text = str(value).strip().removeprefix("$") if isinstance(value, str) else str(value)
    try:
        number = Decimal(text) if len(text) <= _MOST_DIGITS and "_" not in text else Decimal("nan")
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise ConfigError(f"{where}: {shown(value)!r} is no number (write it like 1234.56)")
    return number


def _is_number(text: str) -> bool:
    return text.strip().replace(".", "", 1).isdecimal()


def _divided(whole: int, by: int) -> int:
    quotient, rest = divmod(whole, by)
    return quotient + (2 * rest > by or (2 * rest == by and quotient % 2 == 1))
