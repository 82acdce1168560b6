"""Embeds texts on the engine's loop: many in few requests, single ones gathered for a moment.

Every request is a call like any other: priced, held by budgets, remembered, tried again and booked.
What is gathered is flushed by time, so that no text waits for company that does not come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from scrimp.app import App
from scrimp.calls import Call, HeldSink, Trace
from scrimp.client.purses import Pocket
from scrimp.client.vectors import (
    BATCH,
    Embedded,
    Embeddings,
    Kind,
    OnProgress,
    Progress,
    batches,
    body_of,
    vectors_of,
)
from scrimp.errors import UpstreamError
from scrimp.ledger.booking import total_usage
from scrimp.ledger.parts import split
from scrimp.ledger.steps import served_of
from scrimp.pipeline.together import anew
from scrimp.shell.deliver import present
from scrimp.shell.intake import Asked, Identity, Intake
from scrimp.shell.routes import ROUTES

PATH = "/v1/embeddings"
WAIT_S = 0.02
"""How long a single text waits for others: about what a request takes anyway."""
PARALLEL = 4
_OF_THE_BATCH = (400, 413, 422)
"""Refusals that may be about one text among others."""

Pay = Callable[[Call, tuple[Pocket, ...]], Call]
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Waiting:
    text: str
    answer: asyncio.Future[Embedded]


class EmbedDesk:
    """Over one `App`, on its loop."""

    def __init__(self, app: App, intake: Intake, pay: Pay) -> None:
        self._app = app
        self._intake = intake
        self._pay = pay
        self._waiting: dict[Kind, list[_Waiting]] = {}

    async def one(self, text: str, kind: Kind) -> Embedded:
        """A text's vector, asked for together with others of its kind. Raises as a call does."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting.get(kind)
        if waiting is None:
            waiting = self._waiting[kind] = []
            loop.call_later(WAIT_S, self._flush, kind, waiting)
        mine = _Waiting(text, loop.create_future())
        waiting.append(mine)
        if len(waiting) == BATCH:
            self._flush(kind, waiting)
        return await mine.answer

    async def many(
        self, texts: Sequence[str], kind: Kind, batch: int, progress: OnProgress | None
    ) -> Embeddings:
        """All vectors, several requests at once. Raises what the first failed request raised."""
        parts = list(batches(texts, batch))
        found: dict[range, Embeddings] = {}
        left = iter(parts)

        async def work() -> None:
            for part in left:
                found[part] = await self._ask([texts[at] for at in part], kind)
                if progress is not None:
                    progress(_so_far(found, len(texts)))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(PARALLEL, len(parts))):
                    group.create_task(work())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return _joined([found[part] for part in parts], kind)

    def _flush(self, kind: Kind, waiting: list[_Waiting]) -> None:
        """Ask for what is gathered, once."""
        if self._waiting.get(kind) is not waiting:
            return
        del self._waiting[kind]
        work = self._answer(kind, waiting)
        try:
            self._app.background(work)
        except RuntimeError:  # the app is closing
            work.close()
            for one in waiting:
                one.answer.cancel()

    async def _answer(self, kind: Kind, waiting: list[_Waiting]) -> None:
        asked = [one for one in waiting if not one.answer.done()]
        try:
            if asked:
                await self._share(kind, asked)
        except Exception as error:  # noqa: BLE001 (handed on to everybody who waits)
            for one in asked:
                if not one.answer.done():
                    one.answer.set_exception(_own(error))
        finally:
            for one in asked:
                one.answer.cancel()

    async def _share(self, kind: Kind, asked: list[_Waiting]) -> None:
        texts = [one.text for one in asked]
        try:
            found = await self._ask(texts, kind)
        except UpstreamError as error:
            if error.status not in _OF_THE_BATCH or len(asked) == 1:
                raise
            for one in asked:  # a text of somebody else's is no fault of this one
                await self._answer(kind, [one])
            return
        for one, embedded in zip(asked, _each(found, texts), strict=True):
            if not one.answer.done():
                one.answer.set_result(embedded)

    async def _ask(self, texts: Sequence[str], kind: Kind) -> Embeddings:
        """One request. Raises Rejected and UpstreamError."""
        route, app = ROUTES[PATH], self._app
        asked = Asked(
            id=app.new_id(),
            identity=Identity(),
            method="POST",
            path=PATH,
            headers=dict(kind.headers),
            raw=[(b"content-type", b"application/json")],
            body=body_of(texts, kind),
            sink=HeldSink(),
            trace=Trace(),
        )
        call = self._pay(self._intake.call(asked, route), kind.purses)
        reply = await app.handle(call)
        _, body = present(app.dialects[route.dialect], reply, call)
        booked, attempts = call.trace.booked, call.trace.attempts
        served = served_of(attempts, call.trace.lines)
        known = booked is not None and booked.baseline_nanousd is not None
        return Embeddings(
            vectors=vectors_of(body, len(texts)),
            model=reply.facts.model or call.target.model,
            provider=(served.target if served else call.target).provider,
            tokens=total_usage(attempts).total_input_tokens,
            cost_nanousd=booked.cost.nanousd if booked else None,
            saved_nanousd=sum(nano for _, nano in booked.saved) if booked and known else None,
            ids=(call.id,),
            source=reply.served_by,
        )


def _each(found: Embeddings, texts: Sequence[str]) -> Iterator[Embedded]:
    """Each text's vector, and its part of tokens and cost by its length."""
    weights = [len(text) for text in texts]
    tokens = split(found.tokens, weights)
    cost = found.cost_nanousd
    costs = [None] * len(texts) if cost is None else split(cost, weights)
    for at, vector in enumerate(found.vectors):
        yield Embedded(
            vector, found.model, found.provider, found.source, tokens[at], costs[at], found.ids[0]
        )


def _sum(amounts: Sequence[int | None]) -> int | None:
    """None as soon as one of them is not known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _so_far(found: dict[range, Embeddings], total: int) -> Progress:
    costs = [one.cost_nanousd for one in found.values()]
    return Progress(sum(map(len, found)), total, _sum(costs))


def _joined(parts: Sequence[Embeddings], kind: Kind) -> Embeddings:
    first = parts[0] if parts else None
    return Embeddings(
        vectors=tuple(vector for part in parts for vector in part.vectors),
        model=first.model if first else kind.model,
        provider=first.provider if first else "",
        tokens=sum(part.tokens for part in parts),
        cost_nanousd=_sum([part.cost_nanousd for part in parts]),
        saved_nanousd=_sum([part.saved_nanousd for part in parts]),
        ids=tuple(one for part in parts for one in part.ids),
        source=first.source if first else "",
    )


def _own(error: Exception) -> Exception:
    return anew(error) if isinstance(error, UpstreamError) else error
