"""What `scrimp jobs submit` and `collect` show: what a file holds, what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scrimp.cli.console import note, say, short_path
from scrimp.cli.forecast_view import costs_document, show_costs
from scrimp.cli.run_view import Tally
from scrimp.money import decimal_usd, format_usd

if TYPE_CHECKING:
    from pathlib import Path

    from scrimp.cli.jobs_lines import Wanted
    from scrimp.cli.jobs_options import CollectOptions, SubmitOptions

_WORDS = {
    "queued": "queued",
    "in_batch": "in batches",
    "in_progress": "being asked",
    "done": "answered",
    "failed": "failed",
    "cancelled": "called off",
    "in_out": "answered in OUT",
}


@dataclass(slots=True)
class HandedIn:
    """What became of it. `ended` is `done`, `interrupted`, or why not all is handed in and sent.

    `budget`, `unavailable` (nobody takes it), `unsent` (no provider has it yet), `refused`.
    """

    ended: str = "done"
    jobs: int = 0
    refused: int = 0
    not_handed_in: int = 0
    unsent: int = 0
    wrong: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Collected:
    """What came of it. `known` were in OUT, `bad` can have no job, `without` have none."""

    file: str
    out: Path
    lines: int
    known: int
    bad: int
    tally: Tally = field(default_factory=Tally)
    waiting: int = 0
    without: int = 0
    standing: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def ended(self) -> str:
        """`done`, `interrupted`, `waiting`, `failed` or `not_handed_in`."""
        if self.interrupted and self.waiting:
            return "interrupted"
        if self.waiting:
            return "waiting"
        if self.without:
            return "not_handed_in"
        return "failed" if self.tally.failed else "done"


def standing(counts: Mapping[str, int]) -> str:
    """`12 answered, 3 in batches`, in the order in which jobs go on."""
    return ", ".join(f"{counts[one]:,} {word}" for one, word in _WORDS.items() if counts.get(one))


def show_wanted(wanted: Wanted) -> None:
    """What is there, what is to be handed in, and what that may cost."""
    before = sum(wanted.before.values())
    here = "answer or job" if wanted.before.get("in_out") else "job"
    told = f", {before:,} have their {here} ({standing(wanted.before)})" if before else ""
    bad = f", {wanted.bad:,} that cannot wait" if wanted.bad else ""
    say(f"{wanted.lines:,} lines: {wanted.new:,} to hand in{told}{bad}.")
    for text in wanted.wrong:
        note(text)
    show_costs(wanted.forecast, "In batches that costs", price="batch price")


def show_handed_in(found: HandedIn, wanted: Wanted, options: SubmitOptions) -> None:
    """Sentences for people."""
    before = sum(wanted.before.values())
    with_them = f", {before:,} before" if before else ""
    refused = f", {found.refused:,} refused" if found.refused else ""
    left = f", {found.not_handed_in:,} not handed in" if found.not_handed_in else ""
    say(f"{found.jobs:,} handed in{with_them}{refused}{left}.")
    for text in (*found.wrong, *found.reasons):
        note(text)
    if found.unsent:
        note(
            f"{found.unsent:,} are not at a provider yet: scrimp serve, scrimp jobs collect, or "
            "this command again goes on sending them"
        )
    if found.ended == "interrupted":
        note("it was interrupted; what was handed in waits, the same command goes on")
    elif found.not_handed_in:
        note("the same command goes on where it was")
    if found.jobs or before:
        say(f"Answers: scrimp jobs collect {_same(options)} -o ANSWERS.jsonl")


def _same(options: SubmitOptions | CollectOptions) -> str:
    """The file, and what must be said again so that its lines are the same."""
    said = [short_path(options["file"])]
    if options["model"]:
        said += ["--model", options["model"]]
    if options["column"] != "prompt":
        said += ["--column", options["column"]]
    if options["name"]:
        said += ["--name", options["name"]]
    if options["url"]:
        said += ["--url", options["url"]]
    return " ".join(said)


def show_collected(found: Collected, options: CollectOptions) -> None:
    """Sentences for people."""
    before = f", {found.known:,} before" if found.known else ""
    failed = f", {found.tally.failed:,} failed" if found.tally.failed else ""
    left = f", {found.waiting:,} still wait" if found.waiting else ""
    gone = f", {found.without:,} have no job" if found.without else ""
    say(f"{found.tally.answered:,} answered{before}{failed}{left}{gone}: {short_path(found.out)}")
    spent, saved = found.tally.spent_nanousd, sum(found.tally.saved.values())
    most = f" (of {found.tally.unknown:,} calls nobody knows it yet)" if found.tally.unknown else ""
    less = f"; waiting saved {format_usd(saved)}" if saved else ""
    say(f"Spent {format_usd(spent)}{most}{less}.")
    for text in found.tally.failures:
        note(text)
    if found.tally.failed > found.bad:
        note("failed calls are handed in again by scrimp jobs submit with --retry-failed")
    if found.without:
        note(f"what has no job is handed in by scrimp jobs submit {_same(options)}")
    if found.waiting:
        waits = standing(found.standing) or f"{found.waiting:,} not looked at"
        note(f"{waits}: the same command fetches them when they are here")


def wanted_told(wanted: Wanted) -> dict[str, Any]:
    """For machines."""
    return {
        "lines": wanted.lines,
        "to_hand_in": wanted.new,
        "before": dict(wanted.before),
        "cannot_wait": wanted.bad,
        "wrong": list(wanted.wrong),
        "estimate": costs_document(wanted.forecast),
    }


def handed_in_told(found: HandedIn, wanted: Wanted) -> dict[str, Any]:
    """The same of what became of it."""
    return {
        "ended": found.ended,
        "handed_in": found.jobs,
        "refused": found.refused,
        "not_handed_in": found.not_handed_in,
        "unsent": found.unsent,
        "wrong": [*wanted.wrong, *found.wrong],
        "reasons": found.reasons,
    }


def collected_told(found: Collected) -> dict[str, Any]:
    """The same of answers."""
    tally = found.tally
    return {
        "file": found.file,
        "out": str(found.out),
        "ended": found.ended,
        "lines": found.lines,
        "answered": tally.answered,
        "known": found.known,
        "failed": tally.failed,
        "waiting": found.waiting,
        "without_job": found.without,
        "standing": found.standing,
        "spent_nanousd": tally.spent_nanousd,
        "spent_usd": decimal_usd(tally.spent_nanousd),
        "of_unknown_cost": tally.unknown,
        "saved_nanousd": sum(tally.saved.values()),
        "input_tokens": tally.input_tokens,
        "output_tokens": tally.output_tokens,
        "failures": tally.failures,
    }
