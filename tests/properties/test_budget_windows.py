"""Windows cut time into pieces without gap or overlap, in every zone and on its strangest days."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scrimp.budgets.windows import BUCKETS, ENDLESS_US, bucket_us, cell_at, micros, moment, zone
from scrimp.errors import ConfigError
from scrimp.limits import Window, WindowKind

# Half hours, zones that are set at midnight, a day that was left out, one that came twice.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Scoresbysund",
    "Antarctica/Troll",
)
CALENDAR: tuple[WindowKind, ...] = ("minute", "hour", "day", "week", "month")
MOMENTS = st.integers(
    micros(datetime(2005, 1, 1, tzinfo=UTC)), micros(datetime(2040, 1, 1, tzinfo=UTC))
)
LORD_HOWE = micros(datetime(2026, 4, 4, 15, 10, tzinfo=UTC))


@given(st.sampled_from(CALENDAR), st.sampled_from(ZONES), MOMENTS)
@example("hour", "Australia/Lord_Howe", LORD_HOWE)
@example("day", "America/Sao_Paulo", micros(datetime(2018, 11, 4, 3, 0, tzinfo=UTC)))
@example("day", "Pacific/Apia", micros(datetime(2011, 12, 30, 10, 0, tzinfo=UTC)))
def test_a_moment_belongs_to_one_cell(kind: WindowKind, name: str, now_us: int) -> None:
    """Every moment of a cell says the same cell; the one before ends where it begins."""
    window = Window(kind, zone=name)
    cell = cell_at(window, now_us)
    assert cell.start_us <= now_us < cell.end_us == cell.counts_until_us
    assert cell_at(window, cell.start_us) == cell
    assert cell_at(window, cell.end_us - 1) == cell
    assert cell_at(window, cell.end_us).start_us == cell.end_us
    assert cell_at(window, cell.start_us - 1).end_us == cell.start_us


@given(st.sampled_from(ZONES), MOMENTS)
def test_a_day_is_the_date_that_people_there_see(name: str, now_us: int) -> None:
    """But for the hour that a clock set at midnight shows twice."""
    cell = cell_at(Window("day", zone=name), now_us)
    seen = moment(cell.start_us).astimezone(ZoneInfo(name))
    assert seen.date() == moment(cell.end_us - 1).astimezone(ZoneInfo(name)).date()
    assert timedelta(hours=20) <= timedelta(microseconds=cell.end_us - cell.start_us)
    assert timedelta(microseconds=cell.end_us - cell.start_us) <= timedelta(hours=25, minutes=1)


@given(st.integers(1, 10_000_000), MOMENTS, st.floats(0, 1))
def test_a_rolling_window_counts_all_that_is_young_enough(
    seconds: int, now_us: int, share: float
) -> None:
    """What happened within the window counts; what is older goes within a twelfth of it."""
    window = Window("rolling", seconds)
    cell = cell_at(window, now_us)
    assert cell.start_us <= now_us < cell.end_us
    assert cell_at(window, cell.end_us).start_us == cell.end_us
    later_us = now_us + int(share * seconds * 1_000_000)
    assert later_us < cell.counts_until_us
    oldest_us = cell_at(window, later_us).start_us - BUCKETS * bucket_us(window)
    assert cell.start_us >= oldest_us
    assert cell.counts_until_us - now_us <= seconds * 1_000_000 * 13 // 12 + 14


@pytest.mark.parametrize("kind", ["lifetime", "open"])
def test_what_never_begins_again_has_one_cell(kind: WindowKind) -> None:
    """From the first moment to the last."""
    assert cell_at(Window(kind), 0) == cell_at(Window(kind), ENDLESS_US - 1)


def test_days_of_a_changed_clock_are_shorter_or_longer() -> None:
    """Berlin's 29 March 2026 has 23 hours, its 25 October 25."""
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)):
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        cell = cell_at(Window("day", zone="Europe/Berlin"), micros(noon))
        assert cell.end_us - cell.start_us == hours * 3600 * 1_000_000


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    """In the zone of the window."""
    sunday = datetime(2026, 3, 1, 3, 30, tzinfo=UTC)
    tokyo, new_york = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")

    def span(kind: WindowKind, name: str) -> tuple[datetime, datetime]:
        cell = cell_at(Window(kind, zone=name), micros(sunday))
        return moment(cell.start_us), moment(cell.end_us)

    assert span("week", "Asia/Tokyo") == (
        datetime(2026, 2, 23, tzinfo=tokyo),
        datetime(2026, 3, 2, tzinfo=tokyo),
    )
    assert span("month", "Asia/Tokyo") == (
        datetime(2026, 3, 1, tzinfo=tokyo),
        datetime(2026, 4, 1, tzinfo=tokyo),
    )
    assert span("month", "America/New_York") == (
        datetime(2026, 2, 1, tzinfo=new_york),
        datetime(2026, 3, 1, tzinfo=new_york),
    )


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "Europe", "a\0b"])
def test_an_unknown_zone_is_named(name: str) -> None:
    """With a hint at what a zone looks like."""
    with pytest.raises(ConfigError, match="Europe/Berlin"):
        zone(name)


@pytest.mark.parametrize("seconds", [0, -1, 10**12])
def test_a_rolling_window_has_a_length(seconds: int) -> None:
    """What cannot be counted is refused with the number."""
    with pytest.raises(ConfigError, match=str(seconds)):
        cell_at(Window("rolling", seconds), 0)


def test_every_kind_is_told_here() -> None:
    """A new kind of window needs its place above."""
    assert {*CALENDAR, "rolling", "lifetime", "open"} == set(get_args(WindowKind))


def test_zones_are_known_on_a_machine_that_has_none() -> None:
    """Slim containers bring no zones: those of the package are taken."""
    code = (
        "from scrimp.budgets.windows import Window, cell_at;"
        "print(cell_at(Window('day', zone='Europe/Berlin'), 0).start_us)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(-3600 * 1_000_000)
