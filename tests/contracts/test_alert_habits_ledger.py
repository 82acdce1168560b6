"""Comparisons with the days before, over a real ledger: its sums are what alerts are made of."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from scrimp.alerts.habits import of_habits
from scrimp.alerts.rules import AlertRules
from scrimp.ports import Entry
from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support.cli_ledger import NOON, hit, paid, written

USD = 10**9
RULES = AlertRules(hit_rate_from_calls=10)


def of_tag(number: int, at: datetime, usd: int) -> Entry:
    """A call with a tag that cost so many dollars."""
    amounts = dict.fromkeys(("cost_nanousd", "cost_low_nanousd", "cost_high_nanousd"), usd * USD)
    return replace(paid(number), at=at, tags=("env:ci",), baseline_nanousd=usd * USD, **amounts)


def told(folder: Path, entries: list[Entry], now: datetime = NOON) -> list[str]:
    """Texts of what a ledger with these calls tells."""
    state = written(folder / "state", entries)
    reader = LedgerReader(state / "ledger.sqlite")
    return [alert.text for alert in of_habits(reader.report, now, RULES)]


def test_a_tags_day_is_compared_with_its_days_before(tmp_path: Path) -> None:
    """$4 a day for a week, then $9 by noon."""
    days = [of_tag(day, NOON - timedelta(days=day), 4) for day in range(1, 8)]
    (text,) = told(tmp_path, [*days, of_tag(20, NOON - timedelta(hours=1), 9)])
    assert "$9.00 spent so far today (UTC), 125 % over its mean of $4.00 a day in the 7" in text


def test_days_outside_the_week_do_not_count(tmp_path: Path) -> None:
    """What was spent eight days ago is no part of the mean."""
    days = [of_tag(day, NOON - timedelta(days=day), 4) for day in range(1, 8)]
    old = of_tag(30, NOON - timedelta(days=8), 5000)
    assert told(tmp_path, [*days, old, of_tag(20, NOON, 6)]) == []


def test_the_hit_rate_of_the_last_hours_is_compared_with_the_days_before(tmp_path: Path) -> None:
    """Half of all calls for days, then none."""
    yesterday = NOON - timedelta(days=1)
    before = [replace(one(n), at=yesterday) for n in range(20) for one in (paid, _other_hit)]
    recent = [replace(paid(200 + n), at=NOON - timedelta(minutes=5)) for n in range(10)]
    (text,) = told(tmp_path, [*before, *recent])
    assert "0.0% of 10 calls were answered without a provider" in text
    assert "in the 7 days before it was 50.0%" in text


def _other_hit(number: int) -> Entry:
    return hit(100 + number)
