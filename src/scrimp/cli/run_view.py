"""What `scrimp run` shows: what it will cost, how far it is, what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scrimp.cli.console import note, say, short_path
from scrimp.cli.forecast_view import costs_document, show_costs
from scrimp.cli.progress import bar
from scrimp.cli.run_words import shown
from scrimp.money import decimal_usd, format_usd

if TYPE_CHECKING:
    from pathlib import Path

    from scrimp.cli.run_file import Kept
    from scrimp.cli.run_scan import Scan
    from scrimp.client.lanes import Unasked
    from scrimp.many.results import Result

_SHOWN = 5
_LONG = 20_000


@dataclass(slots=True)
class Tally:
    """What became of all that was asked. `sources` counts who answered."""

    answered: int = 0
    failed: int = 0
    truncated: int = 0
    spent_nanousd: int = 0
    unknown: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    saved: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        """How many have come to an end."""
        return self.answered + self.failed

    def add(self, where: str, result: Result) -> None:
        """One more. Without a `where` its failure was told before."""
        self.spent_nanousd += result.cost_nanousd or 0
        self.unknown += result.cost_nanousd is None
        self.input_tokens += result.tokens.total_input_tokens
        self.output_tokens += result.tokens.total_output_tokens
        for lever, nanousd in result.saved:
            self.saved[lever] = self.saved.get(lever, 0) + nanousd
        if result.ok:
            self.answered += 1
            self.truncated += result.finish == "truncated"
            self.sources[result.source] = self.sources.get(result.source, 0) + 1
            return
        self.failed += 1
        if where and len(self.failures) < _SHOWN:
            self.failures.append(f"{where}: {shown(result.error)}")


def show_forecast(scan: Scan, kept: Kept | None) -> None:
    """What is there, what is to be asked, and what that may cost."""
    known = f", {scan.known:,} answered before" if scan.known else ""
    failed = f", {scan.known_failed:,} failed before" if scan.known_failed else ""
    bad = f", {scan.bad:,} that cannot be asked" if scan.bad else ""
    if scan.lines >= _LONG and sys.stderr.isatty():
        sys.stderr.write("\n")
    say(f"{scan.lines:,} lines: {scan.to_ask:,} to ask{known}{failed}{bad}.")
    for text in scan.shown:
        note(text)
    if kept is not None and kept.in_air:
        at_most = format_usd(kept.in_air_nanousd)
        most = f" (at most {at_most}, which --budget counts)" if kept.in_air_nanousd else ""
        note(
            f"{kept.in_air:,} calls were in the air when the last run was ended: they have no "
            f"answer here and may have been billed{most}; their lines are asked again"
        )
    show_costs(scan.forecast, "That costs", but=", without what caches save")


def show_reading(lines: int) -> None:
    """A long file takes its time, too."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{lines:,} lines read ")
        sys.stderr.flush()


@contextmanager
def progress(total: int, at_once: Callable[[], int], *, quiet: bool) -> Iterator[Tell]:
    """Shows how far a run is."""
    with bar(total, _figures(Tally(), total), quiet=quiet) as show:

        def line(tally: Tally) -> str:
            return f"{_figures(tally, total)}, {at_once():,} at once"

        yield lambda tally: show(tally.done, lambda: line(tally))


Tell = Callable[[Tally], None]


def _figures(tally: Tally, total: int) -> str:
    failed = f", {tally.failed:,} failed" if tally.failed else ""
    saved = sum(tally.saved.values())
    spent = format_usd(tally.spent_nanousd, places=4)
    saved_text = f", {format_usd(saved, places=4)} saved" if saved else ""
    return f"{tally.done:,} of {total:,}, {spent} spent{saved_text}{failed}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run has ended: `why` is `done`, `interrupted`, `budget` or `provider`."""

    why: str
    scan: Scan
    tally: Tally
    unasked: Unasked
    not_asked: int
    in_air_before: int
    pushed_back: int
    spent_in_all_nanousd: int

    @property
    def failed(self) -> int:
        """Lines whose last result is a failure."""
        return self.tally.failed + self.scan.known_failed


def show(ended: Ended, reasons: list[str], out: Path) -> None:
    """Sentences for people."""
    tally, scan = ended.tally, ended.scan
    before = f", {scan.known:,} before" if scan.known else ""
    failed = f", {ended.failed:,} failed" if ended.failed else ""
    left = f", {ended.not_asked:,} not asked" if ended.not_asked else ""
    say(f"{tally.answered:,} answered{before}{failed}{left}: {short_path(out)}")
    most = f" (of {tally.unknown:,} calls nobody knows it yet)" if tally.unknown else ""
    in_all = ""
    if ended.spent_in_all_nanousd > tally.spent_nanousd:
        in_all = f", {format_usd(ended.spent_in_all_nanousd)} with the runs before"
    say(f"Spent {format_usd(tally.spent_nanousd)}{most}{in_all}.")
    for lever, nanousd in sorted(tally.saved.items(), key=lambda one: -one[1]):
        answers = tally.sources.get(lever, 0)
        by = f", {answers:,} answers" if answers else ""
        say(f"  {lever} saved {format_usd(nanousd)}{by}")
    for remark in _remarks(ended, reasons, short_path(out)):
        note(remark)


def _remarks(ended: Ended, reasons: list[str], out: str) -> Iterator[str]:
    tally = ended.tally
    if tally.truncated:
        yield f"cut at the limit of their length: {tally.truncated:,}"
    yield from tally.failures
    if (more := tally.failed - len(tally.failures) - len(ended.scan.shown)) > 0:
        yield f"… and {more:,} more, in {out}"
    if ended.failed > ended.scan.bad:
        yield "failed calls are asked again by the same command with --retry-failed"
    yield from reasons
    if ended.unasked.no_room:
        yield ended.unasked.no_room
    if ended.why == "interrupted":
        yield "it was interrupted (run it again to go on)"
    elif ended.not_asked:
        yield "the same command goes on where it was"


def document(ended: Ended, reasons: list[str], places: tuple[str, str]) -> dict[str, Any]:
    """The same for machines."""
    tally, scan = ended.tally, ended.scan
    return {
        "file": places[0],
        "out": places[1],
        "ended": ended.why,
        **forecast_document(scan),
        "answered": tally.answered,
        "failed": ended.failed,
        "not_asked": ended.not_asked,
        "reasons": [*reasons, *([ended.unasked.no_room] if ended.unasked.no_room else [])],
        "truncated": tally.truncated,
        "in_air_before": ended.in_air_before,
        "pushed_back": ended.pushed_back,
        "spent_nanousd": tally.spent_nanousd,
        "spent_usd": decimal_usd(tally.spent_nanousd),
        "spent_in_all_nanousd": ended.spent_in_all_nanousd,
        "of_unknown_cost": tally.unknown,
        "saved_nanousd": sum(tally.saved.values()),
        "saved_by": tally.saved,
        "answered_by": tally.sources,
        "input_tokens": tally.input_tokens,
        "output_tokens": tally.output_tokens,
        "failures": tally.failures,
    }


def forecast_document(scan: Scan) -> dict[str, Any]:
    """What was found before anything was asked, for machines."""
    return {
        "lines": scan.lines,
        "known": scan.known,
        "known_failed": scan.known_failed,
        "cannot_be_asked": scan.bad,
        "wrong": scan.shown,
        "to_ask": scan.to_ask,
        "estimate": costs_document(scan.forecast),
    }
