"""The demo's stage: a simulated provider, a gateway before it, and a folder for their state.

Both servers are processes on free ports of 127.0.0.1. Leaving the stage ends them, in whatever way
it is left, and removes the folder unless it is to be kept.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from scrimp.errors import ScrimpError
from scrimp.settings import Settings, parse

_START_LIMIT_S = 30.0
_END_LIMIT_S = 5.0
_DRAIN_LIMIT_S = 15.0
_POLL_S = 0.01

_CONFIG = """\
# The demo's gateway: both providers are simulated, their key is made up, nothing is spent.
state_dir = {state}

[server]
port = 0

[providers.openai]
base_url = "{simulator}/v1"
dialects = ["openai.chat"]
headers = {{ authorization = "Bearer simulated" }}

[providers.anthropic]
base_url = "{simulator}/v1"
dialects = ["anthropic.messages"]
headers = {{ x-api-key = "simulated" }}

# What is left of these is too little for any call with their tags: the day's calls have others.
[budgets.strict]
tag = "{strict}"
usd = "0.000050"
per = "day"

[budgets.gentle]
tag = "{gentle}"
usd = "0.000050"
per = "day"
hard = false

[degrade]
models = ["gpt-4.1-nano"]

# Calls to scrimp/auto; and where a call for gpt-4o goes when its provider is down.
[route]
enabled = true
depth = "rules"
models = ["gpt-4o-mini", "gpt-4o"]

[fallback.models]
"gpt-4o" = ["claude-haiku-4-5"]

# Beginnings of prompts that come back are marked for the provider's own cache.
[prefix_cache]
enabled = true

# Tickets of the nightly job share prompts.
[pack]
enabled = true
tasks = ["classification"]
"""
ATTEMPTS = 3
"""How often a call is tried, as [retry] has it by default."""
STRICT, GENTLE = "demo:hard-budget", "demo:soft-budget"
"""Tags whose budgets are nearly empty."""

# Passing faults for the retry lever, none of them billed: a busy provider now and then.
_FAULTS: tuple[Mapping[str, Any], ...] = (
    {"fault": "429:retry-after-ms=80", "every": 90, "path": "/v1/chat/completions"},
    {"fault": "503", "every": 130, "path": "/v1/chat/completions"},
    {"fault": "529", "every": 75, "path": "/v1/messages"},
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is."""

    simulator_url: str
    gateway_url: str
    config: Path
    settings: Settings

    async def plan_faults(self) -> None:
        """Let the provider be busy for a handful of calls."""
        for fault in _FAULTS:
            await asyncio.to_thread(_ask, self.simulator_url, "POST", "/_sim/faults", fault)

    async def plan_cut(self, *, after_bytes: int, path: str) -> None:
        """Let the next answer at this path break off, and let nothing else go wrong."""
        await asyncio.to_thread(_ask, self.simulator_url, "DELETE", "/_sim/faults")
        cut = {"fault": f"cut={after_bytes}", "count": 1, "path": path}
        await asyncio.to_thread(_ask, self.simulator_url, "POST", "/_sim/faults", cut)

    async def billed_nanousd(self) -> int:
        """The provider's own bill so far."""
        bill = await asyncio.to_thread(_ask, self.simulator_url, "GET", "/_sim/bill")
        return int(bill["total_nanousd"])

    async def take_down(self, *, attempts: int) -> None:
        """Let the next attempts at OpenAI's chats fail. Raises ScrimpError."""
        fault = {"fault": "503", "count": attempts, "path": "/v1/chat/completions"}
        await asyncio.to_thread(_ask, self.simulator_url, "POST", "/_sim/faults", fault)

    def gateway_log(self) -> str:
        """The last line that the gateway logged."""
        return _last_line(self.config.with_name("gateway.log"))

    async def settled(self) -> None:
        """Wait until the gateway has booked every call that it answered. Raises ScrimpError."""
        for _ in range(round(_DRAIN_LIMIT_S / _POLL_S)):
            ready = await asyncio.to_thread(_ask, self.gateway_url, "GET", "/readyz")
            if not ready["settling"] and not ready["ledger"]["pending"]:
                return
            await asyncio.sleep(_POLL_S)
        raise ScrimpError(f"the ledger was not done within {_DRAIN_LIMIT_S:g} s")


@asynccontextmanager
async def open_stage(*, keep: bool) -> AsyncIterator[Stage]:
    """Start both servers; end them at the end. Raises ScrimpError."""
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="scrimp-demo-"))
        if not keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        simulator_url = await stack.enter_async_context(_child(folder, "simulator"))
        config = folder / "scrimp.toml"
        text = _CONFIG.format(
            state=json.dumps(str(folder)), simulator=simulator_url, strict=STRICT, gentle=GENTLE
        )
        config.write_text(text, encoding="utf-8")
        gateway_url = await stack.enter_async_context(_child(folder, "gateway", str(config)))
        # The port that it took: what reads these settings later finds the gateway there.
        text = text.replace("port = 0", f"port = {gateway_url.rpartition(':')[2]}")
        config.write_text(text, encoding="utf-8")
        settings = parse(text.encode(), source=str(config))
        yield Stage(simulator_url, gateway_url, config, settings)


@asynccontextmanager
async def _child(folder: Path, what: str, *arguments: str) -> AsyncIterator[str]:
    """One server process; gives its address. What it logs goes to a file in the folder."""
    log = folder / f"{what}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"scrimp.demo.{what}_child", *arguments),
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
            process_group=0,  # Ctrl-C is for the demo, which then ends its servers in order
        )
    try:
        yield await _address(process, what, log)
    finally:
        await _end(process)


async def _address(process: Process, what: str, log: Path) -> str:
    if process.stdout is None:
        raise ScrimpError(f"the {what} has no output")
    try:
        async with asyncio.timeout(_START_LIMIT_S):
            line = await process.stdout.readline()
    except TimeoutError:
        raise ScrimpError(f"the {what} did not start within {_START_LIMIT_S:g} s") from None
    if not line:
        raise ScrimpError(f"the {what} did not start: {_last_line(log) or 'no reason given'}")
    return line.decode().strip()


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


async def _end(process: Process) -> None:
    """End a server, by its own id: at first politely."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_END_LIMIT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _ask(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """One request to a server of the demo, outside what is measured. Raises ScrimpError."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=_DRAIN_LIMIT_S)
    sent = None if body is None else json.dumps(body)
    try:
        connection.request(method, path, sent, {"content-type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
    except OSError as error:
        raise ScrimpError(f"{url}{path} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise ScrimpError(f"{url}{path} answered {answer.status}")
    return json.loads(data)
