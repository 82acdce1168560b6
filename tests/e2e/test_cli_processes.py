"""The command as people start it: a process, its output, its exit code."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scrimp.simulator import Simulator
from tests.support.stage import until

SCRIMP = (str(Path(sys.executable).with_name("scrimp")),)
_START_S = 30


def environment(folder: Path) -> dict[str, str]:
    """Nothing of who runs the test: no provider, no settings, state in a folder of its own."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return keep | {"SCRIMP_STATE": str(folder / "state"), "XDG_CONFIG_HOME": str(folder)}


def ran(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        [*SCRIMP, *args],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=_START_S,
    )


@contextmanager
def started(folder: Path, *args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that serves, with the address of its first line; ended by id if it still runs.

    What it prints goes to a file (`printed`): a pipe that is read by lines and then to its end
    loses what was buffered in between.
    """
    with (
        (folder / "printed").open("w") as printing,
        subprocess.Popen(
            [*SCRIMP, *args],
            cwd=folder,
            env=environment(folder),
            stdout=printing,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            until(lambda: "\n" in printed(folder), limit_s=_START_S)
            yield process, printed(folder).splitlines()[0].split()[-1]
        finally:
            if process.poll() is None:
                process.kill()


def printed(folder: Path) -> str:
    """What the command has printed so far."""
    return (folder / "printed").read_text()


def got(url: str, path: str) -> tuple[int, dict[str, object]]:
    """Status and JSON body."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """Its first line has the address, which answers; a signal ends it with 0 and no traceback."""
    with started(tmp_path, "serve", "--port", "0") as (process, url):
        assert got(url, "/healthz") == (200, {"status": "ok"})
        process.send_signal(number)
        _, err = process.communicate(timeout=_START_S)
    assert (process.returncode, err) == (0, "")
    out = printed(tmp_path)
    assert f"OPENAI_BASE_URL={url}/v1" in out
    assert f"ANTHROPIC_BASE_URL={url}" in out
    assert "the ledger is closed" in out


def test_a_call_in_the_air_is_finished_and_booked(tmp_path: Path) -> None:
    """SIGTERM in the middle of a stream: the client gets its end, the ledger the whole call."""
    asked = json.dumps(
        {
            "model": "gpt-4o-mini",
            "stream": True,
            "messages": [{"role": "user", "content": "Tell me of the sea."}],
        }
    )
    with Simulator(first_token_ms=10, per_token_ms=10) as sim:
        (tmp_path / "scrimp.toml").write_text(
            f'[providers.openai]\nbase_url = "{sim.openai_url}"\ndialects = ["openai.chat"]\n'
            'headers = { authorization = "Bearer simulated" }\n'
        )
        with started(tmp_path, "serve", "--port", "0") as (process, url):
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_START_S)
            headers = {"content-type": "application/json"}
            connection.request("POST", "/v1/chat/completions", asked, headers)
            response = connection.getresponse()
            first = response.readline()
            process.terminate()
            rest = response.read()
            connection.close()
            _, err = process.communicate(timeout=_START_S)
        assert (process.returncode, err) == (0, "")
        assert first.startswith(b"data: ")
        assert rest.rstrip().endswith(b"data: [DONE]")
        total = json.loads(ran(tmp_path, "report", "--since", "24h", "--json").stdout)["total"]
        assert (total["calls"], total["errors"]) == (1, 0)
        assert total["cost_nanousd"] == sim.bill.total_nanousd > 0


def test_state_files_belong_to_their_owner_alone(tmp_path: Path) -> None:
    """What serve leaves behind is 0600 in a folder of 0700."""
    with started(tmp_path, "serve", "--port", "0") as (process, _):
        process.terminate()
        process.communicate(timeout=_START_S)
    state = tmp_path / "state"
    assert state.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in state.iterdir()} == {
        "ledger.secret": 0o600,
        "ledger.sqlite": 0o600,
        "tenant.secret": 0o600,
    }


def test_the_doctor_asks_a_gateway_that_runs(tmp_path: Path) -> None:
    """It reads the health of the gateway instead of complaining of the port."""
    with started(tmp_path, "serve", "--port", "0") as (process, url):
        (tmp_path / "scrimp.toml").write_text(f"[server]\nport = {urlsplit(url).port}\n")
        told = json.loads(ran(tmp_path, "doctor", "--json").stdout)
        process.terminate()
        process.communicate(timeout=_START_S)
    gateway = next(finding for finding in told["findings"] if finding["name"] == "gateway")
    assert gateway["status"] == "ok"
    assert "0 pending, 0 spilled, 0 dropped" in gateway["said"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_simulate_answers_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """The simulated provider shows its bill, and ends like the gateway."""
    with started(tmp_path, "simulate", "--port", "0") as (process, url):
        status, bill = got(url, "/_sim/bill")
        process.send_signal(number)
        _, err = process.communicate(timeout=_START_S)
    assert (status, bill["total_nanousd"]) == (200, 0)
    assert (process.returncode, err) == (0, "")


def refused(folder: Path, *args: str) -> str:
    """The one line of a command that must end with 2."""
    result = ran(folder, *args)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", ["serve", "simulate"])
def test_a_taken_port_is_one_line_and_exit_code_2(tmp_path: Path, command: str) -> None:
    """The line names the address and the option."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        line = refused(tmp_path, command, "--port", str(port))
    assert f"127.0.0.1:{port}" in line
    assert "--port" in line


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[server]\nport = "many"', "server.port"),
        ("[server\n", "not valid TOML"),
        ("[sever]\nport = 1", "sever"),
        ('[models.m]\nprovider = "nobody"', "nobody"),
    ],
)
def test_a_bad_file_is_one_line_and_exit_code_2(tmp_path: Path, toml: str, said: str) -> None:
    """The line names the file and what is wrong in it."""
    (tmp_path / "scrimp.toml").write_text(toml)
    line = refused(tmp_path, "serve", "--port", "0")
    assert said in line


def test_all_addresses_without_keys_are_refused(tmp_path: Path) -> None:
    """Nobody else spends the owner's money."""
    line = refused(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104 - refused
    assert "no key is set" in line


def test_a_report_on_an_empty_ledger_says_what_to_do(tmp_path: Path) -> None:
    """Before the first serve and after it: no table of nothing, exit code 0."""
    before = ran(tmp_path, "report")
    with started(tmp_path, "serve", "--port", "0") as (process, _):
        process.terminate()
        process.communicate(timeout=_START_S)
    after = ran(tmp_path, "report")
    for result in (before, after):
        assert (result.returncode, result.stderr) == (0, "")
        assert "No calls" in result.stdout
        assert "scrimp serve" in result.stdout
