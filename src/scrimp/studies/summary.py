"""What a comparison comes to: quality, cost and what a dollar buys, each with its interval. Pure.

Models are compared on the questions that all of them have a quality for, and on no others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from scrimp.routing.pairs import Draw, Measure, Span, Wins, per_dollar, resampled, wilson
from scrimp.studies.comparing import Plan
from scrimp.studies.records import Answer, Record, Verdict
from scrimp.values import Value

_MEDIAN = 0.5


class OfModel(Value, frozen=True):
    """One model. `cost_nanousd` is the mean of the questions compared; None: not known for all.

    `paid_nanousd` is what all its answers together have cost, `finishes` how they ended.
    """

    name: str
    quality: Span | None
    cost_nanousd: float | None
    per_dollar: Span | None
    paid_nanousd: int
    unknown: int
    finishes: Mapping[str, int]
    latency_ms: float | None


class OfPair(Value, frozen=True):
    """The first model beside another. `difference` is its quality minus the other's.

    `cost_ratio` is what the other costs, as a share of the first. `unjudged` are the questions
    without a verdict, by reason.
    """

    one: str
    two: str
    wins: Wins
    difference: Span | None
    cost_ratio: Span | None
    unjudged: Mapping[str, int]


class Summary(Value, frozen=True):
    """All of it. `compared` are the questions on which every model has a quality."""

    questions: int
    compared: int
    models: tuple[OfModel, ...]
    pairs: tuple[OfPair, ...]
    judge: str
    judge_nanousd: int
    judge_unknown: int


def summary(records: Sequence[Record], plan: Plan, draw: Draw) -> Summary:
    """What the records of a plan come to."""
    names = plan.models
    full = [
        record for record in records if all(_quality(record, name) is not None for name in names)
    ]
    spans = _spans(full, names, draw)
    verdicts = [
        one
        for record in records
        for one in record.verdicts
        if plan.judge and one.judge == plan.judge
    ]
    return Summary(
        questions=len(records),
        compared=len(full),
        models=tuple(_of_model(name, records, full, spans) for name in names),
        pairs=tuple(_of_pair(pair, records, full, verdicts, spans) for pair in plan.pairs),
        judge=plan.judge,
        judge_nanousd=sum(one.cost_nanousd or 0 for one in verdicts),
        judge_unknown=sum(one.cost_nanousd is None for one in verdicts),
    )


def _spans(full: Sequence[Record], names: Sequence[str], draw: Draw) -> dict[str, Span]:
    """Of every number that has an interval, over the same resamples of the questions."""
    width = len(names)
    rows = [
        [_quality(record, name) or 0.0 for name in names]
        + [float(record.answers[name].cost_nanousd or 0) for name in names]
        for record in full
    ]
    measures: dict[str, Measure] = {}
    for place, name in enumerate(names):
        measures[f"quality {name}"] = _mean_of(place)
        if _costs(full, name) is not None:
            measures[f"per dollar {name}"] = _per_dollar_of(place, place + width)
        if place:
            measures[f"difference {name}"] = _difference_of(0, place)
        if place and None not in (_costs(full, names[0]), _costs(full, name)):
            measures[f"cost {name}"] = _ratio_of(place + width, width)
    return resampled(rows, measures, draw)


def _mean_of(place: int) -> Measure:
    return lambda means: means[place]


def _per_dollar_of(quality: int, cost: int) -> Measure:
    return lambda means: per_dollar(means[quality], means[cost])


def _difference_of(one: int, two: int) -> Measure:
    return lambda means: means[one] - means[two]


def _ratio_of(one: int, two: int) -> Measure:
    return lambda means: means[one] / means[two] if means[two] > 0 else None


def _of_model(
    name: str, records: Sequence[Record], full: Sequence[Record], spans: Mapping[str, Span]
) -> OfModel:
    answers = [record.answers[name] for record in records if name in record.answers]
    costs = _costs(full, name)
    times = sorted(one.latency_ms for one in answers if one.latency_ms > 0)
    return OfModel(
        name=name,
        quality=_share(full, name) or spans.get(f"quality {name}"),
        cost_nanousd=sum(costs) / len(costs) if costs else None,
        per_dollar=spans.get(f"per dollar {name}"),
        paid_nanousd=sum(one.cost_nanousd or 0 for one in answers),
        unknown=sum(one.cost_nanousd is None for one in answers),
        finishes=Counter(one.finish for one in answers),
        latency_ms=times[int(_MEDIAN * (len(times) - 1))] if times else None,
    )


def _of_pair(
    pair: tuple[str, str],
    records: Sequence[Record],
    full: Sequence[Record],
    verdicts: Sequence[Verdict],
    spans: Mapping[str, Span],
) -> OfPair:
    one, two = pair
    given = [verdict for verdict in verdicts if (verdict.one, verdict.two) == pair]
    wins = _judged(given) if verdicts else _by_quality(full, pair)
    unjudged = Counter(verdict.why for verdict in given if verdict.winner is None)
    for record in records:
        unjudged.update(_why_not(record.answers, pair))
    return OfPair(
        one, two, wins, spans.get(f"difference {two}"), spans.get(f"cost {two}"), unjudged
    )


def _why_not(answers: Mapping[str, Answer], pair: tuple[str, str]) -> list[str]:
    """Why a question had nothing to judge, if so: by the worse of the two answers."""
    ends = [answers[name].finish if name in answers else "not asked" for name in pair]
    found = [end for end in ends if end != "complete"]
    return found[:1]


def _judged(verdicts: Sequence[Verdict]) -> Wins:
    counts = Counter(verdict.winner for verdict in verdicts)
    split = sum(verdict.split for verdict in verdicts)
    return Wins(counts["one"], counts["tie"], counts["two"], split)


def _by_quality(full: Sequence[Record], pair: tuple[str, str]) -> Wins:
    gains = [
        (_quality(record, pair[0]) or 0.0) - (_quality(record, pair[1]) or 0.0) for record in full
    ]
    wins, losses = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    return Wins(wins, len(gains) - wins - losses, losses)


def _share(full: Sequence[Record], name: str) -> Span | None:
    """Wilson's interval, where every quality is right or wrong: it holds at the edges, too."""
    found = [_quality(record, name) or 0.0 for record in full]
    if not found or not set(found) <= {0.0, 1.0}:
        return None
    return wilson(sum(found), len(found))


def _quality(record: Record, name: str) -> float | None:
    answer = record.answers.get(name)
    return None if answer is None else answer.quality


def _costs(full: Sequence[Record], name: str) -> list[int] | None:
    """Of each question compared; None as soon as one is unknown."""
    found = [record.answers[name].cost_nanousd for record in full]
    known = [cost for cost in found if cost is not None]
    return known if known and len(known) == len(found) else None
