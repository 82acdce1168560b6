"""How `scrimp compare` looks: what it will cost, then quality, cost, and what a dollar buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.table import Table

from scrimp.cli.console import dim, heading, out, say, short_path
from scrimp.money import NANO_PER_USD, format_usd
from scrimp.studies.comparing import MOST_IN_A_ROW

if TYPE_CHECKING:
    from scrimp.cli.compare_cost import Forecast
    from scrimp.cli.compare_month import Month
    from scrimp.routing.pairs import Span
    from scrimp.studies.comparing import Plan, Tally
    from scrimp.studies.questions import Question
    from scrimp.studies.summary import OfModel, OfPair, Summary

_FEW = 30
"""Fewer questions than this tell little, and the intervals show it."""
_ENDS = {
    "truncated": "cut at the limit",
    "refused": "declined",
    "no_text": "without a text",
    "failed": "failed",
}
_WHY = {
    "unparseable": "the judge said something else than two grades",
    "truncated": "cut at the limit",
    "refused": "declined",
    "too_long": "too long to compare",
    "no_text": "without a text",
    "own_arm": "the judge turned out to be one of the models",
}


def show_forecast(
    found: Forecast, plan: Plan, questions: Sequence[Question], *, kept: bool
) -> None:
    """What is still to be asked, and what that costs."""
    asked = f"{len(questions):,} prompts, {len(plan.models)} models"
    judge = f", judged by {plan.judge}" if plan.judge else ""
    say(f"{asked}{judge}: {found.steps:,} steps to pay for.")
    if found.steps:
        expected, upper, judging = (
            format_usd(amount, places=4)
            for amount in (found.expected_nanousd, found.upper_nanousd, found.judge_nanousd)
        )
        of_judge = f" ({judging} of it for judging)" if plan.judge else ""
        unknown = f"; no price is known for {', '.join(sorted(found.unpriced))}"
        say(f"About {expected}{of_judge}, at most {upper}{unknown if found.unpriced else ''}.")
        if plan.most_nanousd is not None:
            say(f"It ends before it passes {format_usd(plan.most_nanousd)}.")
        if not kept:
            say(dim("Nothing is kept: with -o OUT.jsonl a run that is broken off can go on."))


def show(found: Summary, tally: Tally, month: Sequence[Month], output: Path | None) -> None:
    """Everything, for people."""
    console = out()
    console.print()
    console.print(heading(f"{found.compared:,} of {found.questions:,} prompts compared"))
    console.print(_table(found.models))
    for pair in found.pairs:
        for line in _pair_lines(pair, judged=bool(found.judge)):
            say(line)
    for model in found.models:
        if ends := _listed(model.finishes, _ENDS):
            say(dim(f"{model.name}: {ends}; none of these is scored."))
    if 0 < found.compared < _FEW:
        say(dim("So few prompts tell little: see how wide the intervals are."))
    for one in month:
        say(_month_line(one))
    say(_paid_line(found, tally))
    _show_rest(tally, output)


def _show_rest(tally: Tally, output: Path | None) -> None:
    """What is left to be done, and where it is kept."""
    again = " (run it again to go on)" if output else ""
    if count := tally.of("over_budget"):
        say(f"{count:,} steps were not begun: they might have passed --max-usd{again}.")
    if count := tally.of("stopped"):
        row = tally.in_a_row
        why = f"{row} failed in a row" if row >= MOST_IN_A_ROW else "it was interrupted"
        say(f"{count:,} steps were not begun: {why}{again}.")
    if output is not None:
        say(dim(f"Kept in {short_path(output)}: scrimp route train {short_path(output)}"))


def document(found: Summary, tally: Tally, month: Sequence[Month]) -> dict[str, Any]:
    """The same for machines: intervals are of 95 %, money in nano-dollars."""
    return {
        "questions": found.questions,
        "compared": found.compared,
        "models": {one.name: _model_fields(one) for one in found.models},
        "pairs": [_pair_fields(one) for one in found.pairs],
        "judge": found.judge or None,
        "judge_nanousd": found.judge_nanousd,
        "judge_unknown_costs": found.judge_unknown,
        "month": [
            {
                "model": one.model,
                "other": one.other,
                "calls": one.calls,
                "cost_nanousd": one.cost_nanousd,
                "other_nanousd": one.other_nanousd,
            }
            for one in month
        ],
        "spent_nanousd": tally.spent_nanousd,
        "spent_on_judging_nanousd": tally.judge_nanousd,
        "unknown_costs": tally.unknown,
        "steps": {"all": tally.steps, **tally.counts},
    }


def _table(models: Sequence[OfModel]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    for title in ("quality", "95 %", "per call", "per $", "95 %", "median", "paid"):
        table.add_column(title, justify="right")
    for one in models:
        quality, worth = one.quality, one.per_dollar
        table.add_row(
            one.name,
            "-" if quality is None else f"{quality.value:.3f}",
            "-" if quality is None else f"{quality.low:.3f} to {quality.high:.3f}",
            _cost(one),
            "-" if worth is None else f"{worth.value:,.0f}",
            "-" if worth is None else f"{worth.low:,.0f} to {worth.high:,.0f}",
            "-" if one.latency_ms is None else f"{one.latency_ms / 1000:.1f} s",
            format_usd(one.paid_nanousd, places=4) + ("+?" if one.unknown else ""),
        )
    return table


def _pair_lines(pair: OfPair, *, judged: bool) -> list[str]:
    wins, rate = pair.wins, pair.wins.rate
    if rate is None:
        lines = [f"{pair.one} beside {pair.two}: no verdicts."]
    else:
        split = (
            f" ({wins.split:,} where the judge's two orders did not agree)" if wins.split else ""
        )
        counts = f"won {wins.wins:,}, tied {wins.ties:,}{split}, lost {wins.losses:,}"
        lines = [f"{pair.one} beside {pair.two}: {counts}; win rate {_percent(rate)}."]
    if (gap := pair.difference) is not None:
        sure = "" if gap.low > 0 or gap.high < 0 else ": that may be none at all"
        lines.append(
            f"  quality differs by {gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}){sure}."
        )
    if (ratio := pair.cost_ratio) is not None:
        lines.append(f"  {pair.two} costs {_percent(ratio)} of {pair.one}.")
    if unjudged := _listed(pair.unjudged, {**_WHY, **_ENDS, "not asked": "not asked"}):
        lines.append(f"  {'not judged' if judged else 'not scored'}: {unjudged}.")
    return lines


def _month_line(one: Month) -> str:
    less = one.cost_nanousd - one.other_nanousd
    return (
        f"In 30 days the ledger has {one.calls:,} calls of {one.model} for "
        f"{_short(one.cost_nanousd)}: by {one.other} they would cost about "
        f"{_short(one.other_nanousd)}, {_short(abs(less))} {'less' if less >= 0 else 'more'}."
    )


def _short(nanousd: int) -> str:
    """Cents are enough, unless it is less than a dollar."""
    return format_usd(nanousd, places=2 if nanousd >= NANO_PER_USD else 4)


def _paid_line(found: Summary, tally: Tally) -> str:
    judging = f", {format_usd(tally.judge_nanousd)} of it for judging" if found.judge else ""
    unknown = f" (of {tally.unknown:,} the most they may cost)" if tally.unknown else ""
    return f"Spent {format_usd(tally.spent_nanousd)}{judging}{unknown}."


def _cost(one: OfModel) -> str:
    if one.cost_nanousd is not None:
        return format_usd(round(one.cost_nanousd), places=6)
    return "unknown" if one.unknown else "-"


def _percent(span: Span) -> str:
    return f"{span.value:.1%} ({span.low:.1%} to {span.high:.1%})"


def _listed(counts: Mapping[str, int], words: Mapping[str, str]) -> str:
    told = [f"{count:,} {words[name]}" for name, count in counts.items() if count and name in words]
    return ", ".join(told)


def _model_fields(one: OfModel) -> dict[str, Any]:
    return {**msgspec.structs.asdict(one), **_spans(one), "finishes": dict(one.finishes)}


def _pair_fields(one: OfPair) -> dict[str, Any]:
    wins = {**msgspec.structs.asdict(one.wins), "rate": _span(one.wins.rate)}
    return {
        **msgspec.structs.asdict(one),
        "wins": wins,
        "difference": _span(one.difference),
        "cost_ratio": _span(one.cost_ratio),
        "unjudged": dict(one.unjudged),
    }


def _spans(one: OfModel) -> dict[str, Any]:
    return {"quality": _span(one.quality), "per_dollar": _span(one.per_dollar)}


def _span(span: Span | None) -> dict[str, float] | None:
    return None if span is None else msgspec.structs.asdict(span)
