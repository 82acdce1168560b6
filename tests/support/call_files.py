"""Files of calls for `scrimp run`: settings, a file, and the command line before them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from scrimp.ports import Entry
from scrimp.simulator import Simulator
from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support.stage import until

MODEL = "gpt-4o-mini"


def prompts(count: int) -> list[dict[str, Any]]:
    """So many different ones, with a limit of what may come back."""
    return [
        {"prompt": f"Say {number}", "model": MODEL, "max_tokens": 90} for number in range(count)
    ]


class CallFile:
    """A provider, settings, a file, and the command line before them."""

    def __init__(self, sim: Simulator, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        self.file = folder / "calls.jsonl"
        self.out = folder / "out.jsonl"
        config = folder / "scrimp.toml"
        config.write_text(
            f'state_dir = "{folder / "state"}"\n[retry]\nbase_s = 0.001\nmax_wait_s = 0.002\n'
            f'[providers.openai]\nbase_url = "{sim.url}/v1"\nkey_env = "OPENAI_KEY"\n'
            f'[providers.anthropic]\nbase_url = "{sim.url}/v1"\nkey_env = "ANTHROPIC_KEY"\n'
        )
        self.env = {"OPENAI_KEY": "sk-o", "ANTHROPIC_KEY": "sk-a", "SCRIMP_CONFIG": str(config)}

    def write(self, *lines: Mapping[str, Any] | str) -> None:
        """The file."""
        texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        self.file.write_text("".join(text + "\n" for text in texts))

    def run(self, *more: str, stdin: str | None = None) -> Result:
        """What the command says."""
        file = str(self.file) if stdin is None else "-"
        args = ["run", file, "-o", str(self.out), *more]
        return CliRunner().invoke(cli, args, env=self.env, input=stdin)

    def told(self, *more: str, code: int = 0, stdin: str | None = None) -> dict[str, Any]:
        """The same for machines."""
        result = self.run(*more, "--yes", "--json", stdin=stdin)
        assert result.exit_code == code, result.output
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    def results(self) -> list[dict[str, Any]]:
        """What OUT holds."""
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def entries(self) -> list[Entry]:
        """What the ledger has."""
        return LedgerReader(self.folder / "state" / "ledger.sqlite").recent(10_000)

    def bodies(self) -> list[bytes]:
        """What the provider was asked."""
        return [request.body for request in self.sim.requests]

    def ended(self, sent: signal.Signals, after: int, *more: str) -> tuple[int, str]:
        """A process of its own that a signal ends after so many more requests."""
        log, seen = self.folder / "said", len(self.sim.requests)
        command = [sys.executable, "-m", "scrimp", "run", str(self.file), "-o", str(self.out)]
        with log.open("wb") as said:
            child = subprocess.Popen(
                [*command, "--yes", *more],
                env={**os.environ, **self.env},
                stdout=said,
                stderr=said,
            )
            try:
                until(lambda: len(self.sim.requests) >= seen + after, limit_s=60)
                child.send_signal(sent)
                return child.wait(60), log.read_text()
            finally:
                child.kill()
                child.wait()
