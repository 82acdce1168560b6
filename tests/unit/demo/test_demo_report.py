"""What the demo finds and says: sums from the ledger, two bills side by side, no noise."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs
from rich.console import Console

from scrimp.demo.broken import Broken
from scrimp.demo.display import clock, figures
from scrimp.demo.findings import Findings, Played, answer_times, gather, retried, to_json
from scrimp.demo.guarded import Guarded
from scrimp.demo.player import Progress
from scrimp.demo.report import report, where_next
from scrimp.demo.routed import Routed
from scrimp.demo.stage import Stage
from scrimp.ledger.report import By, LatencyAdded, Report, ReportRow
from scrimp.ports import Entry
from scrimp.settings import Settings
from tests.support.ledger_entries import attempt, entry

BEGAN = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
PLAYED = Played(seed=7, scale=1.0, planned=4, streamed=2, played_s=12.3)
TOTAL = ReportRow(
    "",
    calls=4,
    hits=1,
    cost_nanousd=3_000_000_005,
    cost_low_nanousd=3_000_000_005,
    cost_high_nanousd=3_000_000_005,
    baseline_nanousd=4_000_000_005,
    saved_nanousd=1_000_000_000,
    input_tokens=1200,
    output_tokens=40,
)


def busy(number: int) -> Entry:
    """A call that met a 429 first."""
    met = structs.replace(attempt(), outcome="rejected", status=429)
    return structs.replace(entry(number), attempts=(met, attempt()))


class Books:
    """A ledger of four calls: two fresh ones, one after a 429, one hit."""

    def report(self, since: datetime, until: datetime, by: By) -> Report:
        """The same rows for any time."""
        rows = {
            "tag": (replace(TOTAL, value="support"), replace(TOTAL, value="lang:en")),
            "lever": (ReportRow("exact_cache", calls=1, hits=1, saved_nanousd=1_000_000_000),),
        }.get(by, (replace(TOTAL, value="gpt-4o-mini"),))
        return Report(by, since, until, rows, TOTAL)

    def recent(self, limit: int) -> list[Entry]:
        """All four, newest first."""
        assert limit >= PLAYED.planned
        hit = structs.replace(entry(4), served_by="exact_cache", attempts=(), latency_ms=0.125)
        return [hit, busy(3), entry(2), entry(1)]

    def latency_added(self, since: datetime, until: datetime) -> LatencyAdded:
        """Fixed numbers."""
        assert since < until
        return LatencyAdded(4, 0.25, 1.5)


def found(provider_nanousd: int = TOTAL.cost_nanousd, played: Played = PLAYED) -> Findings:
    """The findings of that ledger."""
    return gather(Books(), BEGAN, played, provider_nanousd)


def text(findings: Findings, *, width: int = 100) -> str:
    """The report as a pipe gets it."""
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(report(findings))
    return out.getvalue()


def test_all_amounts_are_whole_in_80_columns() -> None:
    """Sums as large as those of the default day, and none of them shortened."""
    row = replace(TOTAL, cost_nanousd=474_849_400, baseline_nanousd=536_100_000)
    row = replace(row, calls=810, hits=226, saved_nanousd=61_250_600)
    row = replace(row, input_tokens=175_478, output_tokens=29_171)
    models = (replace(row, value="claude-sonnet-4-5"),)
    day = replace(found(), models=models, actors=(replace(row, value="classifier"),))
    said = text(day, width=80)
    assert "\N{HORIZONTAL ELLIPSIS}" not in said
    assert said.count("175,478") == said.count("29,171") == 2
    assert "nightly classifier" in said


def test_each_lever_says_what_it_did() -> None:
    """Answers from memory and answers that were shared are told apart, in 80 columns."""
    hits = {"exact_cache": 247, "coalesce": 13}
    rows = [ReportRow(name, calls=n, hits=n, saved_nanousd=10**9) for name, n in hits.items()]
    said = text(replace(found(), levers=tuple(rows)), width=80)
    assert "247 repeated calls" in said
    assert "13 calls (325.0%) shared an answer in the air" in said


def test_the_day_is_good_when_bills_are_equal_and_all_calls_succeeded() -> None:
    """That alone is what exit code 0 stands for."""
    assert found().good
    assert not found(TOTAL.cost_nanousd + 1).good
    assert not found(played=replace(PLAYED, failures=("gpt-4o-mini, turn 1: APIError",))).good
    assert not found(played=replace(PLAYED, planned=5)).good


@pytest.mark.parametrize(
    "spoiled",
    [
        replace(TOTAL, unpriced_calls=1),
        replace(TOTAL, cost_low_nanousd=1),
        replace(TOTAL, cost_high_nanousd=9_000_000_000),
    ],
)
def test_equal_by_luck_is_not_equal(spoiled: ReportRow) -> None:
    """An amount that is only estimated proves nothing, even when the sums happen to agree."""
    assert not replace(found(), total=spoiled).bills_equal


def test_retries_are_counted_by_what_was_met() -> None:
    """Only calls that ended well, each failed attempt by its status."""
    lost = structs.replace(busy(9), outcome="failed")
    again = retried([busy(1), busy(2), entry(3), lost])
    assert (again.calls, again.statuses) == (2, ((429, 2),))


def test_answer_times_are_medians_by_who_answered() -> None:
    """Nothing is said of what did not occur."""
    times = answer_times(Books().recent(4))
    assert (times.upstream_p50_ms, times.hit_p50_ms) == (413.5, 0.125)
    assert answer_times([]).hit_p50_ms is None


def test_only_applications_are_listed_among_the_tags() -> None:
    """Other tags would count the same calls a second time."""
    assert [row.value for row in found().actors] == ["support"]


def test_the_report_says_what_was_spent_and_that_the_bills_agree() -> None:
    """All nine decimals of both bills, in plain text without control codes."""
    said = text(found())
    assert said.count("$3.000000005") == 2
    assert "equal to the nano-dollar" in said
    assert "25.0% of what it would have cost" in said
    assert "1 call met a busy provider (429: 1)" in said
    assert "\x1b" not in said


def test_unequal_bills_are_told_with_the_difference() -> None:
    """By how much, and in which direction."""
    assert "NOT EQUAL: the ledger says $0.000000007 less" in text(found(TOTAL.cost_nanousd + 7))
    assert "NOT EQUAL: the ledger says $1.000000005 more" in text(found(2_000_000_000))


def test_failures_are_shown_by_reason() -> None:
    """How often each, the first five of them, and the last line of the gateway's log."""
    failures = ("gpt-4o-mini: APIError",) * 300 + tuple(f"model {n}: APIError" for n in range(6))
    said = text(found(played=replace(PLAYED, failures=failures, gateway_log="no disk")))
    assert "300 × gpt-4o-mini: APIError" in said  # noqa: RUF001 - times
    assert "1 × model 3: APIError" in said  # noqa: RUF001 - times
    assert "model 4" not in said
    assert "and 2 other reasons" in said
    assert "the gateway's log: no disk" in said


def test_the_report_fits_on_a_terminal_of_100_columns() -> None:
    """No line is folded there: it reads the same as on a terminal as wide as one likes."""
    whole = replace(found(), broken=Broken(900_000_000, 1, 0, 999_999_999))
    assert [line.rstrip() for line in text(whole).splitlines()] == [
        line.rstrip() for line in text(whole, width=300).splitlines()
    ]


def test_the_document_for_machines_has_money_as_whole_nano_dollars() -> None:
    """Numbers that a program can add up without rounding."""
    document = json.loads(json.dumps(to_json(found())))
    assert document["spend_nanousd"] == TOTAL.cost_nanousd
    assert document["bill"] == {
        "scrimp_nanousd": TOTAL.cost_nanousd,
        "provider_nanousd": TOTAL.cost_nanousd,
        "difference_nanousd": 0,
        "equal": True,
    }
    assert document["retried_statuses"] == {"429": 1}


def test_kept_servers_come_with_what_to_paste() -> None:
    """Base URLs, and commands that find the settings of the demo."""
    config = Path("/somewhere/with space/scrimp.toml")
    stage = Stage("http://127.0.0.1:1", "http://127.0.0.1:2", config, Settings())
    said = [str(line).rstrip() for line in where_next(stage, "call-7")]
    assert said[2].endswith(" export OPENAI_BASE_URL=http://127.0.0.1:2/v1")
    assert said[3].endswith(" export ANTHROPIC_BASE_URL=http://127.0.0.1:2")
    assert said[4].endswith(" export SCRIMP_CONFIG='/somewhere/with space/scrimp.toml'")
    assert said[6].endswith(" scrimp explain call-7")


def test_a_broken_stream_must_lie_inside_its_bounds() -> None:
    """The truth between low and high is good; outside, or without bounds, is a failure in red."""
    inside, outside = Broken(5, 4, 3, 6), Broken(7, 4, 3, 6)
    assert replace(found(), broken=inside).good
    assert not replace(found(), broken=outside).good
    assert not replace(found(), broken=Broken(7, None, None, None)).good
    assert " between $0.000000003 and $0.000000006" in text(replace(found(), broken=inside))
    assert " NOT between" in text(replace(found(), broken=outside))
    assert "no bounds" in text(replace(found(), broken=Broken(7, None, None, None)))


def test_the_line_of_progress_keeps_its_width() -> None:
    """Numbers that grow do not push the others about."""
    begun = figures(Progress(1000, done=1), ReportRow(""))
    ended = figures(Progress(1000, done=1000), TOTAL)
    assert len(begun) == len(ended)
    assert begun.startswith("    1/1,000 calls")
    assert "failed" in figures(Progress(1, failures=["one"]), ReportRow(""))
    assert clock(19 * 3600 + 38 * 60 + 59) == "19:38"


def test_calls_over_a_budget_are_refused_or_cheaper() -> None:
    """In a line each; a refused call that was billed, or one that was not degraded, is not good."""
    kept = Guarded("0.00005", "0.0021", 0, "cheaper_model", "gpt-4.1-nano", 1_000)
    assert replace(found(), guarded=kept).good
    assert " before it was sent: it may cost up to $0.0021" in text(replace(found(), guarded=kept))
    assert " in the place of gpt-4o, saved $0.000001000" in text(replace(found(), guarded=kept))
    billed = replace(found(), guarded=replace(kept, refused_billed_nanousd=1))
    assert not billed.good
    assert "BILLED" in text(billed)
    assert "NOT degraded" in text(replace(found(), guarded=replace(kept, rung="")))


def test_calls_that_leave_the_model_to_scrimp_go_where_they_should() -> None:
    """The easy one cheap and the saving told, the hard one dear, another where one is down."""
    right = Routed("gpt-4o-mini", 2_000, "gpt-4o", "claude-haiku-4-5")
    shown = replace(found(), routed=right)
    assert shown.good
    assert "an easy question, saved $0.000002000; a hard one: gpt-4o" in text(shown)
    assert "claude-haiku-4-5 answered in the place of gpt-4o" in text(shown)
    for wrong in (
        replace(right, easy_by="gpt-4o"),
        replace(right, easy_saved_nanousd=0),
        replace(right, hard_by="gpt-4o-mini"),
        replace(right, instead_by="gpt-4o"),
    ):
        assert not replace(found(), routed=wrong).good
