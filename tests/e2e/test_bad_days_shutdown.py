"""A gateway that is told to stop, and a provider that is not there."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from scrimp.simulator import Simulator
from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support import raw_http
from tests.support.gateway import gateway
from tests.support.gateway_process import GatewayProcess
from tests.support.spoken import ALL, ANTHROPIC, OPENAI, Spoken
from tests.support.stage import until

_END = {"openai": b"[DONE]", "anthropic": b"message_stop"}


def _stream(url: str, spoken: Spoken, number: int, told: dict[int, bytes]) -> None:
    body = spoken.body(stream=True, messages=spoken.question(f"Question number {number}?"))
    data = raw_http.request(spoken.path, body, spoken.headers)
    told[number] = raw_http.ask(url, data, timeout_s=30).body


def test_streams_in_the_air_finish_when_the_gateway_is_told_to_stop(tmp_path: Path) -> None:
    """SIGTERM: no new connection, every stream to its end, exit code 0, all in the ledger."""
    with (
        Simulator(per_token_ms=15) as sim,
        GatewayProcess(sim.url, tmp_path / "state") as running,
    ):
        told: dict[int, bytes] = {}
        spoken = [OPENAI, ANTHROPIC] * 4
        threads = [
            threading.Thread(target=_stream, args=(running.url, one, number, told))
            for number, one in enumerate(spoken)
        ]
        for thread in threads:
            thread.start()
        until(lambda: sim.in_flight == len(spoken))
        running.terminate()
        until(lambda: not _accepts(running.url))
        assert running.running
        assert len(told) < len(spoken)
        for thread in threads:
            thread.join()
        assert running.ended() == 0
        assert all(_END[one.name] in told[number] for number, one in enumerate(spoken))
        assert "Traceback" not in running.log
        bill = sim.quiet()
    entries = LedgerReader(running.ledger_path).recent(100)
    assert [entry.outcome for entry in entries] == ["ok"] * len(spoken)
    assert sum(entry.cost_nanousd or 0 for entry in entries) == bill.total_nanousd
    assert LedgerReader(running.ledger_path).check().ok


def _accepts(url: str) -> bool:
    try:
        raw_http.connect(url, timeout_s=1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("impatient", [False, True], ids=["in time", "second signal"])
def test_what_does_not_finish_is_cut_and_booked(
    tmp_path: Path, *, stream: bool, impatient: bool
) -> None:
    """After `server.drain_s`, or at once by a second signal: an estimate, and exit code 0."""
    more = f"[server]\ndrain_s = {30.0 if impatient else 1.0}\n"
    with Simulator() as sim, GatewayProcess(sim.url, tmp_path / "state", more=more) as running:
        sim.fault("stall=3")
        with raw_http.connect(running.url, timeout_s=30) as sock:
            body = OPENAI.body(stream=stream)
            sock.sendall(raw_http.request(OPENAI.path, body, OPENAI.headers))
            until(lambda: sim.in_flight == 1)
            running.terminate()
            if impatient:
                until(lambda: not _accepts(running.url))
                running.interrupt()
            assert running.ended() == 0
        bill = sim.quiet()
    entry = LedgerReader(running.ledger_path).recent(10)[0]
    assert (entry.outcome, entry.cost_basis) == ("cancelled", "estimate")
    assert entry.cost_low_nanousd is not None
    assert entry.cost_high_nanousd is not None
    assert entry.cost_low_nanousd <= bill.total_nanousd <= entry.cost_high_nanousd
    assert "Traceback" not in running.log


def test_an_idle_connection_does_not_hold_the_end_back(tmp_path: Path) -> None:
    """A kept-alive connection and a half-sent request are closed; the exit code is 0."""
    with Simulator() as sim, GatewayProcess(sim.url, tmp_path / "state") as running:
        data = raw_http.request(OPENAI.path, OPENAI.body(), {"connection": "keep-alive"})
        with raw_http.connect(running.url) as idle, raw_http.connect(running.url) as mute:
            idle.sendall(data)
            assert raw_http.read(idle).status == 200
            mute.sendall(b"POST /v1/chat")
            running.terminate()
            assert running.ended() == 0
    assert len(LedgerReader(running.ledger_path).recent(10)) == 1


@ALL
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_a_provider_that_is_down_is_a_bad_gateway_that_costs_nothing(
    spoken: Spoken, *, stream: bool
) -> None:
    """502 in the vendor's words without its address; attempts `unsent`, the cost 0 and known."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with gateway(f"http://127.0.0.1:{port}") as running:
        error = spoken.refused(running.url, spoken.body(stream=stream))
        assert (type(error).__name__, error.status_code) == ("InternalServerError", 502)
        assert str(port) not in error.response.text
        assert json.loads(error.response.text)
        entry = running.entries()[0]
        assert {one.outcome for one in entry.attempts} == {"unsent"}
        assert (entry.cost_basis, entry.cost_nanousd) == ("free", 0)
        assert len(entry.attempts) == 3
