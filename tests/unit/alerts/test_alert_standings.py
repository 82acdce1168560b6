"""Levels, refusals and forecasts: once each, reset with the window, with every number in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from scrimp.alerts.rules import AlertRules, alert_of, plain
from scrimp.alerts.standings import of_refusal, of_standing
from scrimp.budgets.windows import cell_at, micros, moment
from scrimp.limits import Limit, Scope, Standing, Window, WindowKind
from scrimp.notices import Alert

NOON = datetime(2026, 5, 6, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 5, 7, tzinfo=UTC)
USD = 10**9
RULES = AlertRules()
LIMIT = Limit("ci", Scope("team", "red"), "usd", 10 * USD, Window("day"))
QUIET = AlertRules(forecast_after_percent=99)


def standing(used: int, limit: Limit = LIMIT, resets_at: datetime | None = MIDNIGHT) -> Standing:
    """A limit of which so much is settled, with something in the air beside it."""
    return Standing(limit, used, 123, resets_at)


def told(used: int, *, rules: AlertRules = QUIET, now: datetime = NOON) -> list[Alert]:
    """Alerts of kind budget."""
    return [one for one in of_standing(standing(used), now, rules) if one.kind == "budget"]


def level(alert: Alert) -> int:
    """Which level it tells."""
    return int(dict(alert.facts)["level"])


@pytest.mark.parametrize(
    ("used", "levels"),
    [
        (0, []),
        (5 * USD - 1, []),
        (5 * USD, [50]),
        (75 * USD // 10 - 1, [50]),
        (75 * USD // 10, [75]),
        (9 * USD, [90]),
        (10 * USD - 1, [90]),
        (10 * USD, [100]),
        (25 * USD, [100]),
    ],
)
def test_the_highest_level_that_is_reached_is_told(used: int, levels: list[int]) -> None:
    """From its first nano-dollar on; what is only held does not count."""
    assert [level(alert) for alert in told(used)] == levels


def test_a_jump_over_levels_is_one_alert_that_covers_them() -> None:
    """From nothing to all in one settlement: the highest is told, the lower ones need not be."""
    (jump,) = told(10 * USD)
    lower = [alert.topic for used in (5, 8, 9) for alert in told(used * USD)]
    assert level(jump) == 100
    assert set(jump.covers) == set(lower)
    assert len(lower) == 3


def test_the_text_names_scope_period_percent_spent_and_limit() -> None:
    """A person needs nothing else; a program has the same in facts."""
    (alert,) = told(76 * USD // 10)
    assert alert.title == "75 % of budget 'ci' used (team:red, day)"
    assert alert.text == (
        "Budget 'ci' (team:red, day): $7.60 of $10.00 spent, 76 %. $2.40 is left; calls "
        "beyond that are refused. It resets at 2026-05-07T00:00Z."
    )
    facts = dict(alert.facts)
    assert facts["scope"] == "team:red"
    assert facts["window"] == "day"
    assert facts["percent"] == 76
    assert facts["spent"] == 7_600_000_000
    assert facts["limit"] == 10 * USD
    assert facts["resets_at"] == "2026-05-07T00:00:00+00:00"


@pytest.mark.parametrize("kind", ["minute", "hour", "day", "week", "month"])
def test_a_new_window_is_a_new_topic_and_the_same_window_is_not(kind: WindowKind) -> None:
    """Reset with the window; two looks within one are the same alert, whoever looks."""
    limit = replace(LIMIT, window=Window(kind))

    def at(now: datetime) -> str:
        ends = moment(cell_at(limit.window, micros(now)).end_us)
        (alert,) = of_standing(standing(6 * USD, limit, ends), now, QUIET)
        return alert.topic

    later = moment(cell_at(limit.window, micros(NOON)).end_us)
    assert at(NOON) == at(NOON + timedelta(seconds=1)) == at(later - timedelta(microseconds=1))
    assert at(later) != at(NOON)


def test_a_rolling_window_may_be_told_again_after_its_length() -> None:
    """It has no beginning that could make a new topic."""
    limit = replace(LIMIT, window=Window("rolling", 3600))
    first, second = (
        next(of_standing(standing(6 * USD, limit, at), at, QUIET))
        for at in (NOON, NOON + timedelta(minutes=1))
    )
    assert first.topic == second.topic
    assert first.again
    assert first.until == NOON + timedelta(hours=1)


def test_a_lifetime_is_told_once_for_ever() -> None:
    """Nothing resets it."""
    limit = replace(LIMIT, window=Window("lifetime"))
    (alert,) = of_standing(standing(6 * USD, limit, None), NOON, QUIET)
    assert alert.until is None
    assert not alert.again
    assert "It never resets." in alert.text


def test_a_limit_that_was_raised_has_levels_of_its_own() -> None:
    """Half of the new amount is news, though half of the old one was told."""
    raised = replace(LIMIT, amount=20 * USD)
    (old,), (new,) = told(5 * USD), list(of_standing(standing(10 * USD, raised), NOON, QUIET))
    assert level(old) == level(new) == 50
    assert old.topic != new.topic


def test_scopes_that_would_spell_the_same_are_different_topics() -> None:
    """Names are chosen by people: a separator in one must not make it another's."""
    one = replace(LIMIT, scope=Scope("team", "a|b", "c"))
    two = replace(LIMIT, scope=Scope("team", "a", "b|c"))
    topics = {next(of_standing(standing(6 * USD, of), NOON, QUIET)).topic for of in (one, two)}
    assert len(topics) == 2


def test_levels_are_those_of_the_settings_and_budgets_can_be_left_out() -> None:
    """Of names or patterns; nothing is told of others."""
    assert [level(one) for one in told(3 * USD, rules=replace(QUIET, levels=(10, 30)))] == [30]
    assert told(6 * USD, rules=replace(QUIET, budgets=("prod-*",))) == []
    assert len(told(6 * USD, rules=replace(QUIET, budgets=("prod-*", "c?")))) == 1


def test_limits_of_what_is_held_at_once_are_never_told() -> None:
    """Parallel calls are no spend."""
    limit = replace(LIMIT, window=Window("open"), unit="calls", amount=10)
    assert list(of_standing(standing(10, limit, None), NOON, RULES)) == []


def forecasts(used: int, now: datetime, limit: Limit = LIMIT) -> list[Alert]:
    """Alerts of kind forecast."""
    ends = moment(cell_at(limit.window, micros(now)).end_us)
    found = of_standing(standing(used, limit, ends), now, RULES)
    return [one for one in found if one.kind == "forecast"]


def test_a_straight_line_over_the_limit_is_a_forecast() -> None:
    """$3 of $10 after a quarter of the day come to $12, and are used up at eight in the evening."""
    (alert,) = forecasts(3 * USD, datetime(2026, 5, 6, 6, 0, tzinfo=UTC))
    assert "$3.00 of $10.00 spent, 30 %, with 25 % of the day over" in alert.text
    assert "used up at about 2026-05-06T20:00Z, and would come to $12.00" in alert.text
    assert dict(alert.facts)["expected"] == 12 * USD


def test_there_is_no_forecast_where_it_would_say_nothing() -> None:
    """Too early, exactly enough, nothing used, used up already, or a window without an end."""
    morning = datetime(2026, 5, 6, 6, 0, tzinfo=UTC)
    assert forecasts(9 * USD, datetime(2026, 5, 6, 2, 23, tzinfo=UTC)) == []
    assert len(forecasts(9 * USD, datetime(2026, 5, 6, 2, 24, tzinfo=UTC))) == 1
    assert forecasts(25 * USD // 10, morning) == []
    assert forecasts(0, morning) == []
    assert forecasts(10 * USD, morning) == []
    for window in (Window("rolling", 86400), Window("minute")):
        assert forecasts(3 * USD, morning, replace(LIMIT, window=window)) == []
    endless = standing(3 * USD, replace(LIMIT, window=Window("lifetime")), None)
    assert list(of_standing(endless, morning, RULES)) == []


def test_a_refusal_is_told_once_in_a_window_with_both_numbers() -> None:
    """A hard limit is hardly ever used to the last cent: what matters is that calls are refused."""
    alert = of_refusal(standing(95 * USD // 10), USD, NOON, RULES)
    assert alert is not None
    assert alert.severity == "critical"
    assert "A call that needs up to $1.00 was refused; $0.50 is left." in alert.text
    again = of_refusal(standing(96 * USD // 10), 2 * USD, NOON + timedelta(hours=1), RULES)
    assert again is not None
    assert again.topic == alert.topic
    assert of_refusal(standing(USD, replace(LIMIT, hard=False)), USD, NOON, RULES) is None


def test_names_that_callers_chose_cannot_change_a_line() -> None:
    """Line breaks, directions and what cannot be seen are shown as such; long names are cut."""
    hostile = "x\r\nBcc: all@example.com\N{RIGHT-TO-LEFT OVERRIDE}\0"
    limit = replace(LIMIT, name=hostile, scope=Scope("tag", hostile))
    (alert,) = of_standing(standing(6 * USD, limit), NOON, QUIET)
    for text in (alert.title, alert.text):
        assert text.isprintable()
        assert "\n" not in text
    assert len(plain("n" * 500)) == 120


def test_processes_make_the_same_alert_alike() -> None:
    """Its id follows from what and when, so that two of them are one in the outbox."""
    one, two = (alert_of("budget", "info", NOON, "t", "x", text="y") for _ in range(2))
    assert one == two
    assert one.id != alert_of("budget", "info", MIDNIGHT, "t", "x", text="y").id
