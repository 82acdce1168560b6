"""Where a call may go instead of its target: the chain of its model, and what stands against each.

Pure. In doubt a target is left out: a fallback must never turn one error into a worse one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from scrimp.budgets.admissible import is_listed, needs_another_key, will_do
from scrimp.budgets.cheaper import Places
from scrimp.budgets.worst import WorstCase, asked
from scrimp.calls import Call, Target
from scrimp.errors import PriceUnknown, Rejected
from scrimp.ports import Clock, Count
from scrimp.routing.fallback_tables import FallbackSection
from scrimp.routing.regions import Regions

WhyNot = Literal[
    "not_served",
    "itself",
    "key",
    "provider_key",
    "other_model",
    "models",
    "region",
    "window",
    "cannot",
    "unpriced",
    "dearer",
    "budget",
]
"""Nobody serves it · it is where the call was · the key's list has it not · the client's own key is
for another provider · this call takes its own model only · the call's list has it not · it runs
elsewhere · its window is no larger · it cannot take this call · what it costs is not known · it
costs more than settings allow · or than the call does."""
_BYTES_PER_TOKEN = 4
_MEMORY = 4096


class Instead:
    """`regions` knows where targets run."""

    def __init__(
        self,
        section: FallbackSection,
        places: Places,
        worst_case: WorstCase,
        clock: Clock,
        regions: Regions,
    ) -> None:
        self._section = section
        self._places = places
        self._worst_case = worst_case
        self._clock = clock
        self._regions = regions
        self._memo: dict[tuple[str, Target], tuple[str, ...]] = {}
        self._none = not (section.default or section.models)

    def names(self, call: Call) -> tuple[str, ...]:
        """The chain of a call, in order; empty where it goes nowhere else. Quick."""
        wish = call.wish
        if wish.fallback is False or call.operation not in ("chat", "embeddings"):
            return ()
        if call.request.stateful:  # what its answer rests on is kept at the provider
            return ()
        if wish.instead:
            return wish.instead
        if self._none:
            return ()
        key = (call.request.model, call.target)
        if (found := self._memo.get(key)) is None:
            found = self._chain(*key)
            if len(self._memo) < _MEMORY:  # names come from clients: remember the usual ones only
                self._memo[key] = found
        return found

    def _chain(self, name: str, target: Target) -> tuple[str, ...]:
        """That of the name that was asked for, where it led here; else that of the target."""
        models = self._section.models
        names = [f"{target.provider}/{target.model}", target.model]
        if name in models and self._resolved(name, target.dialect) == target:
            names.insert(0, name)
        return next((models[one] for one in names if one in models), self._section.default)

    def _resolved(self, name: str, dialect: str) -> Target | None:
        try:
            return self._places.resolve(name, dialect)
        except Rejected:
            return None

    def target(self, name: str, call: Call, *, larger: bool = False) -> Target | WhyNot:
        """Where a name of the chain leads, or why the call may not go there.

        With `larger` only to what takes longer prompts than the call's own target.
        """
        target = self._resolved(name, call.target.dialect)
        if target is None:
            return "not_served"
        if (target.provider, target.model) == (call.target.provider, call.target.model):
            return "itself"
        same = _bare(call.target.model) == _bare(target.model)
        checks: tuple[tuple[WhyNot, Callable[[], bool]], ...] = (
            ("key", lambda: not is_listed(call.caller.models, name, target)),
            ("provider_key", lambda: needs_another_key(call, target)),
            ("other_model", lambda: not same and _takes_no_other(call)),
            ("models", lambda: not is_listed(call.wish.models, name, target)),
            ("region", lambda: self._regions.elsewhere(call, target)),
            ("window", lambda: larger and not self._is_larger(call.target, target)),
            ("cannot", lambda: not same and not self._will_do(call, target)),
        )
        found = next((why for why, stands_against in checks if stands_against()), None)
        return found or self._too_dear(call, target) or target

    def _will_do(self, call: Call, target: Target) -> bool:
        return will_do(call.request, call.target, target, self._worst_case.known(target))

    def _is_larger(self, one: Target, other: Target) -> bool:
        known, found = self._worst_case.known(one), self._worst_case.known(other)
        if found is None or found.context_window is None:
            return False
        window = known.context_window if known is not None else None
        return window is None or found.context_window > window

    def _too_dear(self, call: Call, target: Target) -> WhyNot | None:
        """By the most that the call may cost, here and there."""
        section, own_most = self._section, call.wish.budget_nanousd
        times = section.max_times_dearer
        if own_most is None and times is None and section.dearer == "within_budget":
            return None
        there = self._most_nanousd(call, target)
        if there is None:
            return "unpriced"
        if own_most is not None and there > own_most:
            return "budget"
        if times is None and section.dearer == "within_budget":
            return None
        here = self._most_nanousd(call, call.target)
        if here is None:
            return "unpriced"
        most_times = 1.0 if section.dearer == "never" else times or 1.0
        return "dearer" if there > here * most_times else None

    def _most_nanousd(self, call: Call, target: Target) -> int | None:
        size = len(call.request.body) // _BYTES_PER_TOKEN
        ask = asked(call.request, target.dialect, Count(size, size, size, "bytes"))
        try:
            return self._worst_case(ask, target, self._clock.now()).nanousd
        except PriceUnknown:
            return None


def _bare(model: str) -> str:
    """One model at two providers has one id, but for what a provider puts before it."""
    return model.rpartition("/")[2].lower()


def _takes_no_other(call: Call) -> bool:
    """True for calls that want their own model or none, and those whose answer is of no use else.

    Vectors of two models cannot be compared, and a shadow or a judge must be who it is said to be.
    """
    wish = call.wish
    return (
        call.operation == "embeddings"
        or call.purpose != "client"
        or bool(wish.required)
        or (wish.mode == "off" and not wish.instead)
    )
