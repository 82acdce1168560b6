"""The cheapest model of a list that a call may be sent to instead of its own. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from scrimp.budgets.admissible import is_listed, needs_another_key, will_do
from scrimp.budgets.worst import WorstCase, asked
from scrimp.calls import Call, Target
from scrimp.errors import PriceUnknown, Rejected
from scrimp.ports import Clock, Count

_BYTES_PER_TOKEN = 4


class Places(Protocol):
    """Which provider serves which model."""

    def resolve(self, model: str, dialect: str, *, native_only: bool = False) -> Target:
        """Where a model is served. Raises UnknownModel, or InvalidRequest for another dialect."""
        ...


class Cheaper:
    """Called with a call: the target, or None where none of the list is cheaper and allowed.

    A model must speak the call's dialect (or, with `translated`, its counterpart) and be able to
    answer the call, and a key's own list must have it; the call's own list, too, where it is called
    (of a ladder, an opinion is no answer). A provider's key that a client brings goes to that
    provider only, and a call for a region to no target that `elsewhere` says may run in another.
    """

    def __init__(
        self,
        models: Sequence[str],
        places: Places,
        worst_case: WorstCase,
        clock: Clock,
        *,
        elsewhere: Callable[[Call, Target], bool] = lambda call, _: bool(call.wish.region),
        translated: bool = False,
    ) -> None:
        self._models = models
        self._places = places
        self._worst_case = worst_case
        self._clock = clock
        self._elsewhere = elsewhere
        self._native_only = not translated

    def __call__(self, call: Call) -> Target | None:
        """The cheapest by what the call may cost there at most, of those that it allows."""
        if call.wish.required:
            return None  # a demand of its own is kept whatever budgets say
        listed = [name for name in self._models if self._is_wished(name, call)]
        found = self.all_of(call, listed)
        return found[0] if found else None

    def _is_wished(self, name: str, call: Call) -> bool:
        target = self._resolved(name, call)
        return target is not None and is_listed(call.wish.models, name, target)

    def all_of(self, call: Call, models: Sequence[str]) -> tuple[Target, ...]:
        """All of these that are cheaper than the call's own and may answer it, cheapest first."""
        own = self._most(call, call.target)
        found = [
            (most, target)
            for name in models
            if (target := self._target(name, call)) is not None
            and (most := self._most(call, target)) is not None
            and (own is None or most < own)
        ]
        return tuple([target for _, target in sorted(found, key=lambda one: one[0])])

    def _target(self, name: str, call: Call) -> Target | None:
        target = self._resolved(name, call)
        if target is None or not is_listed(call.caller.models, name, target):
            return None
        if needs_another_key(call, target) or self._elsewhere(call, target):
            return None
        known = self._worst_case.known(target)
        return target if will_do(call.request, call.target, target, known) else None

    def _resolved(self, name: str, call: Call) -> Target | None:
        try:
            dialect, native_only = call.target.dialect, self._native_only
            return self._places.resolve(name, dialect, native_only=native_only)
        except Rejected:
            return None

    def _most(self, call: Call, target: Target) -> int | None:
        size = len(call.request.body) // _BYTES_PER_TOKEN
        ask = asked(call.request, target.dialect, Count(size, size, size, "bytes"))
        try:
            return self._worst_case(ask, target, self._clock.now()).nanousd
        except PriceUnknown:
            return None
