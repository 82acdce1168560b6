"""Prices are updated and a period is priced again by commands beside a gateway that serves."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scrimp.prices.book import shipped_file
from scrimp.simulator import Simulator
from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support import raw_http
from tests.support.gateway_process import GatewayProcess
from tests.support.spoken import OPENAI
from tests.support.stage import until

MODEL = "gpt-4o-mini"


def ran(state: Path, *args: str) -> str:
    """What a command says, with the settings of the gateway."""
    result = subprocess.run(
        [sys.executable, "-m", "scrimp", *args, "--config", str(state / "scrimp.toml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def dearer(path: Path) -> Path:
    """A newer book in which all rates of the model are twice as high, since ever known."""
    book: dict[str, Any] = json.loads(shipped_file())
    book |= {"source": "a newer list", "compiled_on": datetime.now(UTC).date().isoformat()}
    for one in book["providers"]["openai"]["models"]:
        if one["id"] == MODEL:
            for row in one["rows"]:
                row["rates"] = {what: rate * 2 for what, rate in row["rates"].items()}
    path.write_text(json.dumps(book))
    return path


def ask(url: str, text: str) -> str:
    """One call of the model; its id."""
    fields = json.loads(OPENAI.body(stream=False, messages=OPENAI.question(text)))
    body = json.dumps(fields | {"model": MODEL}).encode()
    answer = raw_http.ask(url, raw_http.request(OPENAI.path, body, OPENAI.headers))
    assert answer.status == 200
    return answer.headers["x-scrimp-id"]


def test_a_period_is_priced_again_while_the_gateway_serves(tmp_path: Path) -> None:
    """A paid call and a hit: cost and saving double, once, and the doctor finds every sum whole."""
    state = tmp_path / "state"
    since = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    with Simulator() as sim, GatewayProcess(sim.url, state) as running:
        paid, hit = ask(running.url, "Why?"), ask(running.url, "Why?")
        until(lambda: LedgerReader(running.ledger_path).find(hit) is not None)
        reader = LedgerReader(running.ledger_path)
        entry, answered = reader.find(paid), reader.find(hit)
        assert entry is not None
        assert answered is not None
        assert (entry.served_by, answered.served_by) == ("upstream", "exact_cache")
        same = json.loads(ran(state, "reprice", "--from", since, "--json"))
        assert same["total"]["adjusted_calls"] == 0
        book = str(dearer(tmp_path / "next.json"))
        asks = ("reprice", "--from", since, "--book", book, "--apply", "--json")
        told = json.loads(ran(state, *asks))
        later = ask(running.url, "And now?")
        until(lambda: reader.find(later) is not None)
        assert told["remarks"] == []
        assert told["total"]["adjusted_calls"] == 2
        assert json.loads(ran(state, *asks))["total"]["adjusted_calls"] == 1
        explained = json.loads(ran(state, "explain", hit, "--json"))
        assert answered.baseline_nanousd is not None
        assert answered.baseline_nanousd < explained["now"]["baseline_nanousd"]
        assert explained["baseline_nanousd"] == answered.baseline_nanousd
        updated = json.loads(ran(state, "prices", "update", book, "--yes", "--json"))
        assert [one["model"] for one in updated["changes"]]
    assert reader.check().problems == ()
    with Simulator() as sim, GatewayProcess(sim.url, state) as running:
        fresh = ask(running.url, "With the newer book?")
        until(lambda: LedgerReader(running.ledger_path).find(fresh) is not None)
        booked = LedgerReader(running.ledger_path).find(fresh)
        assert booked is not None
        assert booked.price_version == updated["to"]
