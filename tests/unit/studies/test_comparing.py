"""A comparison pays for nothing twice, never passes its limit, and scores only whole answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from scrimp.calls import Cost
from scrimp.errors import InvalidRequest
from scrimp.judges.preference import Graded
from scrimp.studies.comparing import MOST_IN_A_ROW, Comparing, Means, Plan
from scrimp.studies.questions import Question
from scrimp.studies.records import Answer, Finish, Record, Verdict, line_of, read_lines
from scrimp.studies.summary import Summary, summary

QUESTIONS = [Question(line, f"q{line}", f"question {line}") for line in range(1, 7)]


class Bench:
    """Models and a judge by script; every step costs 10, and may cost 25."""

    def __init__(self, **changes: Any) -> None:
        self.asked: list[tuple[str, str]] = []
        self.kept: list[Record] = []
        self.ends: dict[str, Finish] = {}
        self.broken = False
        self.stops: Callable[[], bool] = bool
        self.most_at_once = self.at_once = 0
        self.changes = changes

    async def ask(self, model: str, question: Question) -> Answer:
        """The first model is right on all, the second on even lines."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        self.asked.append((model, question.id))
        good = model == "a" or question.line % 2 == 0
        finish = self.ends.get(f"{model} {question.id}", "complete")
        error = "it broke" if finish == "failed" else ""
        return Answer(finish, "good" if good else "poor", 10, reported=model, error=error)

    async def grade(self, question: Question, one: Answer, two: Answer) -> Graded:
        """As the texts say."""
        self.asked.append(("judge", question.id))
        paid = Cost.exact(10, price_version="t", lines=())
        if self.broken:
            return Graded(None, None, None, paid, why="failed", error="overloaded")
        left, right = (0.9 if answer.text == "good" else 0.2 for answer in (one, two))
        return Graded(left, right, "tie" if left == right else "one", paid)

    def means(self, **changes: Any) -> Means:
        """What a run works with."""
        given: dict[str, Any] = {
            "ask": self.ask,
            "upper": lambda *_: 25,
            "keep": self.kept.append,
            "tell": lambda _: None,
            "stopping": self.stops,
            "grade": self.grade,
        }
        return Means(**{**given, **changes})


async def run(
    bench: Bench, known: dict[str, Record] | None = None, **plan: Any
) -> tuple[Comparing, list[Record]]:
    """A run of the six questions."""
    comparing = Comparing(Plan(("a", "b"), **{"judge": "j", **plan}), bench.means(**bench.changes))
    return comparing, await comparing.run(QUESTIONS, known or {})


def told(records: list[Record], **plan: Any) -> Summary:
    """Summed up, with chance that repeats itself."""
    dice = random.Random(0)  # noqa: S311 (no secret)
    plan = {"judge": "j", **plan}
    return summary(records, Plan(("a", "b"), **plan), lambda n: dice.choices(range(n), k=n))


async def test_every_question_is_asked_of_all_and_judged() -> None:
    """In the file's order, so many at once and no more."""
    bench = Bench()
    comparing, records = await run(bench, at_once=2)
    assert [record.id for record in records] == [one.id for one in QUESTIONS]
    assert bench.most_at_once <= 2
    tally = comparing.tally
    assert (tally.counts, tally.done) == ({"asked": 12, "judged": 6}, tally.steps)
    assert (tally.spent_nanousd, tally.judge_nanousd, tally.held_nanousd) == (180, 60, 0)
    found = told(records)
    assert (found.questions, found.compared, found.judge_nanousd) == (6, 6, 60)
    strong, weak = found.models
    assert strong.quality is not None
    assert weak.quality is not None
    assert (strong.quality.value, round(weak.quality.value, 6)) == (0.9, 0.55)
    assert strong.quality.low == strong.quality.high == pytest.approx(0.9)
    assert weak.quality.low < 0.55 < weak.quality.high
    assert strong.per_dollar is not None
    assert strong.per_dollar.value == pytest.approx(0.9 / 10 * 10**9)
    (pair,) = found.pairs
    assert (pair.wins.wins, pair.wins.ties, pair.wins.losses) == (3, 3, 0)
    assert pair.difference is not None
    assert pair.difference.value == pytest.approx(0.35)
    assert pair.cost_ratio is not None
    assert pair.cost_ratio.value == 1


async def test_a_run_that_was_broken_off_goes_on_without_paying_twice() -> None:
    """Whatever had been kept before is not asked again, answer by answer and verdict by verdict."""
    bench = Bench()
    steps = iter(range(100))
    bench.stops = lambda: next(steps) >= 7
    first, _ = await run(bench, at_once=1)
    assert (first.tally.of("stopped"), first.tally.of("skipped")) == (7, 4)
    paid = list(bench.asked)
    kept = read_lines(b"".join(line_of(one) for one in bench.kept) + b'{"id": "torn', "f")
    bench.stops = bool
    second, records = await run(bench, kept, at_once=1)
    assert len(bench.asked) == len(set(bench.asked)) == 18
    assert bench.asked[: len(paid)] == paid
    assert second.tally.of("known") == 7
    assert told(records).compared == 6
    third, same = await run(bench, {one.id: one for one in records})
    assert (third.tally.spent_nanousd, len(bench.asked), same) == (0, 18, records)


async def test_a_limit_is_never_passed_and_waits_for_what_is_in_the_air() -> None:
    """A step that might pass it is not begun; but what a step did not cost is free again."""
    for most in range(0, 200, 7):
        bench = Bench()
        comparing, _ = await run(bench, at_once=3, most_nanousd=most)
        tally = comparing.tally
        assert tally.spent_nanousd <= most
        # as long as a whole step fitted beside what was spent, it was begun
        assert tally.of("over_budget") == 0 or tally.spent_nanousd + 25 > most
        assert tally.done == tally.steps


async def test_a_cost_that_nobody_knows_counts_at_its_most() -> None:
    """And is said to."""

    async def dear(model: str, _: Question) -> Answer:
        return Answer("complete", model, None)

    bench = Bench(ask=dear)
    comparing, records = await run(bench, judge="")
    assert (comparing.tally.spent_nanousd, comparing.tally.unknown) == (12 * 25, 12)
    found = told(records, judge="")
    assert (found.models[0].cost_nanousd, found.models[0].unknown) == (None, 6)


async def test_what_was_cut_or_declined_is_never_scored() -> None:
    """Neither as wrong nor as right, and no judge is paid for it."""
    bench = Bench(check=lambda _, text: float(text == "good"), grade=None)
    ends: list[Finish] = ["truncated", "refused", "no_text"]
    for line, end in enumerate(ends, 1):
        bench.ends[f"b q{line}"] = end
    _, records = await run(bench, judge="")
    assert [one.answers["b"].quality for one in records] == [None, None, None, 1.0, 0.0, 1.0]
    found = told(records, judge="")
    assert (found.compared, dict(found.models[1].finishes)["truncated"]) == (3, 1)
    assert found.pairs[0].unjudged == {"truncated": 1, "refused": 1, "no_text": 1}
    judged = Bench()
    judged.ends = dict(bench.ends)
    await run(judged)
    assert [one for one in judged.asked if one[0] == "judge"] == [
        ("judge", "q4"),
        ("judge", "q5"),
        ("judge", "q6"),
    ]


async def test_a_failure_is_told_and_asked_again_next_time() -> None:
    """Of a model and of the judge; neither spoils what is known of the others."""
    bench = Bench()
    bench.ends["b q1"] = "failed"
    comparing, records = await run(bench, at_once=1)
    assert (comparing.tally.of("failed"), comparing.tally.failures) == (1, ["b: it broke"])
    assert told(records).compared == 5
    bench.ends.clear()
    _, again = await run(bench, {one.id: one for one in records})
    assert told(again).compared == 6
    broken = Bench()
    broken.broken = True
    comparing, records = await run(broken)
    assert comparing.tally.failures == ["j, the judge: overloaded"]
    assert all(not one.verdicts for one in records)


async def test_many_failures_in_a_row_end_the_run() -> None:
    """What costs money and brings nothing is not gone on with."""
    bench = Bench()
    bench.ends = {f"{model} {one.id}": "failed" for model in "ab" for one in QUESTIONS}
    comparing, _ = await run(bench, at_once=1)
    assert comparing.tally.of("failed") == MOST_IN_A_ROW
    assert comparing.tally.of("stopped") == 12 - MOST_IN_A_ROW


async def test_another_judge_is_asked_anew() -> None:
    """Qualities are those of the judge of the run; the other's verdicts stay in the file."""
    bench = Bench()
    _, records = await run(bench)
    known = {one.id: one for one in records}
    _, again = await run(bench, known, judge="other")
    assert len(bench.asked) == 12 + 6 + 6
    assert [one.judge for one in again[0].verdicts] == ["j", "other"]


async def test_qualities_written_by_hand_stay() -> None:
    """Where neither a judge nor a check is asked."""
    bench = Bench()
    _, records = await run(bench, judge="")
    assert all(answer.quality is None for one in records for answer in one.answers.values())
    lines = b"".join(line_of(one).replace(b'"quality":null', b'"quality":0.5') for one in records)
    known = read_lines(lines, "f")
    _, again = await run(bench, known, judge="")
    found = told(again, judge="")
    assert (found.compared, len(bench.asked)) == (6, 12)
    assert found.pairs[0].wins.ties == 6


def test_a_line_holds_everything_again() -> None:
    """What is read is what was written, costs to the nano-dollar."""
    answers = {
        "a": Answer("complete", "text", 123, 4.5, "a-1", "id", quality=0.25),
        "b": Answer("failed", cost_nanousd=None, error="it broke"),
    }
    verdict = Verdict("a", "b", "j", "one", (0.9, 0.1), cost_nanousd=7)
    record = Record("id", 3, "p", "t", answers, (verdict, Verdict("a", "b", "k", why="truncated")))
    assert read_lines(line_of(record), "f") == {"id": record}
    assert read_lines(line_of(record) * 2, "f") == {"id": record}
    with pytest.raises(InvalidRequest, match="line 1: scrimp compare did not write this"):
        read_lines(b'{"prompt": "p"}\n', "f")
