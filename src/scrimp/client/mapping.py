"""`Scrimp.map`: a list of calls, as fast as their providers take them; results in their order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, TypedDict, Unpack

import msgspec

from scrimp.client.calling import Headers, Way
from scrimp.client.desk import Desk
from scrimp.client.engine import Engine
from scrimp.client.functions import body_of
from scrimp.client.given import called, only, several
from scrimp.client.lanes import MOST_AT_ONCE, Lanes, Means, Turn, reasons
from scrimp.client.purses import Pocket, purses_here
from scrimp.client.wrapping import Labels
from scrimp.errors import InvalidRequest, Rejected
from scrimp.many.asked import Item, Reading, item_of
from scrimp.many.results import Result
from scrimp.money import decimal_usd
from scrimp.packing.tables import pack_wish

Asked = Mapping[str, Any] | str
"""A body as an SDK sends it, `{"prompt": …, "model": …}`, a line of a batch file, or a prompt."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """How far `map` is: `done` of `total` calls, `failed` of them without an answer.

    `cost_nanousd` is what they have cost so far, None as soon as somebody's price is not known;
    `saved_nanousd` is what levers saved on them.
    """

    done: int
    total: int
    failed: int
    cost_nanousd: int | None
    saved_nanousd: int

    @property
    def cost(self) -> Decimal | None:
        """Exact US dollars so far."""
        return None if self.cost_nanousd is None else Decimal(decimal_usd(self.cost_nanousd))

    def after(self, result: Result) -> Mapped:
        """The same with one more."""
        known = self.cost_nanousd is not None and result.cost_nanousd is not None
        return Mapped(
            self.done + 1,
            self.total,
            self.failed + (not result.ok),
            (self.cost_nanousd or 0) + (result.cost_nanousd or 0) if known else None,
            self.saved_nanousd + result.saved_nanousd,
        )


OnMapped = Callable[[Mapped], None]


class MapOptions(TypedDict, total=False):
    """What may be said beside the calls; see `Scrimp.map`."""

    model: str
    concurrency: int
    pack: int
    user: str
    task: str
    tags: tuple[str, ...]
    progress: OnMapped | None


@dataclass(frozen=True, slots=True)
class _List:
    """What was asked: items, and results of what cannot be asked, by position."""

    items: list[Item]
    refused: dict[int, Result]
    most: int
    labels: Headers
    purses: tuple[Pocket, ...]
    progress: OnMapped | None = None


class Maps:
    """The part of `Scrimp` that makes many calls at once."""

    _engine: Engine[Desk]
    _default_model: str

    def map(self, calls: Iterable[Asked], **options: Unpack[MapOptions]) -> list[Result]:
        """Make many calls; a result for each, in their order.

        A call is a body as an SDK sends it (of chat completions, responses, embeddings or Anthropic
        messages), `{"prompt": …}` with any other fields, a line of a provider's batch file, or a
        bare prompt. `model` is for those that name none. At most `concurrency` (64) are in the air,
        fewer where a provider's rate limits say so; what it pushes back is asked again. `pack` asks
        so many short questions of one kind in one prompt, where that pays. What fails does not
        raise: its result has `error`. The budgets that hold here pay for all of it. `progress` is
        called after each call, on Scrimp's own thread: keep it short. What it raises ends it all.
        """
        work = partial(_mapped, asked=self._list(calls, options))
        return self._engine.call(work)

    async def amap(self, calls: Iterable[Asked], **options: Unpack[MapOptions]) -> list[Result]:
        """The same, awaited."""
        work = partial(_mapped, asked=self._list(calls, options))
        return await self._engine.acall(work)

    def _list(self, calls: Iterable[Asked], options: MapOptions) -> _List:
        only("map", options, MapOptions)
        most = options.get("concurrency", MOST_AT_ONCE)
        if type(most) is not int or most < 1:
            raise InvalidRequest(f"concurrency is {most!r}; at least 1")
        labels = Labels(options.get("user", ""), options.get("task", ""), options.get("tags", ()))
        headers = {**labels.headers(), **_company(options.get("pack", 0))}
        reading = Reading(options.get("model", "") or self._default_model)
        items: list[Item] = []
        refused: dict[int, Result] = {}
        for position, call in enumerate(several("calls", calls)):
            try:
                items.append(item_of(record_of(call), position, reading))
            except InvalidRequest as error:
                refused[position] = unreadable(error)
        progress = called("progress", options.get("progress"))
        return _List(items, refused, most, headers, purses_here(), progress)


def _company(pack: int) -> Headers:
    """What a call says of the prompt that it may share. Raises InvalidRequest."""
    if not pack:
        return {}
    pack_wish(str(pack))
    return {b"x-scrimp-pack": str(pack).encode()}


def unreadable(error: Rejected) -> Result:
    """The result of what is no call."""
    return Result("", error.status, error=str(error), kind="invalid_request")


def record_of(call: Asked) -> dict[str, Any]:
    """A call as a line of a file has it. Raises InvalidRequest."""
    if isinstance(call, str):
        return {"prompt": call}
    if not isinstance(call, Mapping):
        raise InvalidRequest(f"a {type(call).__name__} is no call (a mapping, or a prompt)")
    found: dict[str, Any] = msgspec.json.decode(body_of(call))
    return found


async def _mapped(desk: Desk, *, asked: _List) -> list[Result]:
    way = Way(desk.app, desk.intake, asked.labels, lambda call: desk.paid(call, asked.purses))
    return await in_order(asked, way, desk)


async def in_order(
    asked: _List, ask: Callable[[Item], Awaitable[Turn[Result]]], desk: Desk
) -> list[Result]:
    """Hand each item to `ask`, and put the results in the order of the calls."""
    found = dict(asked.refused)
    far = Mapped(0, len(asked.items) + len(found), 0, 0, 0)
    for result in found.values():
        far = far.after(result)

    def keep(item: Item, result: Result) -> None:
        nonlocal far
        found[item.line] = result
        if asked.progress is not None:
            far = far.after(result)
            asked.progress(far)

    lanes = Lanes(Means(ask, keep, desk.app.clock, desk.app.outbox.drained, asked.most))
    try:
        unasked = await lanes.run(asked.items)
    except BaseExceptionGroup as errors:  # nothing that a call does raises
        raise errors.exceptions[0] from None
    if unasked.no_room or unasked.count:
        why = unasked.no_room or "; ".join(reasons(unasked))
        kind = "budget_exceeded" if unasked.no_room else "upstream"
        left_out = Result("", 429 if unasked.no_room else 503, error=f"not asked: {why}", kind=kind)
        for item in asked.items:
            if item.line not in found:
                keep(item, left_out)
    return [found[position] for position in sorted(found)]
