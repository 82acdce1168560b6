"""Which stretch of time a moment belongs to, for every kind of window. Pure: nothing here does I/O.

Moments are whole microseconds since 1970-01-01 UTC. A *cell* is the stretch that amounts are added
up in: the window itself, or of a rolling window one of its buckets. Cells of one window follow each
other without gap or overlap, so that a moment belongs to exactly one, on every day of every zone.

A rolling window counts its newest bucket and the BUCKETS before it in full. They reach back at
least as long as the window, so that no interval of its length, wherever it begins, holds more than
the limit; what that costs is at most one bucket's worth of room.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple, assert_never
from zoneinfo import ZoneInfo

from scrimp.errors import ConfigError
from scrimp.limits import Window

BUCKETS = 12
ENDLESS_US = 2**63 - 1
"""The end of what has no end; the largest number that a store keeps."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)
_MICROS = 1_000_000
_MINUTE_US = 60 * _MICROS
_HOUR_US = 60 * _MINUTE_US

CalendarKind = Literal["day", "week", "month"]


class Cell(NamedTuple):
    """From `start_us` until before `end_us`; it counts until before `counts_until_us`."""

    start_us: int
    end_us: int
    counts_until_us: int


_ALWAYS = Cell(0, ENDLESS_US, ENDLESS_US)


def micros(moment: datetime) -> int:
    """An aware moment in whole microseconds since the epoch."""
    return (moment - _EPOCH) // _MICRO


def moment(at_us: int) -> datetime:
    """Aware UTC."""
    return _EPOCH + timedelta(microseconds=at_us)


def cell_at(window: Window, now_us: int) -> Cell:
    """The cell that a moment belongs to. Raises ConfigError when the window makes no sense."""
    kind = window.kind
    match kind:
        case "lifetime" | "open":
            return _ALWAYS
        case "rolling":
            width_us = bucket_us(window)
            start_us = now_us // width_us * width_us
            end_us = start_us + width_us
            return Cell(start_us, end_us, end_us + BUCKETS * width_us)
        case "minute":
            start_us, end_us = _even(_MINUTE_US, zone(window.zone), now_us)
        case "hour":
            start_us, end_us = _even(_HOUR_US, zone(window.zone), now_us)
        case "day" | "week" | "month":
            start_us, end_us = _calendar(kind, zone(window.zone), now_us)
        case _:
            assert_never(kind)
    return Cell(start_us, end_us, end_us)


def bucket_us(window: Window) -> int:
    """How long one bucket of a rolling window is: BUCKETS of them last no less than the window."""
    if not 0 < window.seconds <= _MICROS * 10_000:
        raise ConfigError(
            f"a rolling window of {window.seconds} s cannot be counted "
            "(give it between 1 and 10,000,000,000 seconds)"
        )
    return -(-window.seconds * _MICROS // BUCKETS)


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo:
    """The zone of an IANA name; its data is read once. Raises ConfigError for an unknown name."""
    if name in ("UTC", ""):
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ConfigError(
            f"no time zone is called {name!r} (an IANA name, such as Europe/Berlin)"
        ) from error


def _even(length_us: int, in_zone: tzinfo, now_us: int) -> tuple[int, int]:
    """A minute or an hour by the zone's clock; cut short where that clock is set by half of one."""
    offset_us = _offset_us(in_zone, now_us)
    start_us = (now_us + offset_us) // length_us * length_us - offset_us
    end_us = start_us + length_us
    phase_us = offset_us % length_us
    if _offset_us(in_zone, start_us) % length_us != phase_us:
        start_us = _first_like(in_zone, length_us, start_us, now_us)
    if _offset_us(in_zone, end_us - 1) % length_us != phase_us:
        end_us = _first_like(in_zone, length_us, now_us, end_us - 1)
    return start_us, end_us


def _first_like(in_zone: tzinfo, length_us: int, before_us: int, after_us: int) -> int:
    """The first moment whose phase is that of `after_us`, when `before_us` has another."""
    phase_us = _offset_us(in_zone, after_us) % length_us
    while after_us - before_us > 1:
        middle_us = (before_us + after_us) // 2
        if _offset_us(in_zone, middle_us) % length_us == phase_us:
            after_us = middle_us
        else:
            before_us = middle_us
    return after_us


def _offset_us(in_zone: tzinfo, at_us: int) -> int:
    offset = moment(at_us).astimezone(in_zone).utcoffset()
    return (offset or timedelta()) // _MICRO


def _calendar(kind: CalendarKind, in_zone: tzinfo, now_us: int) -> tuple[int, int]:
    """From midnight to midnight, wherever the zone has put them."""
    first = _first_day(kind, moment(now_us).astimezone(in_zone).date())
    start_us, end_us = _midnight_us(first, in_zone), _midnight_us(_next(kind, first), in_zone)
    # A clock that is set at midnight may show a day twice: the midnights decide, not the date.
    while now_us < start_us:
        first = _first_day(kind, first - timedelta(days=1))
        start_us, end_us = _midnight_us(first, in_zone), start_us
    while now_us >= end_us:
        first = _next(kind, first)
        start_us, end_us = end_us, _midnight_us(_next(kind, first), in_zone)
    return start_us, end_us


def _first_day(kind: CalendarKind, day: date) -> date:
    if kind == "day":
        return day
    return day - timedelta(days=day.weekday()) if kind == "week" else day.replace(day=1)


def _next(kind: CalendarKind, first: date) -> date:
    if kind == "day":
        return first + timedelta(days=1)
    if kind == "week":
        return first + timedelta(days=7)
    return (first + timedelta(days=31)).replace(day=1)


def _midnight_us(day: date, in_zone: tzinfo) -> int:
    return micros(datetime(day.year, day.month, day.day, tzinfo=in_zone))
