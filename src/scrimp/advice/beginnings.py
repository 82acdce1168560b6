"""Beginnings of prompts: prefix caches that nobody uses, and what breaks them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from scrimp.advice.words import Facts, Finding, Rates, RatesOf, Setup, System, picked
from scrimp.money import PICO_PER_NANO


def beginnings(facts: Facts, rates_of: RatesOf, setup: Setup, least: int) -> Iterator[Finding]:
    """What prefix caches would have given."""
    unused: dict[int, int] = {}
    broken: dict[int, int] = {}
    for one in facts.systems:
        rates = rates_of(one.provider, one.model)
        if rates is None or rates.read is None or one.calls < least:
            continue
        if one.tokens < rates.least * one.calls:
            continue
        if one.forms > 1 and (worth := _broken(one, rates, rates.read)) > 0:
            broken[one.number] = worth
        known = one.provider in setup.prefix_providers
        if not setup.prefix and known and not one.own_marks:
            worth = _unused(one, rates, rates.read)
            if worth > 0:
                unused[one.number] = worth
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
    if broken:
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


def _unused(one: System, rates: Rates, read: int) -> int:
    """What reads would have saved, without the premium of the writes before them."""
    gained = max(0, one.same - one.was_read) * (rates.input - read)
    premium = 0 if rates.write is None else (one.tokens - one.same) * (rates.write - rates.input)
    return (gained - premium) // PICO_PER_NANO if gained * 10 > one.same else 0


def _broken(one: System, rates: Rates, read: int) -> int:
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
