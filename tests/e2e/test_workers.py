"""Several workers under one parent: restarts in turn without a lost call, deaths, ends."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from scrimp.gateway.hangup import Terminal
from scrimp.simulator import Simulator
from tests.support import raw_http
from tests.support.spoken import ANTHROPIC, OPENAI, Spoken
from tests.support.stage import until
from tests.support.workers_process import Asking, WorkersProcess

_CLIENTS = 6
_LIMIT_S = 60.0


@contextmanager
def under_load(serving: WorkersProcess) -> Iterator[list[Asking]]:
    """Clients of both dialects, each of which has had an answer; stopped at the end."""
    clients = [
        Asking(serving.url, OPENAI if number % 2 else ANTHROPIC, number)
        for number in range(_CLIENTS)
    ]
    for client in clients:
        client.start()
    try:
        until(lambda: all(client.whole for client in clients), limit_s=_LIMIT_S)
        yield clients
    finally:
        for client in clients:
            client.stop()


def more_calls(clients: list[Asking]) -> None:
    """Wait until each client has had two more answers."""
    wanted = [client.whole + 2 for client in clients]
    until(
        lambda: all(one.whole >= count for one, count in zip(clients, wanted, strict=True)),
        limit_s=_LIMIT_S,
    )


def stream(url: str, spoken: Spoken, text: str, told: list[bytes]) -> None:
    """One stream, to its end."""
    body = spoken.body(stream=True, messages=spoken.question(text))
    data = raw_http.request(spoken.path, body, {**spoken.headers, "connection": "keep-alive"})
    told.append(raw_http.ask(url, data, timeout_s=_LIMIT_S).body)


def accepts(url: str) -> bool:
    """Whether new connections are taken."""
    try:
        raw_http.connect(url, timeout_s=1).close()
    except OSError:
        return False
    return True


def test_a_rolling_restart_under_load_loses_no_call(tmp_path: Path) -> None:
    """Twice, with calls and streams in the air on kept connections: whole answers, all booked."""
    with Simulator(per_token_ms=1) as sim, WorkersProcess(sim.url, tmp_path, workers=2) as serving:
        with under_load(serving) as clients:
            for _ in range(2):
                serving.rolled()
                more_calls(clients)
            counted_before = serving.calls()
        assert [client.broken for client in clients] == [[]] * _CLIENTS
        whole = sum(client.whole for client in clients)
        until(lambda: serving.calls() == whole)
        assert 0 < counted_before <= whole
        assert serving.said.count("were replaced") == 2
        serving.signal(signal.SIGTERM)
        assert serving.ended() == 0
        bill = sim.quiet()
    check = serving.reader().check()
    assert (check.ok, check.calls) == (True, whole)
    entries = serving.reader().recent(whole)
    assert sum(entry.cost_nanousd or 0 for entry in entries) == bill.total_nanousd
    assert serving.complained == ""


def test_a_stream_outlives_the_worker_that_it_began_on(tmp_path: Path) -> None:
    """All workers are replaced while it drips; it ends whole, and then its worker is gone."""
    with Simulator(per_token_ms=40) as sim, WorkersProcess(sim.url, tmp_path) as serving:
        before = serving.pids()
        told: list[bytes] = []
        asking = threading.Thread(target=stream, args=(serving.url, OPENAI, "And then?", told))
        asking.start()
        until(lambda: sim.in_flight == 1)
        serving.signal(signal.SIGHUP)
        until(lambda: len(serving.pids() - before) == 2, limit_s=_LIMIT_S)
        asking.join()
        assert b"[DONE]" in told[0]
        until(lambda: not serving.pids() & before, limit_s=_LIMIT_S)
        assert serving.calls() == 1


def test_a_killed_worker_is_replaced_and_only_its_own_calls_break(tmp_path: Path) -> None:
    """Who was connected to another sees nothing; new connections are answered at once."""
    with Simulator(per_token_ms=1) as sim, WorkersProcess(sim.url, tmp_path, workers=3) as serving:
        with under_load(serving) as clients:
            victim = serving.workers()[0]
            its_ports = {one.raddr.port for one in victim.net_connections("tcp") if one.raddr}
            victim.kill()
            for _ in range(20):
                alive = raw_http.request("/healthz", b"", method="GET")
                assert raw_http.ask(serving.url, alive).status == 200
            until(lambda: len(serving.pids() - {victim.pid}) == 3, limit_s=_LIMIT_S)
            more_calls(clients)
        broken = [broken for client in clients for broken in client.broken]
        assert {one.port for one in broken} <= its_ports
        assert len(broken) <= len(its_ports)
        until(lambda: serving.metrics()["scrimp_workers"] == 3)
        assert serving.metrics()["scrimp_worker_deaths_total"] == 1
        serving.signal(signal.SIGTERM)
        assert serving.ended() == 0
    assert serving.reader().check().problems == ()
    (line,) = serving.complained.splitlines()
    assert "was ended by SIGKILL; another takes its place" in line


def test_the_socket_of_a_worker_that_cannot_come_back_is_served_by_another(tmp_path: Path) -> None:
    """Its successor finds no ledger that it could write: every new connection is still answered."""
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path) as serving:
        victim = serving.workers()[0]
        serving.ledger_path.write_bytes(b"this is no ledger any more" * 40)
        victim.kill()
        until(lambda: "cannot start" in serving.complained, limit_s=_LIMIT_S)
        alive = raw_http.request("/healthz", b"", method="GET")
        assert {raw_http.ask(serving.url, alive).status for _ in range(30)} == {200}


def test_the_socket_of_a_worker_that_stands_still_is_served_by_another(tmp_path: Path) -> None:
    """It does not answer, others do in its place; awake again, it goes on as if nothing was."""
    alive = raw_http.request("/healthz", b"", method="GET")
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path) as serving:
        before = serving.pids()
        stuck = serving.workers()[0]
        stuck.suspend()
        for _ in range(30):
            assert raw_http.ask(serving.url, alive, timeout_s=_LIMIT_S).status == 200
        until(lambda: "says nothing" in serving.complained)
        stuck.resume()
        until(lambda: serving.metrics()["scrimp_ledger_ok"] == 2, limit_s=_LIMIT_S)
        assert serving.pids() == before
        serving.signal(signal.SIGTERM)
        assert serving.ended() == 0


def test_any_worker_knows_the_entry_of_anothers_call(tmp_path: Path) -> None:
    """Asked at once, on a connection that may be another worker's: it is there."""
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path, workers=3) as serving:
        for number in range(12):
            body = OPENAI.body(messages=OPENAI.question(f"Question {number}?"))
            answer = raw_http.ask(serving.url, raw_http.request(OPENAI.path, body))
            path = f"/v1/scrimp/calls/{answer.headers['x-scrimp-id']}"
            told = raw_http.ask(serving.url, raw_http.request(path, b"", method="GET"))
            assert json.loads(told.body)["status"] == 200


def test_nobody_is_told_that_all_workers_forgot(tmp_path: Path) -> None:
    """Where each remembers for itself, clearing would reach one of them: refused; shared: done."""
    clear = raw_http.request("/v1/scrimp/cache", b"", method="DELETE")
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path) as serving:
        answer = raw_http.ask(serving.url, clear)
        assert answer.status == 400
        assert b"2 workers" in answer.body
        shared = '[exact_cache]\nengine = "sqlite"\n'
        serving.write(f"{shared}[semantic_cache]\nenabled = true\n")
        serving.rolled()
        answer = raw_http.ask(serving.url, clear)
        assert (answer.status, b"semantic_cache.engine" in answer.body) == (400, True)
        serving.write(shared)
        serving.rolled()
        assert raw_http.ask(serving.url, clear).status == 200


def test_new_settings_are_taken_over_by_a_rolling_restart(tmp_path: Path) -> None:
    """A name for a model that stands in the file since a moment ago is served."""
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path) as serving:
        assert OPENAI.refused(serving.url, OPENAI.body(model="house")).status_code == 404
        serving.write('[aliases]\nhouse = "gpt-4o-mini"\n')
        serving.rolled()
        for _ in range(4):
            assert OPENAI.ask(serving.url, OPENAI.body(model="house"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[server\n", "not valid TOML"),
        ("[sever]\nport = 1\n", "sever"),
        ('[models.m]\nprovider = "nobody"\n', "nobody"),
    ],
    ids=["no TOML", "no such setting", "cannot be served"],
)
def test_bad_new_settings_are_one_line_and_the_old_go_on(
    tmp_path: Path, more: str, said: str
) -> None:
    """The workers stay who they are and answer; good settings are taken over afterwards."""
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path) as serving:
        before = serving.pids()
        serving.write(more)
        serving.signal(signal.SIGHUP)
        until(lambda: "\n" in serving.complained, limit_s=_LIMIT_S)
        (line,) = serving.complained.splitlines()
        assert said in line
        until(lambda: serving.pids() == before, limit_s=_LIMIT_S)
        assert OPENAI.ask(serving.url)
        serving.write()
        serving.rolled()
        assert OPENAI.ask(serving.url)


def test_a_worker_that_cannot_start_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    """A ledger that is none: said once, not by each worker; nothing stays behind."""
    other = tmp_path / "other.sqlite"
    other.write_text("this is no ledger, but it is long enough to be read as one" * 20)
    serving = WorkersProcess(
        "http://127.0.0.1:9", tmp_path, workers=3, more=f'[ledger]\npath = "{other}"\n'
    )
    with pytest.raises(AssertionError, match="not a ledger"):
        serving.__enter__()
    assert serving.ended() == 2
    (line,) = serving.complained.splitlines()
    assert line.startswith("error: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_streams_in_the_air_on_all_workers_finish(tmp_path: Path, number: signal.Signals) -> None:
    """A signal to the parent: every stream to its end, exit code 0, all in the ledger."""
    with Simulator(per_token_ms=15) as sim, WorkersProcess(sim.url, tmp_path, workers=3) as serving:
        told: list[bytes] = []
        asking = [
            threading.Thread(target=stream, args=(serving.url, OPENAI, f"Number {one}?", told))
            for one in range(8)
        ]
        for thread in asking:
            thread.start()
        until(lambda: sim.in_flight == len(asking))
        serving.signal(number)
        until(lambda: not accepts(serving.url))
        assert len(told) < len(asking)
        for thread in asking:
            thread.join()
        assert serving.ended() == 0
        assert all(b"[DONE]" in one for one in told)
    assert serving.reader().check().calls == len(asking)
    assert "the ledger is closed" in serving.said
    assert serving.complained == ""


def test_a_second_signal_cuts_off_what_does_not_end(tmp_path: Path) -> None:
    """The parent does not wait for a provider that says nothing; the call is booked."""
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path) as serving:
        sim.fault("stall=30")
        with raw_http.connect(serving.url, timeout_s=_LIMIT_S) as sock:
            sock.sendall(raw_http.request(OPENAI.path, OPENAI.body(), OPENAI.headers))
            until(lambda: sim.in_flight == 1)
            serving.signal(signal.SIGTERM)
            until(lambda: len(serving.pids()) == 1, limit_s=_LIMIT_S)
            serving.signal(signal.SIGTERM)
            assert serving.ended() == 0
    assert [entry.outcome for entry in serving.reader().recent(9)] == ["cancelled"]


def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    """Killed, it cannot tell them: they notice, finish what is in the air, and end."""
    with Simulator(per_token_ms=30) as sim, WorkersProcess(sim.url, tmp_path) as serving:
        told: list[bytes] = []
        asking = threading.Thread(target=stream, args=(serving.url, OPENAI, "And then?", told))
        asking.start()
        until(lambda: sim.in_flight == 1)
        workers = serving.workers()
        serving.signal(signal.SIGKILL)
        until(lambda: not accepts(serving.url))
        assert not told
        gone, left = psutil.wait_procs(workers, timeout=_LIMIT_S)
        assert (len(gone), left) == (2, [])
        asking.join()
        assert b"[DONE]" in told[0]
    assert serving.reader().check().calls == 1


def test_a_hang_up_does_not_end_a_gateway_without_workers(tmp_path: Path) -> None:
    """SIGHUP cannot make it anew, and it says so in one line; it goes on."""
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path, workers=1) as serving:
        serving.signal(signal.SIGHUP)
        until(lambda: "server.workers" in serving.complained)
        assert OPENAI.ask(serving.url)
        assert len(serving.complained.splitlines()) == 1
        serving.signal(signal.SIGTERM)
        assert serving.ended() == 0


def test_a_closed_terminal_is_told_from_a_wish_for_new_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same signal comes for both: only the first takes the terminal away."""
    ours, theirs = os.openpty()
    with open(theirs, encoding="utf-8") as stdin:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stdin", stdin)
        terminal = Terminal()
        assert not terminal.closed()
        os.close(ours)
        assert terminal.closed()
        assert not Terminal().closed()


def test_any_worker_tells_what_all_have_counted(tmp_path: Path) -> None:
    """Whoever is asked: the same sums, exact to the nano-dollar, and no word of who asked what."""
    calls = 24
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path, workers=3) as serving:
        for number in range(calls):
            body = OPENAI.body(messages=OPENAI.question(f"Question {number % 20}?"))
            headers = {"x-scrimp-user": "somebody", "x-scrimp-tags": "a-tag"}
            data = raw_http.request(OPENAI.path, body, headers)
            assert raw_http.ask(serving.url, data).status == 200
        bill = sim.quiet()
        until(lambda: serving.calls() == calls)
        for _ in range(8):
            counts = serving.metrics()
            assert serving.calls() == calls
            cost = sum(count for name, count in counts.items() if "cost_usd_total{" in name)
            assert round(cost * 1e9) == bill.total_nanousd
            tried = counts['scrimp_attempts_total{provider="openai",outcome="ok",status="200"}']
            assert tried == len(sim.requests)
            assert counts["scrimp_ledger_ok"] == counts["scrimp_workers"] == 3
            shown = json.dumps(list(counts))
            for secret in ("Question", "somebody", "a-tag", "sk-", "local"):
                assert secret not in shown


def test_a_taken_address_is_told_although_workers_could_share_it(tmp_path: Path) -> None:
    """A second gateway must not take half of the first one's connections."""
    with Simulator() as sim, WorkersProcess(sim.url, tmp_path) as serving:
        port = int(serving.url.rpartition(":")[2])
        (tmp_path / "other").mkdir()
        other = WorkersProcess(sim.url, tmp_path / "other", port=port)
        with pytest.raises(AssertionError, match="cannot listen"):
            other.__enter__()
        assert other.ended() == 2
        assert OPENAI.ask(serving.url)
