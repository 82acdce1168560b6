"""What nobody foresaw: a 500 in the client's dialect, one line in the log, no content in it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from scrimp.app import App, Parts
from scrimp.dialects.json_body import encode
from scrimp.gateway.asgi import Gateway
from scrimp.gateway.sink import Message
from scrimp.ports import Exchange
from scrimp.prices import load_book
from scrimp.settings import parse
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.stores.settings_keys import SettingsKeys
from tests.support.core import (
    FakeClock,
    LetterEncoder,
    ListLedger,
    Opening,
    ScriptedUpstream,
    chat_fields,
)

SETTINGS = b"""
[providers.openai]
base_url = "https://o.example/v1"
dialects = ["openai.chat"]
"""


class Client:
    """Sends one chat request and stays."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._sent = False

    async def receive(self) -> Message:
        """The body, then silence."""
        if self._sent:
            await asyncio.Event().wait()
        self._sent = True
        return {"type": "http.request", "body": encode(chat_fields("my secret"))}

    async def send(self, message: Message) -> None:
        """Remember."""
        self.messages.append(message)


async def served(opening: Opening) -> Client:
    """One chat call through a whole gateway over this upstream."""
    clock = FakeClock()
    parts = Parts(
        clock=clock,
        upstream=ScriptedUpstream(opening),
        ledger=ListLedger(),
        replies=MemoryReplies(clock, max_bytes=1000),
        keys=SettingsKeys([]),
        encoder=LetterEncoder(),
    )
    app = App(parse(SETTINGS, source="the test"), parts, load_book())
    path = "/v1/chat/completions"
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path, "query_string": b""}
    client = Client()
    whole = {**scope, "raw_path": path.encode(), "headers": headers}
    await Gateway(app)(whole, client.receive, client.send)
    return client


async def breaks_at_once() -> Exchange:
    """Before anything waits."""
    raise ZeroDivisionError("my secret")


async def breaks_later() -> Exchange:
    """Inside the task group that watches the client."""
    await asyncio.sleep(0)
    raise ZeroDivisionError("my secret")


@pytest.mark.parametrize("opening", [breaks_at_once, breaks_later])
async def test_a_bug_is_a_500_and_one_line(
    opening: Opening, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is answered, and the line leads to the place without saying what was asked."""
    client = await served(opening)
    assert client.messages[0]["status"] == 500
    assert json.loads(client.messages[1]["body"])["error"]["type"] == "server_error"
    (line,) = caplog.messages
    assert "ZeroDivisionError at test_unforeseen.py:" in line
    assert "secret" not in line
