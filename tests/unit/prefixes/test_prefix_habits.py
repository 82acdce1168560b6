"""Habits that change: what came back until now may not, and is soon not written any more."""

from __future__ import annotations

from collections.abc import Iterator

from scrimp.prefixes.planning import Prices, plan
from scrimp.prefixes.rules import ANTHROPIC
from scrimp.prefixes.seen import Piece, Scope

PRICES = Prices(1000, 100, (1250, 2000))
LIVES_S = (300.0, 3600.0)
SIZE = 6000


def chats(begin_s: float, conversations: int) -> Iterator[tuple[float, list[Piece]]]:
    """One every two seconds, of four turns ten seconds apart."""
    calls = [
        (begin_s + 2.0 * number + 10.0 * turn, (begin_s, number), turn)
        for number in range(conversations)
        for turn in range(4)
    ]
    for at_s, who, turn in sorted(calls):
        yield at_s, [Piece(hash((who, at)), SIZE + 500 * at) for at in range(turn + 1)]


def written(scope: Scope, calls: Iterator[tuple[float, list[Piece]]]) -> list[bool]:
    """Of each first turn whether it was told to be written."""
    found = []
    for at_s, pieces in calls:
        planned = plan(scope, pieces, PRICES, ANTHROPIC, at_s)
        scope.written(planned.digests, LIVES_S[planned.life], at_s)
        if len(pieces) == 1:
            found.append(bool(planned.marks))
    return found


def one_shots(begin_s: float, count: int, every_s: float) -> Iterator[tuple[float, list[Piece]]]:
    """Prompts that never come back."""
    for number in range(count):
        yield begin_s + every_s * number, [Piece(hash(("one-shot", begin_s, number)), SIZE)]


def test_a_flood_of_one_shots_is_soon_written_no_more() -> None:
    """After minutes of chats ten a second come that never return: the loss has an end."""
    scope = Scope(LIVES_S, 4096)
    assert all(written(scope, chats(0.0, 450))[-300:])
    vain = written(scope, one_shots(1000.0, 2000, 0.1))
    assert not any(vain[800:])


def test_what_comes_back_again_is_written_again() -> None:
    """What was forgotten is learned anew, from a window's tokens and not from hours of them."""
    scope = Scope(LIVES_S, 4096)
    written(scope, chats(0.0, 450))
    written(scope, one_shots(1000.0, 2000, 0.1))
    assert all(written(scope, chats(1300.0, 200))[-150:])


def test_steady_habits_are_never_forgotten() -> None:
    """An hour of the same: each first turn is written, whatever a few seconds look like."""
    scope = Scope(LIVES_S, 4096)
    found = written(scope, chats(0.0, 1800))
    assert all(found[100:])
