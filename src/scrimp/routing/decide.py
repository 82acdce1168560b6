"""Which model serves: by gain per extra dollar, under one dial, and why.

Candidates form a ladder: from the cheapest up, those that some price of quality would choose.
λ is that price, in quality per dollar; between two rungs it is the extra gain over the extra cost.
Nothing here looks at a certificate: a dial is kept in expectation only, if chances are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scrimp.errors import InvalidRequest
from scrimp.money import NANO_PER_USD
from scrimp.routing.predictor import Chances
from scrimp.values import Value

Why = Literal["within_loss", "above_floor", "within_budget", "best", "cheapest", "per_dollar"]


class Candidate(Value, frozen=True):
    """A model that may serve. `cost_nanousd` is what the call is expected to cost on it.

    Where a switch loses a prompt cache, `regret_nanousd` is what writing it anew costs more; it
    counts as cost. A cost of None is unknown: such a model serves only if nothing else can.
    """

    name: str
    cost_nanousd: int | None
    regret_nanousd: int = 0

    @property
    def total_nanousd(self) -> int | None:
        """What it costs in all."""
        return None if self.cost_nanousd is None else self.cost_nanousd + self.regret_nanousd


class Dial(Value, frozen=True):
    """One at most is set. `worth_nanousd` is what one good answer more is worth.

    `max_loss` is below `reference`, or below the best where no reference is named.
    """

    max_loss: float | None = None
    floor: float | None = None
    budget_nanousd: int | None = None
    worth_nanousd: int | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """A candidate with its chance. `price` is λ where it begins to be chosen: gain per dollar more.

    None for what no price would choose: something is as good for less, or a mix of two is.
    """

    candidate: Candidate
    good: float
    price: float | None


@dataclass(frozen=True, slots=True)
class Choice:
    """`model` serves. `price` is the λ that it was chosen at; `rungs` are all, cheapest first."""

    model: str
    why: Why
    price: float | None
    rungs: tuple[Rung, ...]

    def told(self) -> dict[str, str | int | float]:
        """For a trace: who could have served, with which chance, for how much."""
        found: dict[str, str | int | float] = {"chosen": self.model, "why": self.why}
        if self.price is not None:
            found["good_per_usd"] = round(self.price, 4)
        for rung in self.rungs:
            found[f"p_{rung.candidate.name}"] = round(rung.good, 3)
            if (cost := rung.candidate.total_nanousd) is not None:
                found[f"nanousd_{rung.candidate.name}"] = cost
        return found


def choose(candidates: Sequence[Candidate], chances: Chances, dial: Dial) -> Choice:
    """The cheapest that the dial allows. Raises InvalidRequest without candidates, or two dials."""
    if not candidates:
        raise InvalidRequest("there is no model left to choose from (see the filters in the trace)")
    _check(dial)
    rungs = ladder(candidates, chances)
    priced = [rung for rung in rungs if rung.candidate.total_nanousd is not None] or list(rungs)
    chosen, why = _by_dial(priced, dial)
    return Choice(chosen.candidate.name, why, chosen.price, rungs)


def ladder(candidates: Sequence[Candidate], chances: Chances) -> tuple[Rung, ...]:
    """All candidates by rising cost, with the λ at which each begins to be chosen.

    Of equally dear ones the best comes first; unknown costs come last.
    """
    known = [Rung(one, chances.good.get(one.name, 0.0), None) for one in candidates]
    known.sort(key=_order)
    climbed: list[Rung] = []
    for rung in known:
        if rung.candidate.total_nanousd is None:
            continue
        if climbed and rung.good <= climbed[-1].good:
            continue
        while climbed and _steeper(climbed, rung):
            climbed.pop()
        price = _slope(climbed[-1], rung) if climbed else float("inf")
        climbed.append(Rung(rung.candidate, rung.good, price))
    on = {rung.candidate.name: rung for rung in climbed}
    return tuple(on.get(rung.candidate.name, rung) for rung in known)


def _by_dial(rungs: Sequence[Rung], dial: Dial) -> tuple[Rung, Why]:
    best = max(rungs, key=lambda rung: (rung.good, -(rung.candidate.total_nanousd or 0)))
    if dial.max_loss is not None:
        named = (rung for rung in rungs if rung.candidate.name == dial.reference)
        mark = next(named, best)
        least = mark.good - dial.max_loss
        return next(rung for rung in rungs if rung.good >= least - 1e-12), "within_loss"
    if dial.floor is not None:
        enough = (rung for rung in rungs if rung.good >= dial.floor)
        found = next(enough, None)
        return (best, "best") if found is None else (found, "above_floor")
    if dial.budget_nanousd is not None:
        return _bought(rungs, dial.budget_nanousd)
    if dial.worth_nanousd is not None:
        return _worth(rungs, dial.worth_nanousd), "per_dollar"
    return best, "best"


def _bought(rungs: Sequence[Rung], budget_nanousd: int) -> tuple[Rung, Why]:
    inside = [rung for rung in rungs if (rung.candidate.total_nanousd or 0) <= budget_nanousd]
    if not inside:
        return rungs[0], "cheapest"
    return max(inside, key=lambda rung: rung.good), "within_budget"  # of equals the first: cheapest


def _worth(rungs: Sequence[Rung], worth_nanousd: int) -> Rung:
    """The argmax of P - λC, by climbing while a step's gain per dollar is above λ."""
    least = NANO_PER_USD / worth_nanousd
    climbed = [rung for rung in rungs if rung.price is not None and rung.price >= least]
    return climbed[-1] if climbed else rungs[0]


def _order(rung: Rung) -> tuple[bool, int, float, str]:
    cost = rung.candidate.total_nanousd
    return cost is None, cost or 0, -rung.good, rung.candidate.name


def _steeper(climbed: Sequence[Rung], rung: Rung) -> bool:
    """Whether the last rung is no corner: the way past it rises faster than the way to it."""
    last = climbed[-1].price
    return len(climbed) > 1 and last is not None and _slope(climbed[-1], rung) >= last


def _slope(low: Rung, high: Rung) -> float:
    dearer = (high.candidate.total_nanousd or 0) - (low.candidate.total_nanousd or 0)
    if dearer <= 0:
        return float("inf")
    return (high.good - low.good) * NANO_PER_USD / dearer


def _check(dial: Dial) -> None:
    given = {
        "max_loss": dial.max_loss,
        "floor": dial.floor,
        "budget": dial.budget_nanousd,
        "worth": dial.worth_nanousd,
    }
    turned = [name for name, value in given.items() if value is not None]
    if len(turned) > 1:
        raise InvalidRequest(f"one dial at a time: {' and '.join(turned)} are set")
    for name in ("max_loss", "floor"):
        value = given[name]
        if value is not None and not 0 <= value <= 1:
            raise InvalidRequest(f"{name} is from 0 to 1, not {value:g}")
    for name in ("budget", "worth"):
        value = given[name]
        if value is not None and value <= 0:
            raise InvalidRequest(f"{name} is above 0, not {value:g}")
