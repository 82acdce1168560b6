"""A tag that spends more than it used to, a hit rate that fell: beside the seven days before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from scrimp.alerts.habits import of_habits
from scrimp.alerts.rules import AlertRules
from scrimp.ledger.report import By, Report, ReportRow
from scrimp.notices import Alert

NOW = datetime(2026, 5, 8, 15, 30, tzinfo=UTC)
TODAY = datetime(2026, 5, 8, tzinfo=UTC)
DAY = timedelta(days=1)
USD = 10**9


class Book:
    """A ledger's report by script: spend of tags by day, and calls and hits of periods."""

    def __init__(
        self, tags: dict[str, list[int]], recent: tuple[int, int], before: tuple[int, int]
    ) -> None:
        self.tags = tags  # the newest day last: today
        self.periods = {True: recent, False: before}

    def __call__(self, since: datetime, until: datetime, by: By) -> Report:
        """What the ledger would say."""
        if by == "tag":
            ago = (TODAY - since) // DAY
            assert until == since + DAY
            rows = tuple(
                ReportRow(tag, cost_nanousd=days[-1 - ago] * USD)
                for tag, days in self.tags.items()
                if ago < len(days) and days[-1 - ago]
            )
            return Report(by, since, until, rows, ReportRow(""))
        calls, hits = self.periods[until == NOW]
        return Report(by, since, until, (), ReportRow("", calls=calls, hits=hits))


def habits(
    tags: dict[str, list[int]] | None = None,
    recent: tuple[int, int] = (0, 0),
    before: tuple[int, int] = (0, 0),
    rules: AlertRules | None = None,
) -> list[Alert]:
    """What is told of it."""
    return list(of_habits(Book(tags or {}, recent, before), NOW, rules or AlertRules()))


def test_spend_more_than_half_over_the_mean_of_seven_days_is_told() -> None:
    """$16 beside a mean of $10: the text has all; exactly half over is not told."""
    (alert,) = habits({"env:ci": [10, 8, 12, 10, 10, 10, 10, 16], "calm": [10] * 7 + [15]})
    assert alert.kind == "tag_spend"
    assert alert.text == (
        "Tag 'env:ci' (day): $16.00 spent so far today (UTC), 60 % over its mean of $10.00 a day "
        "in the 7 days before."
    )
    assert dict(alert.facts)["spent"] == 16 * USD


def test_a_day_of_a_tag_is_one_topic() -> None:
    """It is told once a day, however much it grows."""
    (one,), (two,) = habits({"a": [1] * 7 + [2]}), habits({"a": [1] * 7 + [9]})
    assert one.topic == two.topic


def test_a_young_tag_has_no_mean_and_a_small_one_no_alert() -> None:
    """Days count from the first spend on, three at least; under a dollar nobody is told."""
    assert habits({"new": [5, 5, 50]}) == []
    assert len(habits({"new": [5, 5, 5, 50]})) == 1
    dear = replace(AlertRules(), tag_from_nanousd=51 * USD)
    assert habits({"new": [5, 5, 5, 50]}, rules=dear) == []


def test_days_without_spend_count_once_a_tag_has_begun() -> None:
    """A tag that spends every other day has half the mean."""
    (alert,) = habits({"odd": [10, 0, 10, 0, 10, 0, 10, 10]})
    assert "mean of $5.71" in alert.text


def test_a_hit_rate_that_fell_by_half_is_told() -> None:
    """Over enough calls, and only where there was a rate worth the name."""
    (alert,) = habits(recent=(1000, 100), before=(50_000, 20_000))
    assert alert.kind == "hit_rate"
    assert "10.0% of 1,000 calls" in alert.text
    assert "in the 7 days before it was 40.0%" in alert.text
    assert habits(recent=(1000, 200), before=(50_000, 20_000)) == []
    assert habits(recent=(199, 0), before=(50_000, 20_000)) == []
    assert habits(recent=(1000, 0), before=(50_000, 900)) == []


def test_what_is_muted_is_not_even_looked_up() -> None:
    """Each comparison costs a look into the ledger."""

    def never(since: datetime, until: datetime, by: By) -> Report:
        raise AssertionError((since, until, by))

    muted = replace(AlertRules(), mute=("tag_spend", "hit_rate"))
    assert list(of_habits(never, NOW, muted)) == []
