"""The tables of scrimp.toml about budgets, tiers and limits, and the rules that they become. Pure.

Dollars are exact: a whole number, a decimal number, or decimal text. A number that a float could
not hold to the last digit is refused, and so is whatever is not more than zero.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from scrimp.budgets.resolve import EVERYONE
from scrimp.budgets.windows import cell_at
from scrimp.errors import ConfigError
from scrimp.limits import (
    SCOPE_KINDS,
    Allowance,
    Budget,
    Caps,
    Rules,
    ScopeKind,
    Tier,
    Window,
    WindowKind,
)
from scrimp.money import NANO_PER_USD, parse_usd

MOST_USD = 9_000_000
"""Above this an amount in nano-dollars is more than a double holds, and so than some stores do."""
MOST_UNITS = 10**15
_SURE_DIGITS = 15
_CALENDAR: tuple[WindowKind, ...] = ("minute", "hour", "day", "week", "month", "lifetime")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_S = 366 * 86400
_RATE_S = 60
_OLDER_S = 86400

Usd = int | float | str
_Units = Annotated[int, Meta(ge=1, le=MOST_UNITS)]
_Burst = Annotated[int, Meta(ge=0, le=1000)]


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A field that Scrimp does not know is an error."""


class AllowanceTable(_Table, frozen=True):
    """Amounts over one window. `hard` defaults to true for dollars and calls, not for tokens.

    `per` is minute, hour, day, week, month or lifetime, or a time such as `24h`: then it counts
    the last 24 hours at any moment. `zone` is for calendar windows.
    """

    usd: Usd | None = None
    tokens: _Units | None = None
    calls: _Units | None = None
    per: str = ""
    zone: str = "UTC"
    hard: bool | None = None
    burst: _Burst = 0
    burst_window: str = "1h"
    model: str = ""
    provider: str = ""


class TierTable(AllowanceTable, frozen=True):
    """A named set of allowances. `also` has those of further windows.

    `call_usd` and `call_input_tokens` cap each call.
    """

    also: tuple[AllowanceTable, ...] = ()
    requests_per_minute: _Units | None = None
    tokens_per_minute: _Units | None = None
    parallel: _Units | None = None
    call_usd: Usd | None = None
    call_input_tokens: _Units | None = None


class BudgetTable(TierTable, frozen=True):
    """The same for one scope, or for each of a kind by `*`; without a scope, for all calls."""

    org: str = ""
    team: str = ""
    user: str = ""
    key: str = ""
    tag: str = ""
    end_user: str = ""
    tier: str = ""


class BudgetSection(_Table, frozen=True):
    """How budgets are kept, and what happens where they cannot tell.

    `paths` gives the most that a call of an unread path may cost; `*` stands for one part of it.
    """

    engine: Literal["auto", "memory", "sqlite"] = "auto"
    path: str = ""
    soft_unpriced: Literal["allow", "refuse"] = "allow"
    soft_store_down: Literal["allow", "refuse"] = "allow"
    batches: Literal["allow", "refuse"] = "refuse"
    paths: dict[str, Usd] = {}


Rung = Literal["older_answer", "cheaper_model", "shorter_answer", "pass"]


class LadderTable(_Table, frozen=True):
    """A ladder of its own for calls of one budget, task or path (all that are given must fit)."""

    ladder: tuple[Rung, ...]
    budget: str = ""
    task: str = ""
    path: str = ""


class DegradeSection(_Table, frozen=True):
    """What is tried, in this order, for a call that a soft budget denies; then it is refused.

    Rungs that cost something are taken while less than so many percent of the limit are used.
    """

    enabled: bool = True
    ladder: tuple[Rung, ...] = ("older_answer", "cheaper_model", "shorter_answer")
    only: tuple[LadderTable, ...] = ()
    keep_older: str = "auto"
    models: tuple[str, ...] = ()
    cheaper_until_percent: Annotated[int, Meta(ge=100)] = 125
    shorter_until_percent: Annotated[int, Meta(ge=100)] = 150
    max_output_tokens: Annotated[int, Meta(ge=16)] = 100
    notice: str = ""


SECTIONS = (AllowanceTable, TierTable, BudgetTable, BudgetSection, LadderTable, DegradeSection)
"""What the names of settings are looked up in."""


class Tables(Protocol):
    """The part of the settings that is about budgets."""

    @property
    def budget(self) -> BudgetSection:
        """`[budget]`."""
        ...

    @property
    def budgets(self) -> Mapping[str, BudgetTable]:
        """`[budgets.NAME]`."""
        ...

    @property
    def tiers(self) -> Mapping[str, TierTable]:
        """`[tiers.NAME]`."""
        ...

    @property
    def limits(self) -> Mapping[str, BudgetTable]:
        """`[limits.NAME]`."""
        ...

    @property
    def degrade(self) -> DegradeSection:
        """`[degrade]`."""
        ...


def check_tables(tables: Tables) -> None:
    """Raises ValueError that begins with the field at fault."""
    rules_of(tables.budgets, tables.tiers, tables.limits)
    for path, usd in tables.budget.paths.items():
        nanousd_of(f"budget.paths.{path}", usd)
    older_s(tables)


def older_s(tables: Tables) -> int:
    """How long answers are kept beyond their time, for calls that a soft budget denies."""
    said = tables.degrade.keep_older
    if said == "auto":
        return _OLDER_S if tables.budgets and tables.degrade.enabled else 0
    return 0 if said == "0" else seconds_of("degrade.keep_older", said, "auto, 0, or a time")


def rules_of(
    budgets: Mapping[str, BudgetTable],
    tiers: Mapping[str, TierTable],
    limits: Mapping[str, BudgetTable],
) -> Rules:
    """The rules that the tables state. Raises ValueError that begins with the field at fault."""
    for name in limits.keys() & budgets.keys():
        msg = f"limits.{name}: [budgets.{name}] has the same name (rename one)"
        raise ValueError(msg)
    made_tiers = tuple(
        Tier(name, _allowances(f"tiers.{name}", one), _caps(f"tiers.{name}", one))
        for name, one in tiers.items()
    )
    made = [
        _budget(f"{section}.{name}", name, one, tiers)
        for section, tables in (("budgets", budgets), ("limits", limits))
        for name, one in tables.items()
    ]
    rules = Rules("", tuple(made), made_tiers)
    digest = hashlib.sha256(msgspec.json.encode(rules)).hexdigest()[:16]
    return Rules(digest if made else "", rules.budgets, rules.tiers)


def nanousd_of(where: str, value: Usd) -> int:
    """Exact nano-dollars of an amount more than zero. Raises ValueError."""
    shown = str(value)[:40]
    try:
        nanousd = _exact(value)
    except (ValueError, ArithmeticError) as error:
        msg = f"{where}: {shown} is not an amount of dollars with at most nine decimals"
        raise ValueError(f'{msg} (write it like 0.40 or "0.40")') from error
    if not 0 < nanousd <= MOST_USD * NANO_PER_USD:
        msg = f"{where}: ${shown} is out of range (from $0.000000001 to ${MOST_USD:,})"
        raise ValueError(msg)
    return nanousd


def _exact(value: Usd) -> int:
    if isinstance(value, int):
        return value * NANO_PER_USD
    if isinstance(value, str):
        return parse_usd(value)
    # the shortest text of a float is the number that was written, up to fifteen digits
    number = Decimal(repr(value))
    if len(number.as_tuple().digits) > _SURE_DIGITS:
        msg = "too many digits for a number without quotes"
        raise ValueError(msg)
    return parse_usd(f"{number:f}")


def window_of(where: str, per: str, zone: str = "UTC") -> Window:
    """The window that `per` names. Raises ValueError."""
    kinds = ", ".join(_CALENDAR)
    if not per:
        msg = f"{where}.per is missing (one of {kinds}, or a time such as 24h)"
        raise ValueError(msg)
    kind = next((one for one in _CALENDAR if one == per), None)
    if kind is not None:
        return Window(kind, zone="UTC" if kind == "lifetime" else zone)
    return Window("rolling", seconds_of(f"{where}.per", per, f"one of {kinds}, or a time"))


def seconds_of(where: str, text: str, what: str = "a time") -> int:
    """Seconds of a time such as `90s`, `30m`, `24h` or `7d`. Raises ValueError."""
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and len(number) < 9 and unit in _UNITS_S):
        msg = f"{where}: {text[:40]!r} is not {what} such as 90s, 30m, 24h or 7d"
        raise ValueError(msg)
    seconds = int(number) * _UNITS_S[unit]
    if not 1 <= seconds <= _LONGEST_S:
        msg = f"{where}: {text!r} is out of range (from 1s to {_LONGEST_S // 86400}d)"
        raise ValueError(msg)
    return seconds


def _budget(where: str, name: str, table: BudgetTable, tiers: Mapping[str, TierTable]) -> Budget:
    scopes: list[tuple[ScopeKind, str]] = [
        (kind, scope) for kind in SCOPE_KINDS if (scope := getattr(table, kind))
    ]
    if len(scopes) > 1:
        named = " and ".join(kind for kind, _ in scopes)
        msg = f"{where} names {named}: a budget has one scope (write one table for each)"
        raise ValueError(msg)
    if table.tier and table.tier not in tiers:
        known = ", ".join(tiers) or "none is there"
        msg = f"{where}.tier: no [tiers.{table.tier}] ({known})"
        raise ValueError(msg)
    kind, scope = scopes[0] if scopes else ("org", EVERYONE.name)
    allowances, caps = _allowances(where, table), _caps(where, table)
    if not (allowances or table.tier or caps != Caps()):
        msg = f"{where} allows everything: give it usd, tokens, calls, a cap or a tier"
        raise ValueError(msg)
    return Budget(name, kind, scope, allowances, caps, table.tier)


def _caps(where: str, table: TierTable) -> Caps:
    usd = table.call_usd
    return Caps(
        None if usd is None else nanousd_of(f"{where}.call_usd", usd), table.call_input_tokens
    )


def _allowances(where: str, table: TierTable) -> tuple[Allowance, ...]:
    found = list(_of_table(where, table))
    for position, one in enumerate(table.also):
        found += _of_table(f"{where}.also[{position}]", one)
    part = {"model": table.model, "provider": table.provider}
    rates = (
        ("calls", table.requests_per_minute, Window("rolling", _RATE_S)),
        ("tokens", table.tokens_per_minute, Window("rolling", _RATE_S)),
        ("calls", table.parallel, Window("open")),
    )
    for unit, amount, window in rates:
        if amount is not None:
            found.append(Allowance(unit, amount, window, **part))  # type: ignore[arg-type]  # closed sets, spelled out above
    return tuple(found)


def _of_table(where: str, table: AllowanceTable) -> Iterable[Allowance]:
    amounts = (
        ("usd", None if table.usd is None else nanousd_of(f"{where}.usd", table.usd)),
        ("tokens", table.tokens),
        ("calls", table.calls),
    )
    if all(amount is None for _, amount in amounts):
        if table.per:
            msg = f"{where}: per without an amount (usd, tokens or calls)"
            raise ValueError(msg)
        return
    window = window_of(where, table.per, table.zone)
    try:
        cell_at(window, 0)
    except ConfigError as error:
        msg = f"{where}.zone: {error}"
        raise ValueError(msg) from error
    if table.burst and window.kind == "lifetime":
        msg = f"{where}.burst: a lifetime has no even share to burst above"
        raise ValueError(msg)
    burst_s = seconds_of(f"{where}.burst_window", table.burst_window)
    for unit, amount in amounts:
        if amount is not None:
            hard = unit != "tokens" if table.hard is None else table.hard
            yield Allowance(
                unit,  # type: ignore[arg-type]  # a closed set, spelled out above
                amount,
                window,
                hard=hard,
                burst=table.burst,
                burst_seconds=burst_s,
                model=table.model,
                provider=table.provider,
            )
