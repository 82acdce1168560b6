"""Equal calls at the same time, through real sockets and SDKs: one attempt, and what each gets."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.app import App, open_app
from scrimp.calls import Call, Caller, Headers, Reply, Trace
from scrimp.ports import Entry
from scrimp.settings import Loaded, parse
from scrimp.simulator import Simulator
from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support import raw_http
from tests.support.core import call_of, chat_fields
from tests.support.held_flights import coalesce_of, crowd, hold_flights
from tests.support.sdk import VENDORS, Vendor, clients
from tests.support.spoken import ALL, OPENAI, Spoken
from tests.support.stage import Stage, staged, until

_LIMIT_S = 0.1
_THREE = 3
_STREAM = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
_ENDS = {
    "openai": b"data: [DONE]",
    "responses": b"event: response.completed",
    "anthropic": b"event: message_stop",
}


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A provider that speaks slowly enough for others to join, and to leave."""
    with staged(per_token_ms=10) as both:
        yield both


def _ask(stage: Stage, spoken: Spoken, *, stream: bool) -> socket.socket:
    """Send a call; its connection."""
    sock = raw_http.connect(stage.url)
    sock.sendall(raw_http.request(spoken.path, spoken.body(stream=stream), spoken.headers))
    return sock


@contextmanager
def _asked(stage: Stage, spoken: Spoken, *, stream: bool) -> Iterator[list[socket.socket]]:
    """Three equal calls that share a flight, in the order of the list."""
    lever = coalesce_of(stage.gateway)
    with ExitStack() as opened:
        socks: list[socket.socket] = []
        for number in range(1, _THREE + 1):
            socks.append(opened.enter_context(_ask(stage, spoken, stream=stream)))
            until(lambda number=number: lever.aboard == number)  # type: ignore[misc]  # bound now
        yield socks


def _rest(sock: socket.socket, end: bytes) -> bytes:
    """What comes until the stream's own end."""
    seen = b""
    while end not in seen:
        piece = sock.recv(65536)
        assert piece, "the answer broke off"
        seen += piece
    return seen


def _exactly_once(stage: Stage) -> list[Entry]:
    """The entries: one of them has the one attempt, together they cost what the provider bills."""
    entries = stage.gateway.entries()
    assert sum(len(entry.attempts) for entry in entries) == len(stage.sim.requests) == 1
    bill = stage.sim.quiet().total_nanousd
    low = sum(entry.cost_low_nanousd or 0 for entry in entries)
    high = sum(entry.cost_high_nanousd or 0 for entry in entries)
    assert low <= bill <= high
    if all(entry.cost_basis in ("usage", "free") for entry in entries):
        assert sum(entry.cost_nanousd or 0 for entry in entries) == bill > 0
    return entries


@pytest.mark.parametrize("form", ["json", "stream"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_equal_calls_of_the_sdks_are_one_attempt(vendor: Vendor, form: str) -> None:
    """Twelve at once: twelve whole answers, one bill, eleven savings of just that bill."""
    number = 12
    with staged() as stage, clients(stage.url) as made, crowd(number) as threads:
        hold_flights(stage.gateway, callers=number)
        asked = [
            threads.submit(made.ask, vendor, "How do I pair the lamp?", stream=form == "stream")
            for _ in range(number)
        ]
        said = [one.result() for one in asked]
        assert said == [said[0]] * number
        assert said[0].text
        assert said[0].error is None
        entries = _exactly_once(stage)
        bill = stage.sim.bill.total_nanousd
        assert sorted(entry.served_by for entry in entries) == ["coalesce"] * 11 + ["upstream"]
        assert [entry.saved for entry in entries if not entry.attempts] == [
            (("coalesce", bill),)
        ] * 11
        assert {(entry.status, entry.outcome) for entry in entries} == {(200, "ok")}


@_STREAM
@ALL
def test_the_answer_says_that_it_was_shared(stage: Stage, spoken: Spoken, *, stream: bool) -> None:
    """`x-scrimp-served-by` and the trace, on a stream too; the first one's says upstream."""
    with _asked(stage, spoken, stream=stream) as socks:
        answers = [raw_http.read(sock) for sock in socks]
    served = [answer.headers["x-scrimp-served-by"] for answer in answers]
    assert served == ["upstream", "coalesce", "coalesce"]
    assert "coalesce=joined" in answers[1].headers["x-scrimp-trace"]
    assert len({answer.body for answer in answers}) == 1


@ALL
def test_the_first_that_leaves_a_stream_takes_nobody_along(stage: Stage, spoken: Spoken) -> None:
    """The others hear it from its start to its end; the attempt is booked with one of them."""
    with _asked(stage, spoken, stream=True) as (first, *others):
        first.recv(65536)
        first.close()
        heard = [_rest(sock, _ENDS[spoken.name]) for sock in others]
    starts = [body.partition(b"\r\n\r\n")[2] for body in heard]
    assert starts[0].count(b"data:") == starts[1].count(b"data:") > 10
    until(lambda: len(stage.gateway.entries()) == _THREE)
    entries = _exactly_once(stage)
    assert (entries[0].status, entries[0].cost_nanousd) == (499, 0)
    assert sorted(entry.served_by for entry in entries[1:]) == ["coalesce", "upstream"]


@_STREAM
@ALL
def test_the_last_to_leave_ends_the_providers_work(
    stage: Stage, spoken: Spoken, *, stream: bool
) -> None:
    """Within 100 ms, and not before: while one is left, the provider goes on."""
    tasks = stage.gateway.tasks()
    if not stream:
        stage.sim.fault("timeout")
    with _asked(stage, spoken, stream=stream) as socks:
        until(lambda: len(stage.sim.requests) == 1)
        if stream:
            for sock in socks:
                sock.recv(65536)
        for sock in socks[:-1]:
            sock.close()
        until(lambda: len(stage.gateway.entries()) == _THREE - 1)
        (connection,) = stage.sim.connections
        assert connection.closed_s is None
        left_s = time.monotonic()
        socks[-1].close()
    until(lambda: all(one.closed_s is not None for one in stage.sim.connections))
    (connection,) = stage.sim.connections
    assert connection.closed_s is not None
    assert connection.closed_s - left_s < _LIMIT_S
    until(lambda: len(stage.gateway.entries()) == _THREE)
    entries = _exactly_once(stage)
    assert {entry.outcome for entry in entries} == {"cancelled"}
    assert [len(entry.attempts) for entry in entries] == [0, 0, 1]
    until(lambda: stage.gateway.tasks() <= tasks)
    assert coalesce_of(stage.gateway).in_the_air == 0


def test_one_keys_refusal_never_reaches_another() -> None:
    """Equal calls by two keys are two flights: the provider refuses one of them, and only that."""
    keys = "".join(
        f'[[keys]]\nname = "{name}"\nsha256 = "{hashlib.sha256(name.encode()).hexdigest()}"\n'
        for name in ("ann", "bob")
    )
    with staged(more=f"{keys}[retry]\nattempts = 1\n") as stage, crowd(6) as threads:
        hold_flights(stage.gateway, callers=6)
        stage.sim.fault("429", count=1)
        asked = {
            name: [threads.submit(_status, stage, name) for _ in range(3)]
            for name in ("ann", "bob")
        }
        statuses = {name: [one.result() for one in calls] for name, calls in asked.items()}
        assert sorted(statuses.values()) == [[200] * 3, [429] * 3]
        assert len(stage.sim.requests) == 2
        entries = stage.gateway.entries()
        assert sum(entry.cost_nanousd or 0 for entry in entries) == stage.sim.bill.total_nanousd
        for name in ("ann", "bob"):
            mine = [entry for entry in entries if entry.key == name]
            assert [len(entry.attempts) for entry in mine].count(1) == 1


def _status(stage: Stage, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    return raw_http.ask(stage.url, raw_http.request(OPENAI.path, OPENAI.body(), headers)).status


class _Counted:
    """A client that only counts what it gets."""

    live = True

    def __init__(self) -> None:
        self.begun = False
        self.bytes = 0

    async def start(self, status: int, headers: Headers) -> None:
        """Begin."""
        assert (status, bool(headers), self.begun) == (200, True, False)
        self.begun = True

    async def write(self, chunk: bytes) -> None:
        """Count."""
        self.bytes += len(chunk)


@_STREAM
def test_ten_thousand_equal_calls_at_once(tmp_path: Path, *, stream: bool) -> None:
    """One attempt answers them all, for one price, in memory that is a few KiB for each."""
    number = 10_000
    with Simulator() as sim:
        text = (
            f'state_dir = "{tmp_path}"\n[providers.openai]\nbase_url = "{sim.url}/v1"\n'
            'dialects = ["openai.chat"]\nkey_env = "OPENAI_KEY"\n'
        )
        loaded = Loaded(parse(text.encode(), source="the test"), "the test", {"openai": "sk-x"})
        tracemalloc.start()
        try:
            replies, sinks = asyncio.run(_at_once(loaded, number, stream=stream))
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(sim.requests) == 1
        bill = sim.quiet().total_nanousd
    assert peak_bytes < number * 12_000
    assert len(replies) == number
    assert len({reply.body for reply in replies}) == 1
    served = [reply.served_by for reply in replies]
    assert (served.count("upstream"), served.count("coalesce")) == (1, number - 1)
    (heard_bytes,) = {sink.bytes for sink in sinks}
    assert (heard_bytes > 1000) is stream
    total = LedgerReader(loaded.settings.ledger_path).recent(number + 1)
    assert len(total) == number
    assert sum(entry.cost_nanousd or 0 for entry in total) == bill > 0
    assert sum(saved for entry in total for _, saved in entry.saved) == bill * (number - 1)


async def _at_once(
    loaded: Loaded, number: int, *, stream: bool
) -> tuple[list[Reply], list[_Counted]]:
    async with open_app(loaded) as app:
        sinks = [_Counted() for _ in range(number)]
        base = _base(app, stream=stream)
        async with asyncio.timeout(60):
            replies = await asyncio.gather(
                *(
                    app.handle(replace(base, id=app.new_id(), sink=sink, trace=Trace()))
                    for sink in sinks
                )
            )
        lever = app.levers["coalesce"]
        assert getattr(lever, "in_the_air", None) == 0
        await app.ledger.flush()
        return replies, sinks


def _base(app: App, *, stream: bool) -> Call:
    fields = chat_fields("How do I pair the lamp?", stream=stream)
    return call_of(
        fields,
        path="/v1/chat/completions",
        caller=Caller("local"),
        target=app.targets.resolve("gpt-4o-mini", "openai.chat"),
        started_at=app.clock.now(),
    )
