"""Holds whose attempts ended without anybody knowing their cost: settled once there is an estimate.

The budget lever leaves a line in the trace for each. What is charged is the high end; where even
that is unknown, all that was held.
"""

from __future__ import annotations

from scrimp.budgets.words import BUDGET, OPEN
from scrimp.calls import Attempt
from scrimp.limits import Amounts, BudgetStore
from scrimp.pipeline.holds import Holds
from scrimp.ports import Entry

_ALL_HELD = -1


def settle_open_holds(holds: BudgetStore | Holds, entry: Entry) -> None:
    """Settle them with what the entry says now. Never waits, never fails."""
    for line in entry.trace:
        if line.lever != BUDGET or line.verdict != OPEN:
            continue
        numbers = dict(line.numbers)
        number, hold_id = numbers.get("attempt"), numbers.get("hold")
        if isinstance(number, int) and isinstance(hold_id, str) and number < len(entry.attempts):
            holds.settle(hold_id, _charged(entry.attempts[number]))


def _charged(attempt: Attempt) -> Amounts:
    cost = attempt.cost
    if cost.high_nanousd is None:
        return Amounts(_ALL_HELD, _ALL_HELD, 1)
    tokens = _ALL_HELD
    if len(cost.counted) == _COUNTED:
        tokens = cost.counted[2] + cost.counted[5]
    return Amounts(cost.high_nanousd, tokens, 1)


_COUNTED = 6
"""Input expected, low, high, then output expected, low, high: as `Cost` says."""
