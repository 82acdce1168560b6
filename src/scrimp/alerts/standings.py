"""How a limit stands, and what of that is told: levels crossed, refusals, a forecast. Pure.

A settlement that passes several levels at once is one alert, that of the highest; the lower ones
count as told. What is held for calls in the air does not count: it is not spent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from scrimp.alerts.rules import AlertRules, alert_of, amount, plain
from scrimp.budgets.windows import cell_at, micros, moment
from scrimp.budgets.words import moment_text, resets_text, scope_text, window_text
from scrimp.limits import Limit, Standing, WindowKind
from scrimp.notices import Alert, Fact, Severity

FORECAST_WINDOWS: tuple[WindowKind, ...] = ("hour", "day", "week", "month")
_CALENDAR: tuple[WindowKind, ...] = ("minute", *FORECAST_WINDOWS)
_KEPT = timedelta(days=1)
_NEAR = 90


def of_standing(standing: Standing, now: datetime, rules: AlertRules) -> Iterator[Alert]:
    """What is to be told of a limit that somebody has just used."""
    if not _counts(standing.limit) or not rules.wants(standing.limit.name):
        return
    if (crossed := _crossed(standing, now, rules)) is not None:
        yield crossed
    if (forecast := _forecast(standing, now, rules)) is not None:
        yield forecast


def of_refusal(standing: Standing, needed: int, now: datetime, rules: AlertRules) -> Alert | None:
    """The first call that a hard limit has turned away in its window."""
    limit = standing.limit
    if not (limit.hard and _counts(limit) and rules.wants(limit.name)):
        return None
    unit = limit.unit
    text = (
        f"{_named(limit)} refuses calls: {_spent(standing)}, {percent(standing)} %. "
        f"A call that needs up to {amount(unit, needed)} was refused; "
        f"{amount(unit, standing.remaining)} is left. {_resets(standing)}"
    )
    return alert_of(
        "refused",
        "critical",
        now,
        _topic(standing),
        f"budget '{plain(limit.name)}' refuses calls ({_where(limit)})",
        text=text.strip(),
        facts=(*_facts(standing), ("needed", needed)),
        **_when(standing, now),
    )


def percent(standing: Standing) -> int:
    """How much of the limit is used, in whole percent, rounded down; may be over 100."""
    return standing.used * 100 // max(1, standing.limit.amount)


def _crossed(standing: Standing, now: datetime, rules: AlertRules) -> Alert | None:
    used = percent(standing)
    reached = [level for level in rules.levels if used >= level]
    if not reached:
        return None
    limit, level = standing.limit, max(reached)
    topic = _topic(standing)
    severity: Severity = "info" if level < _NEAR else "warning" if level < 100 else "critical"
    beyond = "refused" if limit.hard else "degraded or refused"
    text = (
        f"{_named(limit)}: {_spent(standing)}, {used} %. "
        f"{amount(limit.unit, standing.remaining)} is left; calls beyond that are {beyond}. "
        f"{_resets(standing)}"
    )
    return alert_of(
        "budget",
        severity,
        now,
        f"{topic}|{level}",
        f"{level} % of budget '{plain(limit.name)}' used ({_where(limit)})",
        text=text.strip(),
        facts=(*_facts(standing), ("level", level)),
        covers=tuple(f"budget|{topic}|{lower}" for lower in reached if lower != level),
        **_when(standing, now),
    )


def _forecast(standing: Standing, now: datetime, rules: AlertRules) -> Alert | None:
    """A straight line through nothing at the window's beginning and what is used now."""
    limit = standing.limit
    if limit.window.kind not in FORECAST_WINDOWS or not 0 < standing.used < limit.amount:
        return None
    now_us = micros(now)
    cell = cell_at(limit.window, now_us)
    gone_us, whole_us = now_us - cell.start_us, cell.end_us - cell.start_us
    if gone_us <= 0 or gone_us * 100 < whole_us * rules.forecast_after_percent:
        return None
    expected = standing.used * whole_us // gone_us
    if expected <= limit.amount:
        return None
    full_at = moment(cell.start_us + gone_us * limit.amount // standing.used)
    text = (
        f"{_named(limit)}: {_spent(standing)}, {percent(standing)} %, with "
        f"{gone_us * 100 // whole_us} % of the {limit.window.kind} over. At this rate it is used "
        f"up at about {moment_text(_whole_minute(full_at))}, and would come to "
        f"{amount(limit.unit, expected)}. {_resets(standing)}"
    )
    return alert_of(
        "forecast",
        "warning",
        now,
        _topic(standing),
        f"budget '{plain(limit.name)}' will not last ({_where(limit)})",
        text=text.strip(),
        facts=(*_facts(standing), ("expected", expected), ("used_up_at", full_at.isoformat())),
        **_when(standing, now),
    )


def _counts(limit: Limit) -> bool:
    """What is held right now is no spend, and a limit of nothing has no percent."""
    return limit.window.kind != "open" and limit.amount > 0


def _topic(standing: Standing) -> str:
    """A window of the calendar is a topic of its own; so is a limit whose amount was changed."""
    limit = standing.limit
    scope, window = limit.scope, limit.window
    began = ""
    if window.kind in _CALENDAR and standing.resets_at is not None:
        began = str(micros(standing.resets_at))
    parts = (
        *(scope.kind, scope.name, scope.model, scope.provider, limit.unit, str(limit.amount)),
        *(window.kind, str(window.seconds), window.zone, "hard" if limit.hard else "soft", began),
    )
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\p") for part in parts)


def _when(standing: Standing, now: datetime) -> dict[str, object]:
    """Until when the topic stands: rolling windows have no end, so it is one length of theirs."""
    window = standing.limit.window
    if window.kind == "rolling":
        return {"until": now + timedelta(seconds=window.seconds), "again": True}
    return {"until": None if standing.resets_at is None else standing.resets_at + _KEPT}


def _named(limit: Limit) -> str:
    return f"Budget '{plain(limit.name)}' ({_where(limit)})"


def _where(limit: Limit) -> str:
    return f"{plain(scope_text(limit.scope))}, {window_text(limit.window)}"


def _spent(standing: Standing) -> str:
    unit = standing.limit.unit
    verb = "spent" if unit == "usd" else "used"
    return f"{amount(unit, standing.used)} of {amount(unit, standing.limit.amount)} {verb}"


def _resets(standing: Standing) -> str:
    text = resets_text(standing)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _whole_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _facts(standing: Standing) -> tuple[tuple[str, Fact], ...]:
    """For machines: amounts in the unit, dollars as integer nano-dollars."""
    limit = standing.limit
    resets = standing.resets_at
    found: list[tuple[str, Fact]] = [
        ("budget", limit.name),
        ("scope", scope_text(limit.scope)),
        ("window", window_text(limit.window)),
        ("unit", "nanousd" if limit.unit == "usd" else limit.unit),
        ("hard", int(limit.hard)),
        ("percent", percent(standing)),
        ("spent", standing.used),
        ("limit", limit.amount),
        ("remaining", standing.remaining),
    ]
    if resets is not None:
        found.append(("resets_at", resets.isoformat()))
    return tuple(found)
