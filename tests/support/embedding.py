"""Embeddings endpoints and models that answer as a test says, and record what they were asked."""

from __future__ import annotations

import asyncio
import base64
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from scrimp.calls import Headers
from scrimp.errors import StoreError, UpstreamError
from scrimp.ports import UpstreamRequest

DIMS = 4


@dataclass(frozen=True, slots=True)
class Said:
    """What an endpoint answers: a status, a body, perhaps the middle of it only."""

    body: bytes = b""
    status: int = 200
    headers: Headers = ()
    broken: bool = False


Script = Callable[[list[str]], Said | UpstreamError]


def numbers_of(text: str) -> list[float]:
    """Four numbers that are a function of the text, not at length 1."""
    return [float(len(text)), float(sum(map(ord, text)) % 97), 1.0, -2.0]


def written(vector: Sequence[float]) -> str:
    """As OpenAI writes it in base64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def item(index: int, vector: Sequence[float]) -> dict[str, Any]:
    """One vector of a reply."""
    return {"object": "embedding", "index": index, "embedding": written(vector)}


def said(items: Sequence[dict[str, Any]], tokens: int | None = 5) -> Said:
    """A reply with these vectors."""
    body: dict[str, Any] = {"object": "list", "data": list(items), "model": "m"}
    if tokens is not None:
        body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Said(msgspec.json.encode(body))


def well(texts: list[str]) -> Said:
    """The right answer."""
    return said([item(place, numbers_of(text)) for place, text in enumerate(texts)], len(texts))


class _Exchange:
    def __init__(self, what: Said, ends: list[str]) -> None:
        self.status = what.status
        self.headers = what.headers
        self._what = what
        self._ends = ends

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._what.body
        if self._what.broken:
            raise UpstreamError("provider 'p' broke off in the middle of its answer", status=502)

    def release(self) -> None:
        self._ends.append("released")

    def abort(self) -> None:
        self._ends.append("aborted")


@dataclass(slots=True)
class ScriptedUpstream:
    """Implements `ports.Upstream`. `asked` holds the texts of each request."""

    script: Script = well
    asked: list[list[str]] = field(default_factory=list)
    fields: list[dict[str, Any]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def open(
        self,
        request: UpstreamRequest,
        *,
        credential: tuple[str, str] | None,
        sending: Callable[[], None],
    ) -> _Exchange:
        """Answer by the script."""
        assert (request.method, request.path, credential) == ("POST", "/embeddings", None)
        fields = msgspec.json.decode(request.body)
        self.fields.append(fields)
        self.asked.append(fields["input"])
        sending()
        if self.gate is not None:
            await self.gate.wait()
        answer = self.script(fields["input"])
        if isinstance(answer, UpstreamError):
            raise answer
        return _Exchange(answer, self.ends)

    async def close(self) -> None:
        """Nothing to close."""


class Runs(Protocol):
    """An embedder that has to run."""

    async def run(self) -> None:
        """Run."""
        ...

    async def close(self) -> None:
        """End."""
        ...


@asynccontextmanager
async def running(embedder: Runs) -> AsyncIterator[None]:
    """It runs in the block and has ended after it. Errors come out as they are."""
    failed: StoreError | None = None
    async with asyncio.TaskGroup() as group:
        group.create_task(embedder.run())
        try:
            yield
        except StoreError as error:
            failed = error
        finally:
            await embedder.close()
    if failed is not None:
        raise failed


async def soon(true: Callable[[], bool | Awaitable[bool]]) -> None:
    """Let others work until it is true; far more turns than anything takes."""
    for _ in range(100_000):
        found = true()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0)
    raise AssertionError("it never became true")


class FakeModel:
    """Implements `threaded.LocalModel`: vectors by `numbers_of`, held at `gate` if there is one."""

    def __init__(self, *, gate: threading.Event | None = None) -> None:
        self.id = "fake/1"
        self.dims = DIMS
        self.loads = 0
        self.turns: list[list[str]] = []
        self.threads: set[str] = set()
        self.load_errors: Iterator[Exception | None] = iter(())
        self.error: Exception | None = None
        self.begun = threading.Event()
        self._gate = gate

    def load(self) -> None:
        """Count it, or fail as told."""
        self.loads += 1
        if (error := next(self.load_errors, None)) is not None:
            raise error

    def encode(self, texts: Sequence[str]) -> list[bytes]:
        """One vector per text."""
        self.turns.append(list(texts))
        self.threads.add(threading.current_thread().name)
        self.begun.set()
        if self._gate is not None:
            assert self._gate.wait(10)
        if self.error is not None:
            raise self.error
        return [struct.pack("<4f", *numbers_of(text)) for text in texts]
