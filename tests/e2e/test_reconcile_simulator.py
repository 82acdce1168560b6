"""Traffic through a real gateway, then the provider's own exports beside the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from tests.support.exports import ANTHROPIC_EXPORTS, OPENAI_EXPORTS, Export, Used, falsified, used
from tests.support.sdk import VENDORS, Vendor, clients
from tests.support.stage import Stage, staged

LONG = "Tell me everything about the invoice. " * 300
SHAPES = [("openai", name) for name in OPENAI_EXPORTS] + [
    ("anthropic", name) for name in ANTHROPIC_EXPORTS
]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Calls of both vendors: whole and streamed, answered from a cache, retried, prefix-cached."""
    with staged() as running:
        with clients(running.url) as sdk:
            for vendor in VENDORS:
                for text in ("hello", "hello", LONG, LONG + "again"):
                    sdk.ask(vendor, text, stream=text == LONG)
        running.sim.fault("503", count=2)
        with clients(running.url) as sdk:
            sdk.ask("openai", "and once more", stream=False)
        running.gateway.settle()
        yield running


def billed(stage: Stage, vendor: str) -> list[Used]:
    """What the provider says that it billed."""
    return used(stage.sim.bill.rows, vendor)


def reconciled(stage: Stage, folder: Path, export: Export, calls: Sequence[Used]) -> Result:
    """The command, on the gateway's own ledger."""
    state = stage.gateway.loaded.settings.state_dir
    path = folder / "export"
    path.write_text(export(calls), encoding="utf-8")
    env = {"SCRIMP_STATE": str(state), "COLUMNS": "100"}
    return CliRunner().invoke(cli, ["reconcile", str(path), "--json"], env=env)


@pytest.mark.parametrize(("vendor", "name"), SHAPES)
def test_every_export_reconciles(stage: Stage, tmp_path: Path, vendor: str, name: str) -> None:
    """To the token and the nano-dollar; the export that rounds to cents, within its rounding."""
    export = (OPENAI_EXPORTS if vendor == "openai" else ANTHROPIC_EXPORTS)[name]
    told = reconciled(stage, tmp_path, export, billed(stage, vendor))
    assert told.exit_code == 0, told.output
    (one,) = json.loads(told.stdout)["vendors"]
    rounded = (vendor, name) == ("anthropic", "cost.csv")
    assert {row["verdict"] for row in one["rows"]} == {"within" if rounded else "equal"}


@pytest.mark.parametrize(("vendor", "name"), SHAPES)
def test_a_falsified_export_does_not(stage: Stage, tmp_path: Path, vendor: str, name: str) -> None:
    """Exit code 1, the one row, and what it is likely to be."""
    export = (OPENAI_EXPORTS if vendor == "openai" else ANTHROPIC_EXPORTS)[name]
    told = reconciled(stage, tmp_path, export, falsified(billed(stage, vendor), 50_000))
    assert told.exit_code == 1
    (one,) = json.loads(told.stdout)["vendors"]
    (row,) = (row for row in one["rows"] if row["verdict"] == "differs")
    counted = row["bill_requests"]  # the same number of calls cannot be calls made elsewhere
    assert row["causes"][0]["code"] == ("usage" if counted else "outside")


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_broken_streams_agree_within_their_bounds(tmp_path: Path, vendor: Vendor) -> None:
    """The provider bills a stream that it broke; the ledger said between what."""
    with staged() as running, clients(running.url) as sdk:
        sdk.ask(vendor, "before", stream=True)
        running.sim.fault("early-end", count=2)
        for text in ("one of two", "two of two"):
            sdk.ask(vendor, text, stream=True)
        running.gateway.settle()
        exports = OPENAI_EXPORTS if vendor == "openai" else ANTHROPIC_EXPORTS
        for name in ("costs.json", "usage.json"):
            told = reconciled(running, tmp_path, exports[name], billed(running, vendor))
            assert told.exit_code == 0, told.output
            (row,) = json.loads(told.stdout)["vendors"][0]["rows"]
            if name == "usage.json" or row["verdict"] == "within":  # an estimate may be exact
                assert (row["verdict"], row["causes"][0]["code"]) == ("within", "estimate")
