"""The floor under any gateway of this build: uvicorn and aiohttp that do nothing else.

Usage: floor.py PORT UPSTREAM_URL. Forwards a body and returns the answer; a body that came among
the last 4,096 new ones gets the same bytes again. No JSON is read, nothing is priced or booked.
What Scrimp costs on top of it is Scrimp's own.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import uvicorn

Message = MutableMapping[str, Any]
_REMEMBERED = 4096


class Floor:
    """The smallest forwarding ASGI application."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._session: aiohttp.ClientSession | None = None
        self._remembered: dict[bytes, tuple[bytes, bytes]] = {}

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Forward one request."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        body = (await receive())["body"]
        if (known := self._remembered.get(body)) is not None:
            kind, answer = known
            size = str(len(answer)).encode()
            headers = [(b"content-type", kind), (b"content-length", size)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": answer})
            return
        await send(await self._forward(scope["path"], body, send))

    async def _forward(
        self, path: str, body: bytes, send: Callable[[Message], Awaitable[None]]
    ) -> Message:
        """Pass an answer on as it comes; returns the message that ends it."""
        assert self._session is not None  # noqa: S101 (made with the first request)
        url = self._upstream + path.removeprefix("/v1")
        headers = {"content-type": "application/json"}
        async with self._session.post(url, data=body, headers=headers) as answer:
            kind = answer.headers["content-type"].encode()
            head = {"type": "http.response.start", "status": 200}
            await send({**head, "headers": [(b"content-type", kind)]})
            pieces = []
            async for chunk in answer.content.iter_any():
                pieces.append(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if len(self._remembered) >= _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[body] = (kind, b"".join(pieces))
        return {"type": "http.response.body", "body": b""}


if __name__ == "__main__":
    uvicorn.run(
        Floor(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="error",
    )
