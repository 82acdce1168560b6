"""Other gateways, each in an environment of its own, built once from our lock files.

Everything goes into benchmarks/.peers, which git does not see; deleting it is always right. What
cannot be installed is `Missing`: the benchmark names it and goes on without it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import ROOT, output_of

LOCKS = Path(__file__).parent / "peers"
PEERS = ROOT / "benchmarks" / ".peers"
_PORTKEY = Path("node_modules") / "@portkey-ai" / "gateway" / "build" / "start-server.js"


class Missing(Exception):
    """A peer that cannot be measured here, and why."""


def litellm() -> Path:
    """The command of LiteLLM's proxy, installed with the hashes of our lock."""
    folder, lock = PEERS / "litellm", LOCKS / "litellm.txt"
    command = folder / "bin" / "litellm"
    if not _is_current(folder, lock):
        shutil.rmtree(folder, ignore_errors=True)
        _say("LiteLLM", "123 packages, a minute or two")
        _run([sys.executable, "-m", "venv", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        _run([*pip, "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(lock)])
        _stamp(folder, lock)
    return command


def litellm_version() -> str:
    """As its environment has it."""
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    python = output_of([str(PEERS / "litellm" / "bin" / "python"), "-V"])
    version = output_of([str(PEERS / "litellm" / "bin" / "python"), "-c", code])
    return f"{version}, {python}"


def portkey() -> list[str]:
    """The command of Portkey's gateway; needs Node and npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Missing("no node or no npm on PATH")
    folder, lock = PEERS / "portkey", LOCKS / "package-lock.json"
    if not _is_current(folder, lock):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _say("Portkey's gateway", "95 packages, some seconds")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCKS / name, folder)
        # Its packages' own install scripts are not needed, so none of them runs.
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
        _stamp(folder, lock)
    return [node, str(folder / _PORTKEY)]


def portkey_version() -> str:
    """As it is locked, and the Node that runs it."""
    code = "console.log(require('./node_modules/@portkey-ai/gateway/package.json').version)"
    version = subprocess.run(
        ["node", "-e", code], check=False, capture_output=True, text=True, cwd=PEERS / "portkey"
    ).stdout.strip()
    return f"{version}, Node {output_of(['node', '--version'])}"


def _is_current(folder: Path, lock: Path) -> bool:
    stamp = folder / ".installed"
    return stamp.exists() and stamp.read_text() == _digest(lock)


def _stamp(folder: Path, lock: Path) -> None:
    (folder / ".installed").write_text(_digest(lock))


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _say(name: str, how_much: str) -> None:
    print(f"installing {name} into benchmarks/.peers ({how_much}) ...", file=sys.stderr)


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    """Run an installer; its last line is the reason when it fails. Raises Missing."""
    PEERS.mkdir(exist_ok=True)
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=cwd, env=dict(os.environ)
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no word of why"]
        raise Missing(f"{Path(command[0]).name} failed: {words[-1][:200]}")
