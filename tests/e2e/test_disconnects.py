"""A client that leaves, or does not read: the provider stops at once, the entry is written."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator

import pytest

from scrimp.ports import Entry
from scrimp.simulator import Bill
from tests.support import raw_http
from tests.support.canned import Canned
from tests.support.endless import Endless
from tests.support.gateway import gateway
from tests.support.spoken import ALL, OPENAI, Spoken
from tests.support.stage import Stage, staged, until

_TIMES = 5
_LIMIT_S = 0.1
_WAYS = pytest.mark.parametrize("mode", ["no-store", "default"], ids=["alone", "flight"])
_STREAM = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A provider that speaks slowly enough to be interrupted."""
    with staged(per_token_ms=10) as both:
        yield both


def _ask(stage: Stage, spoken: Spoken, *, stream: bool, mode: str = "no-store") -> socket.socket:
    """Send a call; its connection. `mode` default: in a flight that others may join."""
    sock = raw_http.connect(stage.url)
    body = spoken.body(stream=stream)
    headers = {**spoken.headers, "x-scrimp-cache": mode}
    sock.sendall(raw_http.request(spoken.path, body, headers))
    return sock


def _ended_after_s(stage: Stage, left_s: float) -> float:
    """How long after that moment the provider saw its newest connection end."""
    until(lambda: all(one.closed_s is not None for one in stage.sim.connections))
    newest = max(stage.sim.connections, key=lambda one: one.number)
    assert newest.closed_by == "client"
    assert newest.closed_s is not None
    return newest.closed_s - left_s


def _check(entries: list[Entry], bill: Bill) -> None:
    """Every call is booked as cancelled, with bounds around what the provider bills for it."""
    assert len(entries) == _TIMES
    assert [entry.outcome for entry in entries] == ["cancelled"] * _TIMES
    assert [entry.attempts[-1].outcome for entry in entries] == ["cancelled"] * _TIMES
    assert [entry.cost_basis for entry in entries] == ["estimate"] * _TIMES
    assert len(bill.rows) == _TIMES
    for entry, row in zip(entries, bill.rows, strict=True):
        assert entry.cost_low_nanousd is not None
        assert entry.cost_high_nanousd is not None
        assert entry.cost_low_nanousd <= row.billed_nanousd <= entry.cost_high_nanousd


@_WAYS
@_STREAM
@ALL
def test_leaving_before_the_answer_begins_ends_the_providers_work(
    stage: Stage, spoken: Spoken, *, stream: bool, mode: str
) -> None:
    """Within 100 ms; the input is billed, and the entry's bounds hold it. No task stays behind."""
    spoken.answered(stage.url)
    stage.gateway.settle()
    tasks = stage.gateway.tasks()
    stage.sim.reset()
    stage.sim.fault("timeout")
    waits: list[float] = []
    for number in range(1, _TIMES + 1):
        with _ask(stage, spoken, stream=stream, mode=mode):
            until(lambda number=number: len(stage.sim.requests) == number)  # type: ignore[misc]  # bound now
            left_s = time.monotonic()
        waits.append(_ended_after_s(stage, left_s))
    assert statistics.median(waits) < _LIMIT_S
    _check(stage.gateway.entries()[1:], stage.sim.quiet())
    until(lambda: stage.gateway.tasks() == tasks)


@_WAYS
@ALL
def test_leaving_in_the_middle_of_a_stream_ends_the_providers_work(
    stage: Stage, spoken: Spoken, mode: str
) -> None:
    """Within 100 ms; what was produced is billed, and the entry's bounds hold it."""
    spoken.answered(stage.url)
    stage.gateway.settle()
    tasks = stage.gateway.tasks()
    stage.sim.reset()
    waits: list[float] = []
    for _ in range(_TIMES):
        with _ask(stage, spoken, stream=True, mode=mode) as sock:
            seen = b""
            while seen.count(b"data:") < 5:
                seen += sock.recv(65536)
            left_s = time.monotonic()
        waits.append(_ended_after_s(stage, left_s))
    assert statistics.median(waits) < _LIMIT_S
    bill = stage.sim.quiet()
    assert all(row.usage.output_tokens for row in bill.rows)
    entries = stage.gateway.entries()[1:]
    _check(entries, bill)
    assert all(entry.ttft_ms is not None for entry in entries)
    until(lambda: stage.gateway.tasks() == tasks)


@ALL
def test_leaving_while_a_retry_waits_starts_no_other_attempt(spoken: Spoken) -> None:
    """A refused attempt costs nothing; the second one is never sent."""
    with staged(more="[retry]\nbase_s = 0.4\nmax_wait_s = 0.4\n") as stage:
        stage.sim.fault("429:retry-after=0.4")
        with _ask(stage, spoken, stream=False):
            until(lambda: len(stage.sim.requests) == 1)
            time.sleep(0.05)
        until(lambda: len(stage.gateway.entries()) == 1)
        time.sleep(0.6)
        assert len(stage.sim.requests) == 1
        entry = stage.gateway.entries()[0]
        assert (entry.outcome, entry.cost_nanousd) == ("cancelled", 0)


@ALL
def test_leaving_during_the_upload_sends_nothing(stage: Stage, spoken: Spoken) -> None:
    """Half a body is no call: no attempt, no entry."""
    tasks = stage.gateway.tasks()
    for _ in range(_TIMES):
        data = raw_http.request(spoken.path, spoken.body(), spoken.headers)
        with raw_http.connect(stage.url) as sock:
            sock.sendall(data[:-10])
    spoken.answered(stage.url)
    until(lambda: stage.gateway.tasks() <= tasks + 1)
    assert len(stage.gateway.entries()) == len(stage.sim.requests) == 1


@_STREAM
def test_an_sdk_that_gives_up_waiting_ends_the_providers_work(
    stage: Stage, *, stream: bool
) -> None:
    """Its own timeout is a disconnect like any other."""
    stage.sim.fault("timeout")
    with OPENAI.client(stage.url) as client, pytest.raises(Exception, match="timed out"):
        client.with_options(timeout=0.2).post(
            "/chat/completions", cast_to=object, content=OPENAI.body(stream=stream)
        )
    until(lambda: stage.sim.in_flight == 0)
    assert stage.gateway.entries()[0].outcome == "cancelled"


def test_a_client_that_does_not_read_is_gone_after_the_write_timeout() -> None:
    """The provider's connection ends, the entry is written, memory does not fill with the rest."""
    more = "[server]\nwrite_timeout_s = 0.3\n"
    with Endless() as provider, gateway(provider.url, more=more) as running:
        tasks = running.tasks()
        with raw_http.connect(running.url) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(raw_http.request(OPENAI.path, OPENAI.body(stream=True)))
            until(lambda: bool(provider.ended_s))
            stood = provider.sent_bytes
            until(lambda: len(running.entries()) == 1)
            assert provider.sent_bytes == stood
        entry = running.entries()[0]
        assert (entry.outcome, entry.cost_basis) == ("cancelled", "estimate")
        assert entry.cost_low_nanousd is not None
        assert entry.cost_low_nanousd > 0
        until(lambda: running.tasks() <= tasks)


def test_a_slow_reader_slows_the_provider_and_gets_everything() -> None:
    """Back-pressure: while a client pauses the provider must wait, and nothing piles up here."""
    with Endless() as provider, gateway(provider.url) as running:
        with raw_http.connect(running.url) as sock:
            sock.sendall(raw_http.request(OPENAI.path, OPENAI.body(stream=True)))
            before = -1
            while before != provider.sent_bytes:
                before = provider.sent_bytes
                time.sleep(0.2)
            assert not provider.ended_s
            assert before < 64 * 1024 * 1024  # the sockets' own buffers, no more
            while provider.sent_bytes == before:
                assert sock.recv(1 << 20)
        until(lambda: bool(provider.ended_s))


def test_who_leaves_on_the_end_marker_leaves_a_whole_answer() -> None:
    """SDKs hang up on it, a moment before the provider ends the stream: the answer is kept."""
    fields = (
        b'"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini-2024-07-18"'
    )
    usage = b'"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}'
    events = (
        b'{%s,"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}' % fields,
        b'{%s,"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}' % fields,
        b'{%s,"choices":[],%s}' % (fields, usage),
        b"[DONE]",
    )
    body = b"".join(b"data: %s\n\n" % event for event in events)
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    piece = b"%s%x\r\n%s\r\n" % (head, len(body), body)
    with (
        Canned(piece, tail=b"0\r\n\r\n", after_s=0.02) as provider,
        gateway(provider.url) as running,
    ):
        for _ in range(2):
            with raw_http.connect(running.url) as sock:
                sock.sendall(raw_http.request(OPENAI.path, OPENAI.body(stream=True), {}))
                came = b""
                while b"data: [DONE]" not in came:
                    came += sock.recv(1 << 16)
            running.settle()
        first, second = running.entries()
        assert (first.outcome, first.served_by, first.cost_basis) == ("ok", "upstream", "usage")
        assert (second.outcome, second.served_by) == ("ok", "exact_cache")
        assert len(provider.requests) == 1
