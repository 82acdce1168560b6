"""What is told and what is not, and alerts as values that any process makes alike. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from scrimp.budgets.words import amount_text
from scrimp.limits import Unit
from scrimp.notices import Alert, AlertKind, Severity
from scrimp.values import Value

LONGEST_NAME = 120
_CENT_NANOUSD = 10_000_000
_STEP_NANOUSD = 100_000


class AlertRules(Value, frozen=True):
    """`levels` are percent of a limit, rising. `budgets` are names or patterns; empty: all.

    A forecast is made once so many percent of a window are over. A tag's spend of the day is told
    from `tag_from_nanousd` on, a hit rate over `hit_rate_from_calls` calls.
    """

    levels: tuple[int, ...] = (50, 75, 90, 100)
    budgets: tuple[str, ...] = ()
    mute: tuple[AlertKind, ...] = ()
    forecast_after_percent: int = 10
    tag_over_percent: int = 50
    tag_from_nanousd: int = 1_000_000_000
    hit_rate_drop_percent: int = 50
    hit_rate_from_calls: int = 200

    def wants(self, budget: str) -> bool:
        """Whether a budget of this name is watched."""
        return not self.budgets or any(fnmatchcase(budget, one) for one in self.budgets)


def alert_of(
    kind: AlertKind, severity: Severity, at: datetime, topic: str, title: str, **more: Any
) -> Alert:
    """An alert whose id follows from what it is about and when. `more` are its other fields."""
    whole = f"{kind}|{topic}"
    digest = hashlib.sha256(f"{whole}|{at.isoformat()}".encode()).hexdigest()[:32]
    return Alert(digest, kind, severity, at, whole, title, **more)


def amount(unit: Unit, value: int) -> str:
    """An amount for people: from a cent on in steps of $0.0001, else exact. Facts are exact."""
    if unit == "usd" and value >= _CENT_NANOUSD:
        value = (value + _STEP_NANOUSD // 2) // _STEP_NANOUSD * _STEP_NANOUSD
    return amount_text(unit, value)


def plain(name: str) -> str:
    """A name that callers chose, for a line of text: no line breaks, nothing invisible, not long.

    What turns text round or ends a line could make an alert say something else than it says.
    """
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"
