"""The examples of docs/library.md run as they stand, one after another."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from scrimp.simulator import Simulator

GUIDE = Path(__file__).parents[2] / "docs" / "library.md"
FILE = """
[providers.openai]
base_url = "{url}/v1"
key_env = "OPENAI_API_KEY"
[providers.anthropic]
base_url = "{url}/v1"
key_env = "ANTHROPIC_API_KEY"
[defer]
enabled = true
gather_s = 0.1
poll_s = 0.1
"""


def test_the_examples_of_the_guide_run(tmp_path: Path) -> None:
    """In a process of its own, with a simulator where the providers would be."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    with Simulator() as sim:
        (tmp_path / "scrimp.toml").write_text(FILE.format(url=sim.url))
        environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "SCRIMP_CONFIG": str(tmp_path / "scrimp.toml"),
            "SCRIMP_STATE": str(tmp_path / "state"),
            "OPENAI_API_KEY": "sk-mine",
            "OPENAI_BASE_URL": f"{sim.url}/v1",
            "ANTHROPIC_API_KEY": "sk-mine",
            "ANTHROPIC_BASE_URL": sim.url,
        }
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(blocks)],
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "exact_cache" in done.stdout
    assert "0.0075" in done.stdout
