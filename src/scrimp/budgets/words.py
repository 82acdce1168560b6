"""Budgets in words, for people: amounts, windows, what stands in the way of a call. Pure."""

from __future__ import annotations

from datetime import datetime

from scrimp.budgets.resolve import EVERYONE, Cap
from scrimp.errors import Breach, BudgetExceeded
from scrimp.limits import Scope, Standing, Unit, Window
from scrimp.money import decimal_usd, format_usd

BUDGET = "budget"
OPEN = "open"
"""Lever and verdict of a hold that waits for the outbox; its line has `hold` and `attempt`."""

DEGRADED = "x-scrimp-degraded"
"""The header of a call over a soft budget: what was done instead of refusing it."""

_PARTS = ((86400, "d"), (3600, "h"), (60, "min"))


def amount_text(unit: Unit, amount: int) -> str:
    """`$0.12`, `1,200 tokens`, `1 call`."""
    if unit == "usd":
        return format_usd(amount)
    return f"{amount:,} {unit[:-1] if amount == 1 else unit}"


def plain_amount(unit: Unit, amount: int) -> str:
    """The same for machines: dollars as a decimal, else a whole number."""
    return decimal_usd(amount) if unit == "usd" else str(amount)


def window_text(window: Window) -> str:
    """`day`, `day in Europe/Berlin`, `any 24 h`, `lifetime`, `at once`."""
    match window.kind:
        case "rolling":
            seconds = window.seconds
            size, name = next(((n, name) for n, name in _PARTS if seconds % n == 0), (1, "s"))
            return f"any {seconds // size} {name}"
        case "open":
            return "at once"
        case kind:
            return kind if window.zone == "UTC" else f"{kind} in {window.zone}"


def scope_text(scope: Scope) -> str:
    """`team:ci`, `everyone` for the scope of all calls, `program` for what a program sets."""
    if scope.kind == "program":
        return "program"
    if (scope.kind, scope.name) != (EVERYONE.kind, EVERYONE.name):
        return str(scope)
    return f"everyone{str(scope).removeprefix('org:')}"


def moment_text(moment: datetime) -> str:
    """`2026-11-23T00:00Z`, with seconds only where there are any."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}".replace(":00Z", "Z")


def resets_text(standing: Standing) -> str:
    """When there will be more, as the middle of a sentence."""
    if standing.resets_at is None:
        return "it never resets" if standing.limit.window.kind == "lifetime" else ""
    verb = "more is free from" if standing.limit.window.kind == "rolling" else "it resets at"
    return f"{verb} {moment_text(standing.resets_at)}"


def exceeded(standing: Standing, needed: int, *, fixed: bool, hint: str = "") -> BudgetExceeded:
    """The refusal of a call that needs more than a limit has left.

    `fixed` budgets stand in scrimp.toml. `hint` is what the caller could do itself.
    """
    limit = standing.limit
    held = f" ({amount_text(limit.unit, standing.held)} held for calls in the air)"
    may = "may cost up to" if limit.unit == "usd" else "may need up to"
    parts = (
        f"this call {may} {amount_text(limit.unit, needed)}",
        hint,
        resets_text(standing),
    )
    way_out = f"raise it: scrimp budget set {limit.name} …"
    if limit.scope.kind == "program":
        way_out = "raise it where the program sets it"
        if limit.name.startswith("--"):
            way_out = f"raise it: {limit.name} USD"
    elif fixed:
        way_out = f"raise it: [budgets.{limit.name}] in scrimp.toml"
    return BudgetExceeded(
        f"budget '{limit.name}' ({scope_text(limit.scope)}, {window_text(limit.window)}) has "
        f"{amount_text(limit.unit, standing.remaining)} left of "
        f"{amount_text(limit.unit, limit.amount)}{held if standing.held else ''}; "
        f"{'; '.join(part for part in parts if part)} ({way_out})",
        soft=not limit.hard,
        breach=Breach(
            budget=limit.name,
            unit=limit.unit,
            limit=limit.amount,
            used=standing.used,
            held=standing.held,
            needed=needed,
            scope=scope_text(limit.scope),
            window=window_text(limit.window),
            resets_at=standing.resets_at,
        ),
    )


def over_cap(cap: Cap, unit: Unit, needed: int, *, fixed: bool) -> BudgetExceeded:
    """The refusal of a call that is larger than any single one may be."""
    most = cap.caps.usd_nanousd if unit == "usd" else cap.caps.input_tokens
    field = "call_usd" if unit == "usd" else "call_input_tokens"
    does = "may cost up to" if unit == "usd" else "may read up to"
    way_out = f"scrimp budget set {cap.name} …"
    if fixed:
        way_out = f"{field} of [budgets.{cap.name}] in scrimp.toml"
    return BudgetExceeded(
        f"budget '{cap.name}' ({scope_text(cap.scope)}) allows {amount_text(unit, most or 0)} for "
        f"each call; this call {does} {amount_text(unit, needed)} (raise it: {way_out})",
        breach=Breach(
            budget=cap.name,
            unit=unit,
            limit=most or 0,
            needed=needed,
            scope=scope_text(cap.scope),
            window="call",
        ),
    )


def limited(standing: Standing, needed: int, *, fixed: bool) -> str:
    """The refusal of a call that comes too soon."""
    limit = standing.limit
    amount = amount_text(limit.unit, limit.amount)
    left = amount_text(limit.unit, standing.remaining)
    why = f"has {left} left of {amount}; this call needs {amount_text(limit.unit, needed)}"
    if needed > limit.amount:
        why = f"allows {amount}, and this call alone needs {amount_text(limit.unit, needed)}"
    resets = resets_text(standing)
    raised = "in scrimp.toml" if fixed else f"scrimp budget set {limit.name} …"
    return (
        f"limit '{limit.name}' ({scope_text(limit.scope)}, {window_text(limit.window)}) {why}"
        f"{f'; {resets}' if resets else ''} (raise it: {raised})"
    )
