"""The demo as a user runs it: one command, two servers, two SDKs, two equal bills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

SCRIMP = str(Path(sys.executable).with_name("scrimp"))
LIMIT_S = 120


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A plain one: no terminal, no settings of ours, temporary files where they can be seen.

    The proxy is there to be ignored: nobody listens at it.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "TMPDIR": str(tmp_path), "HTTP_PROXY": "http://127.0.0.1:9"}


def demo(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Run a small day to its end."""
    return subprocess.run(
        (SCRIMP, "demo", "--scale", "0.05", *options),
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_both_bills_are_equal_and_the_cache_has_answered(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """One JSON document alone on standard output, exit code 0, and nothing left behind."""
    ended = demo(environment, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    document = json.loads(ended.stdout)
    bill = document["bill"]
    assert bill["equal"] is True
    assert bill["scrimp_nanousd"] == bill["provider_nanousd"] > 0
    assert document["calls"] == document["planned_calls"] > 40
    assert document["failed_calls"] == 0
    assert document["hits"] > 0
    hits = {lever["lever"]: lever["hits"] for lever in document["levers"]}
    assert hits["exact_cache"] > 0
    assert hits["coalesce"] > 0
    saved = sum(lever["saved_nanousd"] for lever in document["levers"])
    assert document["spend_nanousd"] + saved == document["without_scrimp_nanousd"]
    assert sum(row["spend_nanousd"] for row in document["models"]) == document["spend_nanousd"]
    assert sum(row["calls"] for row in document["applications"]) == document["calls"]
    over = document["over_budget"]
    assert over["refused_billed_nanousd"] == 0
    assert float(over["needed_usd"]) > float(over["limit_usd"]) > 0
    assert (over["rung"], over["answered_by"]) == ("cheaper_model", "gpt-4.1-nano")
    assert over["saved_nanousd"] > 0
    broken = document["broken_stream"]
    assert broken["low_nanousd"] < broken["provider_nanousd"] < broken["high_nanousd"]
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_there_are_no_control_codes(environment: dict[str, str]) -> None:
    """What goes to a file or a CI log is plain text, and no line is wider than 100 columns."""
    ended = demo(environment, "--seed", "11")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "equal to the nano-dollar" in ended.stdout
    assert not any(code in ended.stdout for code in ("\x1b", "\r", "\x08"))
    assert max(len(line.rstrip()) for line in ended.stdout.splitlines()) <= 100


def test_a_missing_sdk_is_one_clear_line(environment: dict[str, str], tmp_path: Path) -> None:
    """Exit code 2, and the command that mends it."""
    hide = "import sys; sys.modules['anthropic'] = None; from scrimp.cli.main import main; main()"
    ended = subprocess.run(
        (sys.executable, "-c", hide, "demo"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "(pip install anthropic)" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_keep_leaves_the_gateway_up_until_ctrl_c(environment: dict[str, str]) -> None:
    """It answers at the address that was printed; afterwards no process of the demo is left."""
    command = (SCRIMP, "demo", "--scale", "0.01", "--keep", "--json")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line)
            if line == "}\n":
                break
        document = json.loads("".join(lines))
        with urlopen(f"{document['gateway_url']}/readyz", timeout=10) as answer:  # noqa: S310 - http to ourselves
            assert json.load(answer)["status"] == "ok"
        children = psutil.Process(running.pid).children()
        running.send_signal(signal.SIGINT)
        assert running.wait(LIMIT_S) == 0
    assert len(children) == 2
    assert not any(child.is_running() for child in children)
    assert Path(document["config"]).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    """No server, no folder, no traceback."""
    command = (SCRIMP, "demo")
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        children = wait_for_servers(running.pid)
        running.send_signal(number)
        _, errors = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 130
    assert errors == ""
    assert not any(child.is_running() for child in children)
    assert list(tmp_path.iterdir()) == []


def test_servers_end_with_a_demo_that_was_killed(environment: dict[str, str]) -> None:
    """Even when nothing can be tidied up, no process stays."""
    with subprocess.Popen(
        (SCRIMP, "demo"), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        children = wait_for_servers(running.pid)
        running.kill()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert (len(gone), alive) == (2, [])


def wait_for_servers(pid: int) -> list[psutil.Process]:
    """Both servers of a demo that has just begun."""
    until_s = time.monotonic() + LIMIT_S
    while time.monotonic() < until_s:
        children: list[psutil.Process] = psutil.Process(pid).children()
        if len(children) == 2:
            return children
        time.sleep(0.05)
    pytest.fail("the demo did not start its servers")
