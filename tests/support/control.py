"""Control stores and keys for tests."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

from scrimp.identity import KeyRecord, Secret
from scrimp.stores.sqlite_control import SqliteControl
from tests.support.core import NOON, FakeClock


def digest(secret: str) -> str:
    """What a store keeps of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


def secret(text: str) -> Secret:
    """The same with the last characters."""
    return Secret(digest(text), text[-4:])


def record(name: str, **more: Any) -> KeyRecord:
    """A key that was made at noon."""
    return KeyRecord(name=name, suffix="", created_at=NOON, **more)


class Desk:
    """A store over one file, and another one as a second process would have it."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.here = SqliteControl.open(path, self.clock)
        self.there = SqliteControl.open(path, self.clock)

    def later(self, seconds: float = 1.0) -> None:
        """Time passes."""
        self.clock.at += timedelta(seconds=seconds)
