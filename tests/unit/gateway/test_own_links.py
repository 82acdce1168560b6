"""Addresses of results lead back to the gateway; everything else leaves as it came."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.gateway.own_links import Message, OwnLinks, Send, leading_back

AT_HOME = b"https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"
HERE = b"/v1/messages/batches/msgbatch_1/results"


class Sent:
    """A `send` that remembers."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        """Remember one message."""
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        """All that was sent of the body."""
        return b"".join(one.get("body", b"") for one in self.messages)

    def header(self, name: bytes) -> list[bytes]:
        """The values of a header."""
        return [value for key, value in self.messages[0]["headers"] if key == name]


async def answer(send: Send, *pieces: bytes) -> None:
    """An answer in these pieces, with an end of its own."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.mark.parametrize("space", [b"", b" "])
async def test_an_address_of_results_leads_back(space: bytes) -> None:
    """However the answer is cut; its length is true again."""
    body = b'{"id":"msgbatch_1","results_url":%s"%s","x":"%s"}' % (space, AT_HOME, AT_HOME)
    for cut in range(len(body)):
        sent = Sent()
        await answer(OwnLinks(sent), body[:cut], body[cut:])
        assert sent.body == body.replace(AT_HOME, HERE, 1)
        assert sent.header(b"content-length") == [b"%d" % len(sent.body)]
        assert sent.header(b"content-type") == [b"application/json"]


async def test_a_list_of_batches_has_many() -> None:
    """Behind a proxy's own prefix as well; what is null stays null."""
    proxied = AT_HOME.replace(b"api.anthropic.com", b"proxy.example:8443/claude")
    body = b'{"data":[{"results_url":"%s"},{"results_url":null},{"results_url":"%s"}]}'
    sent = Sent()
    await answer(OwnLinks(sent), body % (AT_HOME, proxied))
    assert sent.body == body % (HERE, HERE)


@pytest.mark.parametrize(
    "body", [b"", b"no json", b'{"results_url":"https://x.example/elsewhere"}', b"\xff\x00"]
)
async def test_anything_else_leaves_as_it_came(body: bytes) -> None:
    """Byte for byte."""
    sent = Sent()
    await answer(OwnLinks(sent), body)
    assert sent.body == body


async def test_what_is_too_much_to_be_held_streams_on() -> None:
    """It leaves with all of its bytes and the length that it came with."""
    piece = b"x" * 1_000_000
    sent = Sent()
    await answer(OwnLinks(sent), *[piece] * 12)
    assert sent.body == piece * 12
    assert sent.header(b"content-length") == [b"1"]
    assert [one["type"] for one in sent.messages].count("http.response.start") == 1
    assert sent.messages[-1]["more_body"] is False


@pytest.mark.parametrize(
    ("path", "held"),
    [
        ("/v1/messages/batches", True),
        ("/v1/messages/batches/msgbatch_1", True),
        ("/v1/messages/batches/msgbatch_1/cancel", True),
        ("/v1/messages/batches/msgbatch_1/results", False),
        ("/v1/messages", False),
        ("/v1/batches", False),
    ],
)
def test_only_answers_about_batches_are_held(path: str, *, held: bool) -> None:
    """Results are as large as they are, and stream."""
    send: Any = Sent()
    assert isinstance(leading_back(path, send), OwnLinks) is held
