"""Reading a request's body, up to a limit."""

from __future__ import annotations

from functools import partial

from scrimp.gateway.sink import Receive
from scrimp.shell.refusal import Refusal, too_large

_DRAIN_FACTOR = 4
"""A body up to this many times the limit is read and dropped, so that its sender can read the
refusal: a connection closed in the middle of an upload looks like a broken network."""


class ClientGoneError(Exception):
    """The client closed its connection."""


async def read_body(
    receive: Receive, limit: int, declared: int | None, *, fixed: bool = False
) -> bytes | Refusal:
    """The whole body, or why it is not taken. Raises ClientGoneError.

    `fixed`: no setting raises the limit.
    """
    refused = partial(too_large, limit=limit, fixed=fixed)
    if declared is not None and declared > limit * _DRAIN_FACTOR:
        return refused(declared)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        return body if len(body) <= limit else refused(len(body))
    pieces: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        piece = message.get("body", b"")
        size += len(piece)
        if size <= limit:
            pieces.append(piece)
        elif size > limit * _DRAIN_FACTOR:
            return refused(declared)
        if not message.get("more_body", False):
            break
        message = await receive()
    return b"".join(pieces) if size <= limit else refused(size)
