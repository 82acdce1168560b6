"""A ledger that cannot be written: calls go on, it is said so, and nothing is dropped."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scrimp.stores.sqlite_ledger_read import LedgerReader
from scrimp.stores.sqlite_ledger_spill import spill_path
from tests.support import raw_http
from tests.support.spoken import ANTHROPIC, OPENAI, Spoken
from tests.support.stage import Stage, staged, until

_LOCKER = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def _locked_elsewhere(path: Path) -> Iterator[None]:
    """Another process holds the write lock."""
    with subprocess.Popen(
        [sys.executable, "-c", _LOCKER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        yield
        other.communicate("")


@contextmanager
def _no_file_may_grow(limit_bytes: int) -> Iterator[None]:
    """As a full disk does it: nothing in this process can be written beyond that offset."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _asked(stage: Stage, spoken: Spoken) -> raw_http.Answer:
    headers = {**spoken.headers, "x-scrimp-cache": "no-store"}
    answer = raw_http.ask(stage.url, raw_http.request(spoken.path, spoken.body(), headers))
    assert answer.status == 200
    return answer


def _ready(stage: Stage) -> str:
    answer = raw_http.ask(stage.url, raw_http.request("/readyz", b"", method="GET"))
    assert answer.status == 200
    return str(json.loads(answer.body)["status"])


def _calls_while_behind(stage: Stage) -> set[str]:
    """Calls of both dialects that are answered while the ledger is behind; their ids."""
    ids = {_asked(stage, OPENAI).headers["x-scrimp-id"]}
    until(lambda: _ready(stage) == "degraded")
    for spoken in (OPENAI, ANTHROPIC, OPENAI):
        answer = _asked(stage, spoken)
        ids.add(answer.headers["x-scrimp-id"])
        assert "record=ledger_behind" in answer.headers["x-scrimp-trace"]
    return ids


def _check_all_there(stage: Stage, ids: set[str]) -> None:
    """Once it is well again: ready, every entry in its place, sums equal, the bill matched."""
    ids.add(_asked(stage, OPENAI).headers["x-scrimp-id"])
    until(lambda: _ready(stage) == "ok", limit_s=20)
    entries = stage.gateway.entries()
    assert {entry.id for entry in entries} >= ids
    assert len(entries) == len(stage.sim.bill.rows)
    assert sum(entry.cost_nanousd or 0 for entry in entries) == stage.sim.bill.total_nanousd
    path = stage.gateway.loaded.settings.ledger_path
    assert not spill_path(path).exists()
    assert LedgerReader(path).check().ok
    assert stage.gateway.app.ledger.health().dropped == 0
    assert "ledger_behind" not in _asked(stage, OPENAI).headers["x-scrimp-trace"]


def test_locked_by_another_process_for_a_while() -> None:
    """Entries are set aside after a second, can be looked up there, and come back."""
    with staged() as stage:
        ids = {_asked(stage, OPENAI).headers["x-scrimp-id"]}
        stage.gateway.settle()
        path = stage.gateway.loaded.settings.ledger_path
        with _locked_elsewhere(path):
            ids |= _calls_while_behind(stage)
            until(spill_path(path).exists)
            assert spill_path(path).stat().st_mode & 0o777 == 0o600
            for call_id in ids:
                data = raw_http.request(f"/v1/scrimp/calls/{call_id}", b"", method="GET")
                assert raw_http.ask(stage.url, data).status == 200
        _check_all_there(stage, ids)


def test_locked_until_the_gateway_is_stopped() -> None:
    """What could not be written lies in the spill file, and the next start takes it in."""
    with staged() as stage:
        stage.gateway.settle()
        path = stage.gateway.loaded.settings.ledger_path
        with _locked_elsewhere(path):
            ids = _calls_while_behind(stage)
            stage.gateway.stop()
            assert LedgerReader(path).check().spilled == len(ids)
        reader = LedgerReader(path)
        assert all(reader.find(call_id) is not None for call_id in ids)


def test_a_full_disk() -> None:
    """The write-ahead log cannot grow: calls go on, entries wait aside, and come back."""
    with staged() as stage:
        ids = {_asked(stage, OPENAI).headers["x-scrimp-id"] for _ in range(20)}
        stage.gateway.settle()
        path = stage.gateway.loaded.settings.ledger_path
        log = path.with_name(f"{path.name}-wal")
        with _no_file_may_grow(log.stat().st_size):
            ids |= _calls_while_behind(stage)
        _check_all_there(stage, ids)


def test_a_path_that_cannot_be_written_at_all(tmp_path: Path) -> None:
    """No database and no spill file: entries wait in memory until there is a place for them."""
    blocked = tmp_path / "state"
    blocked.write_text("not a folder")
    path = blocked / "ledger.sqlite"
    with staged(more=f'[ledger]\npath = "{path}"\n') as stage:
        assert _ready(stage) == "degraded"
        ids = _calls_while_behind(stage)
        blocked.unlink()
        blocked.mkdir()
        _check_all_there(stage, ids)
