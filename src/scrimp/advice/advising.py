"""All advice together: sorted by dollars, what overlaps, a total that counts calls once."""

from __future__ import annotations

from collections.abc import Iterator

from scrimp.advice.beginnings import beginnings
from scrimp.advice.cheaper import deferrable, easy_tasks
from scrimp.advice.remembered import missed_hits
from scrimp.advice.smaller import compactable, paid_for_input, unbounded
from scrimp.advice.words import LEAST_CALLS, Facts, Finding, RatesOf, Setup, System
from scrimp.values import Value


class Advice(Value, frozen=True):
    """Findings, the dearest first. `nanousd` counts each call once, by what saves most in it.

    `overlaps` names, by kind, the others that are about the same calls. `unseen` says what could
    not be looked for, and why. `prompts` are beginnings with what they cost as input.
    """

    facts: Facts
    findings: tuple[Finding, ...]
    nanousd: int
    overlaps: dict[str, tuple[str, ...]]
    unseen: tuple[str, ...]
    prompts: tuple[tuple[System, int], ...]


def advise(facts: Facts, rates_of: RatesOf, setup: Setup, *, least: int = LEAST_CALLS) -> Advice:
    """What was missed, of at least so many calls each."""
    found = [
        one for one in _all(facts, rates_of, setup, least) if one.nanousd > 0 and one.calls >= least
    ]
    found.sort(key=lambda one: (-one.nanousd, one.kind))
    best: dict[int, int] = {}
    for one in found:
        for number, part in one.cells:
            best[number] = max(best.get(number, 0), part)
    return Advice(
        facts,
        tuple(found),
        sum(best.values()),
        _overlaps(found),
        tuple(_unseen(facts, rates_of, least)),
        _prompts(facts, rates_of),
    )


def _all(facts: Facts, rates_of: RatesOf, setup: Setup, least: int) -> Iterator[Finding]:
    yield from missed_hits(facts, setup)
    yield from beginnings(facts, rates_of, setup, least)
    yield from unbounded(facts, rates_of, setup, least)
    yield from compactable(facts, rates_of, setup)
    yield from easy_tasks(facts, rates_of, setup)
    yield from deferrable(facts, rates_of, setup, least)


def _overlaps(found: list[Finding]) -> dict[str, tuple[str, ...]]:
    cells = {one.kind: {number for number, _ in one.cells} for one in found}
    return {
        kind: tuple([other for other in cells if other != kind and cells[other] & mine])
        for kind, mine in cells.items()
    }


def _unseen(facts: Facts, rates_of: RatesOf, least: int) -> Iterator[str]:
    if facts.calls < least:
        yield f"nothing is advised from less than {least} paid calls; there are {facts.calls:,}"
    if missing := facts.calls - facts.known:
        yield (
            f"{missing:,} of {facts.calls:,} calls have no traits, so repeats, instructions, caps "
            "and results of tools were not looked for in them ([ledger] traits = true; calls of "
            "before, those that were only recorded, and those beyond 500 in ten seconds have none)"
        )
    unpriced = {
        f"{cell.provider}/{cell.model}"
        for cell in facts.cells
        if rates_of(cell.provider, cell.model) is None
    }
    if unpriced:
        names = ", ".join(sorted(unpriced)[:5])
        yield f"no price today: {names} (scrimp prices set): only repeats were looked for there"


def _prompts(facts: Facts, rates_of: RatesOf) -> tuple[tuple[System, int], ...]:
    """Each beginning with what was paid for it as input: its share of the input of its calls."""
    paid: dict[int, int] = {}
    inputs: dict[int, int] = {}
    for cell in facts.cells:
        rates = rates_of(cell.provider, cell.model)
        if cell.system and rates is not None:
            paid[cell.system] = paid.get(cell.system, 0) + paid_for_input(cell, rates)
            inputs[cell.system] = inputs.get(cell.system, 0) + cell.input
    found = [
        (one, paid[one.number] * min(one.tokens, inputs[one.number]) // inputs[one.number])
        for one in facts.systems
        if inputs.get(one.number)
    ]
    return tuple(sorted(found, key=lambda pair: -pair[1]))
