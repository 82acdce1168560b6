"""`scrimp serve` as its users run it: a process that can be told to stop, or killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
_END_LIMIT_S = 30.0


class GatewayProcess:
    """Runs `python -m scrimp serve` with the providers `openai` and `anthropic` at `upstream`."""

    def __init__(self, upstream: str, state: Path, *, more: str = "") -> None:
        state.mkdir(exist_ok=True)
        self.ledger_path = state / "ledger.sqlite"
        self._config = state / "scrimp.toml"
        self._config.write_text(
            f'state_dir = "{state}"\n{more}\n'
            f'[providers.openai]\nbase_url = "{upstream}/v1"\ndialects = ["openai.chat"]\n'
            f'key_env = "OPENAI_KEY"\n[providers.anthropic]\nbase_url = "{upstream}/v1"\n'
            f'dialects = ["anthropic.messages"]\nkey_env = "ANTHROPIC_KEY"\n'
        )
        self.url = ""
        self.log = ""
        self._process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scrimp", "serve", "--config", str(self._config), "--port", "0"],
            env={**os.environ, "OPENAI_KEY": "sk-provider", "ANTHROPIC_KEY": "sk-provider"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log += line
            if found := _ADDRESS.search(line):
                self.url = found[0]
                return self
        raise AssertionError(f"the gateway did not start: {self.log}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self.kill()

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM); returns at once."""
        self._process.send_signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """Ctrl-C (SIGINT); a second signal means now."""
        self._process.send_signal(signal.SIGINT)

    @property
    def running(self) -> bool:
        """True until it has ended."""
        return self._process.poll() is None

    def ended(self) -> int:
        """Wait for its end; the exit code. What it said is in `log`."""
        rest, _ = self._process.communicate(timeout=_END_LIMIT_S)
        self.log += rest
        return self._process.returncode

    def kill(self) -> None:
        """End it with no chance to do anything (SIGKILL)."""
        self._process.kill()
        self.ended()
