"""When a delivery that failed is tried again, and when it is given up. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from scrimp.notices import Sent

_FIRST_S = 5.0
_LONGEST_S = 900.0
_DOUBLINGS = 8
TOLD = 200
"""Characters of a reason that are kept."""


def next_try(
    tries: int, sent: Sent, at: datetime, now: datetime, *, give_up_s: float, dice: float
) -> datetime | None:
    """After `tries` tries of an alert of time `at`: the next one, or None to give it up.

    The wait doubles from 5 s to 15 min; `dice` (0 to 1) spreads workers over its second half.
    """
    wait_s = min(_LONGEST_S, _FIRST_S * 2 ** min(tries - 1, _DOUBLINGS))
    wait_s = max(wait_s * (1 + dice) / 2, min(sent.wait_s, _LONGEST_S))
    then = now + timedelta(seconds=wait_s)
    return None if (then - at).total_seconds() > give_up_s else then
