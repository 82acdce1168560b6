"""`POST /v1/scrimp/count` and `/v1/scrimp/estimate`: asked of a real gateway, sent to nobody."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from scrimp.shell.wire import sha256_hex
from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway

KEY = "sk-scrimp-one"
MORE = f"""
[aliases]
quick = "gpt-4o"

[prices.house]
input = "1"
output = "2"

[[keys]]
name = "one"
sha256 = "{sha256_hex(KEY)}"
"""
CALL = {
    "model": "gpt-4o",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello world"}],
}
COUNT, ESTIMATE = "/v1/scrimp/count", "/v1/scrimp/estimate"
SLOWEST_S = 0.5
"""Far below the seconds of a count: a machine under load may make any answer late."""


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """A provider that is never asked."""
    with Simulator() as running:
        yield running


@pytest.fixture(scope="module")
def running(sim: Simulator) -> Iterator[RunningGateway]:
    """A gateway with a key, an alias and a price of its own."""
    with gateway(sim.url, more=MORE) as started:
        yield started


def post(
    running: RunningGateway, path: str, body: object, *, key: str = KEY, kind: str = "json"
) -> tuple[int, Any]:
    """Ask; status and JSON of the answer."""
    request = urllib.request.Request(  # noqa: S310 (a test's own server)
        f"{running.url}{path}",
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"content-type": f"application/{kind}", **({"x-api-key": key} if key else {})},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (a test's own server)
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_texts_are_counted(running: RunningGateway) -> None:
    """By the model or its alias; roughly when that is asked, and it says so."""
    status, told = post(running, COUNT, {"model": "quick", "text": "Hello world"})
    assert status == 200
    assert told == {"model": "quick", "tokens": 2, "low": 2, "high": 2, "method": "o200k_base"}
    _, rough = post(running, COUNT, {"model": "gpt-4o", "text": "Hello world", "rough": True})
    assert (rough["tokens"], rough["method"]) == (3, "words x 1.3 (rough)")
    assert rough["low"] <= 2 <= rough["high"]


def test_calls_are_estimated(sim: Simulator, running: RunningGateway) -> None:
    """Tokens and exact money, expected, at least, at most; nothing is sent and nothing booked."""
    status, told = post(running, ESTIMATE, {"call": {**CALL, "model": "quick"}})
    assert status == 200
    assert (told["model"], told["provider"], told["dialect"]) == ("gpt-4o", "openai", "openai.chat")
    assert told["input"]["tokens"] == 9
    assert told["cost_nanousd"] == sum(line["nanousd"] for line in told["lines"]) == 82_500
    assert told["cost_usd"] == "0.0000825"
    assert told["low_nanousd"] <= told["cost_nanousd"] <= told["upper_nanousd"]
    assert told["upper_nanousd"] == sum(line["nanousd"] for line in told["upper_lines"])
    assert told["assumed"] == ["an output of 6 tokens"]
    own = {"call": {**CALL, "model": "house"}, "output_tokens": 10, "at": "2026-03-01T00:00:00Z"}
    _, told = post(running, ESTIMATE, own)
    assert told["cost_nanousd"] == 9 * 1000 + 10 * 2000
    assert not sim.requests
    assert running.entries() == []


WRONG: tuple[tuple[str, object, int, str], ...] = (
    (COUNT, b"{", 400, "cannot be counted"),
    (COUNT, b"\xff", 400, "cannot be counted"),
    (COUNT, b'{"model":"gpt-4o","text":"\xff"}', 400, "not UTF-8"),
    (COUNT, rb'{"model":"gpt-4o","text":"\ud800"}', 400, "cannot be counted"),
    (COUNT, [], 400, "cannot be counted"),
    (COUNT, {"text": "x"}, 400, "model"),
    (COUNT, {"model": "gpt-4o"}, 400, "text"),
    (COUNT, {"model": "gpt-4o", "text": 5}, 400, "text"),
    (COUNT, {"model": "", "text": "x"}, 400, "model"),
    (COUNT, {"model": "a\nb", "text": "x"}, 400, "control characters"),
    (COUNT, {"model": "x" * 200, "text": "x"}, 400, "200 characters; at most 128"),
    (COUNT, {"model": "gpt-4o", "text": "x", "colour": "red"}, 400, "colour"),
    (ESTIMATE, b"{", 400, "cannot be estimated"),
    (ESTIMATE, {}, 400, "call"),
    (ESTIMATE, {"call": "x"}, 400, "JSON string"),
    (ESTIMATE, {"call": {}}, 400, "no 'messages' and no 'input'"),
    (ESTIMATE, {"call": {"messages": []}}, 400, "model"),
    (ESTIMATE, {"call": {**CALL, "messages": 5}}, 400, "messages"),
    (ESTIMATE, {"call": CALL, "output_tokens": -1}, 400, "output_tokens"),
    (ESTIMATE, {"call": CALL, "output_tokens": 10**12}, 400, "output_tokens"),
    (ESTIMATE, {"call": CALL, "output_tokens": "5"}, 400, "output_tokens"),
    (ESTIMATE, {"call": CALL, "at": "2026-01-01T00:00:00"}, 400, "without a zone"),
    (ESTIMATE, {"call": CALL, "dialect": "latin"}, 400, "one of openai.chat"),
    (ESTIMATE, {"call": {**CALL, "model": "nope"}}, 404, "no price for model 'nope'"),
    (ESTIMATE, {"call": CALL, "service_tier": "golden"}, 404, "golden"),
    (ESTIMATE, b'{"call":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, ""),
)


@pytest.mark.parametrize(("path", "body", "status", "words"), WRONG)
def test_what_cannot_be_answered_says_why(
    running: RunningGateway, path: str, body: object, status: int, words: str
) -> None:
    """In the words of our errors; SDKs do not repeat it."""
    got, told = post(running, path, body)
    assert (got, words in told["error"]["message"]) == (status, True), told


def test_the_guards_of_every_other_path_hold(running: RunningGateway) -> None:
    """A key, JSON, POST, a size."""
    for path in (COUNT, ESTIMATE):
        assert post(running, path, {}, key="")[0] == 401
        assert post(running, path, {}, key="sk-scrimp-nobody")[0] == 401
        assert post(running, path, {}, kind="octet-stream")[0] == 415
        request = urllib.request.Request(f"{running.url}{path}", headers={"x-api-key": KEY})  # noqa: S310 (a test's own server)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=20)  # noqa: S310 (a test's own server)
        with caught.value as error:
            assert (error.code, error.headers["allow"]) == (405, "POST")


def test_a_body_over_the_limit_is_refused(sim: Simulator) -> None:
    """With both numbers."""
    with gateway(sim.url, more="[server]\nmax_body_bytes = 1000\n") as small:
        status, told = post(small, COUNT, {"model": "gpt-4o", "text": "x" * 2000})
    assert status == 413
    assert "the limit is 1000" in told["error"]["message"]


def test_hostile_texts_hold_up_nobody(running: RunningGateway) -> None:
    """While megabytes are counted, others are answered at once; no text breaks the count."""
    post(running, COUNT, {"model": "gpt-4o", "text": "loads the vocabulary"})
    text = " " * 1_500_000 + "<|endoftext|>" + "ab" * 700_000
    answers: list[tuple[int, Any]] = []

    def count() -> None:
        answers.append(post(running, COUNT, {"model": "gpt-4o", "text": text}))

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    slowest = 0.0
    while any(thread.is_alive() for thread in threads):
        begun = time.monotonic()
        with urllib.request.urlopen(f"{running.url}/healthz", timeout=20) as answer:  # noqa: S310 (a test's own server)
            answer.read()
        slowest = max(slowest, time.monotonic() - begun)
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200, 200, 200]
    assert len({told["tokens"] for _, told in answers}) == 1
    assert slowest < SLOWEST_S, f"a look at /healthz took {slowest:.2f} s"


def test_who_leaves_takes_nothing_along(running: RunningGateway) -> None:
    """A client that goes away in the middle of its body leaves the gateway serving."""
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        head = f"POST {COUNT} HTTP/1.1\r\nhost: {host}\r\nx-api-key: {KEY}\r\n"
        client.sendall(
            head.encode() + b"content-type: application/json\r\ncontent-length: 99\r\n\r\n{"
        )
    assert post(running, COUNT, {"model": "gpt-4o", "text": "x"})[0] == 200
