"""What `scrimp doctor` says of calls that were put off: their file, what is late, their webhook."""

from __future__ import annotations

from collections.abc import Iterator

from scrimp.app import system_clock
from scrimp.cli.console import short_path
from scrimp.cli.finding import Finding
from scrimp.deferring import jobs_of, why_untold
from scrimp.errors import StoreError
from scrimp.jobs import OVER, Standing
from scrimp.settings import Loaded

_NAME = "jobs"
_OTHERS = 0o077
_MOST_LOST = 10_000


def jobs(loaded: Loaded) -> Iterator[Finding]:
    """Nothing where calls may not wait, and none is left from when they did."""
    settings = loaded.settings
    path, clock = settings.jobs_path, system_clock()
    if not settings.defer.enabled and not path.exists():
        return
    if path.exists():
        shown, kept = short_path(path), jobs_of(settings, clock)
        desk = kept.desk
        try:
            desk.check()
            standing, lost = desk.standing(), len(kept.news.given_up(limit=_MOST_LOST))
        except StoreError as error:
            way_out = "it may tell of batches that are paid: keep a copy, name another (defer.path)"
            yield Finding("fail", _NAME, str(error), way_out)
            return
        mode = path.stat().st_mode & 0o777
        if mode & _OTHERS:
            said = f"{shown} can be read by others (mode {mode:03o})"
            yield Finding("warn", _NAME, said, f"chmod 600 {shown}")
        yield from _standing(shown, standing)
        if lost:
            many = f"{lost:,}" if lost < _MOST_LOST else f"{lost:,} or more"
            said = f"{many} are over, and their webhook was given up"
            yield Finding("warn", _NAME, said, "scrimp jobs list --given-up shows the newest")
    else:
        yield Finding("ok", _NAME, "no call was put off yet")
    if why := why_untold(loaded, clock):
        yield Finding(
            *("fail", _NAME, f"webhook: {why}", "mend it where Scrimp is started; news wait")
        )


def _standing(shown: str, standing: Standing) -> Iterator[Finding]:
    waiting = sum(number for state, number in standing.counts.items() if state not in OVER)
    over = sum(standing.counts.values()) - waiting
    yield Finding("ok", _NAME, f"{shown} is whole: {waiting:,} wait, {over:,} are over and kept")
    if standing.overdue:
        said = f"{standing.overdue:,} should have been answered by now"
        yield Finding("warn", _NAME, said, "scrimp serve works on them; see its log")
    if standing.untold:
        said = f"{standing.untold:,} are over and their webhook does not know yet"
        yield Finding("ok", _NAME, f"{said}; it is tried again and again while scrimp serve runs")
