"""What one check of `scrimp doctor` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: how it is, and what mends it (empty where nothing has to be)."""

    status: Literal["ok", "warn", "fail"]
    name: str
    said: str
    way_out: str = ""
