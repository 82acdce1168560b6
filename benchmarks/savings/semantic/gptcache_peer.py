"""GPTCache at its default on the same questions and vectors, in an environment of its own.

Built once from our lock file into benchmarks/.peers. What cannot be installed is left out, loudly.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import ROOT
from benchmarks.savings.semantic.stream import Questions

GPTCACHE = "GPTCACHE WAS NOT MEASURED: see above, or --no-peers was given"
LOCK = Path(__file__).parent / "peers" / "gptcache.txt"
FOLDER = ROOT / "benchmarks" / ".peers" / "gptcache"
_LIMIT_S = 1_200
_MOST = 2_500
"""It takes some 20 to 50 ms per question."""


def gptcache(questions: Questions, seed: int) -> list[dict[str, Any]]:
    """Its hits and what was wrong of them; nothing when it cannot be installed or fails."""
    order = np.random.default_rng(seed).permutation(len(questions.labels))[:_MOST]
    try:
        python = _installed()
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "stream.npz"
            np.savez(data, v=questions.vectors[order], labels=questions.labels[order])
            done = subprocess.run(
                [str(python), str(Path(__file__).with_name("gptcache_side.py")), str(data)],
                check=True,
                capture_output=True,
                text=True,
                cwd=folder,
                timeout=_LIMIT_S,
            )
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", "") or str(error)
        print(f"GPTCache: {said.strip().splitlines()[-1][:200]}", file=sys.stderr)
        return []
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return [{"name": f"GPTCache {found['version']}, {len(order)} questions", **found}]


def _installed() -> Path:
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / ".installed"
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return python
    shutil.rmtree(FOLDER, ignore_errors=True)
    print("installing GPTCache into benchmarks/.peers (a minute) ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run(
        [*pip, "--no-deps", "--require-hashes", "-r", str(LOCK)],
        check=True,
        capture_output=True,
        text=True,
    )
    stamp.write_text(digest)
    return python
