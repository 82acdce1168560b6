"""Several upstreams by script, and the breaker over them: for tests of going elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from msgspec.structs import replace

from scrimp.budgets.worst import WorstCase
from scrimp.calls import Attempt, Call, Outcome, Reply, Target
from scrimp.errors import InvalidRequest, UnknownModel, UpstreamError
from scrimp.health import HealthStore
from scrimp.levers.fallback import Fallback, FallbackSettings
from scrimp.pipeline.background import Spawn
from scrimp.pipeline.circuits import Circuits
from scrimp.routing.circuit import Rules
from scrimp.routing.fallback_tables import FallbackSection
from scrimp.routing.instead import Instead
from scrimp.routing.regions import Regions
from scrimp.stores.memory_health import MemoryHealth
from tests.support.budgets import book
from tests.support.core import FakeClock, attempt_of, reply_of

RULES = Rules(least_calls=4, probes=2)
OVERLOADED = (("retry-after", "7"), ("content-type", "application/json"))


class Places:
    """`provider/model` is there if its provider is; other names are those of `models`."""

    def __init__(self, providers: tuple[str, ...], models: Mapping[str, str]) -> None:
        self._providers = providers
        self._models = models

    def resolve(self, model: str, dialect: str, *, native_only: bool = False) -> Target:
        """Where a name leads."""
        assert not native_only, "a fallback may speak another dialect"
        name = self._models.get(model, model)
        provider, slash, rest = name.partition("/")
        if slash and provider in self._providers:
            return Target(provider, rest, dialect)
        if model == "of another dialect":
            raise InvalidRequest("it speaks another one")
        raise UnknownModel(model)


class Tasks:
    """Work beside the calls, of the test's own group. Implements `pipeline.background.Spawn`."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._group.__aexit__(*args)  # type: ignore[arg-type]  # as they came

    def __call__(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start it."""
        task = self._group.create_task(work)
        self._tasks.append(task)
        return task

    async def done(self) -> None:
        """Wait until nothing runs any more."""
        while running := [task for task in self._tasks if not task.done()]:
            await asyncio.wait(running)


class AtOnce:
    """Work that is done before anything else happens: with a store in memory nothing waits."""

    def __call__(self, work: Coroutine[Any, Any, None]) -> AtOnce:
        """Do it."""
        with suppress(StopIteration):
            while True:
                work.send(None)
        return self

    def cancel(self) -> bool:
        """It has ended."""
        return False


Says = Callable[[Call], Reply | BaseException]


@dataclass
class Below:
    """What is below the lever: each target answers as it is told to, and leaves its attempt."""

    clock: FakeClock
    says: dict[str, Says | Reply | BaseException] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    async def __call__(self, call: Call) -> Reply:
        """One try of a target, by `provider/model`, or by its provider; else a good answer."""
        self.calls.append(call)
        target = call.target
        said = self.says.get(f"{target.provider}/{target.model}", self.says.get(target.provider))
        answer = reply_of() if said is None else said(call) if callable(said) else said
        if isinstance(answer, UpstreamError):
            self._leave(call, "failed" if answer.status >= 500 else "rejected", answer.status)
        if isinstance(answer, BaseException):
            try:
                raise answer
            finally:
                del answer, said  # an error that led back here would be a ring
        self._leave(call, "ok", 200)
        await asyncio.sleep(0)
        return answer

    def _leave(self, call: Call, outcome: Outcome, status: int) -> None:
        attempt: Attempt = attempt_of(
            target=call.target, outcome=outcome, status=status, started_at=self.clock.now()
        )
        call.trace.attempts.append(attempt)

    @property
    def tried(self) -> list[str]:
        """Where calls went, in order."""
        return [f"{call.target.provider}/{call.target.model}" for call in self.calls]


@dataclass
class Stage:
    """One worker: its lever, its breaker."""

    clock: FakeClock
    below: Below
    circuits: Circuits
    lever: Fallback

    async def answer(self, call: Call) -> Reply:
        """The call through the lever."""
        return await self.lever(call, self.below)


def stage(
    spawn: Spawn | None = None,
    *,
    store: HealthStore | None = None,
    clock: FakeClock | None = None,
    rules: Rules = RULES,
    settings: FallbackSettings | None = None,
    **section: Any,
) -> Stage:
    """A worker over providers openai, azure, anthropic; `section` is of FallbackSection.

    Calls of gpt-4o-mini go to azure, then to claude-haiku-4-5, unless `section` says otherwise.
    """
    clock = clock or FakeClock()
    chain = {"gpt-4o-mini": ("azure/gpt-4o-mini", "anthropic/claude-haiku-4-5")}
    table = FallbackSection(**({"models": chain} | section))
    named = {"gpt-4o-mini": "openai/gpt-4o-mini"}
    places = Places(("openai", "azure", "anthropic"), named)
    worst = WorstCase(book(), {"azure": "openai"}, {})
    instead = Instead(table, places, worst, clock, Regions({"azure": "eu"}, {}, places))
    circuits = Circuits(store or MemoryHealth(), clock, rules, spawn or AtOnce())
    lever = Fallback(instead, circuits, clock, settings or FallbackSettings())
    return Stage(clock, Below(clock), circuits, lever)


def down(status: int = 503, *, body: bytes = b'{"error":{"message":"down"}}') -> UpstreamError:
    """What a provider says that is not well."""
    return UpstreamError("no", status=status, headers=OVERLOADED, body=body)


def asking(call: Call, number: int) -> Call:
    """The same call as another one."""
    return replace(call, id=f"{call.id}-{number}")
