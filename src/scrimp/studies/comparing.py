"""Models side by side: each question is asked of all of them, then judged; nothing is paid twice.

The pipeline comes from outside (`Means`), and so does every price. What was found out is handed on
after every step, so that a run that is broken off can go on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace

from scrimp.judges.preference import Graded
from scrimp.studies.questions import Question
from scrimp.studies.records import Answer, Record, Verdict

Ask = Callable[[str, Question], Awaitable[Answer]]
"""Asks a model, by its name in the study. Never raises ScrimpError: a failure is an answer, too."""
Grade = Callable[[Question, Answer, Answer], Awaitable[Graded]]
Check = Callable[[Question, str], float | None]
"""Quality of an answer's text, free; None where it cannot tell."""
_SHOWN = 5
MOST_IN_A_ROW = 10
"""So many failures one after the other end a run: what costs money and brings nothing."""
Step = Literal["asked", "judged", "known", "skipped", "over_budget", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is compared: the first model with each other one. `judge` is empty where none is asked.

    `most_nanousd` is what all of it may cost; a step that may pass it is not begun.
    """

    models: tuple[str, ...]
    judge: str = ""
    at_once: int = 4
    most_nanousd: int | None = None

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Who is judged against whom."""
        return tuple((self.models[0], other) for other in self.models[1:])


@dataclass(frozen=True, slots=True)
class Means:
    """What a comparison works with. `upper` is the most that asking a model may cost.

    `keep` is given a record after each step that changed it, `tell` the tally. `stopping` is asked
    before each step.
    """

    ask: Ask
    upper: Callable[[str, Question], int]
    keep: Callable[[Record], None]
    tell: Callable[[Tally], None]
    stopping: Callable[[], bool]
    grade: Grade | None = None
    check: Check | None = None


@dataclass(slots=True)
class Tally:
    """How far it is, and what it has cost. `unknown` costs are counted at their most.

    `failures` says of the first few what went wrong; so many `in_a_row` failed last.
    """

    steps: int = 0
    counts: dict[Step, int] = field(default_factory=dict)
    spent_nanousd: int = 0
    judge_nanousd: int = 0
    held_nanousd: int = 0
    unknown: int = 0
    failures: list[str] = field(default_factory=list)
    in_a_row: int = 0

    def add(self, step: Step) -> None:
        """One more."""
        self.counts[step] = self.counts.get(step, 0) + 1
        if step in ("asked", "judged", "failed"):
            self.in_a_row = self.in_a_row + 1 if step == "failed" else 0

    def fail(self, message: str) -> None:
        """Remember what went wrong, once for each cause."""
        if message not in self.failures and len(self.failures) < _SHOWN:
            self.failures.append(message)

    def of(self, step: Step) -> int:
        """How many came to this end."""
        return self.counts.get(step, 0)

    @property
    def done(self) -> int:
        """How many have come to an end."""
        return sum(self.counts.values())


class Comparing:
    """One run of a plan."""

    def __init__(self, plan: Plan, means: Means) -> None:
        self._plan = plan
        self._means = means
        self._paid = asyncio.Event()
        self.tally = Tally()

    async def run(self, questions: Sequence[Question], known: Mapping[str, Record]) -> list[Record]:
        """All questions, a few at once; records in the questions' order."""
        plan, gate = self._plan, asyncio.Semaphore(self._plan.at_once)
        judged = len(plan.pairs) if plan.judge else 0
        self.tally.steps = len(questions) * (len(plan.models) + judged)

        async def one(question: Question) -> Record:
            async with gate:
                return await self._one(question, known.get(question.id))

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(question)) for question in questions]
        return [task.result() for task in tasks]

    async def _one(self, question: Question, known: Record | None) -> Record:
        record = known or Record(question.id, question.line, question.prompt, question.task)
        record = replace(record, line=question.line, task=question.task or record.task)
        for model in self._plan.models:
            record = await self._asked(question, record, model)
        if self._plan.judge and self._means.grade is not None:
            for one, two in self._plan.pairs:
                record = await self._judged(question, record, (one, two), self._means.grade)
        return record

    async def _asked(self, question: Question, record: Record, model: str) -> Record:
        had = record.answers.get(model)
        if had is not None and had.finish != "failed":
            self._end("known")
            return self._kept(question, record, record)
        upper = self._means.upper(model, question)
        if not await self._begin(upper):
            return record
        answer = await self._means.ask(model, question)
        self._pay(upper, answer.cost_nanousd)
        if answer.finish == "failed":
            self.tally.fail(f"{model}: {answer.error}")
        self._end("failed" if answer.finish == "failed" else "asked")
        changed = replace(record, answers={**record.answers, model: answer})
        return self._kept(question, record, changed)

    async def _judged(
        self, question: Question, record: Record, pair: tuple[str, str], grade: Grade
    ) -> Record:
        judge = self._plan.judge
        if any((v.one, v.two, v.judge) == (*pair, judge) for v in record.verdicts):
            self._end("known")
            return self._kept(question, record, record)
        one, two = (record.answers.get(model) for model in pair)
        if one is None or two is None or {one.finish, two.finish} != {"complete"}:
            self._end("skipped")  # nobody scores what was cut, declined, or never came
            return record
        upper = self._means.upper(judge, question)
        if not await self._begin(upper):
            return record
        graded = await grade(question, one, two)
        self._pay(upper, graded.cost.nanousd, judging=True)
        if graded.why in ("failed", "down"):
            self.tally.fail(f"{judge}, the judge: {graded.error}")
            self._end("failed")
            return record
        self._end("judged")
        grades = None if graded.one is None or graded.two is None else (graded.one, graded.two)
        verdict = Verdict(
            *(*pair, judge, graded.winner, grades, graded.split),
            *(graded.cost.nanousd, graded.why),
        )
        changed = replace(record, verdicts=(*record.verdicts, verdict))
        return self._kept(question, record, changed)

    async def _begin(self, upper: int) -> bool:
        """Hold what a step may cost, when there is room for it; False when there never will be."""
        tally, most = self.tally, self._plan.most_nanousd
        while True:
            if self._means.stopping() or tally.in_a_row >= MOST_IN_A_ROW:
                self._end("stopped")
                return False
            if most is None or tally.spent_nanousd + tally.held_nanousd + upper <= most:
                tally.held_nanousd += upper
                return True
            if not tally.held_nanousd:
                self._end("over_budget")
                return False
            self._paid.clear()  # what is in the air mostly costs less than it might
            await self._paid.wait()

    def _pay(self, upper: int, cost_nanousd: int | None, *, judging: bool = False) -> None:
        tally = self.tally
        paid = upper if cost_nanousd is None else cost_nanousd
        tally.held_nanousd -= upper
        tally.spent_nanousd += paid
        tally.judge_nanousd += paid if judging else 0
        tally.unknown += cost_nanousd is None
        self._paid.set()

    def _end(self, step: Step) -> None:
        self.tally.add(step)
        self._means.tell(self.tally)

    def _kept(self, question: Question, before: Record, record: Record) -> Record:
        record = graded(record, question, self._plan, self._means.check)
        if record is not before and record != before:
            self._means.keep(record)
        return record


def graded(record: Record, question: Question, plan: Plan, check: Check | None) -> Record:
    """The record with a quality for every answer that has one.

    By the check, where there is one, else the mean of the judge's grades; where neither is asked,
    qualities stay as they stand, since somebody may have written them into the file.
    """
    if check is None and not plan.judge:
        return record
    found = {}
    for model, answer in record.answers.items():
        quality = None
        if answer.finish == "complete":
            quality = check(question, answer.text) if check else _mean(record, model, plan.judge)
        found[model] = replace(answer, quality=quality)
    return replace(record, answers=found)


def _mean(record: Record, model: str, judge: str) -> float | None:
    given = [
        verdict.grades[model == verdict.two]
        for verdict in record.verdicts
        if verdict.judge == judge and verdict.grades and model in (verdict.one, verdict.two)
    ]
    return sum(given) / len(given) if given else None
