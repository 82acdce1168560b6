"""Cheaper ways for the same call: a model for easy tasks, the night for what can wait. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from scrimp.advice.smaller import paid_for_input
from scrimp.advice.words import Cell, Facts, Finding, Hours, RatesOf, Setup, picked
from scrimp.choosing import Rung
from scrimp.money import PICO_PER_NANO
from scrimp.routing.rungs import TASKS

_SHORT_TOKENS: Final = 150
_WINDOW_H: Final = 4
_MOST: Final = (8, 10)
_LEAST_DAYS: Final = 3


def easy_tasks(facts: Facts, rates_of: RatesOf, setup: Setup) -> Iterator[Finding]:
    """Dear models on the lowest rung of tasks."""
    if setup.route:
        return

    def worth(cell: Cell) -> int:
        other = setup.cheaper.get(f"{cell.provider}/{cell.model}")
        mine = rates_of(cell.provider, cell.model)
        theirs = None if other is None else rates_of(cell.provider, other)
        if mine is None or theirs is None:
            return 0
        outputs = cell.output * (mine.output - theirs.output) // PICO_PER_NANO
        return paid_for_input(cell, mine) - paid_for_input(cell, theirs) + outputs

    simple = picked(facts, lambda cell: _rung(cell) == "simple", worth)
    if not simple:
        return
    short = picked(facts, lambda cell: _rung(cell) == "simple" and _is_short(cell), worth)
    medium = picked(facts, lambda cell: _rung(cell) in ("simple", "medium"), worth)
    found = {(facts.cells[number].provider, facts.cells[number].model) for number, _ in simple}
    dear = sorted({model for _, model in found})
    cheap = sorted({setup.cheaper[f"{provider}/{model}"] for provider, model in found} - {*dear})
    tasks = sorted({facts.cells[number].task for number, _ in simple})
    models = ", ".join(f'"{name}"' for name in (*cheap, *dear))
    yield Finding(
        kind="easy_tasks",
        title="dear models on easy tasks",
        why=f"{', '.join(dear)} for {', '.join(tasks)}, where {', '.join(cheap)} may do (least: "
        f"short answers only; most: tasks of the next rung, too)",
        nanousd=sum(part for _, part in simple),
        low=sum(part for _, part in short),
        high=sum(part for _, part in medium),
        calls=sum(facts.cells[number].calls for number, _ in simple),
        todo="look first: scrimp compare PROMPTS --models " + ",".join((*dear, *cheap)),
        toml=f'[route]\nenabled = true\ncalls = "all"\nmodels = [{models}]\n',
        effort="a setting and a look",
        risk="weaker answers: a route goes live only as far as its loss is proven",
        cells=simple,
    )


def deferrable(facts: Facts, rates_of: RatesOf, setup: Setup, least: int) -> Iterator[Finding]:
    """Calls that nobody watches, day after day at the same hours: half the price in a batch."""
    worths: dict[tuple[str, str, str], tuple[int, int]] = {}
    calls, nanousd, when = 0, 0, []
    for one in facts.hours:
        if setup.defer and one.key in setup.deferred:
            continue
        rates = rates_of(one.provider, one.model)
        if rates is None or rates.batch_input is None or not rates.input:
            continue
        begin, many, cost = _window(one)
        total = sum(one.calls)
        if many < least or one.days < _LEAST_DAYS or many * _MOST[1] < total * _MOST[0]:
            continue
        saved = cost * (rates.input - rates.batch_input) // rates.input
        if saved <= 0:
            continue
        worths[one.key, one.provider, one.model] = (saved, sum(one.cost))
        calls, nanousd = calls + many, nanousd + saved
        when.append(f"{one.key or 'no key'}, {begin:02d}:00 to {(begin + _WINDOW_H) % 24:02d}:00")
    if not worths:
        return

    def worth(cell: Cell) -> int:
        saved, of = worths.get((cell.key, cell.provider, cell.model), (0, 1))
        return cell.cost * saved // max(1, of)

    yield Finding(
        kind="deferrable",
        title="jobs that could wait",
        why=f"not streamed, and at the same hours of each day (UTC: {'; '.join(when[:3])})",
        nanousd=nanousd,
        low=0,
        high=nanousd,
        calls=calls,
        todo="send x-scrimp-max-wait: 24h, or name the keys as below, and collect the answers",
        toml=_waiting(sorted({key for key, _, _ in worths})),
        effort="a change in the client",
        risk="an answer may take a day; nothing, where nobody waits for it",
        cells=picked(facts, lambda cell: not cell.stream, worth),
    )


def _waiting(keys: list[str]) -> str:
    names = "".join(f'"{key}" = "24h"\n' for key in keys if key)
    return "[defer]\nenabled = true\n" + (f"\n[defer.keys]\n{names}" if names else "")


def _window(one: Hours) -> tuple[int, int, int]:
    """The hours in a row with most calls: the first of them, calls, cost."""
    found = []
    for begin in range(24):
        hours = [(begin + step) % 24 for step in range(_WINDOW_H)]
        many, cost = sum(one.calls[h] for h in hours), sum(one.cost[h] for h in hours)
        found.append((many, one.calls[begin] > 0, -begin, cost))
    many, _, begin, cost = max(found)
    return -begin, many, cost


def _rung(cell: Cell) -> Rung | None:
    return TASKS.get(cell.task)


def _is_short(cell: Cell) -> bool:
    return cell.output <= _SHORT_TOKENS * cell.calls
