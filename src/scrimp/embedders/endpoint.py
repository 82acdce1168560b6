"""Any OpenAI-compatible embeddings endpoint behind the Embedder port, asked in batches.

One text that is refused does not sink those beside it: the batch is halved until it stands alone.
What passes (429, 5xx, a broken answer) is tried once more; a server that is away is left alone for
a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from scrimp.calls import Headers
from scrimp.embedders.batching import Answer, Batcher, BatchLimits, Sent
from scrimp.embedders.embeddings_reply import Vectors, read_vectors
from scrimp.embedders.texts import readable
from scrimp.errors import StoreError, UpstreamError
from scrimp.ports import Exchange, Upstream, UpstreamRequest

_HEADERS: Headers = (("content-type", "application/json"), ("accept", "application/json"))
_MOST_REQUESTS = 32
_MOST_RETRY_AFTER_S = 30.0
_RETRY_S = 0.05
_REFUSED = frozenset({400, 413, 422})
_PASSING = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class Spent:
    """What one answered request used, to be booked. `input_tokens` None: it did not say."""

    provider: str
    model: str
    texts: int
    input_tokens: int | None


Told = Callable[[Spent], None]


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """`send_dims`: ask for vectors of that length, where the model has several."""

    provider: str
    model: str
    dims: int
    send_dims: bool = False
    most_chars: int = 16_000
    limits: BatchLimits = field(default_factory=BatchLimits)


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A request that brought no vectors: the texts' fault, a passing one, or one that stays."""

    kind: Literal["refused", "passing", "final"]
    why: str
    after_s: float = 0.0


class EndpointEmbedder:
    """Implements `meanings.Embedder`. Works while `run` runs."""

    def __init__(
        self, upstream: Upstream, options: EndpointOptions, told: Told = lambda _spent: None
    ) -> None:
        self._upstream = upstream
        self._options = options
        self._told = told
        self._batcher = Batcher(self.id, self._send, options.limits)

    @property
    def id(self) -> str:
        """Provider, model and length: the same name elsewhere may be another model."""
        return f"{self._options.provider}:{self._options.model}/{self.dims}/1"

    @property
    def dims(self) -> int:
        """What the settings say; other vectors are refused."""
        return self._options.dims

    async def embed(self, texts: tuple[str, ...]) -> tuple[bytes, ...]:
        """One vector per text, in order. Raises StoreError."""
        most, size = self._options.most_chars, self._options.limits.size
        found: list[bytes] = []
        for begin in range(0, len(texts), size):
            batch = texts[begin : begin + size]
            # no endpoint takes an empty text
            found += await self._batcher.ask([readable(text, most) or " " for text in batch])
        return tuple(found)

    async def run(self) -> None:
        """Carry batches until `close`."""
        await self._batcher.run()

    async def close(self) -> None:
        """Ask nothing more. The upstream is not closed: it belongs to whoever made it."""
        self._batcher.close()

    async def _send(self, texts: list[str]) -> Sent:
        found = await self._once(texts)
        if isinstance(found, _Trouble) and found.kind == "passing":
            if found.after_s > self._options.limits.timeout_s:
                return Sent(self._failed(texts, found), away_s=found.after_s)
            await asyncio.sleep(found.after_s or _RETRY_S)
            found = await self._once(texts)
        if not isinstance(found, _Trouble):
            return Sent(found)
        if found.kind == "final" or len(texts) == 1:
            away = found.kind != "refused"
            return Sent(self._failed(texts, found), found.after_s or _RETRY_S if away else 0.0)
        return await self._halved(texts, found, [_MOST_REQUESTS])

    async def _halved(self, texts: list[str], trouble: _Trouble, left: list[int]) -> Sent:
        """Each half by itself; one that fails while the other works is halved again."""
        left[0] -= 2
        middle = len(texts) // 2
        parts = [texts[:middle], texts[middle:]]
        found = [await self._once(part) for part in parts]
        failed = [one for one in found if isinstance(one, _Trouble)]
        if len(failed) == 2 and any(one.kind != "refused" for one in failed):
            return Sent(self._failed(texts, trouble), away_s=failed[-1].after_s or _RETRY_S)
        answers: list[Answer] = []
        for part, one in zip(parts, found, strict=True):
            if not isinstance(one, _Trouble):
                answers += one
            elif len(part) == 1 or left[0] < 2:
                answers += self._failed(part, one)
            else:
                answers += (await self._halved(part, one, left)).answers
        return Sent(answers)

    async def _once(self, texts: Sequence[str]) -> list[Answer] | _Trouble:
        options = self._options
        fields: dict[str, object] = {"model": options.model, "input": texts}
        fields["encoding_format"] = "base64"
        if options.send_dims:
            fields["dimensions"] = options.dims
        body = msgspec.json.encode(fields)
        request = UpstreamRequest(options.provider, "POST", "/embeddings", _HEADERS, body)
        try:
            exchange = await self._upstream.open(request, credential=None, sending=_nothing)
            status, after_s = exchange.status, _retry_after(exchange.headers)
            answer = await _whole(exchange, (1 << 20) + len(texts) * options.dims * 32)
        except UpstreamError as error:
            return _Trouble("passing", f"embedder '{self.id}': {error}")
        if status != 200:
            return self._refusal(status, after_s)
        vectors = read_vectors(answer, len(texts), options.dims)
        tokens = vectors.input_tokens if isinstance(vectors, Vectors) else None
        self._told(Spent(options.provider, options.model, len(texts), tokens))
        if not isinstance(vectors, Vectors):
            return _Trouble("passing", f"embedder '{self.id}': {vectors}")
        return [
            StoreError(f"embedder '{self.id}': {one}") if isinstance(one, str) else one
            for one in vectors.found
        ]

    def _refusal(self, status: int, after_s: float) -> _Trouble:
        why = f"embedder '{self.id}' answered with status {status}"
        if status in _REFUSED:
            return _Trouble("refused", f"{why}: it does not take a text")
        if status in _PASSING or status >= 500:
            return _Trouble("passing", why, after_s)
        return _Trouble("final", f"{why} (look at its address, model and key)")

    def _failed(self, texts: Sequence[str], trouble: _Trouble) -> list[Answer]:
        return [StoreError(trouble.why)] * len(texts)


async def _whole(exchange: Exchange, most_bytes: int) -> bytes:
    """The body. Raises UpstreamError when it breaks, or has no end."""
    body = bytearray()
    try:
        async for chunk in exchange.chunks():
            body += chunk
            if len(body) > most_bytes:
                break
        else:
            exchange.release()
            return bytes(body)
    except BaseException:
        exchange.abort()
        raise
    exchange.abort()
    raise UpstreamError(f"its answer is larger than {most_bytes:,} bytes", status=502)


def _retry_after(headers: Headers) -> float:
    """Seconds that a 429 asks for, at most half a minute; 0 when it says nothing usable."""
    for name, value in headers:
        if name == "retry-after" and value.strip().isdecimal():
            return min(float(value), _MOST_RETRY_AFTER_S)
    return 0.0


def _nothing() -> None:
    """Whether a request left does not matter here."""
