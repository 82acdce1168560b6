"""The arguments of `scrimp run`."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict


class RunOptions(TypedDict):
    """The arguments of the command."""

    file: Path
    output: Path | None
    model: str
    column: str
    budget: str | None
    ask_above: str
    estimate: bool
    retry_failed: bool
    forget: bool
    concurrency: int
    user: str
    task: str
    tag: tuple[str, ...]
    url: str
    yes: bool
    config: Path | None
    as_json: bool
