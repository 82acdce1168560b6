"""What `scrimp cache warm` does: looks what is missing, says what it will cost, asks, counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec.structs import replace

from scrimp.calls import is_refusal
from scrimp.cli.cache import ask_gateway
from scrimp.errors import (
    ConfigError,
    InvalidRequest,
    PriceUnknown,
    Rejected,
    ScrimpError,
    UpstreamError,
)

if TYPE_CHECKING:
    from scrimp.app import App
    from scrimp.identity import KeyRecord, VirtualKey
    from scrimp.settings import KeySettings, Loaded, Settings
    from scrimp.shell.intake import Identity
    from scrimp.shell.warming import Warmed, WarmForm

_ANSWER_S = 600.0
_SHOWN = 5
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Planned:
    """One call: where it stands in the list, what is to be done, what it may cost at most."""

    where: str
    form: WarmForm
    outcome: str = ""
    expected_nanousd: int | None = 0
    upper_nanousd: int | None = 0


@dataclass(slots=True)
class Tally:
    """What became of all. `spent_nanousd` counts what nobody knows at its most."""

    counts: dict[str, int] = field(default_factory=dict)
    spent_nanousd: int = 0
    held_nanousd: int = 0
    unknown: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, outcome: str) -> None:
        """One more."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1

    @property
    def done(self) -> int:
        """How many have come to an end."""
        return sum(self.counts.values())


class Doer(Protocol):
    """Warms calls: in an engine of its own, or in a gateway that runs."""

    async def __call__(self, form: WarmForm) -> Warmed:
        """One of them. Raises ScrimpError."""
        ...


@asynccontextmanager
async def doer(loaded: Loaded, tenant: str | None, *, remote: bool) -> AsyncIterator[Doer]:
    """In the running gateway where only that remembers, else in an engine of this process."""
    if remote:
        yield _remote(loaded)
        return
    from scrimp.app import open_app
    from scrimp.shell.intake import Intake
    from scrimp.shell.warming import Warming

    async with open_app(loaded) as app:
        warming = Warming(app, Intake(app, tenant_secret=b""))
        identity = await _identity(app, tenant)

        async def here(form: WarmForm) -> Warmed:
            return await warming.warm(identity, form)

        yield here


def _remote(loaded: Loaded) -> Doer:
    from scrimp.shell.warming import Warmed

    async def there(form: WarmForm) -> Warmed:
        told = await asyncio.to_thread(
            ask_gateway, loaded, "POST", "/v1/scrimp/cache/warm", form, timeout_s=_ANSWER_S
        )
        return msgspec.convert(told, Warmed)

    return there


async def _identity(app: App, tenant: str | None) -> Identity:
    """Whose answers are warmed. Raises ConfigError, InvalidRequest."""
    from scrimp.shell.intake import Identity

    if app.settings.auth.mode == "passthrough":
        raise ConfigError(
            "callers bring keys of their own here, and each has answers of its own: none can be "
            "warmed for them"
        )
    if tenant is None or tenant == "local":
        if await app.keys.any():
            raise ConfigError("callers have keys here: say whose answers (--tenant key:NAME)")
        return Identity()
    name = tenant.removeprefix("key:")
    for key in app.settings.keys:
        if key.name == name:
            return Identity(key=_key(key), tenant=f"key:{name}")
    record = None if app.control is None else await app.control.key(name)
    if record is None:
        raise InvalidRequest(f"there is no key '{name}' (scrimp keys list)")
    return Identity(key=_key(record), tenant=f"key:{name}")


def _key(one: KeySettings | KeyRecord) -> VirtualKey:
    """For calls on its behalf, without its secret."""
    from scrimp.identity import VirtualKey

    return VirtualKey(one.name, "", one.team, one.user, one.task, one.tags, one.models, one.org)


async def look(planned: Sequence[Planned], do: Doer, settings: Settings) -> list[Planned]:
    """What is to be done for each, with estimates. Raises InvalidRequest with the line at fault."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(plan: Planned) -> Planned:
        async with gate:
            try:
                found = await do(replace(plan.form, dry_run=True))
            except Rejected as error:
                raise InvalidRequest(f"{plan.where}: {error}") from error
        return Planned(plan.where, plan.form, found.outcome)

    looked = await asyncio.gather(*(one(plan) for plan in planned))
    return await asyncio.to_thread(_estimated, looked, settings)


def _estimated(planned: Sequence[Planned], settings: Settings) -> list[Planned]:
    from scrimp.cli.estimate_call import estimates_of
    from scrimp.shell.quoting import Hints

    found: list[Planned] = []
    for plan in planned:
        if plan.outcome != "asked":
            found.append(plan)
            continue
        try:
            (cost,) = estimates_of([bytes(plan.form.body)], settings, Hints())
        except PriceUnknown:
            found.append(Planned(plan.where, plan.form, plan.outcome, None, None))
            continue
        expected, upper = cost.cost_nanousd, cost.upper_nanousd
        found.append(Planned(plan.where, plan.form, plan.outcome, expected, upper))
    return found


async def run(
    planned: Sequence[Planned],
    do: Doer,
    *,
    budget_nanousd: int | None,
    at_once: int,
    tell: Callable[[Tally], None],
) -> Tally:
    """Warm them all, a few at once; what may pass the budget is not begun."""
    tally, gate = Tally(), asyncio.Semaphore(at_once)

    async def one(plan: Planned) -> None:
        async with gate:
            upper = plan.upper_nanousd or 0
            ahead = tally.spent_nanousd + tally.held_nanousd + upper
            if budget_nanousd is not None and plan.outcome == "asked" and ahead > budget_nanousd:
                tally.add("over_budget")
                tell(tally)
                return
            tally.held_nanousd += upper
            try:
                warmed = await do(plan.form)
            except ScrimpError as error:
                billed = isinstance(error, UpstreamError) and not is_refusal(error.status)
                tally.spent_nanousd += upper if billed else 0
                tally.unknown += billed
                tally.add("failed")
                if len(tally.failures) < _SHOWN:
                    tally.failures.append(f"{plan.where}: {error}")
            else:
                _count(tally, warmed, upper)
            finally:
                tally.held_nanousd -= upper
            tell(tally)

    async with asyncio.TaskGroup() as group:
        for plan in planned:
            group.create_task(one(plan))
    return tally


def _count(tally: Tally, warmed: Warmed, upper: int) -> None:
    tally.add(warmed.outcome)
    if warmed.cost_nanousd is None:
        tally.unknown += 1
    tally.spent_nanousd += upper if warmed.cost_nanousd is None else warmed.cost_nanousd
