"""Control stores and keys for tests."""

from __future__ import annotations

import hashlib
from typing import Any

from scrimp.identity import KeyRecord, Secret
from tests.support.core import NOON


def digest(secret: str) -> str:
    """What a store keeps of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


def secret(text: str) -> Secret:
    """The same with the last characters."""
    return Secret(digest(text), text[-4:])


def record(name: str, **more: Any) -> KeyRecord:
    """A key that was made at noon."""
    return KeyRecord(name=name, suffix="", created_at=NOON, **more)
