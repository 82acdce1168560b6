"""Calls that could be smaller: outputs without a limit, results of tools sent as they are. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from scrimp.advice.words import Cell, Facts, Finding, Rates, RatesOf, Setup, picked
from scrimp.money import PICO_PER_NANO

_ROUND: Final = 50
_SHARES: Final = (5, 20, 40)
"""Per cent of results of tools that go without loss: little where they are prose, 27 % where
recorded agents' tools answer in JSON, more where that is indented (docs/levers/compact.md)."""
_WORTH_A_LOOK: Final = 100  # a share of one in so many


def unbounded(facts: Facts, rates_of: RatesOf, setup: Setup, least: int) -> Iterator[Finding]:
    """Calls that set no limit, where some answers run far beyond the rest."""
    caps: dict[str, int] = {}
    worths: dict[tuple[str, str, str], int] = {}
    for one in facts.outputs:
        rates = rates_of(one.provider, one.model)
        if rates is None or one.calls < least or one.beyond * _WORTH_A_LOOK < one.p99 * one.calls:
            continue
        worths[one.provider, one.model, one.task] = one.beyond * rates.output // PICO_PER_NANO
        caps[one.task] = max(caps.get(one.task, 0), -(-one.p99 // _ROUND) * _ROUND)
    if not worths or setup.clamp:
        return
    totals: dict[tuple[str, str, str], int] = {}
    for cell in facts.cells:
        if not cell.capped:
            name = (cell.provider, cell.model, cell.task)
            totals[name] = totals.get(name, 0) + cell.output

    def worth(cell: Cell) -> int:
        name = (cell.provider, cell.model, cell.task)
        return worths.get(name, 0) * cell.output // max(1, totals.get(name, 0))

    said = ", ".join(f"{task}: {cap:,}" for task, cap in sorted(caps.items()))
    toml = "[clamp_output]\nenabled = true\n" + "".join(
        f"\n[clamp_output.tasks.{task}]\nmax_tokens = {cap}\n" for task, cap in sorted(caps.items())
    )
    counted = [one for one in facts.outputs if (one.provider, one.model, one.task) in worths]
    nanousd = sum(worths.values())
    largest = max(one.largest for one in counted)
    yield Finding(
        kind="unbounded_outputs",
        title="outputs without a limit",
        why=f"no max_tokens; 99 of 100 end within {said} tokens, the longest took {largest:,}",
        nanousd=nanousd,
        low=nanousd,
        high=nanousd,
        calls=sum(one.calls for one in counted),
        todo=f"or set max_tokens in the client ({said})",
        toml=toml,
        effort="a setting and a look",
        risk="one answer in a hundred is cut at the limit",
        cells=picked(facts, lambda cell: not cell.capped, worth),
    )


def compactable(facts: Facts, rates_of: RatesOf, setup: Setup) -> Iterator[Finding]:
    """Results of tools that take fewer tokens without loss."""
    if setup.compact:
        return

    def worth(cell: Cell) -> int:
        rates = rates_of(cell.provider, cell.model)
        if rates is None or not cell.body_bytes:
            return 0
        return paid_for_input(cell, rates) * cell.result_bytes // cell.body_bytes

    results = picked(facts, lambda cell: cell.result_bytes > 0, worth)
    paid = sum(part for _, part in results)
    if not paid or paid * _WORTH_A_LOOK < facts.cost:
        return
    low, expected, high = (paid * share // 100 for share in _SHARES)
    yield Finding(
        kind="compactable_results",
        title="results of tools as they came",
        why=f"{paid * 100 // facts.cost} % of the bill is for results of tools; of such JSON about "
        f"{_SHARES[1]} % goes without loss ({_SHARES[0]} to {_SHARES[2]} %)",
        nanousd=expected,
        low=low,
        high=high,
        calls=sum(facts.cells[number].calls for number, _ in results),
        todo="",
        toml="[compact]\nenabled = true\n",
        effort="a setting",
        risk="none known: what it says is the same, each text the same way every time",
        cells=tuple([(number, part * _SHARES[1] // 100) for number, part in results]),
    )


def paid_for_input(cell: Cell, rates: Rates) -> int:
    """What the input cost at today's prices, as it was read, written and sent."""
    read = rates.input if rates.read is None else rates.read
    write = rates.input if rates.write is None else rates.write
    return (cell.fresh * rates.input + cell.read * read + cell.write * write) // PICO_PER_NANO
