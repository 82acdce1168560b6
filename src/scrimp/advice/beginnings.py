"""Beginnings of prompts: prefix caches that nobody uses, and what breaks them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from scrimp.advice.words import Cell, Facts, Finding, Rates, RatesOf, Setup, System, picked
from scrimp.money import PICO_PER_NANO


def beginnings(facts: Facts, rates_of: RatesOf, setup: Setup, least: int) -> Iterator[Finding]:
    """What prefix caches would have given."""
    unused: dict[int, int] = {}
    broken: dict[int, int] = {}
    for one in facts.systems:
        rates = rates_of(one.provider, one.model)
        if rates is None or rates.read is None or one.calls < least:
            continue
        if one.tokens >= rates.least * one.calls:
            broken[one.number] = _broken(one, rates, rates.read)
            unused[one.number] = _unused(one, rates, rates.read, setup)
    unused = {number: worth for number, worth in unused.items() if worth > 0}
    broken = {number: worth for number, worth in broken.items() if worth > 0}
    if unused:
        said = Finding(
            kind="prefix_cache_off",
            title="the provider's prefix cache is not used",
            why=f"{_many(unused)} before the first turn, sent again within minutes at full price; "
            "growing conversations would come on top",
            toml="[prefix_cache]\nenabled = true\n",
            risk="a write that nothing reads costs a quarter more; only what is expected to come "
            "back is written",
        )
        yield _filled(facts, said, unused)
    if facts.breakers:
        yield _seen_to_break(facts)
    elif broken:
        numbers = ", ".join(f"#{number}" for number in sorted(broken)[:5])
        said = Finding(
            kind="broken_prefixes",
            title="instructions that change with every call",
            why=f"a time, an id or a nonce in {_many(broken)} ({numbers} below) makes another "
            "prefix each time",
            todo="put what changes behind the instructions: into the last message",
            effort="a change in the client",
            risk="none, where what changes says the same in the last message",
        )
        yield _filled(facts, said, broken)


def _seen_to_break(facts: Facts) -> Finding:
    """What the lever itself saw, call by call: no estimate."""
    found = sorted(facts.breakers, key=lambda one: -one[2])
    nanousd, inputs = sum(lost for _, _, lost in found), sum(cell.input for cell in facts.cells)
    places = "; ".join(place for place, _, _ in found[:3])

    def worth(cell: Cell) -> int:
        return nanousd * cell.input // max(1, inputs)

    return Finding(
        kind="broken_prefixes",
        title="prefixes that break",
        why=f"what could have been read was sent again: {places}",
        todo="scrimp report --by breaker says what each costs, and what helps",
        effort="a change in the client",
        risk="none, where what changes says the same behind what stays",
        nanousd=nanousd,
        low=nanousd,
        high=nanousd,
        calls=sum(calls for _, calls, _ in found),
        cells=picked(facts, lambda cell: cell.input > 0, worth),
    )


def _unused(one: System, rates: Rates, read: int, setup: Setup) -> int:
    """What reads would have saved, without the premium of the writes before them."""
    if setup.prefix or one.own_marks or one.provider not in setup.prefix_providers:
        return 0
    gained = max(0, one.same - one.was_read) * (rates.input - read)
    premium = 0 if rates.write is None else (one.tokens - one.same) * (rates.write - rates.input)
    return (gained - premium) // PICO_PER_NANO


def _broken(one: System, rates: Rates, read: int) -> int:
    if one.forms == 1:
        return 0
    return max(0, one.alike - max(one.same, one.was_read)) * (rates.input - read) // PICO_PER_NANO


def _many(found: Mapping[int, int]) -> str:
    return "one set of instructions" if len(found) == 1 else f"{len(found)} sets of instructions"


def _filled(facts: Facts, said: Finding, worths: Mapping[int, int]) -> Finding:
    """With what these beginnings are worth; a hit is never certain, so it may be half of it."""
    inputs: dict[int, int] = {}
    for cell in facts.cells:
        inputs[cell.system] = inputs.get(cell.system, 0) + cell.input
    cells = picked(
        facts,
        lambda cell: cell.system in worths,
        lambda cell: worths[cell.system] * cell.input // max(1, inputs[cell.system]),
    )
    nanousd = sum(worths.values())
    return replace(
        said,
        nanousd=nanousd,
        low=nanousd // 2,
        high=nanousd,
        calls=sum(one.calls for one in facts.systems if one.number in worths),
        cells=cells,
    )
