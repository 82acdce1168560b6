"""Addresses inside an answer that would lead a client past the gateway: they lead back to it.

Anthropic's batches say where their results are, and its SDKs follow that address with the client's
own key: a virtual key would go to the provider, who does not know it. Nothing else is touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Coroutine[Any, Any, None]]

_BATCHES = "/v1/messages/batches"
_RESULTS = "/results"
_MOST_BYTES = 8 * 1024 * 1024
_LINK = re.compile(rb'("results_url"\s*:\s*")https?://[^"]*?(/v1/messages/batches/[^"/]+/results")')


def leading_back(path: str, send: Send) -> Send:
    """The `send` for a request to this path: itself, unless such addresses may come."""
    if path.startswith(_BATCHES) and not path.endswith(_RESULTS):
        return OwnLinks(send)
    return send


class OwnLinks:
    """Holds an answer back until it is whole, and sends it with addresses below our own."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        """Take one message of the answer."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self._start is None:  # what is too much to be held has begun to leave
            await self._send(message)
            return
        self._body += message.get("body", b"")
        more = bool(message.get("more_body", False))
        if more and len(self._body) <= _MOST_BYTES:
            return
        start, self._start = self._start, None
        body = bytes(self._body)
        if not more:
            body = _LINK.sub(rb"\1\2", body)
            kept = [pair for pair in start["headers"] if pair[0] != b"content-length"]
            start = {**start, "headers": [*kept, (b"content-length", b"%d" % len(body))]}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
