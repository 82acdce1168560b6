"""Embeddings that Scrimp itself asks a provider for, on the way of all calls.

So each request is held by budgets, tried again and booked as every other: an entry of its own, with
the purpose `embed`. One request carries texts of many calls, so it belongs to no tenant of theirs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from scrimp.calls import Call, Caller, Headers, HeldSink, Reply, Target, Task, Trace
from scrimp.choosing import ITSELF
from scrimp.dialects.base import Dialect
from scrimp.errors import Rejected, ScrimpError, UpstreamError
from scrimp.ports import Clock, Exchange, Next, UpstreamRequest
from scrimp.remembered import CacheControl

TAG = "scrimp-embedding"
"""Of all of them: budgets and reports may name it."""
TENANT = "scrimp"


@dataclass(frozen=True, slots=True)
class Means:
    """What of an engine they take: its way, its time, its ids, how embeddings are asked for."""

    ask: Next
    clock: Clock
    new_id: Callable[[], str]
    dialect: Dialect


class EmbeddingCalls:
    """Implements `ports.Upstream` over the engine's way, from `begin` on."""

    def __init__(self) -> None:
        self._means: Means | None = None

    def begin(self, means: Means) -> None:
        """The engine is there."""
        self._means = means

    async def open(
        self,
        request: UpstreamRequest,
        *,
        credential: tuple[str, str] | None,
        sending: Callable[[], None],
    ) -> Exchange:
        """Ask. A refusal of the provider's is an answer; raises UpstreamError for all the rest."""
        means = self._means
        if means is None:
            msg = "the engine has not begun yet"
            raise UpstreamError(msg, status=503, sent=False)
        sending()
        try:
            reply = await means.ask(_call(request, credential, means))
        except UpstreamError as error:
            if not error.body:
                raise
            return _Answer(error.status, error.headers, error.body)
        except Rejected as error:  # a budget, a limit of ours
            raise UpstreamError(str(error), status=error.status, sent=False) from error
        except ScrimpError as error:  # a store of ours that is down
            raise UpstreamError(str(error), status=503, sent=False) from error
        return _of(reply)

    async def close(self) -> None:
        """The engine's upstream is its owner's to close."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """Implements `ports.Exchange`: all of it is here already."""

    status: int
    headers: Headers
    body: bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body."""
        yield self.body

    def release(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """Nothing is open."""


def _of(reply: Reply) -> Exchange:
    if reply.body is None:
        raise UpstreamError("its answer is too large to be kept", status=502)
    return _Answer(reply.status, reply.headers, reply.body)


def _call(request: UpstreamRequest, credential: tuple[str, str] | None, means: Means) -> Call:
    read = means.dialect.read_request(request.body)
    return Call(
        id=means.new_id(),
        purpose="embed",
        operation="embeddings",
        method=request.method,
        path=f"/v1{request.path}",
        headers=request.headers,
        request=read,
        target=Target(request.provider, read.model, means.dialect.name),
        caller=Caller(TENANT, tags=(TAG,), credential=credential),
        task=Task("embedding", "none"),
        cache=CacheControl("no-store"),
        started_at=means.clock.now(),
        sink=HeldSink(),
        trace=Trace(),
        wish=ITSELF,
    )
