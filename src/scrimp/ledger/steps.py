"""What lines of a trace say of the attempts: where levers sent the call, whose answer was served.

A lever that sends a call to another model lets its line's numbers begin with `sent_to(target)`; one
that makes attempts whose answers it does not serve, with `unserved(first, past)`. Both may stand
in lines of any verdict, and every baseline and saving follows from them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scrimp.calls import Attempt, Cost, Target, TraceLine

ESTIMATED = "baseline_estimated"
"""Verdict of a call that another model answered: nobody knows what the asked one had written."""
UNESTIMATED = "baseline_unknown"
"""Verdict where the model that was asked for has no price."""

_PROVIDER, _MODEL = "to_provider", "to_model"
_FIRST, _PAST = "unserved_from", "unserved_to"
_TAKEN, _TAKEN_PAST = "served_from", "served_to"
UNSERVED, SERVED = (_FIRST, _PAST), (_TAKEN, _TAKEN_PAST)
"""Numbers of a line that count attempts of its trace."""
_ENDS = {_FIRST: _PAST, _TAKEN: _TAKEN_PAST}
_LEVER, _ASKED = "lever", "asked_nanousd"
_MOST_ATTEMPTS = 64


class Move(NamedTuple):
    """One lever's change of the model: where the call was headed, and where it went."""

    lever: str
    before: Target
    after: Target


def sent_to(target: Target) -> Mapping[str, int | float | str]:
    """Numbers of a line: the lever has sent the call there instead of where it was headed."""
    return {_PROVIDER: target.provider, _MODEL: target.model}


def unserved(first: int, past: int) -> Mapping[str, int | float | str]:
    """Numbers of a line: of `trace.attempts[first:past]` the lever has served no answer."""
    return {_FIRST: first, _PAST: past}


def unserved_all() -> Mapping[str, int | float | str]:
    """Numbers of a line: no answer of this call is served, however often it is tried."""
    return unserved(0, _MOST_ATTEMPTS)


def served_after_all(first: int, past: int) -> Mapping[str, int | float | str]:
    """Numbers of a line: of these attempts, called unserved before, an answer was served."""
    return {_TAKEN: first, _TAKEN_PAST: past}


def estimated(move: Move, nanousd: int) -> Mapping[str, int | float | str]:
    """Numbers of a line `ESTIMATED`: what the model that the lever left would have cost."""
    return {_LEVER: move.lever, "model": move.before.model, _ASKED: nanousd}


def in_words(line: TraceLine) -> tuple[list[str], TraceLine]:
    """What a line says of attempts, for people, who count from 1; and the line with the rest."""
    numbers = dict(line.numbers)
    told = []
    if _PROVIDER in numbers and _MODEL in numbers:
        told.append(f"to {numbers.pop(_PROVIDER)} {numbers.pop(_MODEL)}")
    for begin, said in ((_FIRST, "not served"), (_TAKEN, "served after all")):
        first, past = numbers.pop(begin, None), numbers.pop(_ENDS[begin], None)
        if past == _MOST_ATTEMPTS:
            told.append("served to nobody")
        elif isinstance(first, int) and isinstance(past, int) and past > first:
            which = f"attempt {past}" if past == first + 1 else f"attempts {first + 1} to {past}"
            told.append(f"{which} {'served as a part' if numbers.pop('part', 0) else said}")
    return told, TraceLine(line.lever, line.verdict, tuple(numbers.items()))


def spent_in_vain(lines: Iterable[TraceLine]) -> dict[int, str]:
    """Attempts whose answers were not served, by number: for which lever each was made."""
    found: dict[int, str] = {}
    for line in lines:
        if not line.numbers or (begins := line.numbers[0][0]) not in (_FIRST, _TAKEN):
            continue
        first, past = line.numbers[0][1], dict(line.numbers).get(_ENDS[begins])
        if not isinstance(first, int) or not isinstance(past, int):
            continue
        if begins == _FIRST:
            found.update(dict.fromkeys(range(first, past), line.lever))
        else:
            found = {number: lever for number, lever in found.items() if not first <= number < past}
    return found


def served_of(attempts: Sequence[Attempt], lines: Iterable[TraceLine]) -> Attempt | None:
    """The attempt that answered, or was to answer: the last that was not made in vain."""
    vain = spent_in_vain(lines)
    if not vain:
        return attempts[-1] if attempts else None
    return next((attempts[i] for i in reversed(range(len(attempts))) if i not in vain), None)


def moves_to(served: Target, asked: Target, lines: Iterable[TraceLine]) -> tuple[Move, ...]:
    """Which levers led from the model that was asked for to the one that answered, in order.

    A move that was taken back (a rung denied, a draft not served) is none.
    """
    if same_place(served, asked):
        return ()
    went = [
        (line.lever, Target(str(numbers[_PROVIDER]), str(numbers[_MODEL]), asked.dialect))
        for line in lines
        if line.numbers and line.numbers[0][0] == _PROVIDER and (numbers := dict(line.numbers))
    ]
    while went and not same_place(went[-1][1], served):
        went.pop()
    moves: list[Move] = []
    before = asked
    for lever, after in went:
        if moves and moves[-1].lever == lever:
            moves[-1] = moves[-1]._replace(after=after)
        else:
            moves.append(Move(lever, before, after))
        before = after
    return tuple(moves)


def same_place(one: Target, other: Target) -> bool:
    """True for the same model of the same provider, in whatever dialect."""
    return (one.provider, one.model) == (other.provider, other.model)


def place_name(target: Target) -> str:
    """Of a model of a provider, in whatever dialect: as clients ask for it."""
    return f"{target.provider}/{target.model}"


def saved_by_moves(served: Cost, lines: Iterable[TraceLine]) -> tuple[tuple[str, int], ...] | None:
    """What each lever saved that changed the model; None where a price is not known.

    The first lever left the model that was asked for; what it chose is what the second one left,
    and the last one's choice cost what was paid. So the parts add up to the whole.
    """
    levers: list[str] = []
    prices: list[int] = []
    for line in lines:
        if line.verdict == UNESTIMATED:
            return None
        if line.verdict == ESTIMATED:
            numbers = dict(line.numbers)
            if isinstance(asked := numbers.get(_ASKED), int):
                levers.append(str(numbers[_LEVER]))
                prices.append(asked)
    if not levers:
        return ()
    if served.nanousd is None:
        return None
    then = (*prices[1:], served.nanousd)
    return tuple([(one, was - now) for one, was, now in zip(levers, prices, then, strict=True)])
