"""The secret behind tenants of passed-through credentials."""

from __future__ import annotations

from pathlib import Path

from scrimp.state_secret import state_secret


def tenant_secret(state: Path) -> bytes:
    """The secret of a state folder. Raises OSError."""
    return state_secret(state, "tenant")
