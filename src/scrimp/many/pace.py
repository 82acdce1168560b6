"""How fast one kind of call may go: more while it goes well, half as much when it is pushed back.

Additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the increase and decrease
algorithms for congestion avoidance", 1989), quick at the beginning as TCP is (RFC 5681, section
3.1). What a provider says of its limits goes first: no more is begun than it has room for. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from scrimp.many.rates import Room, Size

BEGIN_AT_ONCE = 8.0
MOST_WAIT_S = 600.0
"""Who asks to wait longer than this is not waited for."""
_MOST_HEADER_WAIT_S = 60.0
"""A header about what is left is a hint: after so long it is tried, and a refusal tells."""
_LEAST_BACKOFF_S, _MOST_BACKOFF_S = 0.5, 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How many calls may be in the air, and when the next may begin (seconds that never step back).

    `quick` until the first refusal: then one more for each answer, later one more for each round.
    `cut_at` is when it was halved last; what had begun before tells of the same jam. `refused_in_a_
    row` counts refusals since the last answer.
    """

    most: int
    at_once: float = BEGIN_AT_ONCE
    not_before: float = 0.0
    quick: bool = True
    cut_at: float = float("-inf")
    refused_in_a_row: int = 0

    def may_begin(self, in_air: int, now: float) -> bool:
        """Whether one more may begin now."""
        return now >= self.not_before and in_air < int(self.at_once)


@dataclass(frozen=True, slots=True)
class News:
    """How one call ended.

    `in_air` are those still going, `begun` those of them that began after it; `waiting` says that
    others wait to begin. `refused`: it was pushed back, at least once. `wait_s` is how long the
    provider asks to wait.
    """

    begun_at: float
    ended_at: float
    in_air: int
    answered: bool
    refused: bool = False
    begun: int = 0
    waiting: bool = True
    wait_s: float | None = None
    room: Room = ()


def begin(most: int) -> Pace:
    """Before anything is known."""
    return Pace(most, min(BEGIN_AT_ONCE, float(most)))


def after(pace: Pace, news: News, size: Size) -> Pace:
    """The pace after one more call has ended. `size` is of the call that is next."""
    if news.refused:
        pace = _slower(pace, news)
    elif news.answered:
        pace = _faster(pace, news)
    return _within(pace, news, size)


def crowded(pace: Pace, in_air: int) -> Pace:
    """The pace when there was no room for one more beside those in the air."""
    at_once = max(1.0, min(pace.at_once, float(in_air)))
    return replace(pace, at_once=at_once, quick=False)


def _slower(pace: Pace, news: News) -> Pace:
    in_a_row = 0 if news.answered else pace.refused_in_a_row + 1
    if news.wait_s is not None:
        wait_s = min(news.wait_s, MOST_WAIT_S)
    elif news.answered:
        wait_s = 0.0  # it has waited itself, and has got its answer
    else:
        # one jam is one step, however many calls are in it
        steps = min(pace.refused_in_a_row, 16) if news.begun_at >= pace.cut_at else 0
        wait_s = min(_MOST_BACKOFF_S, _LEAST_BACKOFF_S * 2.0**steps)
    not_before = max(pace.not_before, news.ended_at + wait_s)
    if news.begun_at < pace.cut_at:
        return replace(pace, not_before=not_before, refused_in_a_row=in_a_row)
    return replace(
        pace,
        at_once=max(1.0, pace.at_once / 2),
        not_before=not_before,
        quick=False,
        cut_at=news.ended_at,
        refused_in_a_row=in_a_row,
    )


def _faster(pace: Pace, news: News) -> Pace:
    full = news.waiting and news.in_air + 1 >= int(pace.at_once)
    more = 0.0 if not full else 1.0 if pace.quick else 1.0 / pace.at_once
    at_once = min(float(pace.most), pace.at_once + more)
    return replace(pace, at_once=at_once, refused_in_a_row=0)


def _within(pace: Pace, news: News, size: Size) -> Pace:
    """No more in the air than the provider has room for; wait where there is none.

    What it says is as old as the call: those that began after it may not be counted there.
    """
    for left in news.room:
        calls = left.calls(size)
        if calls is not None:
            fits = max(1.0, float(news.in_air + max(0, calls - news.begun)))
            pace = replace(pace, at_once=min(pace.at_once, fits))
        if wait_s := min(left.wait_s(size, news.begun), _MOST_HEADER_WAIT_S):
            pace = replace(pace, not_before=max(pace.not_before, news.ended_at + wait_s))
    return pace
