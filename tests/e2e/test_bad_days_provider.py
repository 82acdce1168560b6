"""Answers that no provider should give: a true answer or a true error, and an entry."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import raw_http
from tests.support.canned import Canned, answer
from tests.support.gateway import RunningGateway, gateway
from tests.support.spoken import ALL, OPENAI, Spoken
from tests.support.stage import until

JSON = b"content-type: application/json"
SSE = b"content-type: text/event-stream"
REPLIES: dict[str, bytes] = {
    "openai": json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o-mini",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Hold the button."},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
        }
    ).encode(),
    "responses": json.dumps(
        {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": "gpt-4o-mini",
            "output": [
                {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "Hold it.", "annotations": []}],
                }
            ],
            "usage": {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13},
        }
    ).encode(),
    "anthropic": json.dumps(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-haiku-4-5",
            "content": [{"type": "text", "text": "Hold the button."}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 9, "output_tokens": 4},
        }
    ).encode(),
}


@contextmanager
def _before(canned: bytes) -> Iterator[tuple[Canned, RunningGateway]]:
    with (
        Canned(canned) as provider,
        gateway(provider.url, more="[retry]\nattempts = 1\n") as running,
    ):
        yield provider, running


def _ask(running: RunningGateway, spoken: Spoken, *, stream: bool = False) -> raw_http.Answer:
    data = raw_http.request(spoken.path, spoken.body(stream=stream), spoken.headers)
    return raw_http.ask(running.url, data)


@ALL
def test_odd_headers_of_a_provider_come_back_as_they_are(spoken: Spoken) -> None:
    """UTF-8, bytes that are none, and empty ones; cookies and words of ours are left out."""
    odd = (
        b"x-euro: \xe2\x82\xac caf\xc3\xa9",
        b"x-latin: caf\xe9",
        b"x-empty: ",
        b"set-cookie: session=1",
        b"x-scrimp-cost-usd: 1000000",
        b"x-scrimp-served-by: the provider",
    )
    with _before(answer(REPLIES[spoken.name], JSON, *odd)) as (_, running):
        said = _ask(running, spoken)
        assert (said.status, said.body) == (200, REPLIES[spoken.name])
        assert said.headers["x-euro"].encode("latin-1") == b"\xe2\x82\xac caf\xc3\xa9"
        assert said.headers["x-latin"].encode("latin-1") == b"caf\xe9"
        assert said.headers["x-empty"] == ""
        assert "set-cookie" not in said.headers
        assert said.headers["x-scrimp-served-by"] == "upstream"
        assert said.headers["x-scrimp-cost-usd"] != "1000000"


@ALL
@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary", b"308 Permanent"])
def test_a_redirect_is_not_followed(spoken: Spoken, status: bytes) -> None:
    """The provider's key does not go where nobody configured it to go."""
    with Canned(answer(REPLIES[spoken.name], JSON)) as evil:
        to = b"location: " + evil.url.encode() + b"/v1/steal"
        with _before(answer(b"", to, status=status)) as (provider, running):
            said = _ask(running, spoken)
            assert said.status in (int(status[:3]), 502)
            until(lambda: len(running.entries()) == 1)
            assert len(provider.requests) == 1
        assert not evil.requests


BROKEN: dict[str, bytes] = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "nothing": b"",
    "half a status line": b"HTTP/1.1 20",
    "no end of headers": b"HTTP/1.1 200 OK\r\nx-a: b\r\n",
    "an endless header": b"HTTP/1.1 200 OK\r\nx-a: " + b"a" * 1_000_000,
    "a shorter body than declared": b"HTTP/1.1 200 OK\r\n"
    + JSON
    + b"\r\ncontent-length: 999\r\n\r\n{",
    "torn chunks": b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{",
    "no chunks": b"HTTP/1.1 200 OK\r\n" + JSON + b"\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "no gzip": answer(b"plain", JSON, b"content-encoding: gzip"),
    "gzip without an end": answer(gzip.compress(b"{}" * 99)[:-4], JSON, b"content-encoding: gzip"),
    "a stream without a start": answer(b"", SSE),
    "a stream without an end": answer(b'data: {"choices": []}\n\n', SSE),
}


@ALL
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_answer_is_a_true_error(spoken: Spoken, kind: str, *, stream: bool) -> None:
    """502 in the vendor's words or an error in the stream; the entry says that it failed."""
    with _before(BROKEN[kind]) as (_, running):
        said = _ask(running, spoken, stream=stream)
        if said.status == 200:
            assert b'"error"' in said.body
        else:
            assert said.status == 502
            spoken.check_shape(json.loads(said.body))
        entry = running.entries()[0]
        assert entry.outcome in ("failed", "cut")
        assert entry.cost_nanousd != 0
        assert entry.cost_basis == "estimate"


STRANGE: dict[str, bytes] = {
    "a page": answer(b"<html>Sign in</html>", b"content-type: text/html"),
    "no body": answer(b"", JSON),
    "no JSON": answer(b"upstream ok", JSON),
    "another shape": answer(b'{"hello": ["world"]}', JSON),
    "null": answer(b"null", JSON),
    "odd usage": answer(b'{"choices": 5, "content": 5, "usage": {"prompt_tokens": "many"}}', JSON),
    "negative usage": answer(
        b'{"type": "message", "content": [], "choices": [],'
        b' "usage": {"prompt_tokens": -5, "input_tokens": -5, "output_tokens": -1}}',
        JSON,
    ),
    "an error that is a success": answer(b'{"error": {"message": "no"}, "type": "error"}', JSON),
    "deep": answer(b"[" * 100_000 + b"]" * 100_000, JSON),
}


@ALL
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("kind", STRANGE)
def test_a_strange_answer_is_passed_on_and_never_remembered(
    spoken: Spoken, kind: str, *, stream: bool
) -> None:
    """The client sees what the provider said; the ledger does not make up a price for it."""
    with _before(STRANGE[kind]) as (provider, running):
        for _ in range(2):
            said = _ask(running, spoken, stream=stream)
            assert said.status in (200, 502)
            if said.status == 200 and "event-stream" not in said.headers["content-type"]:
                assert said.body == STRANGE[kind].partition(b"\r\n\r\n")[2]
        assert len(provider.requests) == 2
        for entry in running.entries():
            assert entry.cost_basis in ("estimate", "unknown")
            assert (entry.cost_low_nanousd or 0) >= 0


@ALL
def test_a_compressed_answer_is_read_and_passed_on(spoken: Spoken) -> None:
    """Though it was not asked for: the client gets JSON that it can read, and a price."""
    packed = gzip.compress(REPLIES[spoken.name])
    with _before(answer(packed, JSON, b"content-encoding: gzip")) as (_, running):
        said = _ask(running, spoken)
        assert said.body == REPLIES[spoken.name]
        assert "content-encoding" not in said.headers
        assert running.entries()[0].cost_basis == "usage"


def test_an_error_page_keeps_its_status_and_body() -> None:
    """A gateway of the provider's own may speak HTML: passed on as it came, and free."""
    page = answer(b"<h1>503</h1>", b"content-type: text/html", status=b"503 Busy")
    with _before(page) as (_, running):
        said = _ask(running, OPENAI)
        assert (said.status, said.body) == (503, b"<h1>503</h1>")
        assert said.headers["content-type"] == "text/html"
        entry = running.entries()[0]
        assert (entry.outcome, entry.cost_nanousd) == ("rejected", 0)
