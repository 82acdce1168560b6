"""Budgets and tiers, as the admin API and the command line keep them.

What stands in `scrimp.toml` is shown beside the rest and changed there only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec.structs import replace

from scrimp.budgets.resolve import EACH, RuleBook, is_rate, merged
from scrimp.budgets.tables import BudgetTable, TierTable, rules_of
from scrimp.calls import Caller
from scrimp.errors import Conflict, InvalidRequest, NotThere
from scrimp.identity import ControlStore
from scrimp.limits import SCOPE_KINDS, Allowance, Budget, Limit, Rules, ScopeKind, Standing, Tier
from scrimp.settings import Settings
from scrimp.shell.desk import Desk, listed_elsewhere, no_such, unknown
from scrimp.shell.forms import (
    BudgetView,
    Source,
    TierView,
    budget_view,
    check_name,
    of_scope,
    scope_of,
    tier_view,
)

_T = TypeVar("_T")
_One = TypeVar("_One", Budget, Tier)
_View = TypeVar("_View", BudgetView, TierView)


class Counters(Protocol):
    """What a look at the numbers needs of a `BudgetStore`."""

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """How these limits stand now. Raises StoreError."""
        ...

    async def reset(self, limits: tuple[Limit, ...]) -> None:
        """Count these limits from 0 again."""
        ...


class AllCounters:
    """The numbers of budgets and of rates, wherever each is counted."""

    def __init__(self, budgets: Counters, rates: Counters) -> None:
        self._budgets = budgets
        self._rates = rates

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """How these limits stand now, what is spent before how fast. Raises StoreError."""
        found: tuple[Standing, ...] = ()
        for counters, part in self._parts(limits):
            found += await counters.standing(part)
        return found

    async def reset(self, limits: tuple[Limit, ...]) -> None:
        """Count these limits from 0 again."""
        for counters, part in self._parts(limits):
            await counters.reset(part)

    def _parts(self, limits: tuple[Limit, ...]) -> list[tuple[Counters, tuple[Limit, ...]]]:
        spent = tuple(one for one in limits if not is_rate_limit(one))
        rates = tuple(one for one in limits if is_rate_limit(one))
        return [part for part in ((self._budgets, spent), (self._rates, rates)) if part[1]]


class RulesDesk:
    """One place for both shells. `by` goes into the audit log. Raises StoreError."""

    def __init__(self, control: ControlStore, settings: Settings, people: Desk) -> None:
        self._control = control
        self._people = people
        self._fixed = rules_of(settings.budgets, settings.tiers, settings.limits)

    async def budgets(self) -> tuple[BudgetView, ...]:
        """All, by name."""
        fixed = {one.name for one in self._fixed.budgets}
        rules = await self._rules()
        return tuple(
            budget_view(one, _source(one.name in fixed)) for one in _by_name(rules.budgets)
        )

    async def tiers(self) -> tuple[TierView, ...]:
        """All, by name."""
        fixed = {one.name for one in self._fixed.tiers}
        rules = await self._rules()
        return tuple(tier_view(one, _source(one.name in fixed)) for one in _by_name(rules.tiers))

    async def budget(self, name: str) -> BudgetView:
        """One budget. Raises NotThere."""
        return _found("budget", name, await self.budgets())

    async def tier(self, name: str) -> TierView:
        """One tier. Raises NotThere."""
        return _found("tier", name, await self.tiers())

    async def put_budget(self, name: str, table: BudgetTable, *, by: str) -> BudgetView:
        """Make a budget, or put it in the place of another. Raises InvalidRequest, Conflict."""
        check_name("budget", name)
        if any(one.name == name for one in self._fixed.budgets):
            raise listed_elsewhere("budget", name)
        rules = await self._rules()
        tiers = {one.name: TierTable() for one in rules.tiers}
        budget = _made(name, lambda: rules_of({name: table}, tiers, {}).budgets[0])
        await self._check_scope(table)
        await self._control.put_budget(budget, by=by)
        return budget_view(budget, "store")

    async def delete_budget(self, name: str, *, by: str) -> None:
        """Take it away. Raises NotThere, Conflict."""
        if any(one.name == name for one in self._fixed.budgets):
            raise listed_elsewhere("budget", name)
        if not await self._control.delete_budget(name, by=by):
            raise no_such("budget", name)

    async def put_tier(self, name: str, table: TierTable, *, by: str) -> TierView:
        """Make a tier, or put it in the place of the one there. Raises InvalidRequest, Conflict."""
        check_name("tier", name)
        if any(one.name == name for one in self._fixed.tiers):
            raise listed_elsewhere("tier", name)
        tier = _made(name, lambda: rules_of({}, {name: table}, {}).tiers[0])
        if not (tier.allowances or tier.caps.usd_nanousd or tier.caps.input_tokens):
            raise InvalidRequest(f"tier '{name}' allows everything: give it a limit or a cap")
        await self._control.put_tier(tier, by=by)
        return tier_view(tier, "store")

    async def delete_tier(self, name: str, *, by: str) -> None:
        """Take it away. Raises NotThere, Conflict while scopes are in it."""
        if any(one.name == name for one in self._fixed.tiers):
            raise listed_elsewhere("tier", name)
        if not await self._control.delete_tier(name, by=by):
            raise no_such("tier", name)

    async def assign(self, kind: ScopeKind, scope: str, tier: str, *, by: str) -> BudgetView:
        """Put a scope into a tier. Raises NotThere, Conflict, InvalidRequest."""
        rules = await self._rules()
        if tier and all(one.name != tier for one in rules.tiers):
            raise no_such("tier", tier)
        await self._check_scope(of_scope(kind, scope))
        there = self._in_tier(rules, kind, scope)
        budget = (
            Budget(f"tier:{kind}:{scope}", kind, scope, tier=tier)
            if there is None
            else replace(there, tier=tier)
        )
        await self._control.put_budget(budget, by=by)
        return budget_view(budget, "store")

    async def unassign(self, kind: ScopeKind, scope: str, *, by: str) -> None:
        """Take a scope out of its tier. Raises NotThere, Conflict."""
        there = self._in_tier(await self._rules(), kind, scope)
        if there is None:
            raise NotThere(f"{kind} '{scope[:128]}' is in no tier")
        if there.allowances or there.caps.usd_nanousd or there.caps.input_tokens:
            await self._control.put_budget(replace(there, tier=""), by=by)
        else:
            await self._control.delete_budget(there.name, by=by)

    async def note_reset(self, name: str, *, by: str) -> None:
        """Write down that a budget counts from 0 again."""
        await self._control.note("reset", "counter", name, by=by)

    async def limits(self, name: str, scope: str = "") -> tuple[Limit, ...]:
        """The limits behind a budget, rates among them. Raises NotThere, InvalidRequest.

        `scope` is whose, where the budget is for each of a kind.
        """
        rules = await self._rules()
        found = next((one for one in rules.budgets if one.name == name), None)
        if found is None:
            raise no_such("budget", name)
        whose = found.scope
        if whose == EACH:
            whose = scope
            if not whose:
                raise InvalidRequest(
                    f"budget '{name}' is for each {found.kind}: say whose (scope=NAME)"
                )
        elif scope and scope != whose:
            raise InvalidRequest(f"budget '{name}' is of {found.kind} '{whose}', not of '{scope}'")
        limits = RuleBook(rules).standing_limits(_caller(found.kind, whose))
        return tuple(one for one in limits if one.name == name)

    def _in_tier(self, rules: Rules, kind: ScopeKind, scope: str) -> Budget | None:
        mine = [one for one in rules.budgets if (one.kind, one.scope) == (kind, scope) and one.tier]
        for one in mine:
            if one in self._fixed.budgets:
                raise listed_elsewhere("budget", one.name)
        if len(mine) > 1:
            names = ", ".join(one.name for one in mine)
            raise Conflict(f"{kind} '{scope}' is in tiers by {names} (change one of these budgets)")
        return mine[0] if mine else None

    async def _check_scope(self, table: BudgetTable) -> None:
        """Raises InvalidRequest for an org, team, user or key that nobody knows."""
        if (scope := scope_of(table)) is None:
            return
        kind, name = scope
        if len(name) > 128 or not name.isprintable() or name != name.strip():
            raise InvalidRequest(f"{kind} has {len(name)} characters or odd ones; at most 128")
        if name == EACH or kind in ("tag", "end_user"):
            return
        people = self._people
        if kind == "key":
            there = await people.known_key(name)
        else:
            there = await people.known(kind, name)  # type: ignore[arg-type]  # the three that are left
        if not there:
            raise unknown(kind, name)

    async def _rules(self) -> Rules:
        return merged(self._fixed, await self._control.rules())


def scope_kind(text: str) -> ScopeKind:
    """One of the kinds of scopes. Raises NotThere."""
    for kind in SCOPE_KINDS:
        if kind == text:
            return kind
    raise NotThere(f"'{text[:40]}' is no kind of scope ({', '.join(SCOPE_KINDS)})")


def is_rate_limit(limit: Limit) -> bool:
    """True for calls and tokens per minute and for parallel calls, which have counters apart."""
    return is_rate(Allowance(limit.unit, limit.amount, limit.window))


def _caller(kind: ScopeKind, name: str) -> Caller:
    """Somebody who belongs to this scope alone."""
    if kind == "tag":
        return Caller("", tags=(name,))
    return Caller("", **{kind: name})  # type: ignore[arg-type]  # every kind else is a field


def _made(name: str, make: Callable[[], _T]) -> _T:
    """What a table becomes; what is wrong with it by its field alone. Raises InvalidRequest."""
    try:
        return make()
    except ValueError as error:
        said = str(error)
        for section in ("budgets", "tiers"):
            said = said.removeprefix(f"{section}.{name}").removeprefix(".").strip()
        said = said.removeprefix(":").strip()
        raise InvalidRequest(said) from error


def _by_name(found: tuple[_One, ...]) -> list[_One]:
    return sorted(found, key=lambda one: one.name)


def _found(kind: str, name: str, views: tuple[_View, ...]) -> _View:
    for one in views:
        if one.name == name:
            return one
    raise no_such(kind, name)


def _source(fixed: bool) -> Source:  # noqa: FBT001 (two words for two answers)
    return "settings" if fixed else "store"
