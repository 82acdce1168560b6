"""What a comparison may cost, before it begins: each call expected and at most, the judge's too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scrimp.errors import PriceUnknown
from scrimp.judges.preference import MAX_CHARS, MOST_TOKENS
from scrimp.ports import Count

if TYPE_CHECKING:
    from scrimp.cli.compare_run import Bench
    from scrimp.prices import Estimate
    from scrimp.settings import Settings
    from scrimp.studies.comparing import Plan
    from scrimp.studies.questions import Question
    from scrimp.studies.records import Record

_ORDERS_TOKENS = 260
"""Of the judge's own orders, with marks and names."""
_GRADES_TOKENS = 16
_MOST_TOKENS = 2 * _ORDERS_TOKENS + 3 * MAX_CHARS
"""Longer texts are not judged."""
_LOOKS = 2
"""Both orders."""


@dataclass(slots=True)
class Forecast:
    """What is still to be paid for. `most` holds the upper bound of each step, by who is asked."""

    steps: int = 0
    expected_nanousd: int = 0
    upper_nanousd: int = 0
    judge_nanousd: int = 0
    unpriced: set[str] = field(default_factory=set)
    most: dict[tuple[str, str], int] = field(default_factory=dict)

    def upper(self, name: str, question: Question) -> int:
        """The most that asking this model, or judge, may cost."""
        return self.most.get((name, question.id), 0)


class Forecaster:
    """Knows the prices and tokenizers of some settings."""

    def __init__(self, settings: Settings, bench: Bench) -> None:
        from scrimp.app import open_encoder
        from scrimp.billing import book_of
        from scrimp.shell.quoting import Quoter

        self._quoter = Quoter(settings, book_of(settings))
        self._encoder = open_encoder(settings)
        self._bench = bench

    def forecast(
        self, questions: Sequence[Question], known: Mapping[str, Record], plan: Plan
    ) -> Forecast:
        """Of all steps that are not known yet. Raises InvalidRequest."""
        found = Forecast()
        for question in questions:
            record = known.get(question.id)
            estimates = {model: self._answer(model, question) for model in plan.models}
            for model, estimate in estimates.items():
                had = None if record is None else record.answers.get(model)
                if had is None or had.finish == "failed":
                    self._add(found, (model, question.id), estimate)
            if plan.judge:
                self._add_judging(found, question, record, plan, estimates)
        return found

    def _add_judging(
        self,
        found: Forecast,
        question: Question,
        record: Record | None,
        plan: Plan,
        estimates: Mapping[str, Estimate | None],
    ) -> None:
        judged = {
            (one.one, one.two)
            for one in (record.verdicts if record else ())
            if one.judge == plan.judge
        }
        for pair in plan.pairs:
            if pair in judged:
                continue
            both = [one for model in pair if (one := estimates[model]) is not None]
            estimate = self._verdict(plan.judge, both) if len(both) == len(pair) else None
            before = found.expected_nanousd
            key = (plan.judge, question.id)
            most = found.most.get(key, 0)
            self._add(found, key, estimate, times=_LOOKS)
            found.most[key] = max(most, found.most.get(key, 0))
            found.judge_nanousd += found.expected_nanousd - before

    def _add(
        self, found: Forecast, key: tuple[str, str], estimate: Estimate | None, *, times: int = 1
    ) -> None:
        found.steps += 1
        if estimate is None:
            found.unpriced.add(key[0])
            return
        found.expected_nanousd += (estimate.cost_nanousd or 0) * times
        found.upper_nanousd += estimate.upper_nanousd * times
        found.most[key] = estimate.upper_nanousd * times

    def _answer(self, model: str, question: Question) -> Estimate | None:
        """None where no price is known."""
        from scrimp.shell.quoting import Hints

        body = self._bench.body(model, question)
        try:
            prepared = self._quoter.prepare(body, Hints(), datetime.now(UTC))
            seller, fields = prepared.seller, prepared.request.fields
            inputs = self._encoder.request_now(seller.model, fields, seller.dialect)
            return self._quoter.estimate(prepared, inputs)
        except PriceUnknown:
            return None

    def _verdict(self, judge: str, answers: Sequence[Estimate]) -> Estimate | None:
        """One look at two answers that nobody has seen yet."""
        import msgspec

        from scrimp.shell.quoting import Hints

        user = {"role": "user", "content": ""}
        fields = {"model": judge, "max_tokens": MOST_TOKENS, "messages": [user]}
        hints = Hints(dialect=self._bench.judge_dialect, output_tokens=_GRADES_TOKENS)
        try:
            prepared = self._quoter.prepare(msgspec.json.encode(fields), hints, datetime.now(UTC))
            return self._quoter.estimate(prepared, _material(answers))
        except PriceUnknown:
            return None


def _material(answers: Sequence[Estimate]) -> Count:
    """Tokens of a judge's input: its orders, the question, both answers."""
    asked = answers[0].input
    tokens, high = _ORDERS_TOKENS + asked.tokens, 2 * _ORDERS_TOKENS + 2 * asked.high
    for one in answers:
        tokens += one.output.tokens
        high += 2 * one.output.high  # another tokenizer may cut them finer
    return Count(tokens, _ORDERS_TOKENS, min(high, _MOST_TOKENS), "estimated")
