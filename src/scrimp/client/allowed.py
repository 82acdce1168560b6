"""What a program may give a budget: amounts, windows, names; and how limits stand, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from scrimp.budgets.tables import MOST_UNITS, MOST_USD, nanousd_of, window_of
from scrimp.budgets.windows import cell_at
from scrimp.budgets.words import amount_text, moment_text, scope_text, window_text
from scrimp.errors import ConfigError
from scrimp.limits import Limit, Scope, Standing, Unit, Window
from scrimp.money import NANO_PER_USD, decimal_usd, parse_usd

Money = int | float | str | Decimal
"""US dollars: `5`, `0.40`, `"0.40"`, `Decimal("0.40")`."""
_LONGEST_NAME = 100
_DIGITS = 30


@dataclass(frozen=True, slots=True)
class Remaining:
    """How one limit of a budget stands. Amounts of unit `usd` are exact dollars.

    `rest` is what is left: `limit` less what is `used` and what is `held` for calls in the air.
    `resets_at` is None for what never resets. `str` of it is a sentence.
    """

    budget: str
    scope: str
    unit: Unit
    window: str
    limit: Decimal
    used: Decimal
    held: Decimal
    rest: Decimal
    resets_at: datetime | None
    hard: bool
    text: str

    def __str__(self) -> str:
        """`budget 'ci' (day): $4.60 left of $5.00, resets at 2026-11-23T00:00Z`."""
        return self.text


def remaining_of(standing: Standing) -> Remaining:
    """A standing in exact dollars or whole tokens."""
    limit = standing.limit
    window, unit, left = window_text(limit.window), limit.unit, standing.remaining
    text = f"budget '{limit.name}' ({window}): {amount_text(unit, left)} left"
    text += f" of {amount_text(unit, limit.amount)}"
    if standing.held:
        text += f", {amount_text(unit, standing.held)} of it held"
    if standing.resets_at is not None:
        text += f", resets at {moment_text(standing.resets_at)}"
    return Remaining(
        limit.name,
        scope_text(limit.scope),
        unit,
        window,
        _amount(unit, limit.amount),
        _amount(unit, standing.used),
        _amount(unit, standing.held),
        _amount(unit, left),
        standing.resets_at,
        limit.hard,
        text,
    )


def _amount(unit: Unit, amount: int) -> Decimal:
    return Decimal(decimal_usd(amount) if unit == "usd" else amount)


@dataclass(frozen=True, slots=True)
class Frame:
    """What all limits of a budget have in common. `where` is what errors call it."""

    where: str
    name: str
    per: str = ""
    zone: str = "UTC"
    soft: bool = False


def limits_of(
    frame: Frame,
    usd: Money | Mapping[str, Money] | None,
    tokens: int | Mapping[str, int] | None,
) -> tuple[Limit, ...]:
    """The limits of a budget, counted by its name. Raises ConfigError."""
    check_name(frame.where, frame.name)
    kinds: tuple[tuple[Literal["usd", "tokens"], Money | Mapping[str, Money] | None], ...]
    kinds = ("usd", usd), ("tokens", tokens)
    found = [
        Limit(frame.name, Scope("program", frame.name), unit, amount, window, not frame.soft)
        for unit, given in kinds
        for amount, window in _given(frame, unit, given)
    ]
    if not found:
        raise ConfigError(f"{frame.where} allows everything: give it usd or tokens")
    return tuple(found)


def _given(
    frame: Frame, unit: Literal["usd", "tokens"], given: Money | Mapping[str, Money] | None
) -> Iterator[tuple[int, Window]]:
    """Each amount with its window."""
    if given is None:
        return
    where = f"{frame.where}: {unit}"
    if not isinstance(given, Mapping):
        yield _limit(where, unit, given), _window(frame, frame.per or "lifetime")
        return
    if frame.per:
        raise ConfigError(f"{where} names its windows itself: leave per={frame.per!r} out")
    for per, amount in given.items():
        yield _limit(f"{where}[{per!r}]", unit, amount), _window(frame, per)


def _window(frame: Frame, per: str) -> Window:
    try:
        window = window_of(frame.where, str(per), frame.zone)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    cell_at(window, 0)  # an unknown zone is an error now, not with the first call
    return window


def _limit(where: str, unit: Literal["usd", "tokens"], given: Money) -> int:
    if unit == "usd":
        try:
            return nanousd_of(where, _plain(where, given))
        except ValueError as error:
            raise ConfigError(str(error)) from None
    if type(given) is not int or not 1 <= given <= MOST_UNITS:
        shown = str(given)[:40]
        raise ConfigError(f"{where}: {shown} is no limit (a whole number, 1 to {MOST_UNITS:,})")
    return given


def spent_nanousd(where: str, given: Money) -> int:
    """Nano-dollars of what was or may be spent, rounded up; nothing is an amount, too.

    Raises ConfigError.
    """
    value, shown = _plain(where, given), str(given)[:40]
    try:
        if isinstance(given, str):
            nanousd = parse_usd(given)
        else:
            # the sixteenth digit of a float is noise: 3 * 0.1 is not more than 0.3
            text = f"{value:.15g}" if isinstance(value, float) else str(value)
            exact = Decimal(text) * NANO_PER_USD
            nanousd = int(exact.to_integral_value(ROUND_CEILING))
    except (ValueError, ArithmeticError) as error:
        raise ConfigError(f"{where}: {shown} is not an amount of dollars (like 0.40)") from error
    if not 0 <= nanousd <= MOST_USD * NANO_PER_USD:
        raise ConfigError(f"{where}: ${shown} is out of range (from $0 to ${MOST_USD:,})")
    return nanousd


def _plain(where: str, given: Money) -> int | float | str:
    if isinstance(given, Decimal):
        return f"{given:f}" if abs(given.adjusted()) < _DIGITS else str(given)
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        kind = type(given).__name__
        raise ConfigError(f"{where}: a {kind} is not an amount of dollars (like 0.40)")
    return given


def check_name(where: str, name: object) -> None:
    """Raises ConfigError for what is no name of a budget."""
    text = name if isinstance(name, str) else ""
    if not text.isprintable() or not 0 < len(text) <= _LONGEST_NAME:
        shown = repr(name)[:40]
        raise ConfigError(
            f"{where}: {shown} is no name (1 to {_LONGEST_NAME} printable characters)"
        )
