"""Holds whose attempts ended without anybody knowing their cost: settled once there is an estimate.

The budget lever leaves a line in the trace for each. What is charged is the high end; where even
that is unknown, all that was held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from scrimp.budgets.words import BUDGET, OPEN
from scrimp.calls import Attempt, TraceLine
from scrimp.limits import Amounts, BudgetStore
from scrimp.pipeline.holds import Holds
from scrimp.ports import Entry

_ALL_HELD = -1


def settle_open_holds(holds: BudgetStore | Holds, entry: Entry) -> None:
    """Settle them with what the entry says now. Never waits, never fails."""
    settle_lines(holds, entry.trace, entry.attempts)


def settle_lines(
    holds: BudgetStore | Holds, lines: Iterable[TraceLine], attempts: Sequence[Attempt]
) -> None:
    """The same for a trace, and for its attempts with the costs that are estimated by now."""
    for line in lines:
        if line.lever != BUDGET or line.verdict != OPEN:
            continue
        numbers = dict(line.numbers)
        number, hold_id = numbers.get("attempt"), numbers.get("hold")
        if isinstance(number, int) and isinstance(hold_id, str) and number < len(attempts):
            holds.settle(hold_id, _charged(attempts[number]))


def open_holds(lines: Iterable[TraceLine]) -> Iterator[str]:
    """The ids of those that a trace tells of."""
    for line in lines:
        hold_id = dict(line.numbers).get("hold")
        if line.lever == BUDGET and line.verdict == OPEN and isinstance(hold_id, str):
            yield hold_id


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
