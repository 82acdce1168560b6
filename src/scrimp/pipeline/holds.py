"""One hold over several stores of budgets: what rules count, and the purses that a call brings.

In all of them or in none: who is denied by a later one lets go of the earlier ones. In between
others may be denied for what is let go again; nobody is ever allowed too much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from msgspec.structs import replace

from scrimp.errors import StoreError
from scrimp.limits import Amounts, BudgetStore, Limit, Purse, Verdict
from scrimp.values import Value

Part = tuple[BudgetStore, tuple[Limit, ...]]
"""A store, and the limits that are counted there."""


class Wanted(Value, frozen=True):
    """What is to be held, and how; as in `limits.BudgetStore.hold`."""

    hold_id: str
    worst: Amounts
    lease_s: float
    over_soft: bool = False


class Holds:
    """The holds of one engine. `store` has what the rules count."""

    def __init__(self, store: BudgetStore) -> None:
        self._store = store
        self._joined: dict[str, tuple[str, tuple[BudgetStore, ...]]] = {}
        self._tries = count()

    async def hold(
        self, limits: tuple[Limit, ...], purses: tuple[Purse, ...], wanted: Wanted
    ) -> Verdict:
        """Hold it in the limits of the rules and in every purse, or in none. Raises StoreError."""
        if not purses:  # spelled out: it is on the way of most calls
            return await self._store.hold(
                wanted.hold_id,
                limits,
                wanted.worst,
                lease_s=wanted.lease_s,
                over_soft=wanted.over_soft,
            )
        parts = parts_of(purses, first=((self._store, limits),) if limits else ())
        # whoever is denied may ask again by the same id, which some stores have seen end by then
        own_id = f"{wanted.hold_id}/{next(self._tries)}"
        verdict = await hold_all(parts, replace(wanted, hold_id=own_id))
        if verdict.denied_by is None:
            self._joined[wanted.hold_id] = own_id, tuple([store for store, _ in parts])
        return verdict

    def settle(self, hold_id: str, actual: Amounts) -> None:
        """Book what it was, wherever it is held; returns at once, never fails."""
        own_id, stores = self._joined.pop(hold_id, (hold_id, (self._store,)))
        for store in stores:
            store.settle(own_id, actual)

    def release(self, hold_id: str) -> None:
        """End a hold of an attempt that never left."""
        own_id, stores = self._joined.pop(hold_id, (hold_id, (self._store,)))
        for store in stores:
            store.release(own_id)


def parts_of(purses: Iterable[Purse], *, first: Iterable[Part] = ()) -> Sequence[Part]:
    """Where purses are counted: those of one store together, so that they are held in one step."""
    found: dict[BudgetStore, tuple[Limit, ...]] = dict(first)
    for purse in purses:
        found[purse.counters] = found.get(purse.counters, ()) + purse.limits
    return tuple(found.items())


async def hold_all(parts: Sequence[Part], wanted: Wanted) -> Verdict:
    """Hold it in every part, or in none. Raises StoreError."""
    verdicts: list[Verdict] = []
    maybe = 1  # whoever is cancelled does not know whether the last one holds it
    try:
        for store, limits in parts:
            verdict = await _held_in(store, limits, wanted)
            if verdict.denied_by is not None:
                maybe = 0
                return verdict
            verdicts.append(verdict)
    except StoreError:
        maybe = 0
        raise
    finally:
        if len(verdicts) < len(parts):
            for store, _ in parts[: len(verdicts) + maybe]:
                store.release(wanted.hold_id)
    if len(verdicts) == 1:
        return verdicts[0]
    return Verdict(tuple([one for verdict in verdicts for one in verdict.standings]))


async def _held_in(store: BudgetStore, limits: tuple[Limit, ...], wanted: Wanted) -> Verdict:
    return await store.hold(
        wanted.hold_id,
        limits,
        wanted.worst,
        lease_s=wanted.lease_s,
        over_soft=wanted.over_soft,
    )
