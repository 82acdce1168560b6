"""The breaker's state machine, step by step, with times given."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from scrimp.health import WELL, Health, Healths, Tally
from scrimp.routing.circuit import (
    Ended,
    Rules,
    Seen,
    after,
    claimed,
    counted,
    look,
    probed,
    troubled,
)

RULES = Rules(failure_rate=0.5, least_calls=10, window_s=60, open_s=5, longest_open_s=300, probes=2)
T = 1_800_000_000.0


def tally(calls: int, failures: int, at_s: float = T) -> Tally:
    """Attempts of one slot."""
    return Tally(int(at_s) // RULES.slot_s * RULES.slot_s, calls, failures)


def open_one(**changes: object) -> Health:
    """A circuit that has just opened for the first time."""
    health = counted(WELL, [tally(10, 10)], T, RULES)
    assert health.circuit == "open"
    return replace(health, **changes)


def probe(health: Health, now_s: float, *, failed: bool | None) -> Health:
    """A probe from its claim to its end."""
    known = claimed({"a": health}, ["a"], "me", now_s, RULES)
    assert known["a"].prober == "me"
    return probed(known["a"], Ended("a", "me", failed), now_s, RULES)


@pytest.mark.parametrize(
    ("calls", "failures", "circuit"),
    [
        (9, 9, "closed"),
        (10, 4, "closed"),
        (10, 5, "open"),
        (1000, 499, "closed"),
        (1000, 500, "open"),
        (1000, 0, "closed"),
    ],
)
def test_it_opens_at_its_rate_of_enough_attempts(calls: int, failures: int, circuit: str) -> None:
    """Half of at least ten; one less of either changes nothing."""
    assert counted(WELL, [tally(calls, failures)], T, RULES).circuit == circuit


def test_what_is_older_than_the_window_does_not_count() -> None:
    """Nine failures, a window later another: still closed."""
    health = counted(WELL, [tally(9, 9)], T, RULES)
    later_s = T + 60 + 2 * RULES.slot_s
    health = counted(health, [tally(1, 1, later_s)], later_s, RULES)
    assert (health.circuit, health.seen) == ("closed", (tally(1, 1, later_s),))


def test_what_lies_in_the_future_does_not_count() -> None:
    """The clock was put back: what another time has counted is dropped."""
    health = Health(seen=(tally(9, 9, T + 3600),))
    assert counted(health, [tally(1, 1)], T, RULES).seen == (tally(1, 1),)


def test_open_lets_nobody_in_until_its_time_and_then_one() -> None:
    """Five seconds; who comes first probes, the others wait for its end."""
    health = open_one()
    assert look(health, T + 4.9, RULES) == "open"
    assert look(health, T + 5.0, RULES) == "half_open"
    known = claimed({"a": health}, ["a"], "first", T + 5, RULES)
    assert look(known["a"], T + 5, RULES) == "open"
    assert claimed(known, ["a"], "second", T + 5, RULES) == known


def test_a_probe_whose_process_ended_gives_way_after_its_time() -> None:
    """A minute; its verdict counts no more when it comes all the same."""
    known = claimed({"a": open_one()}, ["a"], "first", T + 5, RULES)
    assert look(known["a"], T + 64.9, RULES) == "open"
    assert look(known["a"], T + 65.0, RULES) == "half_open"
    known = claimed(known, ["a"], "second", T + 65, RULES)
    assert probed(known["a"], Ended("a", "first", failed=False), T + 66, RULES) == known["a"]


def test_it_closes_after_enough_good_probes_in_a_row() -> None:
    """One is not enough; what was counted before is forgotten."""
    once = probe(open_one(), T + 5, failed=False)
    assert (once.circuit, look(once, T + 5, RULES)) == ("half_open", "half_open")
    twice = probe(once, T + 6, failed=False)
    assert (twice.circuit, twice.seen, twice.closed_s) == ("closed", (), T + 6)


def test_a_bad_probe_opens_it_for_longer_and_the_good_ones_before_are_lost() -> None:
    """Five seconds, ten, twenty."""
    health = probe(probe(open_one(), T + 5, failed=False), T + 6, failed=True)
    assert (health.circuit, health.until_s, health.passed) == ("open", T + 16, 0)
    health = probe(health, T + 16, failed=True)
    assert health.until_s == T + 36


def test_a_probe_that_says_nothing_changes_nothing() -> None:
    """A client that left proves neither."""
    health = probe(probe(open_one(), T + 5, failed=False), T + 6, failed=None)
    assert (health.circuit, health.passed, health.prober) == ("half_open", 1, "")


def test_what_opens_soon_after_it_closed_is_open_for_longer() -> None:
    """Flapping: each round doubles, up to five minutes; well for as long, it begins anew."""
    health, now_s, lengths = open_one(), T, []
    for _ in range(8):
        lengths.append(health.until_s - now_s)
        now_s = health.until_s
        for _ in range(RULES.probes):
            health = probe(health, now_s, failed=False)
        health = counted(health, [tally(10, 10, now_s)], now_s, RULES)
        assert health.circuit == "open"
    assert lengths == [5, 10, 20, 40, 80, 160, 300, 300]
    closed = Health(openings=8, closed_s=now_s)
    later_s = now_s + RULES.longest_open_s
    again = counted(closed, [tally(10, 10, later_s)], later_s, RULES)
    assert again.until_s == later_s + 5


def test_a_time_that_was_asked_for_is_kept() -> None:
    """Open for five seconds, but asked to wait for a minute: a minute; an hour: five minutes."""
    for asked_s, waits_s in ((60.0, 60.0), (3600.0, RULES.longest_open_s)):
        seen = Seen({"a": [tally(10, 10)]}, (), {"a": T + asked_s})
        health = after({}, seen, T, RULES)["a"]
        assert look(health, T + waits_s - 0.1, RULES) == "open"
        assert look(health, T + waits_s, RULES) == "half_open"


def test_a_time_that_nobody_has_set_is_over() -> None:
    """A clock that was put back by a day keeps no circuit open for a day."""
    health = open_one()
    assert look(health, T - 86_400, RULES) == "half_open"
    probing = Health(circuit="half_open", prober="me", probe_until_s=T + 60)
    assert look(probing, T - 86_400, RULES) == "half_open"


def test_a_probe_of_two_takes_both_or_none() -> None:
    """The provider is due and the model is not: no probe."""
    due, not_due = open_one(until_s=T), open_one(until_s=T + 9)
    known: Healths = {"a": due, "a/m": not_due}
    assert claimed(known, ["a", "a/m"], "me", T, RULES) == known
    both = claimed(known, ["a", "a/m"], "me", T + 9, RULES)
    assert {one.prober for one in both.values()} == {"me"}


def test_who_is_well_is_forgotten() -> None:
    """No row is kept for an upstream of which there is nothing to say."""
    assert after({}, Seen({"a": [tally(5, 0)]}), T, RULES) == {}
    known = after({}, Seen({"a": [tally(5, 1)]}), T, RULES)
    assert troubled(known)
    assert after(known, Seen(), T + 120, RULES) == {}


def test_attempts_do_not_count_while_it_is_open() -> None:
    """Late failures of before make it no longer, late answers no shorter."""
    health = open_one()
    assert counted(health, [tally(99, 99)], T, RULES) == health
    assert counted(health, [tally(99, 0)], T, RULES) == health
