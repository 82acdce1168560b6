"""The hammer's judge sees what is broken: a benchmark that cannot fail would prove nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.budgets.hammer import Verdict, judge
from scrimp.limits import Limit, Scope, Standing, Window, WindowKind

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
ORG = Scope("org", "a")
KINDS: tuple[WindowKind, ...] = ("hour", "lifetime")


def judged(billed: int, *, used: int, held: int = 0) -> Verdict:
    """The verdict over one organisation with a limit of 1000."""
    limit = Limit("a", ORG, "usd", 1000, Window("day"))
    ended = NOON + timedelta(minutes=1)
    return judge((Standing(limit, used, held, None),), {ORG: billed}, (9, 5, NOON, ended))


def test_a_sound_run_breaks_nothing() -> None:
    """All that was billed was counted, within the limit, with two percent charged for nothing."""
    verdict = judged(970, used=990)
    assert verdict.broken == []
    assert (verdict.stranded, verdict.spent, verdict.fullest) == (0.02, 0.97, 0.97)


def test_a_nano_dollar_over_the_limit_is_seen() -> None:
    """Whatever the engine itself counted."""
    verdict = judged(1001, used=1000)
    assert verdict.scopes_over == ("org:a",)
    assert "over the limit" in verdict.broken[0]


def test_what_was_billed_and_never_counted_is_seen() -> None:
    """An engine that forgets a settlement is found before it overspends."""
    assert judged(500, used=499).scopes_uncounted == ("org:a",)


def test_holds_that_stay_are_seen() -> None:
    """After the last lease nothing may be held."""
    assert "held" in judged(500, used=500, held=1).broken[0]


def test_stranded_money_is_seen() -> None:
    """More than two percent is too much."""
    assert "stranded" in judged(900, used=921).broken[0]


def test_a_window_that_began_anew_is_left_out() -> None:
    """It proves nothing: what was billed before belongs to the window before."""
    limits = [Limit("a", ORG, "usd", 1000, Window(kind)) for kind in KINDS]
    standings = tuple(Standing(limit, 500, 0, None) for limit in limits)
    verdict = judge(standings, {ORG: 500}, (9, 5, NOON, NOON + timedelta(hours=1)))
    assert verdict.windows_left_out == 1
