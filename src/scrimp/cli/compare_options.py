"""The arguments of `scrimp compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from scrimp.studies.questions import Match


class CompareOptions(TypedDict):
    """The arguments of the command."""

    file: Path
    models: str
    judge: str
    expect: str
    match: Match
    ungraded: bool
    quality_column: str
    output: Path | None
    first: int | None
    max_usd: str | None
    max_tokens: int
    concurrency: int
    yes: bool
    config: Path | None
    as_json: bool
