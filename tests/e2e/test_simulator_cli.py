"""`scrimp simulate` with several upstreams and faults planned from the start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.stage import until

SCRIMP = str(Path(sys.executable).with_name("scrimp"))


def environment(folder: Path) -> dict[str, str]:
    """Nothing of who runs the test."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return keep | {"SCRIMP_STATE": str(folder), "XDG_CONFIG_HOME": str(folder)}


def posted(url: str) -> int:
    """The status of one chat completion."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": "Bearer k", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310  # our own
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310  # our own
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_upstreams_and_faults_come_from_the_command_line(tmp_path: Path) -> None:
    """The second fails once, the first does not; both are named at the start."""
    printed = tmp_path / "printed"
    command = [SCRIMP, "simulate", "--port", "0", "--first-token-ms", "0", "--per-token-ms", "0"]
    command += ["--upstreams", "2", "--fault", "u2/503:count=1"]
    with (
        printed.open("w") as printing,
        subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path), stdout=printing) as sim,
    ):
        try:
            until(lambda: "Ctrl-C" in printed.read_text(), limit_s=30)
            text = printed.read_text()
            url = text.splitlines()[0].split()[-1]
            assert f"{url}/u1 to {url}/u2" in text
            paths = ("/u2/v1", "/u2/v1", "/u1/v1", "/v1")
            seen = [posted(f"{url}{path}/chat/completions") for path in paths]
        finally:
            sim.terminate()
    assert seen == [503, 200, 200, 200]
    assert sim.returncode == 0


def test_a_wrong_fault_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    """It names the option and what there is."""
    for fault, said in (("nonsense", "no such fault"), ("u9/503", "upstream 9, but there are 1")):
        result = subprocess.run(
            [SCRIMP, "simulate", "--port", "0", "--fault", fault],
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert (result.returncode, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert "--fault" in line
        assert said in line
