"""Token counts of a vendor without a public tokenizer get better with use, and stay so."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from scrimp.app import open_app, open_encoder
from scrimp.calls import Caller, HeldSink, Target
from scrimp.cli.main import cli
from scrimp.simulator import Simulator
from tests.support.core import call_of
from tests.support.library import settings_for

MODEL = "claude-haiku-4-5"
HEADERS = (("content-type", "application/json"), ("anthropic-version", "2023-06-01"))
TEXT = "Every call is priced, cached and accounted; a count is what a budget holds before it. "


def _fields(number: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"{number}: {TEXT * 20}"}]
    return {"model": MODEL, "max_tokens": 20, "messages": messages}


async def test_counts_are_learned_kept_and_shown(tmp_path: Path) -> None:
    """The provider's own figure, within 2 %, after a restart and on the command line."""
    with Simulator() as sim:
        loaded = settings_for(sim.url, tmp_path / "state", {"exact_cache": {"enabled": False}})
        before = open_encoder(loaded.settings).request_now(MODEL, _fields(0), "anthropic.messages")
        async with open_app(loaded) as app:
            await app.encoder.count(MODEL, ("loads the vocabulary",))
            for number in range(16):
                call = call_of(
                    _fields(number),
                    dialect="anthropic.messages",
                    path="/v1/messages",
                    headers=HEADERS,
                    caller=Caller("local"),
                    target=Target("anthropic", MODEL, "anthropic.messages"),
                    sink=HeldSink(),
                )
                usage = (await app.handle(call)).facts.usage
            assert usage is not None
            reported = usage.total_input_tokens
    assert "learned" not in before.method
    path = tmp_path / "state" / "ratios.sqlite"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"priced, cached" not in path.read_bytes()
    after = open_encoder(loaded.settings).request_now(MODEL, _fields(15), "anthropic.messages")
    assert "learned" in after.method
    assert after.low <= reported <= after.high
    assert abs(after.tokens - reported) <= reported * 0.02

    config = tmp_path / "scrimp.toml"
    config.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    said = CliRunner().invoke(
        cli, ["count", TEXT * 20, "--model", MODEL, "--config", str(config), "--json"]
    )
    shown = json.loads(said.stdout)
    assert "learned from" in shown["method"]
    assert shown["low"] <= shown["tokens"] <= shown["high"]
