"""Which limits and caps a call meets, out of all rules in force. Pure.

A call is counted in every scope that it belongs to: org, team, user, key, each tag, end user, and
the scope of everyone. What is stated for one scope stands in the place of what `*` states for each
scope of its kind, where both speak of the same unit, window and part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

from scrimp.calls import Caller, Target
from scrimp.errors import StoreError
from scrimp.limits import (
    SCOPE_KINDS,
    Allowance,
    Budget,
    Caps,
    Limit,
    Purse,
    Rules,
    RuleStore,
    Scope,
    ScopeKind,
    Tier,
    Unit,
    Window,
)
from scrimp.values import Value

EACH = "*"
EVERYONE = Scope("org", "")
"""The scope of a budget that names none: every call that its store hears of."""
NO_RULES = Rules()
_RATE_S = 60
_MEMO_LIMIT = 8192
_WINDOW_S = {"minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400}


Grip = Literal["", "soft", "hard"]


class Cap(Value, frozen=True):
    """A cap on each call, with the budget and the scope that it comes from."""

    name: str
    scope: Scope
    caps: Caps


class Met(Value, frozen=True):
    """What one call meets: limits of what is spent, of how fast, and caps on the call itself.

    `usd` and `tokens` say of each whether it matters, and whether it must not be passed. `of_rules`
    are those of the limits that are not counted in purses.
    """

    limits: tuple[Limit, ...] = ()
    rates: tuple[Limit, ...] = ()
    caps: tuple[Cap, ...] = ()
    usd: Grip = ""
    tokens: Grip = ""
    of_rules: tuple[Limit, ...] = ()


NOTHING = Met()


def with_purses(met: Met, purses: Iterable[Purse]) -> Met:
    """What a call meets that brings purses of its own."""
    limits = (*met.limits, *(limit for purse in purses for limit in purse.limits))
    usd: Grip = "hard" if met.usd == "hard" else _grip(limits, "usd")
    return Met(limits, met.rates, met.caps, usd, _grip(limits, "tokens"), met.of_rules)


def merged(fixed: Rules, stored: Rules) -> Rules:
    """Rules of the settings over those of a store: of two with one name, the settings' holds."""
    if not (fixed.budgets or fixed.tiers):
        return stored
    if not (stored.budgets or stored.tiers):
        return fixed
    budgets = {one.name: one for one in (*stored.budgets, *fixed.budgets)}
    tiers = {one.name: one for one in (*stored.tiers, *fixed.tiers)}
    version = f"{fixed.version}|{stored.version}"
    return Rules(version, tuple(budgets.values()), tuple(tiers.values()))


def is_rate(allowance: Allowance) -> bool:
    """True for requests and tokens per minute and for parallel calls; all else is a budget."""
    window = allowance.window
    if allowance.unit == "usd":
        return False
    short = window.kind == "rolling" and window.seconds <= _RATE_S
    return short or window.kind in ("minute", "open")


class RuleBook:
    """All rules, found by scope. What a kind of call meets is remembered."""

    def __init__(self, rules: Rules) -> None:
        self.version = rules.version
        self.empty = not rules.budgets
        self._tiers = {tier.name: tier for tier in rules.tiers}
        self._by_scope: defaultdict[tuple[ScopeKind, str], list[Budget]] = defaultdict(list)
        for budget in rules.budgets:
            self._by_scope[budget.kind, budget.scope].append(budget)
        self._met: dict[tuple[object, ...], Met] = {}

    def met(self, caller: Caller, target: Target) -> Met:
        """What a call of this caller to this target meets. Raises StoreError for rules amiss."""
        if self.empty:
            return NOTHING
        key = (
            *(caller.org, caller.team, caller.user, caller.key, caller.tags, caller.end_user),
            *(target.model, target.provider),
        )
        found = self._met.get(key)
        if found is None:
            if len(self._met) >= _MEMO_LIMIT:
                self._met.clear()
            found = self._met[key] = self._resolve(caller, target)
        return found

    def standing_limits(self, caller: Caller) -> tuple[Limit, ...]:
        """All limits of a caller's budgets, those for a part of its calls included."""
        found = [
            limit
            for kind, name in scopes_of(caller)
            for budget, allowance in self._allowances(kind, name)
            for limit in _limits(budget, allowance, kind, name)
        ]
        return _without_doubles(found)

    def _resolve(self, caller: Caller, target: Target) -> Met:
        spent: list[Limit] = []
        rates: list[Limit] = []
        caps: list[Cap] = []
        for kind, name in scopes_of(caller):
            for budget, allowance in self._allowances(kind, name):
                if _fits(allowance, target):
                    into = rates if is_rate(allowance) else spent
                    into += _limits(budget, allowance, kind, name)
            caps += self._caps(kind, name)
        limits = _without_doubles(spent)
        capped = any(cap.caps.usd_nanousd is not None for cap in caps)
        return Met(
            limits,
            _without_doubles(rates),
            tuple(caps),
            "hard" if capped else _grip(limits, "usd"),
            _grip(limits, "tokens"),
            limits,
        )

    def _budgets(self, kind: ScopeKind, name: str) -> tuple[list[Budget], list[Budget]]:
        """Those of this very scope, and those of each scope of its kind."""
        own = self._by_scope.get((kind, name), [])
        each = self._by_scope.get((kind, EACH), []) if name and name != EACH else []
        return own, each

    def _allowances(self, kind: ScopeKind, name: str) -> Iterator[tuple[str, Allowance]]:
        own, each = self._budgets(kind, name)
        taken = set()
        for budget in own:
            for allowance in (*budget.allowances, *self._tier(budget).allowances):
                taken.add(_what(allowance))
                yield budget.name, allowance
        in_tier = any(budget.tier for budget in own)
        for budget in each:
            tier = () if in_tier else self._tier(budget).allowances
            for allowance in (*budget.allowances, *tier):
                if _what(allowance) not in taken:
                    yield budget.name, allowance

    def _caps(self, kind: ScopeKind, name: str) -> Iterator[Cap]:
        own, each = self._budgets(kind, name)
        found = [cap for budget in own for cap in self._caps_of(budget, kind, name)]
        yield from found
        if not found:
            for budget in each:
                yield from self._caps_of(budget, kind, name)

    def _caps_of(self, budget: Budget, kind: ScopeKind, name: str) -> Iterator[Cap]:
        for caps in (budget.caps, self._tier(budget).caps):
            if caps.usd_nanousd is not None or caps.input_tokens is not None:
                yield Cap(budget.name, Scope(kind, name), caps)

    def _tier(self, budget: Budget) -> Tier:
        if not budget.tier:
            return _NO_TIER
        tier = self._tiers.get(budget.tier)
        if tier is None:
            raise StoreError(f"budget '{budget.name}' is in tier '{budget.tier}', which is gone")
        return tier


class CurrentRules:
    """The rules in force now: those of the settings over those of the store, as a `RuleBook`."""

    def __init__(self, fixed: Rules, store: RuleStore | None) -> None:
        self._fixed = fixed
        self._store = store
        self._seen: Rules | None = None
        self.now = RuleBook(fixed)
        self.fixed_names = frozenset(budget.name for budget in fixed.budgets)

    async def book(self) -> RuleBook:
        """Cheap where nothing has changed. Raises StoreError."""
        if self._store is None:
            return self.now
        stored = await self._store.rules()
        if stored is self._seen:
            return self.now
        changed = self._seen is None or stored.version != self._seen.version
        self._seen = stored
        if changed:
            self.now = RuleBook(merged(self._fixed, stored))
        return self.now


_NO_TIER = Tier("")


def scopes_of(caller: Caller) -> Iterator[tuple[ScopeKind, str]]:
    """Every scope that a caller belongs to, the widest first."""
    yield "org", EVERYONE.name
    names: dict[ScopeKind, Iterable[str]] = {
        "org": (caller.org,),
        "team": (caller.team,),
        "user": (caller.user,),
        "key": (caller.key,),
        "tag": caller.tags,
        "end_user": (caller.end_user,),
    }
    for kind in SCOPE_KINDS:
        for name in names[kind]:
            if name:
                yield kind, name


def _grip(limits: Iterable[Limit], unit: Unit) -> Grip:
    found = [limit.hard for limit in limits if limit.unit == unit]
    if not found:
        return ""
    return "hard" if any(found) else "soft"


def _what(allowance: Allowance) -> tuple[object, ...]:
    return allowance.unit, allowance.window, allowance.model, allowance.provider


def _fits(allowance: Allowance, target: Target) -> bool:
    """Whether a call to this target counts; `gpt-4o*` stands for each model that begins so.

    Where nobody knows which model does the work (batches, unread paths), it may be any: money is
    then asked for, and what is free needs none.
    """
    if allowance.provider and allowance.provider != target.provider:
        return False
    model = allowance.model
    if not target.model and allowance.unit == "usd":
        return True
    if model.endswith(EACH):
        return target.model.startswith(model[:-1])
    return not model or model == target.model


def _limits(budget: str, allowance: Allowance, kind: ScopeKind, name: str) -> Iterator[Limit]:
    scope = Scope(kind, name, allowance.model, allowance.provider)
    window, hard = allowance.window, allowance.hard
    yield Limit(budget, scope, allowance.unit, allowance.amount, window, hard)
    if allowance.burst and window.kind not in ("lifetime", "open"):
        length_s = window.seconds or _WINDOW_S[window.kind]
        share = allowance.burst * allowance.amount * allowance.burst_seconds // length_s
        at_once = Window("rolling", allowance.burst_seconds)
        yield Limit(budget, scope, allowance.unit, max(1, share), at_once, hard)


def _without_doubles(limits: Iterable[Limit]) -> tuple[Limit, ...]:
    """Of limits with one counter, the lowest hard one, and the lowest soft one if it is lower."""
    lowest: dict[tuple[object, ...], Limit] = {}
    for limit in limits:
        key = (limit.scope, limit.unit, limit.window, limit.hard)
        known = lowest.get(key)
        if known is None or limit.amount < known.amount:
            lowest[key] = limit
    return tuple(
        limit
        for (scope, unit, window, hard), limit in lowest.items()
        if hard
        or (other := lowest.get((scope, unit, window, True))) is None
        or limit.amount < other.amount
    )
