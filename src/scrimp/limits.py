"""Words and port of budgets and limits: scopes, windows, limits, holds. Nothing here does I/O.

Amounts are integers: nano-dollars, tokens, or calls, as the limit's unit says. Times are aware UTC.
A hold reserves the worst case before an attempt is sent; settling books what it really was.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from scrimp.values import Value

ScopeKind = Literal["org", "team", "user", "key", "tag", "end_user"]
SCOPE_KINDS: tuple[ScopeKind, ...] = ("org", "team", "user", "key", "tag", "end_user")

Unit = Literal["usd", "tokens", "calls"]
"""`usd` amounts are nano-dollars."""

WindowKind = Literal["minute", "hour", "day", "week", "month", "rolling", "lifetime", "open"]
"""minute … month: by the calendar of the window's zone (a week begins on Monday) · rolling: the
last `seconds`, at any moment · lifetime: never begins again · open: only what is held right now
counts, so that a limit of calls is a limit of parallel calls."""


class Scope(Value, frozen=True):
    """Whom a limit belongs to; `model` and `provider` narrow it to a part of the scope's calls.

    No rule speaks of a `program`: it is what a program itself has given its calls to spend.
    """

    kind: ScopeKind | Literal["program"]
    name: str
    model: str = ""
    provider: str = ""

    def __str__(self) -> str:
        """For people: `team:red`, `team:red model gpt-4o`."""
        model = f" model {self.model}" if self.model else ""
        provider = f" provider {self.provider}" if self.provider else ""
        return f"{self.kind}:{self.name}{model}{provider}"


class Window(Value, frozen=True):
    """Over which time a limit counts.

    `seconds` is for rolling windows, `zone` (an IANA name) for those of the calendar.
    """

    kind: WindowKind
    seconds: int = 0
    zone: str = "UTC"


class Allowance(Value, frozen=True):
    """What a budget or a tier allows, whoever it is for.

    `burst` is a multiple (0: none): then in any `burst_seconds` the scope may use at most `burst`
    times the even share of that time, beside the allowance of the whole window. `model` and
    `provider` make it count a part of the scope's calls only.
    """

    unit: Unit
    amount: int
    window: Window
    hard: bool = True
    burst: int = 0
    burst_seconds: int = 3600
    model: str = ""
    provider: str = ""


class Caps(Value, frozen=True):
    """The most that one call may cost or read, None where there is no such cap."""

    usd_nanousd: int | None = None
    input_tokens: int | None = None


class Tier(Value, frozen=True):
    """A named set of allowances, and caps on each call, that scopes are put into."""

    name: str
    allowances: tuple[Allowance, ...] = ()
    caps: Caps = Caps()


class Budget(Value, frozen=True):
    """A named set of allowances of one scope. The name `*` means: each scope of this kind has it.

    Its own allowances count beside those of the tier that the scope is in.
    """

    name: str
    kind: ScopeKind
    scope: str
    allowances: tuple[Allowance, ...] = ()
    caps: Caps = Caps()
    tier: str = ""


class Rules(Value, frozen=True):
    """All budgets and tiers in force; `version` changes whenever one of them does."""

    version: str = ""
    budgets: tuple[Budget, ...] = ()
    tiers: tuple[Tier, ...] = ()


class RuleStore(Protocol):
    """Where budgets and tiers stand. Raises StoreError; callers fail closed."""

    async def rules(self) -> Rules:
        """Those in force now; cheap enough for every call (what others changed shows in 1 s)."""
        ...

    async def put_budget(self, budget: Budget, *, by: str) -> None:
        """Add it, or put it in the place of the one with its name. `by` is for the audit log."""
        ...

    async def delete_budget(self, name: str, *, by: str) -> bool:
        """Take it away. False when it was not there."""
        ...

    async def put_tier(self, tier: Tier, *, by: str) -> None:
        """Add it, or put it in the place of the one with its name."""
        ...

    async def delete_tier(self, name: str, *, by: str) -> bool:
        """Take it away. False when it was not there."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


class Limit(Value, frozen=True):
    """At most `amount` of `unit` by this scope in each window. `name` is the budget's, for people.

    Equal scope, unit and window share one counter, whatever the amount: a limit that is raised
    goes on from what is used.
    """

    name: str
    scope: Scope
    unit: Unit
    amount: int
    window: Window
    hard: bool = True


class Amounts(Value, frozen=True):
    """What an attempt may use or has used, in every unit. `calls` is 1 for an attempt."""

    usd_nanousd: int = 0
    tokens: int = 0
    calls: int = 1

    def of(self, unit: Unit) -> int:
        """The amount in a limit's unit."""
        if unit == "usd":
            return self.usd_nanousd
        return self.tokens if unit == "tokens" else self.calls


class Standing(Value, frozen=True):
    """How a limit stands: settled in this window, held beside it, when the window ends.

    `resets_at` is None for lifetime and open windows; of a rolling one it is the next moment at
    which something falls out of it.
    """

    limit: Limit
    used: int
    held: int
    resets_at: datetime | None

    @property
    def remaining(self) -> int:
        """What may still be held; never below 0, though a settlement may pass a soft limit."""
        return max(0, self.limit.amount - self.used - self.held)


class Verdict(Value, frozen=True):
    """The answer to a hold. `denied_by` is None when it is held.

    Otherwise nothing is held, and it is the limit that stands in the way: a hard one before a
    soft one, then the one whose window ends last. `standings` are those after this step, in the
    order of the limits that were given.
    """

    standings: tuple[Standing, ...]
    denied_by: Standing | None = None
    needed: int = 0


class BudgetStore(Protocol):
    """Counters of limits, with holds. Every step is atomic over all its limits, in all processes.

    Time is the store's own, so that machines need not agree; it never runs backwards. A hold that
    is neither settled nor released when its lease ends is charged in full (in `open` windows: let
    go); a late settlement corrects that. Engines pass one contract test.
    """

    async def hold(
        self,
        hold_id: str,
        limits: tuple[Limit, ...],
        worst: Amounts,
        *,
        lease_s: float,
        over_soft: bool = False,
    ) -> Verdict:
        """Reserve the worst case in every limit, or in none.

        Who needs nothing of a limit is not denied by it. With `over_soft` soft limits count but do
        not deny. A hold id that is known already (open, ended within the hour, or charged within
        the day) is answered as it was, and reserves nothing again; one who keeps the same tuple of
        limits is answered faster. Raises StoreError, ConfigError for a window that makes no sense:
        callers fail closed.
        """
        ...

    def settle(self, hold_id: str, actual: Amounts) -> None:
        """Book what it was and end the hold; returns at once, never fails, may be repeated.

        It survives a restart: what cannot be written now is kept in a journal and written later.
        An unknown id changes nothing. What is no amount (negative, too large) books the worst case.
        """
        ...

    def release(self, hold_id: str) -> None:
        """End a hold of an attempt that provably never left; like `settle` with nothing used."""
        ...

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """How these limits stand now. Raises StoreError."""
        ...

    async def reset(self, limits: tuple[Limit, ...]) -> None:
        """Count these limits from 0 again in their current windows; open holds stay held."""
        ...

    async def flush(self) -> None:
        """Wait until every settlement so far is written, or in the journal."""
        ...

    async def close(self) -> None:
        """Write what is pending and let go of files."""
        ...


class Purse(Protocol):
    """What a program has given a call to spend, beside the rules: held against as they are.

    Purses are told apart by identity. Their counters may be asked on any event loop.
    """

    @property
    def lasting(self) -> bool:
        """Whether it bears calls that outlive the program: its owner counts jobs again himself."""
        ...

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The same tuple each time."""
        ...

    @property
    def counters(self) -> BudgetStore:
        """Where they are counted; several purses may share one."""
        ...
