"""How a model was chosen, in lines for people: candidates, chances, costs, the dial, the proof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scrimp.calls import TraceLine
from scrimp.money import format_usd

_DIAL = ("max_loss", "floor", "score", "novelty")


def is_choice(line: TraceLine) -> bool:
    """Whether a line says how a model was chosen."""
    return line.lever == "route" and any(name == "candidates" for name, _ in line.numbers)


def choice_words(line: TraceLine) -> Iterator[str]:
    """One line of the choice, and some below it."""
    told = dict(line.numbers)
    reasons = f" ({told['reasons']})" if told.get("reasons") else ""
    yield f"- route: {told.get('model', '')}, {str(line.verdict).replace('_', ' ')}{reasons}"
    yield f"    candidates: {', '.join(_candidates(told))}"
    if removed := str(told.get("removed", "")):
        named = (one.rpartition(":") for one in removed.split(","))
        yield f"    left out: {', '.join(f'{name} ({why})' for name, _, why in named)}"
    if dial := [f"{name} {told[name]:g}" for name in _DIAL if isinstance(told.get(name), float)]:
        yield f"    dial: {', '.join(dial)}"
    if isinstance(told.get("live"), int):
        yield f"    certificate: {_proof(told)}"


def _candidates(told: Mapping[str, int | float | str]) -> Iterator[str]:
    for one in str(told["candidates"]).split(","):
        name, _, cost = one.rpartition("=")
        chance = told.get(f"p_{name}")
        known = f"expected {format_usd(int(cost))}" if cost.isdigit() else "price unknown"
        yield f"{name} {known}" + (f", good with {chance:g}" if isinstance(chance, float) else "")


def _proof(told: Mapping[str, int | float | str]) -> str:
    live, rung = told["live"], told.get("rung")
    proven = "nothing is proven yet" if live == -1 else f"proven up to rung {live}"
    compared = f", compared with probability {told.get('propensity', 0):g}"
    return f"{proven}, this call is of rung {rung}{compared}"
