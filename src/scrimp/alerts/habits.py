"""What differs from the seven days before: a tag that spends more, a hit rate that fell. Pure.

Sums come from the ledger's report, in whole hours and days (UTC).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from scrimp.alerts.rules import AlertRules, alert_of, amount, plain
from scrimp.ledger.report import By, Report
from scrimp.notices import Alert

Sums = Callable[[datetime, datetime, By], Report]
"""The ledger's report: since, until, by."""

DAYS = 7
FEWEST_DAYS = 3
"""A tag that is younger has no mean that would say anything."""
HIT_HOURS = 3
_LOWEST_RATE = 0.02
_DAY = timedelta(days=1)


def of_habits(sums: Sums, now: datetime, rules: AlertRules) -> Iterator[Alert]:
    """Both comparisons. Raises what `sums` raises."""
    if "tag_spend" not in rules.mute:
        yield from _tags(sums, now, rules)
    if "hit_rate" not in rules.mute:
        yield from _hit_rate(sums, now, rules)


def _tags(sums: Sums, now: datetime, rules: AlertRules) -> Iterator[Alert]:
    """Today's spend so far beside the mean of whole days: what is over it will stay over it."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spent = {
        row.value: row.cost_nanousd
        for row in sums(today, today + _DAY, "tag").rows
        if row.cost_nanousd >= rules.tag_from_nanousd
    }
    if not spent:
        return
    before: dict[str, list[int]] = {tag: [] for tag in spent}
    for day in range(DAYS, 0, -1):  # the oldest first
        since = today - day * _DAY
        found = {row.value: row.cost_nanousd for row in sums(since, since + _DAY, "tag").rows}
        for tag, days in before.items():
            if days or found.get(tag):  # a tag's days count from its first spend on
                days.append(found.get(tag, 0))
    for tag, days in before.items():
        if len(days) < FEWEST_DAYS:
            continue
        mean = sum(days) // len(days)
        if spent[tag] * 100 <= mean * (100 + rules.tag_over_percent):
            continue
        yield _tag_alert(tag, spent[tag], mean, len(days), now)


def _tag_alert(tag: str, spent: int, mean: int, days: int, now: datetime) -> Alert:
    over = (spent - mean) * 100 // mean if mean else 0
    more = f"{over} % over" if mean else "over"
    return alert_of(
        "tag_spend",
        "warning",
        now,
        f"{tag}|{now:%Y-%m-%d}",
        f"tag '{plain(tag)}' spends more than usual",
        text=(
            f"Tag '{plain(tag)}' (day): {amount('usd', spent)} spent so far today (UTC), "
            f"{more} its mean of {amount('usd', mean)} a day in the {days} days before."
        ),
        facts=(
            *(("scope", f"tag:{tag}"), ("window", "day"), ("unit", "nanousd")),
            *(("percent", over + 100), ("spent", spent), ("mean", mean), ("days", days)),
        ),
        until=now + 2 * _DAY,
    )


def _hit_rate(sums: Sums, now: datetime, rules: AlertRules) -> Iterator[Alert]:
    """The last hours beside the seven days before them."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HIT_HOURS - 1)
    recent = sums(since, now, "total").total
    before = sums(since - DAYS * _DAY, since, "total").total
    fewest = rules.hit_rate_from_calls
    if recent.calls < fewest or before.calls < fewest or before.hit_rate < _LOWEST_RATE:
        return
    if recent.hit_rate * 100 >= before.hit_rate * (100 - rules.hit_rate_drop_percent):
        return
    yield alert_of(
        "hit_rate",
        "warning",
        now,
        f"{now:%Y-%m-%d}",
        "fewer calls are answered from memory",
        text=(
            f"Hit rate (everyone, last {HIT_HOURS} h): {recent.hit_rate:.1%} of "
            f"{recent.calls:,} calls were answered without a provider; in the {DAYS} days before "
            f"it was {before.hit_rate:.1%}. {amount('usd', recent.cost_nanousd)} were spent "
            "in these hours (scrimp cache stats, scrimp report --by task)."
        ),
        facts=(
            *(("scope", "everyone"), ("window", f"{HIT_HOURS} h"), ("calls", recent.calls)),
            *(("hit_rate", round(recent.hit_rate, 4)), ("mean", round(before.hit_rate, 4))),
            *(("unit", "nanousd"), ("spent", recent.cost_nanousd)),
        ),
        until=now + 2 * _DAY,
    )
