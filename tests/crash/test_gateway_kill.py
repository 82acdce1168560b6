"""A gateway that is killed under load loses nothing that it had acknowledged."""

from __future__ import annotations

import random
import threading
import time
from http.client import HTTPException
from pathlib import Path

from scrimp.simulator import Simulator
from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support import raw_http
from tests.support.gateway_process import GatewayProcess
from tests.support.spoken import ANTHROPIC, OPENAI, Spoken

KILLS = 4
_CLIENTS = 4


class _Client:
    """Asks without a pause; `acknowledged` are calls whose entry it has been shown."""

    def __init__(self, url: str, spoken: Spoken, number: int) -> None:
        self.acknowledged: list[str] = []
        self._url = url
        self._spoken = spoken
        self._number = number
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        asked = 0
        while True:
            asked += 1
            try:
                self._one(asked)
            except (OSError, HTTPException):
                return

    def _one(self, asked: int) -> None:
        spoken = self._spoken
        text = f"Client {self._number} asks {asked // 2}?"
        body = spoken.body(stream=asked % 3 == 0, messages=spoken.question(text))
        answer = raw_http.ask(self._url, raw_http.request(spoken.path, body, spoken.headers))
        call_id = answer.headers["x-scrimp-id"]
        look = raw_http.request(f"/v1/scrimp/calls/{call_id}", b"", method="GET")
        if raw_http.ask(self._url, look).status == 200:
            self.acknowledged.append(call_id)

    def join(self) -> None:
        """Wait until it has noticed that nobody answers."""
        self._thread.join()


def _load_and_kill(running: GatewayProcess, after_s: float) -> set[str]:
    """Ids that were acknowledged when the gateway was killed."""
    clients = [
        _Client(running.url, OPENAI if number % 2 else ANTHROPIC, number)
        for number in range(_CLIENTS)
    ]
    until_s = time.monotonic() + 20
    while not all(client.acknowledged for client in clients):
        assert time.monotonic() < until_s
        time.sleep(0.005)
    time.sleep(after_s)
    running.kill()
    for client in clients:
        client.join()
    return {call_id for client in clients for call_id in client.acknowledged}


def test_a_killed_gateway_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """Killed again and again on one ledger: all there, none twice, sums equal, the file whole."""
    state = tmp_path / "state"
    moments = random.Random(20261122)  # noqa: S311 - moments of death, not secrets
    acknowledged: set[str] = set()
    with Simulator() as sim:
        for _ in range(KILLS):
            with GatewayProcess(sim.url, state) as running:
                acknowledged |= _load_and_kill(running, moments.uniform(0.0, 0.5))
            check = LedgerReader(running.ledger_path).check()
            assert check.problems == ()
        with GatewayProcess(sim.url, state) as running:
            running.terminate()
            assert running.ended() == 0
    reader = LedgerReader(running.ledger_path)
    ids = [entry.id for entry in reader.recent(1_000_000)]
    assert len(ids) == len(set(ids))
    assert acknowledged <= set(ids)
    assert len(acknowledged) >= KILLS * _CLIENTS
    assert reader.check().ok
