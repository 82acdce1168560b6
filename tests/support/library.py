"""Scrimp in the test's own process, in front of a simulator, with real SDK clients."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import scrimp
from scrimp.client.desk import Desk
from scrimp.ports import Entry
from scrimp.settings import Loaded, read
from scrimp.simulator import Simulator
from scrimp.stores.sqlite_ledger_read import LedgerReader


@dataclass(frozen=True, slots=True)
class Library:
    """One `Scrimp` and its provider."""

    scrimp: scrimp.Scrimp
    sim: Simulator

    @property
    def openai_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"{self.sim.url}/v1"

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        return entries_of(self.scrimp)


def entries_of(one: scrimp.Scrimp) -> list[Entry]:
    """All entries of a `Scrimp` that has been used, oldest first."""
    if one._engine.started:
        one._engine.call(Desk.booked)
    path = one._loaded.settings.ledger_path
    return sorted(LedgerReader(path).recent(10_000), key=lambda entry: entry.id)


def settings_for(url: str, state: Path, more: Mapping[str, Any] | None = None) -> Loaded:
    """Settings whose providers `openai` and `anthropic` are at `url`; retries wait a millisecond.

    `more` are further tables.
    """
    base_url = f"{url}/v1"
    tables = {
        "state_dir": str(state),
        "retry": {"base_s": 0.001, "max_wait_s": 0.002},
        "providers": {
            "openai": {"base_url": base_url, "key_env": "OPENAI_KEY"},
            "anthropic": {"base_url": base_url, "key_env": "ANTHROPIC_KEY"},
        },
        **(more or {}),
    }
    secrets = {"openai": "sk-provider-openai", "anthropic": "sk-provider-anthropic"}
    return Loaded(read(tables, source="the test"), "the test", secrets)


@contextmanager
def library(
    *, more: Mapping[str, Any] | None = None, per_token_ms: float = 0.0
) -> Iterator[Library]:
    """Both; `more` are further tables of the settings."""
    with (
        tempfile.TemporaryDirectory(prefix="scrimp-test-") as folder,
        Simulator(per_token_ms=per_token_ms) as sim,
        scrimp.Scrimp(settings_for(sim.url, Path(folder) / "state", more)) as one,
    ):
        yield Library(one, sim)
