"""Reading a body up to its limit."""

from __future__ import annotations

import pytest

from scrimp.gateway.body import ClientGoneError, read_body
from scrimp.gateway.sink import Message, Receive
from scrimp.shell.refusal import Refusal

GONE: Message = {"type": "http.disconnect"}


def piece(body: bytes, *, more: bool = True) -> Message:
    """A piece of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


class Client:
    """Sends these messages, one by one."""

    def __init__(self, *messages: Message) -> None:
        self.left = list(messages)

    async def receive(self) -> Message:
        """The next one."""
        return self.left.pop(0)


async def body_of(*messages: Message, limit: int = 10, declared: int | None = None) -> object:
    """The body, or the status of its refusal."""
    receive: Receive = Client(*messages).receive
    body = await read_body(receive, limit, declared)
    return body.status if isinstance(body, Refusal) else body


async def test_bodies_within_the_limit() -> None:
    """In one piece, in several, empty, and of just the limit."""
    assert await body_of(piece(b"abc", more=False)) == b"abc"
    assert await body_of(piece(b"ab"), piece(b""), piece(b"c", more=False)) == b"abc"
    assert await body_of({"type": "http.request"}) == b""
    assert await body_of(piece(b"x" * 10, more=False)) == b"x" * 10
    assert await body_of(piece(b"x" * 5), piece(b"x" * 5, more=False)) == b"x" * 10


async def test_bodies_over_the_limit() -> None:
    """Declared or not, in one piece or several; read to the end so that the refusal is read."""
    assert await body_of(piece(b"x" * 11, more=False)) == 413
    last = piece(b"x", more=False)
    client = Client(piece(b"x" * 10), piece(b"x" * 10), last)
    assert isinstance(await read_body(client.receive, 10, 21), Refusal)
    assert client.left == []


async def test_bodies_far_over_the_limit_are_not_read() -> None:
    """Four times the limit is patience enough."""
    client = Client(piece(b"x"))
    assert isinstance(await read_body(client.receive, 10, 41), Refusal)
    assert len(client.left) == 1
    client = Client(piece(b"x" * 30), piece(b"x" * 11), piece(b"x"))
    refused = await read_body(client.receive, 10, None)
    assert isinstance(refused, Refusal)
    assert len(client.left) == 1
    assert "more than 10 bytes, the limit is 10" in refused.message


async def test_both_numbers_and_the_way_out_are_said() -> None:
    """In the message of the refusal."""
    refused = await read_body(Client(piece(b"x" * 11, more=False)).receive, 10, None)
    assert isinstance(refused, Refusal)
    assert refused.message == (
        "the body has 11 bytes, the limit is 10 (raise it: server.max_body_bytes)"
    )


async def test_a_client_that_leaves_while_sending() -> None:
    """There is nobody left to refuse."""
    for messages in ((GONE,), (piece(b"a"), GONE)):
        with pytest.raises(ClientGoneError):
            await body_of(*messages)


async def test_a_limit_that_no_setting_raises_says_so() -> None:
    """Events and feedback: a setting that changes nothing is no way out."""
    client = Client(piece(b"x" * 11, more=False))
    refused = await read_body(client.receive, 10, None, fixed=True)
    assert isinstance(refused, Refusal)
    assert refused.message == "the body has 11 bytes, the limit is 10 (send less at once)"
